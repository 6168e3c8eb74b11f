//! A policy that orders by last use may be told an event whole: nothing differs from telling it selection by selection.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use moesim::cache::{Access, Candidates, Lru, Policy, PolicyRow};
use moesim::sim::simulate;
use serving::{Bench, DIMENSIONS, sequence};

/// LRU that hears every selection.
struct OneByOne(Lru);

impl Policy for OneByOne {
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.0.on_hit(object, access);
    }

    fn on_insert(&mut self, object: u32, access: &Access) {
        self.0.on_insert(object, access);
    }

    fn on_remove(&mut self, object: u32) {
        self.0.on_remove(object);
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.0.victim(candidates)
    }
}

fn bench(weighted: bool) -> Bench {
    let sequences = [sequence(150, 6, 1), sequence(70, 9, 2)];
    if weighted { Bench::weighted(DIMENSIONS, &sequences) } else { Bench::new(DIMENSIONS, &sequences) }
}

/// Both ways give the same summary, down to the nanosecond.
fn check(bench: &Bench, settings: &[&str]) {
    let mut whole = serving::plan(bench, settings);
    whole.workload.foretold = None;
    let mut slow = whole.clone();
    slow.cache.policy = PolicyRow::new("lru", "told one by one", |input| OneByOne(Lru::new(input.objects)));
    assert!(whole.build_cache().takes_events_whole() && !slow.build_cache().takes_events_whole());
    let found = simulate(&whole).unwrap();
    assert_eq!(found, simulate(&slow).unwrap(), "{settings:?}");
    // What the CPU computes never comes to lie in the cache, so that nothing hits there.
    let hits = found.prefill.hits + found.decode.hits > 0 || settings.contains(&"placement.miss=cpu");
    assert!(hits && found.prefill.misses > 0, "{settings:?}");
}

const REPLAYS: [&[&str]; 7] = [
    &["workload.prefill_chunk=64"],
    &["workload.prefill_chunk=33", "placement.miss=cpu", "hardware.cpu=ryzen-7950x"],
    &["cache.scope=per-layer"],
    &["placement.experts=nvme", "placement.dram_cache=60 MB"],
    &["placement.experts=nvme", "placement.dram_cache=60 MB", "placement.tiers=exclusive"],
    &["prefetch.predictor=previous-token", "engine.overlap=across-layers"],
    &["cache.pin=[\"0:1\", \"2:5\"]"],
];

#[test]
fn replays_are_the_same() {
    for weighted in [false, true] {
        let bench = bench(weighted);
        for settings in REPLAYS {
            for capacity in ["cache.capacity=60 MB", "cache.capacity=120 MB"] {
                check(&bench, &[settings, &[capacity][..]].concat());
            }
        }
    }
}

#[test]
fn requests_under_load_are_the_same() {
    let bench = bench(true);
    let load = [
        "requests.arrivals=poisson",
        "requests.rate=20 /s",
        "requests.count=20",
        "requests.prompt_tokens=120",
        "requests.output_tokens=8",
        "cache.capacity=60 %",
    ];
    check(&bench, &load);
    check(&bench, &[&load[..], &["parallel.dp=2", "parallel.ep=2"]].concat());
    check(&bench, &[&load[..], &["parallel.tp=2", "parallel.ep=2", "parallel.redundant_experts=2"]].concat());
}
