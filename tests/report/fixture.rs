//! Rows that look like those of a sweep. Every figure is a round one, so that a reader can check a report by hand.

use moesim::metrics::{
    AccessCounts, ConfigLabels, LedgerLine, LinkUse, Outcome, Quantiles, Row, SequenceSummary, Summary,
    TierNeed, TimeShares,
};
use moesim::report::ReportMeta;

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;

pub(crate) fn meta() -> ReportMeta {
    ReportMeta {
        title: "Latency against VRAM".to_owned(),
        scenario_name: "example.toml".to_owned(),
        axes: vec!["cache.policy".to_owned(), "cache.capacity".to_owned()],
        provenance: vec!["moesim 0.1.0".to_owned(), "trace olmoe.moetrace, crc32 89abcdef".to_owned()],
        notes: vec!["The trace has no prefill.".to_owned()],
    }
}

pub(crate) fn config(policy: &str, capacity_bytes: u64) -> ConfigLabels {
    ConfigLabels {
        model: "olmoe-1b-7b".to_owned(),
        quant: "bf16".to_owned(),
        gpu: "rtx3090".to_owned(),
        engine: "hf-eager".to_owned(),
        backing: "dram".to_owned(),
        policy: policy.to_owned(),
        policy_is_oracle: policy == "belady",
        cache_scope: "global".to_owned(),
        replay: "layer".to_owned(),
        cache_capacity_bytes: capacity_bytes,
        experts_total_bytes: 12 * GIB,
        token_working_set_bytes: 3 * GIB / 2,
        trace: "olmoe.moetrace".to_owned(),
        context_tokens: 4096,
        prefetch: "none".to_owned(),
    }
}

fn line(tier: &str, owner: &str, bytes: u64) -> LedgerLine {
    LedgerLine { tier: tier.to_owned(), owner: owner.to_owned(), bytes }
}

/// The ledger of [`config`], and need against capacity per tier.
pub(crate) fn memory(capacity_bytes: u64, vram_bytes: u64) -> (Vec<LedgerLine>, Vec<TierNeed>) {
    let ledger = vec![
        line("vram", "embeddings", 400 * MIB),
        line("vram", "attention", 512 * MIB),
        line("vram", "kv cache", 512 * MIB),
        line("vram", "workspace", 200 * MIB),
        line("vram", "framework context", 600 * MIB),
        line("vram", "expert cache", capacity_bytes),
        line("dram", "routed experts", 12 * GIB),
        line("dram", "staging", 256 * MIB),
    ];
    let tiers = [("vram", vram_bytes), ("dram", 64 * GIB), ("nvme", 1000 * GIB)];
    let needs = tiers.map(|(tier, capacity_bytes)| TierNeed {
        tier: tier.to_owned(),
        needed_bytes: ledger.iter().filter(|line| line.tier == tier).map(|line| line.bytes).sum(),
        capacity_bytes,
    });
    (ledger, needs.to_vec())
}

/// 100 tokens of 128 lookups each, `hits_pct` of them hits, over three sequences of about `tpot_ns`.
pub(crate) fn summary(hits_pct: u64, tpot_ns: u64) -> Summary {
    let hits = 128 * hits_pct;
    let sequences = [tpot_ns * 8 / 10, tpot_ns, tpot_ns * 13 / 10];
    let decode_ns = tpot_ns * 100;
    let link = |name: &str, bytes, busy_ns| LinkUse {
        name: name.to_owned(),
        bytes,
        jobs: 1,
        busy_ns,
        idle_ns: decode_ns - busy_ns,
    };
    Summary {
        decode: AccessCounts {
            tokens: 100,
            events: 1600,
            selections: 12_800,
            lookups: 12_800,
            hits,
            misses: 12_800 - hits,
            fetched: 12_800 - hits,
            hits_when_needed: hits,
            miss_bytes: (12_800 - hits) * 12 * MIB,
            ..AccessCounts::default()
        },
        decode_time: TimeShares {
            gpu_compute_ns: decode_ns / 4,
            wait_h2d_ns: decode_ns / 2,
            wait_nvme_ns: 0,
            wait_cpu_ns: 0,
            overhead_ns: decode_ns - decode_ns / 4 - decode_ns / 2,
            ..TimeShares::default()
        },
        token_latency_ns: Quantiles::of(sequences.to_vec()),
        tpot_ns: Quantiles::of(sequences.to_vec()),
        sequences: sequences
            .iter()
            .zip(0..)
            .map(|(ns, sequence)| SequenceSummary {
                sequence,
                decode_tokens: 100,
                decode_ns: ns * 100,
                decode_lookups: 12_800,
                decode_hits: hits,
                ..SequenceSummary::default()
            })
            .collect(),
        links: vec![
            link("gpu", 5 * GIB, decode_ns / 4),
            link("h2d", (12_800 - hits) * 12 * MIB, decode_ns / 2),
            link("nvme", 0, 0),
        ],
        span_ns: decode_ns,
        engine_events: 4_000,
        ..Summary::default()
    }
}

pub(crate) fn row(index: u64, policy: &str, capacity_bytes: u64, vram_bytes: u64, outcome: Outcome) -> Row {
    let (ledger, tiers) = memory(capacity_bytes, vram_bytes);
    Row {
        index,
        axes: vec![
            ("cache.policy".to_owned(), policy.to_owned()),
            ("cache.capacity".to_owned(), format!("{} MiB", capacity_bytes / MIB)),
        ],
        config: config(policy, capacity_bytes),
        ledger,
        tiers,
        outcome,
        quality: moesim::metrics::Quality::default(),
        cost: moesim::metrics::CostBasis::default(),
    }
}

pub(crate) fn cannot_run(needed_bytes: u64, vram_bytes: u64) -> Outcome {
    let gib = |bytes: u64| bytes as f64 / GIB as f64;
    Outcome::CannotRun(vec![format!(
        "needs {:.1} GiB of VRAM, has {:.1} GiB; the expert cache is most of it",
        gib(needed_bytes),
        gib(vram_bytes)
    )])
}

/// Every policy at every capacity on a card of `vram_bytes`: hit rates rise with capacity, LRU has its cliff at 1.5 GiB.
pub(crate) fn sweep(policies: &[&str], capacities: &[u64], vram_bytes: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for (rank, policy) in policies.iter().enumerate() {
        for capacity in capacities {
            let share = (capacity * 100 / (12 * GIB)).min(100);
            let bonus = if *policy == "belady" { 20 } else { 3 * (rank as u64 % 7) };
            let mut hits_pct = (share + (100 - share) * bonus / 100).min(100);
            if *policy == "lru" && *capacity < 3 * GIB / 2 {
                hits_pct = 0;
            }
            let tpot_ns = 15_000_000 + (100 - hits_pct) * 600_000;
            let (_, tiers) = memory(*capacity, vram_bytes);
            let outcome = if tiers[0].needed_bytes > vram_bytes {
                cannot_run(tiers[0].needed_bytes, vram_bytes)
            } else {
                Outcome::Done(Box::new(summary(hits_pct, tpot_ns)))
            };
            rows.push(row(rows.len() as u64, policy, *capacity, vram_bytes, outcome));
        }
    }
    rows
}

/// `count` capacities from `first` in steps of `step`.
pub(crate) fn capacities(first: u64, step: u64, count: u64) -> Vec<u64> {
    (0..count).map(|index| first + index * step).collect()
}
