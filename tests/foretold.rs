//! A sweep over capacities of LRU reads its misses off one pass over the trace. The results are those of a cache, to the
//! byte, whatever the timing; where more than misses is asked of the cache, there is a cache.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use std::path::Path;

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
[workload]
trace = "traces/olmoe-1b-7b.moetrace"
decode_tokens = 12
"#;

fn planned(settings: &[&str]) -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("foretold.toml");
    let sets: Vec<String> = settings.iter().map(|set| (*set).to_owned()).collect();
    let scenario = ScenarioFile::parse(BASE, &path, &sets).unwrap();
    plan(&scenario.point(0).unwrap(), &Inputs::default()).unwrap()
}

#[test]
fn one_pass_and_a_cache_give_the_same_results() {
    for capacity in ["cache.capacity=\"3 %\"", "cache.capacity=\"13 %\"", "cache.capacity=\"55 %\""] {
        for settings in [
            &[][..],
            &["cache.scope=\"per-layer\""],
            &["cache.policy=\"lru\"", "workload.between=\"clear\""],
            &["workload.batch=3"],
            &["workload.prefill_chunk=7", "engine.overlap=\"across-layers\""],
            &["placement.experts=\"nvme\"", "placement.dram_cache=\"1 GiB\"", "engine.overlap=\"none\""],
        ] {
            let settings = [settings, &[capacity]].concat();
            let mut plan = planned(&settings);
            assert!(plan.workload.foretold.is_some(), "{settings:?}");
            let read = simulate(&plan).unwrap();
            plan.workload.foretold = None;
            assert_eq!(read, simulate(&plan).unwrap(), "{settings:?}");
            assert!(read.decode.misses > 0, "{settings:?}");
        }
    }
}

#[test]
fn whoever_asks_for_more_than_misses_keeps_a_cache() {
    for settings in [
        &["cache.policy=\"fifo\""][..],
        &["cache.start=\"filled\""],
        &["cache.replay=\"access\""],
        &["cache.admission=\"second-hit\""],
        &["cache.pin=[\"0:1\"]"],
        &["cache.hit_rate=\"50 %\""],
        &["placement.miss=\"substitute\""],
        &["placement.n_cpu_moe=2", "hardware.cpu=\"ryzen-7950x\""],
        &["prefetch.predictor=\"previous-token\""],
        &["placement.experts=\"nvme\"", "placement.dram_cache=\"1 GiB\"", "placement.tiers=\"exclusive\""],
    ] {
        let settings = [settings, &["cache.capacity=\"20 %\""]].concat();
        assert!(planned(&settings).workload.foretold.is_none(), "{settings:?}");
    }
}
