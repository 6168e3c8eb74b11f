//! What an answer depends on: nothing changes where nothing is varied, more of a rate is never slower, and what a machine
//! does not have has no bar.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "sim_laws/bench.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod bench;
#[path = "common/binary.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod binary;

use bench::{Bench, Sequence};
use binary::{Desk, assert_same_files};
use moesim::metrics::{Parameter, Sensitivity, SensitivityBar, Varied};
use moesim::plan::vary::{setting, varied};
use moesim::plan::{Inputs, plan};
use moesim::report;
use moesim::scenario::ScenarioFile;
use moesim::sim::simulate;
use moesim::sweep::{SensitivityQuestion, sensitivity};

const DIMENSIONS: (usize, u32, usize) = (3, 6, 2);
const BASE: &str = r#"
model.config = "config.json"
hardware.gpu = "rtx4090"
hardware.cpu = "ryzen-7950x"
[engine]
profile = "generic"
overlap = "none"
[workload]
trace = "trace.moetrace"
"#;
/// The recorded trace of the base, which a router takes the place of.
const TRACE: &str = "workload.between=\"keep\"";
const ROUTER: &str = "workload.router=\"typical\"";
const CACHED: &str = "cache.capacity=\"40 %\"";
/// Settings of points that between them have every parameter.
const POINTS: [&[&str]; 8] = [
    &[TRACE, CACHED],
    &[TRACE, CACHED, "placement.experts=\"nvme\"", "placement.dram_cache=\"50 %\""],
    &[TRACE, CACHED, "placement.miss=\"cpu\"", "cache.slots_per_layer=3"],
    &[TRACE, "placement.n_cpu_moe=1", "workload.depth=100"],
    &[
        ROUTER,
        CACHED,
        "workload.prompt_tokens=8",
        "prefetch.predictor=\"popularity\"",
        "engine.overlap=\"within-layer\"",
    ],
    &[ROUTER, "cache.hit_rate=\"70 %\""],
    &[
        ROUTER,
        "requests.arrivals=\"poisson\"",
        "requests.rate=\"20 /s\"",
        "requests.count=6",
        "requests.prompt_tokens=20",
        "requests.output_tokens=5",
        "kv.capacity=\"50 %\"",
        "parallel.tp=2",
        "engine.profile=\"vllm\"",
        "engine.per_request_overhead=\"50 us\"",
    ],
    &[
        ROUTER,
        "requests.arrivals=\"closed\"",
        "requests.users=5",
        "placement.experts=\"vram\"",
        "requests.count=6",
        "requests.prompt_tokens=20",
        "requests.output_tokens=5",
        "engine.profile=\"sglang\"",
    ],
];

fn bench() -> Bench {
    let row = |token: u16| {
        (0..3)
            .flat_map(|layer| [(2 * token + layer) % 6, (token * token + layer + 1) % 6])
            .collect::<Vec<u16>>()
    };
    let distinct = |token: u16| {
        let mut row = row(token);
        for pair in row.chunks_exact_mut(2).filter(|pair| pair[0] == pair[1]) {
            pair[1] = (pair[0] + 1) % 6;
        }
        row
    };
    let sequence = |from: u16| Sequence {
        prompt: vec![distinct(from)],
        decode: (from..from + 12).map(distinct).collect(),
    };
    Bench::new(DIMENSIONS, &[sequence(0), sequence(5), sequence(11)])
}

fn scenario(bench: &Bench, sets: &[&str]) -> ScenarioFile {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    ScenarioFile::parse(BASE, &bench.folder().join("a.toml"), &sets).unwrap()
}

fn study(bench: &Bench, sets: &[&str]) -> Sensitivity {
    let question = SensitivityQuestion { metric: None, by_permille: 200 };
    sensitivity(&scenario(bench, sets), 0, &Inputs::default(), question, &|_| {}).unwrap()
}

fn bar(found: &Sensitivity, parameter: Parameter) -> Option<&SensitivityBar> {
    found.bars.iter().find(|bar| bar.parameter == parameter)
}

#[test]
fn a_variation_by_nothing_changes_nothing() {
    let bench = bench();
    let mut seen = Vec::new();
    for sets in POINTS {
        let point = scenario(&bench, sets).point(0).unwrap();
        let inputs = Inputs::default();
        let base = plan(&point, &inputs).unwrap();
        assert!(base.fits(), "{sets:?}: {:?}", base.problems);
        let summary = serde_json::to_string(&simulate(&base).unwrap()).unwrap();
        let row = serde_json::to_string(&(&base.labels, base.ledger.lines(), base.ledger.needs())).unwrap();
        for parameter in Parameter::ALL {
            if setting(&point, &base, *parameter, 1_000_000).is_none() {
                continue;
            }
            seen.push(*parameter);
            let same = varied(&point, &base, &inputs, (*parameter, 1_000_000)).unwrap();
            let again =
                serde_json::to_string(&(&same.labels, same.ledger.lines(), same.ledger.needs())).unwrap();
            assert_eq!(again, row, "{sets:?} {parameter:?}");
            let again = serde_json::to_string(&simulate(&same).unwrap()).unwrap();
            assert!(again == summary, "{sets:?} {parameter:?}");
        }
    }
    let missing: Vec<&Parameter> = Parameter::ALL.iter().filter(|one| !seen.contains(one)).collect();
    assert!(missing.is_empty(), "no point has {missing:?}");
}

#[test]
fn more_of_a_rate_is_never_slower_where_nothing_overlaps() {
    let bench = bench();
    const RATES: [Parameter; 8] = [
        Parameter::GpuMemory,
        Parameter::GpuCompute,
        Parameter::HostLink,
        Parameter::Nvme,
        Parameter::DramBandwidth,
        Parameter::CpuExperts,
        Parameter::CpuCompute,
        Parameter::Interconnect,
    ];
    for sets in [POINTS[0], POINTS[1], POINTS[3]] {
        let found = study(&bench, &[sets, &["cache.policy=\"static\"", "workload.sequences=1"]].concat());
        let base = found.base.unwrap();
        for bar in found.bars.iter().filter(|bar| RATES.contains(&bar.parameter)) {
            let (less, more) = (bar.less.varied.value().unwrap(), bar.more.varied.value().unwrap());
            assert!(less >= base && base >= more, "{sets:?} {:?}: {less} {base} {more}", bar.parameter);
        }
    }
}

#[test]
fn a_parameter_that_a_machine_does_not_have_has_no_bar() {
    let bench = bench();
    let resident = study(&bench, &[TRACE, "placement.experts=\"vram\""]);
    for parameter in [
        Parameter::HostLink,
        Parameter::Nvme,
        Parameter::CpuExperts,
        Parameter::DramBandwidth,
        Parameter::Interconnect,
        Parameter::ExpertCache,
        Parameter::RequestRate,
        Parameter::HitRate,
        Parameter::Depth,
    ] {
        assert_eq!(bar(&resident, parameter), None, "{parameter:?}");
    }
    assert!(bar(&resident, Parameter::GpuMemory).is_some());
    assert!(bar(&resident, Parameter::Vram).is_some());
    let cached = study(&bench, &[TRACE, CACHED]);
    assert!(bar(&cached, Parameter::HostLink).is_some() && bar(&cached, Parameter::ExpertCache).is_some());
}

#[test]
fn recorded_routing_is_varied_by_way_of_a_fitted_router_and_synthetic_routing_by_itself() {
    let bench = bench();
    let recorded = study(&bench, &[TRACE, CACHED]);
    let fitted: Vec<Parameter> =
        recorded.bars.iter().filter(|bar| bar.is_fitted).map(|bar| bar.parameter).collect();
    assert!(fitted.contains(&Parameter::Skew), "{fitted:?}, {:?}", recorded.notes);
    assert!(fitted.iter().all(|one| [Parameter::Skew, Parameter::Repetition].contains(one)), "{fitted:?}");
    let synthetic = study(&bench, &[ROUTER, CACHED]);
    assert!(bar(&synthetic, Parameter::Skew).is_some_and(|bar| !bar.is_fitted));
    // An even router has no skew, and an assumed hit rate needs no routing.
    assert_eq!(bar(&study(&bench, &["workload.router=\"uniform\"", CACHED]), Parameter::Skew), None);
    assert_eq!(bar(&study(&bench, POINTS[5]), Parameter::Skew), None);
}

#[test]
fn bars_are_in_the_order_of_their_swing() {
    for sets in [POINTS[3], POINTS[4], POINTS[6]] {
        let found = study(&bench(), sets);
        let base = found.base.unwrap();
        let order = |bar: &SensitivityBar| (std::cmp::Reverse(bar.swing(base)), bar.parameter);
        assert!(found.bars.windows(2).all(|pair| order(&pair[0]) < order(&pair[1])), "{sets:?}");
    }
}

#[test]
fn the_fastest_and_the_slowest_prompt_are_those_of_the_run() {
    let found = study(&bench(), &[TRACE, CACHED]);
    let range = found.prompts.unwrap();
    let summary = found.row.summary().unwrap();
    assert_eq!((range.lowest.1, range.highest.1), (summary.tpot_ns.min, summary.tpot_ns.max));
    assert_eq!(range.sequences, 3);
    assert_eq!(study(&bench(), &[TRACE, CACHED, "workload.sequences=1"]).prompts, None);
}

#[test]
fn a_variation_that_does_not_fit_is_shown_with_its_reason() {
    let bench = bench();
    let needs = |sets: &[&str]| {
        let point = scenario(&bench, sets).point(0).unwrap();
        plan(&point, &Inputs::default()).unwrap().ledger.needs()[0].needed_bytes
    };
    let resident = [TRACE, "placement.experts=\"vram\""];
    let vram = format!("hardware.vram=\"{} B\"", needs(&resident));
    let found = study(&bench, &[&resident[..], &[&vram]].concat());
    let bar = bar(&found, Parameter::Vram).unwrap();
    let Varied::CannotRun(reasons) = &bar.less.varied else { panic!("{bar:?}") };
    assert!(reasons[0].contains("of VRAM"), "{reasons:?}");
    assert_eq!(bar.more.varied, Varied::Ran(found.base.unwrap()));
    let text = report::sensitivity_text(&found);
    assert!(text.contains("VRAM capacity at -20 % cannot run: needs "), "{text}");
    assert!(text.contains("Beware of VRAM capacity: -20 % cannot run"), "{text}");
}

/// The text's last line.
fn answer(found: &Sensitivity) -> String {
    report::sensitivity_text(found).lines().last().unwrap().to_owned()
}

#[test]
fn the_answer_names_what_matters_most() {
    let bench = bench();
    let slow_link = [TRACE, CACHED, "engine.h2d_bandwidth=\"1 GB/s\"", "workload.sequences=1"];
    let text = answer(&study(&bench, &slow_link));
    assert!(text.starts_with("The answer depends most on "), "{text}");
    let mut found = study(&bench, &slow_link);
    found.bars.retain(|bar| bar.parameter == Parameter::HostLink);
    let base = found.base.unwrap();
    found.bars[0].less.varied = Varied::Ran(base * 112 / 100);
    found.bars[0].more.varied = Varied::Ran(base * 92 / 100 + 1);
    assert_eq!(
        answer(&found),
        "The answer depends most on host link bandwidth (H2D): -20 % makes TPOT 12 % longer, +20 % 8.0 % shorter."
    );
    found.bars[0].less.varied = Varied::Ran(base * 5 / 2);
    assert!(answer(&found).contains("-20 % makes TPOT 2.5 times as long"), "{}", answer(&found));
    found.bars[0].less.varied = Varied::Ran(base);
    found.bars[0].more.varied = Varied::Ran(base);
    assert_eq!(answer(&found), "Nothing that was varied by 20 % changes TPOT by half a percent.");
}

#[test]
fn files_do_not_depend_on_the_number_of_threads() {
    let (bench, desk) = (bench(), Desk::new());
    for name in ["config.json", "trace.moetrace"] {
        desk.write(name, std::fs::read(bench.folder().join(name)).unwrap());
    }
    desk.write("a.toml", format!("{BASE}[cache]\ncapacity = \"40 %\"\n"));
    let run = |threads: &str| {
        let folder = format!("out{threads}");
        (
            desk.succeed(&["sensitivity", "a.toml", "--threads", threads, "--output", &folder]),
            desk.path().join(folder),
        )
    };
    let ((one, first), (three, second)) = (run("1"), run("3"));
    assert_eq!(one, three);
    assert_same_files(&first, &second);
    let csv = std::fs::read_to_string(first.join("sensitivity.csv")).unwrap();
    let head = "parameter,title,as_it_is,end,by_permille,setting,metric,unit,value,change_permille,reason\n";
    assert!(csv.starts_with(&format!("{head},as it is,,base,0,,tpot,ns,")), "{csv}");
    assert!(csv.contains("\nengine.h2d_bandwidth,host link bandwidth (H2D),"), "{csv}");
    assert!(csv.contains("\nprompt,this prompt or another,median,lowest,,sequence "), "{csv}");
    let names: Vec<String> = binary::files(&first).into_iter().map(|(name, _)| name).collect();
    for ending in ["csv", "json", "md", "svg", "png"] {
        assert!(names.iter().any(|name| *name == format!("sensitivity.{ending}")), "{names:?}");
    }
    let json = desk.succeed(&["sensitivity", "a.toml", "--json", "--quiet", "--metric", "throughput"]);
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed["unit"], "millitokens/s");
    assert_eq!(desk.succeed(&["sensitivity", "a.toml", "--quiet"]), "");
}

#[test]
fn mistakes_are_named() {
    let desk = Desk::new();
    desk.write(
        "a.toml",
        "model.name = \"qwen3-8b\"\nquant.scheme = \"q4_k_m\"\nhardware.gpu = \"rtx4090\"\nworkload.decode_tokens = 2\n",
    );
    let by = "a percentage above 0 and up to 90, like 20";
    for (args, message) in [
        (&["--by", "0"][..], format!("error: --by: found \"0\", expected {by}")),
        (&["--by", "91"], format!("error: --by: found \"91\", expected {by}")),
        (&["--by", "-20"], format!("error: --by: found \"-20\", expected {by}")),
        (&["--by", "NaN"], format!("error: --by: found \"NaN\", expected {by}")),
        (&["--metric", "tpt"], "error: --metric: found \"tpt\", did you mean \"tpot\"?".to_owned()),
        (
            &["--metric", "ttft"],
            "error: --metric: found ttft, which this point does not have, expected one of tpot, tpot_p99, throughput"
                .to_owned(),
        ),
        (&["--point", "3"], "error: a.toml: found no point 3, expected 0, the only one".to_owned()),
    ] {
        let said = desk.run(&[&["sensitivity", "a.toml"], args].concat());
        assert_eq!((said.code, said.stderr.trim_end()), (Some(2), message.as_str()), "{args:?}");
    }
}
