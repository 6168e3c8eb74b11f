//! Every optimisation's memory, time and quality: the figures of introductory texts, laws of merging and sharing, and a row
//! for each key.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "optimisations/estimates.rs"]
mod estimates;
#[path = "optimisations/laws.rs"]
mod laws;
#[path = "optimisations/textbook.rs"]
mod textbook;

use std::path::Path;

use moesim::error::Result;
use moesim::metrics::{Row, Summary};
use moesim::plan::{Inputs, Plan, plan};
use moesim::scenario::ScenarioFile;
use moesim::sweep::run_point;

/// OLMoE on a card that holds a part of its experts, replayed for a few tokens.
pub(crate) const OLMOE: &str = r#"
[model]
name = "olmoe-1b-7b"
[hardware]
gpu = "rtx3090"
cpu = "ryzen-7950x"
storage = "samsung-990-pro"
dram = "64 GiB"
[cache]
capacity = "3 GiB"
[workload]
trace = "olmoe-1b-7b.moetrace"
sequences = 1
decode_tokens = 24
prefill = false
"#;

/// A few requests to two GPUs that hold all of it.
pub(crate) const SERVED: &str = r#"
[model]
name = "olmoe-1b-7b"
[hardware]
gpu = "a100-sxm-80g"
[engine]
profile = "vllm"
[placement]
experts = "vram"
[workload]
trace = "olmoe-1b-7b.moetrace"
[requests]
arrivals = "poisson"
rate = "20 /s"
count = 6
prompt_tokens = 32
output_tokens = 12
"#;

pub(crate) fn scenario(text: &str, sets: &[&str]) -> Result<ScenarioFile> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/optimisations.toml");
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    ScenarioFile::parse(text, &path, &sets)
}

pub(crate) fn planned(text: &str, sets: &[&str]) -> Result<Plan> {
    plan(&scenario(text, sets)?.point(0)?, &Inputs::default())
}

pub(crate) fn row(text: &str, sets: &[&str]) -> Row {
    let row = run_point(&scenario(text, sets).unwrap(), 0, &Inputs::default()).unwrap();
    assert!(row.summary().is_some(), "{sets:?}: {:?}", row.outcome);
    row
}

pub(crate) fn summary(row: &Row) -> &Summary {
    row.summary().unwrap()
}

/// OLMoE's trace as the profile of a section. Paths that are given as options are those of the current folder.
pub(crate) fn profile(section: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/olmoe-1b-7b.moetrace");
    format!("{section}.profile={:?}", path.display().to_string())
}

/// Bytes of an owner in a tier.
pub(crate) fn held(row: &Row, tier: &str, owner: &str) -> u64 {
    row.ledger.iter().filter(|line| line.tier == tier && line.owner == owner).map(|line| line.bytes).sum()
}

fn needed(row: &Row, tier: &str) -> u64 {
    row.tier(tier).unwrap().needed_bytes
}

fn decode_ns(row: &Row) -> u64 {
    summary(row).decode_time.total_ns()
}

/// Which way a figure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    Down,
    Same,
    Up,
}

use Goes::{Down, Same, Up};

fn goes(from: u64, to: u64) -> Goes {
    match to.cmp(&from) {
        std::cmp::Ordering::Less => Down,
        std::cmp::Ordering::Equal => Same,
        std::cmp::Ordering::Greater => Up,
    }
}

/// What an optimisation does to memory (of a tier), to the time of a decoded token, and to the score: each a row against
/// the same machine without it. With merging and sharing beside it each says the same of memory.
#[test]
fn each_optimisation_moves_memory_time_and_quality() {
    let profile = &profile("cache");
    let nvme = "placement.experts=\"nvme\"";
    type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a str, [Goes; 2], Option<u64>);
    let cases: [Case<'_>; 12] = [
        // What, keys of the base, further keys, tier, memory and time, loss in parts per million (None: unknown).
        ("INT4 throughout", &[], &["quant.scheme=\"int4\""], "dram", [Down, Down], Some(12_700)),
        // Seven tenths of the parameters that a token passes are experts.
        ("INT4 experts", &[], &["quant.experts=\"int4\""], "dram", [Down, Down], Some(9_506)),
        ("FP8 KV cache", &[], &["quant.kv=\"fp8\""], "vram", [Down, Down], Some(19_000)),
        ("one buffer", &[], &["placement.single_buffer=true"], "vram", [Down, Up], Some(0)),
        (
            "hot, warm and cold",
            &[nvme, profile],
            &["placement.hot_experts=8", "placement.warm_experts=24", "placement.dram_cache=\"6 GiB\""],
            "dram",
            [Up, Down],
            Some(0),
        ),
        ("at most 8 experts a layer", &[], &["cache.slots_per_layer=8"], "vram", [Down, Up], Some(0)),
        ("at most 64 experts in all", &[], &["cache.experts=64"], "vram", [Down, Up], Some(0)),
        ("shared up-projection", &[], &["model.shared_up_projection=true"], "dram", [Down, Down], None),
        ("64 experts merged into 48", &[], &["model.merge_experts=48"], "dram", [Down, Down], Some(47_000)),
        ("64 experts merged into 32", &[], &["model.merge_experts=32"], "dram", [Down, Down], Some(250_000)),
        ("the CPU", &[], &["placement.miss=\"cpu\""], "vram", [Same, Up], Some(0)),
        (
            "layers on the CPU",
            &["placement.experts=\"vram\""],
            &["placement.n_cpu_moe=8"],
            "vram",
            [Down, Up],
            Some(0),
        ),
    ];
    for (what, base, keys, tier, moved, loss) in cases {
        let (before, after) = (row(OLMOE, base), row(OLMOE, &[base, keys].concat()));
        let found =
            [goes(needed(&before, tier), needed(&after, tier)), goes(decode_ns(&before), decode_ns(&after))];
        assert_eq!(found, moved, "{what}: {tier} and time");
        assert_eq!(before.quality.loss_ppm(), Some(0), "{what}");
        assert_eq!(after.quality.loss_ppm(), loss, "{what}: {:?}", after.quality);
        // With the experts merged and sharing, too.
        let compact = ["model.merge_experts=48", "model.shared_up_projection=true"];
        if !keys.iter().any(|key| key.starts_with("model.")) {
            let both = row(OLMOE, &[base, keys, &compact].concat());
            let all: u64 = ["vram", "dram", "nvme"].iter().map(|tier| needed(&both, tier)).sum();
            let without: u64 = ["vram", "dram", "nvme"].iter().map(|tier| needed(&after, tier)).sum();
            assert!(all < without, "{what}: {all} and {without} bytes");
            assert_eq!(both.quality.loss_ppm(), None, "{what}");
        }
    }
}

/// Shared among GPUs, each holds less; requests are served faster, and merging halves the experts of each.
#[test]
fn layouts_share_what_is_left() {
    let one = row(SERVED, &[]);
    for layout in [
        ["parallel.tp=2", "parallel.ep=1"],
        ["parallel.tp=2", "parallel.ep=2"],
        ["parallel.dp=2", "parallel.ep=2"],
    ] {
        let shared = row(SERVED, &layout);
        assert!(needed(&shared, "vram") <= needed(&one, "vram"), "{layout:?}");
        let experts = held(&shared, "vram", "routed experts");
        assert_eq!(experts * 2, held(&one, "vram", "routed experts"), "{layout:?}");
        let merged = row(SERVED, &[layout[0], layout[1], "model.merge_experts=32"]);
        assert_eq!(held(&merged, "vram", "routed experts") * 2, experts, "{layout:?}");
        assert_eq!(merged.quality.loss_ppm(), Some(250_000), "{layout:?}");
        assert_eq!(shared.quality.loss_ppm(), Some(0), "{layout:?}");
    }
}
