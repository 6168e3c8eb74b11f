//! A small market of desktops and a formula for their speed. All figures are plausible, none is simulated.

use crate::metrics::advice::{Candidate, Fate};
use crate::metrics::{
    AccessCounts, ConfigLabels, CostBasis, LedgerLine, LinkUse, Outcome, PricePart, Quality, QualityPart,
    Quantiles, Row, SequenceSummary, Summary, TierNeed, TimeShares,
};

pub(super) const GIB: u64 = 1 << 30;
pub(super) const USD: u64 = 1_000_000;
pub(super) const MS: u64 = 1_000_000;

/// A machine: its name, its price in dollars, its VRAM in GiB, and what a byte takes to read, in thousandths.
pub(super) type Machine = (&'static str, u64, u64, u64);

pub(super) const MACHINES: [Machine; 6] = [
    ("rtx3060, ryzen-5600, 64 GiB", 640, 12, 2600),
    ("rtx4060ti, ryzen-7600, 96 GiB", 1010, 16, 2300),
    ("rtx3090, ryzen-7600, 64 GiB", 1199, 24, 1400),
    ("rtx3090, ryzen-7950x, 96 GiB", 1499, 24, 1000),
    ("2 x rtx3090, ryzen-7950x, 96 GiB", 2230, 48, 620),
    ("rtx6000pro, epyc-9354, 192 GiB", 12_400, 96, 200),
];
/// A quantisation: its name, GiB of the model, and the loss in parts per million where it is known.
pub(super) const QUANTS: [(&str, u64, u64); 3] = [("mxfp4", 61, 0), ("q3_k_m", 48, 21_000), ("bf16", 218, 0)];
pub(super) const PLACEMENTS: [&str; 4] = ["resident", "cpu-layers 24", "cache 40 %", "cpu-misses 40 %"];

fn line(tier: &str, owner: &str, bytes: u64) -> LedgerLine {
    LedgerLine { tier: tier.to_owned(), owner: owner.to_owned(), bytes }
}

/// Latencies of five prompts around a median.
pub(super) fn summary(tpot_ns: u64, speedup_permille: u64) -> Summary {
    let tpot_ns = tpot_ns * 1000 / speedup_permille;
    let each: Vec<u64> = [820, 930, 1000, 1110, 1290].map(|permille| tpot_ns * permille / 1000).to_vec();
    let decode_ns: u64 = each.iter().map(|ns| ns * 100).sum();
    let sequence = |(ns, sequence): (&u64, u32)| SequenceSummary {
        sequence,
        prefill_tokens: 512,
        prefill_ns: ns * 20,
        decode_tokens: 100,
        decode_passes: 100,
        decode_ns: ns * 100,
        ..SequenceSummary::default()
    };
    let link = |name: &str, share: u64| LinkUse {
        name: name.to_owned(),
        jobs: 1,
        busy_ns: decode_ns / 100 * share,
        idle_ns: decode_ns - decode_ns / 100 * share,
        ..LinkUse::default()
    };
    Summary {
        decode: AccessCounts {
            tokens: 500,
            lookups: 72_000,
            hits: 30_240,
            misses: 41_760,
            ..AccessCounts::default()
        },
        decode_time: TimeShares {
            gpu_compute_ns: decode_ns / 100 * 31,
            wait_cpu_ns: decode_ns / 100 * 60,
            overhead_ns: decode_ns - decode_ns / 100 * 91,
            ..TimeShares::default()
        },
        token_latency_ns: Quantiles::of(each.clone()),
        ttft_ns: Quantiles::of(each.iter().map(|ns| ns * 20).collect()),
        sequences: each.iter().zip(0..).map(sequence).collect(),
        tpot_ns: Quantiles::of(each),
        links: vec![link("gpu", 34), link("cpu", 66)],
        span_ns: decode_ns,
        ..Summary::default()
    }
}

pub(super) fn part(what: &str, dollars: u64) -> PricePart {
    PricePart {
        what: what.to_owned(),
        microdollars: dollars * USD,
        date: "2026-11".to_owned(),
        source: "https://example.org/prices".to_owned(),
        fidelity: "assumed".to_owned(),
    }
}

fn cost(machine: &Machine) -> CostBasis {
    let (name, dollars, ..) = *machine;
    let (gpu, rest) = name.split_once(", ").unwrap_or((name, "the rest"));
    CostBasis {
        parts: vec![part(gpu, dollars * 3 / 5), part(rest, dollars - dollars * 3 / 5)],
        busy_milliwatts: Some(200_000 + dollars * 40),
        idle_milliwatts: Some(58_500),
        electricity: Some(PricePart {
            microdollars: 300_000,
            date: "given".to_owned(),
            ..PricePart::default()
        }),
        ..CostBasis::default()
    }
}

fn quality(quant: &str, loss_ppm: u64) -> Quality {
    let part = QualityPart {
        what: format!("experts in {quant}"),
        loss_ppm: Some(loss_ppm),
        source: "https://example.org/quantised".to_owned(),
        fidelity: "derived".to_owned(),
    };
    Quality { parts: if loss_ppm == 0 { Vec::new() } else { vec![part] } }
}

/// Who owns which bytes: in VRAM alone where everything lies there.
fn ledger(resident: bool, experts_gib: u64, model_gib: u64) -> Vec<LedgerLine> {
    let mut ledger = vec![
        line("vram", "attention", 2 * GIB),
        line("vram", "kv cache", GIB + GIB / 2),
        line("vram", "framework context", GIB / 2),
        line("vram", "expert cache", experts_gib * GIB),
    ];
    if !resident {
        ledger.push(line("dram", "routed experts", (model_gib - 4) * GIB));
    }
    ledger
}

fn tiers(ledger: &[LedgerLine], (name, _, vram_gib, _): &Machine) -> Vec<TierNeed> {
    let host_gib = [192, 96].into_iter().find(|gib| name.contains(&gib.to_string())).unwrap_or(64);
    let needed = |tier: &str| ledger.iter().filter(|line| line.tier == tier).map(|line| line.bytes).sum();
    let tier = |(tier, gib): (&str, u64)| TierNeed {
        tier: tier.to_owned(),
        needed_bytes: needed(tier),
        capacity_bytes: gib * GIB,
    };
    [("vram", *vram_gib), ("dram", host_gib)].map(tier).to_vec()
}

fn missing(tier: &TierNeed) -> String {
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / GIB as f64);
    let (needed, has, name) = (gib(tier.needed_bytes), gib(tier.capacity_bytes), tier.tier.to_uppercase());
    format!("needs {needed} of {name}, has {has}; the experts are most of it")
}

/// Everything about one candidate of the desktop market.
pub(super) fn made(
    index: u64,
    machine: &Machine,
    quant: (&str, u64, u64),
    placement: &str,
    extra: u64,
) -> (Candidate, Row) {
    let (name, _, vram_gib, read) = *machine;
    let (quant, model_gib, loss_ppm) = quant;
    let resident = placement == "resident";
    let experts_gib = if resident { model_gib - 4 } else { (vram_gib - 8).min(model_gib - 4) };
    let slow = match placement {
        "resident" => 210,
        "cpu-layers 24" => 1130,
        "cache 40 %" => 2100,
        _ => 1000,
    };
    let tpot_ns = 61 * MS * read / 1000 * slow / 1000 * model_gib / 61 * (1000 + extra) / 1000;
    let ledger = ledger(resident, experts_gib, model_gib);
    let tiers = tiers(&ledger, machine);
    let short = tiers.iter().filter(|tier| tier.needed_bytes > tier.capacity_bytes).map(missing);
    let short: Vec<String> = short.collect();
    let choice = [quant, name, "llama.cpp", placement, "lru"].map(str::to_owned).to_vec();
    let settings = [
        ("model.quant", quant.to_owned()),
        ("hardware.machine", name.to_owned()),
        ("placement.experts", placement.to_owned()),
    ];
    let candidate = Candidate {
        index,
        choice: choice.clone(),
        settings: settings.map(|(key, value)| (key.to_owned(), value)).to_vec(),
        bound: Vec::new(),
        fate: if short.is_empty() { Fate::Open } else { Fate::CannotRun(short) },
    };
    let row = Row {
        index,
        axes: DIMENSIONS.iter().map(|name| (*name).to_owned()).zip(choice).collect(),
        config: ConfigLabels {
            model: "gpt-oss-120b".to_owned(),
            quant: quant.to_owned(),
            gpu: name.split(',').next().unwrap_or_default().to_owned(),
            engine: "llama.cpp".to_owned(),
            backing: "dram".to_owned(),
            policy: "lru".to_owned(),
            cache_capacity_bytes: experts_gib * GIB,
            experts_total_bytes: (model_gib - 4) * GIB,
            ..ConfigLabels::default()
        },
        ledger,
        tiers,
        quality: quality(quant, loss_ppm),
        cost: cost(machine),
        outcome: Outcome::Done(Box::new(summary(tpot_ns, 1000))),
    };
    (candidate, row)
}

pub(super) const DIMENSIONS: [&str; 5] = ["quant", "machine", "engine", "placement", "policy"];

/// Every machine, quantisation and placement.
pub(super) fn market(machines: &[Machine]) -> Vec<(Candidate, Row)> {
    let mut all = Vec::new();
    for machine in machines {
        for quant in QUANTS {
            for placement in PLACEMENTS {
                all.push(made(all.len() as u64, machine, quant, placement, 0));
            }
        }
    }
    all
}
