//! GPU memory and a cache in host memory over NVMe, each with its policy, inclusive or exclusive of one another.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use moesim::metrics::{AccessCounts, Summary};
use moesim::plan::{Inputs, Plan, plan};
use moesim::scenario::ScenarioFile;
use moesim::sim::simulate;

const BASE: &str = r#"
[model]
name = "olmoe-1b-7b"
[quant]
scheme = "bf16"
[hardware]
gpu = "rtx4090"
dram = "64 GiB"
[placement]
experts = "nvme"
[workload]
trace = "traces/olmoe-1b-7b.moetrace"
decode_tokens = 40
"#;

fn planned(settings: &[&str]) -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tiers.toml");
    let sets: Vec<String> = settings.iter().map(|set| (*set).to_owned()).collect();
    let scenario = ScenarioFile::parse(BASE, &path, &sets).unwrap();
    plan(&scenario.point(0).unwrap(), &Inputs::default()).unwrap()
}

fn both(summary: &Summary) -> AccessCounts {
    let mut counts = summary.prefill;
    counts.add(&summary.decode);
    counts
}

const TIERS: [&str; 2] = ["cache.capacity=\"25 %\"", "placement.dram_cache=\"25 %\""];
const EXCLUSIVE: &str = "placement.tiers=\"exclusive\"";

/// Two LRU caches that exclude one another are one LRU of both sizes: what GPU memory evicts is more recent than all that
/// lies in host memory. So as many experts are read from NVMe as one cache with all the room would miss.
#[test]
fn two_exclusive_lrus_are_one_of_both_sizes() {
    for overlap in
        ["engine.overlap=\"none\"", "engine.overlap=\"within-layer\"", "engine.overlap=\"across-layers\""]
    {
        let apart = both(&simulate(&planned(&[&TIERS[..], &[EXCLUSIVE, overlap]].concat())).unwrap());
        let whole = both(&simulate(&planned(&["cache.capacity=\"50 %\"", overlap])).unwrap());
        assert!(apart.dram_hits > 0);
        assert_eq!(apart.dram_lookups, apart.misses);
        assert_eq!(apart.dram_lookups - apart.dram_hits, whole.misses);
    }
}

/// What GPU memory evicts goes back over the link, and nothing else does; where tiers are inclusive nothing does.
#[test]
fn what_is_evicted_is_copied_back() {
    let back = |summary: &Summary| {
        let link = summary.links.iter().find(|link| link.name == "d2h");
        link.map_or(0, |link| link.bytes)
    };
    let plan = planned(&[&TIERS[..], &[EXCLUSIVE]].concat());
    let summary = simulate(&plan).unwrap();
    let (size, room) = (plan.cache.shape.sizes[0], plan.cache.shape.pool_capacity[0]);
    assert!(plan.cache.shape.sizes.iter().all(|other| *other == size));
    assert_eq!(back(&summary), (both(&summary).misses - room / size) * size);
    let inclusive = simulate(&planned(&TIERS)).unwrap();
    assert_eq!(back(&inclusive), 0);
    assert!(both(&inclusive).dram_hits < both(&summary).dram_hits, "exclusive tiers hold more experts");
    assert_eq!(
        both(&inclusive).misses,
        both(&summary).misses,
        "GPU memory does not depend on the tier below"
    );
}

/// Each tier has a policy of its own.
#[test]
fn the_policies_of_the_tiers_are_their_own() {
    let hits = |settings: &[&str]| both(&simulate(&planned(&[&TIERS[..], settings].concat())).unwrap());
    let (lru, fifo) = (hits(&[]), hits(&["placement.dram_policy=\"fifo\""]));
    assert_eq!(lru.hits, fifo.hits);
    assert_ne!(lru.dram_hits, fifo.dram_hits);
    let layered = hits(&["placement.dram_policy=\"layer-lru\""]);
    assert_eq!(lru.hits, layered.hits);
    assert_ne!(lru.dram_hits, layered.dram_hits);
}

/// Admission changes who comes to stay, not who is asked for: the lookups are the same, and with room for everything a
/// cache that takes experts on their second miss misses more of them.
#[test]
fn admission_is_an_axis_of_its_own() {
    let with = |settings: &[&str]| both(&simulate(&planned(settings)).unwrap());
    let always = with(&["cache.capacity=\"100 %\"", "cache.start=\"empty\""]);
    let second =
        with(&["cache.capacity=\"100 %\"", "cache.start=\"empty\"", "cache.admission=\"second-hit\""]);
    assert_eq!(always.lookups, second.lookups);
    assert!(always.misses < second.misses && second.misses < second.lookups);
    let small = ["cache.capacity=\"1 %\"", "cache.admission=\"bypass-large-events\""];
    let passed = with(&small);
    assert!(passed.misses <= passed.lookups);
    assert!(
        passed.hits >= with(&small[..1]).hits,
        "prompts that pass through spare what decode has gathered"
    );
}
