//! Recommendations as a search makes them. All figures are plausible, none is simulated.

use super::market::{DIMENSIONS, GIB, MACHINES, MS, QUANTS, USD, made, market, part};
use crate::metrics::advice::{
    Advice, Candidate, Fate, Limit, Metric, Neighbour, Relaxed, Stage, Trust, TrustSeries,
};
use crate::metrics::{
    CostBasis, Explanation, LaunchCheck, LaunchLine, PricePart, Relief, Relieved, Row, SeriesErrors,
};
use crate::report::serving::fixture as serving;

pub(crate) fn limit(text: &str, metric: Metric, value: u64) -> Limit {
    Limit { metric, value, text: text.to_owned() }
}

/// Judges candidates as a search does; rows of those that are settled without a run are left out.
pub(crate) fn judged(mut advice: Advice, made: Vec<(Candidate, Row)>) -> Advice {
    let numbers = |row: &Row| -> Option<Vec<u64>> {
        advice.objectives.iter().map(|metric| Some(metric.badness(metric.of(row)?))).collect()
    };
    for (mut candidate, row) in made {
        let planned = advice.limits.iter().enumerate().filter(|(_, limit)| limit.metric.is_planned());
        let beyond = planned.filter_map(|(at, limit)| Some((at, limit.metric.of(&row)?)));
        let beyond = beyond.into_iter().find(|(at, value)| !advice.limits[*at].allows(*value));
        let missing = advice.objectives.iter().find(|metric| metric.of(&row).is_none());
        let breaks = || {
            (0..advice.limits.len()).filter(|at| {
                let limit = &advice.limits[*at];
                limit.metric.of(&row).is_some_and(|value| !limit.allows(value))
            })
        };
        if candidate.fate == Fate::Open {
            candidate.bound = numbers(&row).unwrap_or_default();
            candidate.fate = match (missing, beyond, breaks().collect::<Vec<_>>()) {
                (Some(metric), ..) => Fate::Unknown(*metric, row.cost.missing.join(", ")),
                (_, Some((limit, bound)), _) => Fate::BeyondLimit { limit, bound },
                (.., broken) if !broken.is_empty() => Fate::Breaks(broken),
                _ => Fate::Front,
            };
        }
        let simulated = matches!(candidate.fate, Fate::Breaks(_) | Fate::Front);
        advice.rows.extend(simulated.then_some(row));
        advice.candidates.push(candidate);
    }
    let front: Vec<(u64, Vec<u64>)> = advice
        .rows
        .iter()
        .filter(|row| advice.candidate(row.index).is_some_and(|one| one.fate == Fate::Front))
        .filter_map(|row| Some((row.index, numbers(row)?)))
        .collect();
    for (index, ours) in &front {
        let better = |(other, theirs): &&(u64, Vec<u64>)| {
            theirs.iter().zip(ours).all(|(a, b)| a <= b) && (theirs != ours || other < index)
        };
        let by = front.iter().find(|one| one.0 != *index && better(one));
        let candidate = advice.candidates.iter_mut().find(|one| one.index == *index);
        if let Some((candidate, (by, _))) = candidate.zip(by) {
            candidate.fate = Fate::Beaten(*by);
        }
    }
    beside(advice)
}

/// The recommendation and its neighbours, or what comes nearest.
fn beside(mut advice: Advice) -> Advice {
    let of = |metric: Metric, row: &Row| metric.of(row).map(|value| metric.badness(value));
    let prefer = advice.prefer;
    let front = || advice.front().filter_map(|one| advice.row(one.index));
    advice.recommended = front().min_by_key(|row| (of(prefer, row), row.index)).map(|row| row.index);
    if advice.recommended.is_none() {
        let excess = |row: &&Row| {
            advice.limits.iter().filter_map(|l| Some(l.excess_ppm(l.metric.of(row)?))).sum::<u64>()
        };
        advice.nearest = advice.rows.iter().min_by_key(|row| (excess(row), row.index)).map(|row| row.index);
    }
    let Some(row) = advice.subject().and_then(|index| advice.row(index)).cloned() else { return advice };
    let neighbour = |metric: Metric| {
        let less = |other: &&Row| of(metric, other) < of(metric, &row) && of(metric, other).is_some();
        let nearest = advice.rows.iter().filter(less).max_by_key(|other| of(metric, other))?;
        let breaks = (0..advice.limits.len()).filter(|at| {
            let limit = &advice.limits[*at];
            limit.metric.of(nearest).is_some_and(|value| !limit.allows(value))
        });
        Some(Neighbour { index: nearest.index, metric, breaks: breaks.collect() })
    };
    let priced = if Metric::Price.of(&row).is_some() { Metric::Price } else { Metric::Vram };
    (advice.cheaper, advice.faster) = (neighbour(priced), neighbour(Metric::TPOT));
    if let Some(summary) = row.summary().filter(|summary| summary.serving.is_none()) {
        let tpot_ns = summary.tpot_ns.p50;
        let relieved = |(relief, permille)| Relieved::new(relief, super::market::summary(tpot_ns, permille));
        let reliefs = [(Relief::GpuMemory, 1090), (Relief::CpuMemory, 1520), (Relief::Overheads, 1040)];
        let reliefs = reliefs.map(relieved).to_vec();
        advice.explanation = Some(Explanation { row, reliefs });
    }
    advice
}

/// The question of a desktop for 1,500 dollars, without candidates.
pub(crate) fn question() -> Advice {
    Advice {
        title: "A desktop for gpt-oss-120b".to_owned(),
        description: "Which machine for 1,500 USD answers at 10 tokens/s or more? It stands under a desk."
            .to_owned(),
        load: String::new(),
        file: "scenarios/advise/desktop.toml".to_owned(),
        dimensions: DIMENSIONS.map(str::to_owned).to_vec(),
        limits: vec![
            limit("price < 1500 USD", Metric::Price, 1500 * USD),
            limit("throughput > 10 tokens/s", Metric::Throughput, 10_000),
        ],
        objectives: vec![Metric::TPOT, Metric::Price, Metric::QualityLoss],
        prefer: Metric::Price,
        notes: Vec::new(),
        candidates: Vec::new(),
        rows: Vec::new(),
        recommended: None,
        nearest: None,
        relaxed: Vec::new(),
        cheaper: None,
        faster: None,
        explanation: None,
        trust: Some(trust()),
        launch: vec![LaunchLine {
            engine: "llama.cpp".to_owned(),
            command: "llama-server -m gpt-oss-120b-mxfp4.gguf --n-gpu-layers 99 --n-cpu-moe 24 -c 4096"
                .to_owned(),
            notes: vec![
                "Layers 12 to 35 keep their experts on the GPU. It has no cache of experts.".to_owned(),
            ],
            check: LaunchCheck {
                command: "llama-bench -m gpt-oss-120b-mxfp4.gguf -p 512 -n 128 -r 5".to_owned(),
                compare: "Compare tg128 with the rate above.".to_owned(),
            },
        }],
        stages: Vec::new(),
    }
}

fn trust() -> Trust {
    let series = |id: &str, fitted, median_pct, worst_pct, bias_pct| TrustSeries {
        id: id.to_owned(),
        title: format!("{id}, llama.cpp, gpt-oss-20b"),
        source: "https://example.org/measured".to_owned(),
        rows: 14,
        fitted,
        errors: SeriesErrors { mape_pct: 9.9, median_pct, worst_pct, worst_row: "x".to_owned(), bias_pct },
    };
    Trust {
        engine: "llama.cpp".to_owned(),
        series: vec![
            series("rtx3090", 0, 8.14, 20.3, -3.2),
            series("rtx4090", 0, 12.0, 31.0, 4.0),
            series("rtx5090", 2, 3.0, 9.0, 0.0),
        ],
    }
}

/// A normal recommendation.
pub(crate) fn desktop() -> Advice {
    judged(question(), market(&MACHINES))
}

/// A front of sixty points among three hundred rows.
pub(crate) fn wide() -> Advice {
    let mut all = Vec::new();
    for step in 0..60 {
        let machine =
            ("rtx3090, ryzen-7950x, 96 GiB", 700 + step * 37, 24, 2600 - step * 35 - step * step / 8);
        for extra in 0..5 {
            all.push(made(
                all.len() as u64,
                &machine,
                QUANTS[0],
                "cpu-misses 40 %",
                extra * 130 + step * extra * 7,
            ));
        }
    }
    judged(Advice { limits: vec![limit("tpot < 170 ms", Metric::TPOT, 170 * MS)], ..question() }, all)
}

/// Limits that contradict each other.
pub(crate) fn contradiction() -> Advice {
    let limits = vec![
        limit("price < 1500 USD", Metric::Price, 1500 * USD),
        limit("tpot < 20 ms", Metric::TPOT, 20 * MS),
        limit("quality_loss < 1 %", Metric::QualityLoss, 10_000),
    ];
    // Nothing is ruled out by its price here, so that rows show what it would bring.
    let free = Advice { limits: limits[1..].to_vec(), ..question() };
    let mut advice = judged(free, market(&MACHINES));
    let fastest = advice.recommended.unwrap_or(0);
    advice.limits = limits;
    for candidate in &mut advice.candidates {
        let row = advice.rows.iter().find(|row| row.index == candidate.index);
        let Some(row) = row else { continue };
        let broken = |(at, limit): (usize, &Limit)| {
            limit.metric.of(row).is_some_and(|value| !limit.allows(value)).then_some(at)
        };
        candidate.fate = Fate::Breaks(advice.limits.iter().enumerate().filter_map(broken).collect());
    }
    (advice.recommended, advice.cheaper, advice.faster) = (None, None, None);
    let mut advice = beside(advice);
    let value = |metric: Metric, index| advice.row(index).and_then(|row| metric.of(row)).unwrap_or(0);
    let nearest = advice.nearest.unwrap_or(0);
    advice.relaxed = vec![
        Relaxed { limit: 0, index: fastest, value: value(Metric::Price, fastest) },
        Relaxed { limit: 1, index: nearest, value: value(Metric::TPOT, nearest) },
    ];
    advice
}

/// Prices of some parts are not known, so VRAM decides.
pub(crate) fn unpriced() -> Advice {
    let mut all = market(&MACHINES);
    for (_, row) in &mut all {
        row.cost = CostBasis {
            missing: vec!["ryzen-7950x".to_owned(), "96 GiB of DRAM".to_owned()],
            ..CostBasis::default()
        };
        row.quality.parts.iter_mut().for_each(|part| part.loss_ppm = None);
    }
    let question = Advice {
        limits: vec![limit("tpot < 100 ms", Metric::TPOT, 100 * MS)],
        objectives: vec![Metric::TPOT, Metric::Vram],
        prefer: Metric::Vram,
        notes: vec!["The price is left out: no price is known of ryzen-7950x, 96 GiB of DRAM.".to_owned()],
        trust: None,
        launch: Vec::new(),
        ..question()
    };
    judged(question, all)
}

/// Found step by step.
pub(crate) fn staged() -> Advice {
    let advice = desktop();
    let shortfall = |index: u64| match advice.candidate(index).map(|one| &one.fate) {
        Some(Fate::CannotRun(reasons)) => reasons.clone(),
        _ => vec!["throughput > 10 tokens/s is broken".to_owned()],
    };
    let stage = |name: &str, index: Option<u64>, short| Stage { name: name.to_owned(), index, short };
    let recommended = advice.recommended;
    let stages = vec![
        stage("as is", Some(8), shortfall(8)),
        stage("INT8", None, Vec::new()),
        stage("INT4", Some(0), shortfall(0)),
        stage("offload", recommended, Vec::new()),
    ];
    Advice { stages, ..advice }
}

/// Nothing fits at all.
pub(crate) fn nothing() -> Advice {
    let all = market(&MACHINES[..2]).into_iter().filter(|(one, _)| matches!(one.fate, Fate::CannotRun(_)));
    let renumbered = all.zip(0..).map(|((candidate, row), index)| (Candidate { index, ..candidate }, row));
    judged(question(), renumbered.collect())
}

/// One configuration alone.
pub(crate) fn alone() -> Advice {
    judged(question(), vec![made(0, &MACHINES[3], QUANTS[0], "cpu-layers 24", 0)])
}

/// Four GPUs under load, at a tail of latency.
pub(crate) fn served() -> Advice {
    let mut question = Advice {
        title: "Four GPUs for Qwen3-235B".to_owned(),
        description: "Which layout serves 4 requests/s?".to_owned(),
        load: "poisson, 4 requests/s, prompts of 500 tokens".to_owned(),
        dimensions: ["quant", "engine", "layout"].map(str::to_owned).to_vec(),
        ..question()
    };
    let (tail, rent) = (Metric::find("tpot_p99").unwrap_or(Metric::TPOT), Metric::Rent);
    question.limits =
        vec![limit("tpot_p99 < 50 ms", tail, 50 * MS), limit("requests > 3.5", Metric::RequestRate, 3500)];
    (question.objectives, question.prefer) = (vec![tail, Metric::Throughput, rent, Metric::Vram], tail);
    let layouts = [("tp4", 1.2, 4), ("dp4 ep4", 1.5, 4), ("tp2 replicas2", 1.05, 4), ("tp2", 0.7, 2)];
    let mut all = Vec::new();
    for (quant, faster) in [("fp8", 1.0), ("int4", 1.25)] {
        for (layout, speed, gpus) in layouts {
            let index = all.len() as u64;
            let choice: Vec<String> = [quant, "vllm", layout].map(str::to_owned).to_vec();
            let mut summary = serving::rich(serving::open(4000, speed * faster));
            summary.gpus = gpus;
            let mut row =
                serving::row(index, &[("quant", quant), ("engine", "vllm"), ("layout", layout)], summary);
            row.config.model = "qwen3-235b-a22b".to_owned();
            row.tiers[0].needed_bytes = if quant == "int4" { 12 * GIB } else { 20 * GIB };
            row.cost.rent = Some(PricePart { microdollars: 2_490_000 * gpus, ..part("8 x h100", 0) });
            row.cost.busy_milliwatts = Some(700_000 * gpus);
            let settings = [("serving.layout", layout), ("model.quant", quant)];
            let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
            all.push((Candidate { index, choice, settings, bound: Vec::new(), fate: Fate::Open }, row));
        }
    }
    let mut advice = judged(question, all);
    for candidate in advice.candidates.iter_mut().filter(|one| matches!(one.fate, Fate::Beaten(_))).take(1) {
        let Fate::Beaten(by) = candidate.fate else { continue };
        candidate.fate = Fate::Dominated(by);
        advice.rows.retain(|row| row.index != candidate.index);
    }
    advice
}

/// All of them by name.
pub(crate) fn all() -> Vec<(&'static str, Advice)> {
    vec![
        ("desktop", desktop()),
        ("wide", wide()),
        ("contradiction", contradiction()),
        ("unpriced", unpriced()),
        ("staged", staged()),
        ("nothing", nothing()),
        ("alone", alone()),
        ("served", served()),
    ]
}
