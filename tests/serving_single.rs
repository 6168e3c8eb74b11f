//! One request alone is the sequence that it follows: what serving says of it is what the replay says, to the nanosecond
//! and the byte.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use moesim::metrics::{AccessCounts, PrefetchCounts, Summary};
use proptest::prelude::*;

use serving::{Bench, DIMENSIONS, bench, of, sequence, serve};

const PROMPT: usize = 24;
const DECODE: usize = 15;

const HOMES: &[&[&str]] = &[
    &["placement.experts=\"vram\""],
    &["placement.experts=\"vram\"", "hardware.gpu=\"m2-ultra\""],
    &["placement.experts=\"dram\"", "cache.capacity=\"50 MB\""],
    &["placement.experts=\"dram\"", "cache.capacity=\"100 %\""],
    &["placement.experts=\"dram\"", "cache.capacity=\"100 %\"", "cache.start=\"empty\""],
    &[
        "placement.experts=\"dram\"",
        "cache.capacity=\"120 MB\"",
        "cache.start=\"empty\"",
        "cache.policy=\"lfu\"",
    ],
    &["placement.experts=\"dram\"", "cache.slots_per_layer=3", "engine.copy_chunk=\"1 MiB\""],
    &["placement.experts=\"dram\"", "cache.capacity=\"50 MB\"", "placement.miss=\"cpu\""],
    &["placement.experts=\"dram\"", "cache.capacity=\"80 MB\"", "placement.miss=\"auto\""],
    &["placement.experts=\"dram\"", "cache.capacity=\"80 MB\"", "placement.miss=\"degrade\""],
    &["placement.experts=\"dram\"", "cache.capacity=\"80 MB\"", "hardware.dram_bandwidth=\"15 GB/s\""],
    &["placement.experts=\"nvme\"", "cache.capacity=\"60 MB\""],
    &["placement.experts=\"nvme\"", "cache.capacity=\"60 MB\"", "placement.dram_cache=\"70 MB\""],
    &[
        "placement.experts=\"nvme\"",
        "cache.capacity=\"60 MB\"",
        "engine.nvme_path=\"vram\"",
        "engine.nvme_queue_depth=4",
    ],
    &["placement.n_cpu_moe=2"],
    &["placement.n_cpu_moe=4", "engine.prefill_offload_tokens=6"],
    &["placement.n_cpu_moe=1", "placement.experts=\"dram\"", "cache.capacity=\"60 MB\""],
];
const PREFETCHES: &[&[&str]] = &[
    &[],
    &["prefetch.predictor=\"previous-token\""],
    &["prefetch.predictor=\"popularity\"", "prefetch.depth=3"],
    &["prefetch.predictor=\"gate-lookahead\"", "prefetch.depth=2", "prefetch.recall=[\"80 %\", \"50 %\"]"],
    &["prefetch.predictor=\"transition\"", "prefetch.experts=4"],
    &["prefetch.predictor=\"activation-matrix\"", "prefetch.cost=\"7 us\""],
    &["prefetch.predictor=\"oracle\"", "prefetch.depth=3"],
];
const OVERLAPS: &[&str] = &["none", "within-layer", "across-layers"];

/// A run that ends wastes what was fetched ahead and not used; what is on its way then may have come in the other run.
fn before_the_end(counts: &PrefetchCounts) -> PrefetchCounts {
    PrefetchCounts { cancelled: 0, wasted: 0, wasted_bytes: 0, ..*counts }
}

/// The closed form weighs no gates: all that is asked for hits.
fn counts(of: &AccessCounts) -> AccessCounts {
    if of.misses == 0 { AccessCounts { weight_hit: 0, weight_total: 0, ..*of } } else { *of }
}

fn assert_same(replay: &Summary, served: &Summary) {
    let (alone, found) = (&replay.sequences[0], of(served));
    assert_eq!(replay.sequences.len(), 1);
    assert_eq!(found.ttft_ns.sum, alone.prefill_ns, "time to first token");
    assert_eq!(found.itl_ns, replay.token_latency_ns, "every decode pass");
    assert_eq!(found.itl_ns.sum, alone.decode_ns);
    assert_eq!(found.queue_ns.max, 0);
    assert_eq!(found.e2e_ns.sum, replay.span_ns);
    assert_eq!(served.span_ns, replay.span_ns);
    assert_eq!(counts(&served.prefill), counts(&replay.prefill));
    assert_eq!(counts(&served.decode), counts(&replay.decode));
    assert_eq!(served.prefill_time, replay.prefill_time);
    assert_eq!(served.decode_time, replay.decode_time);
    assert_eq!(served.overshoot_bytes_max, replay.overshoot_bytes_max);
    assert_eq!(before_the_end(&served.prefetch), before_the_end(&replay.prefetch));
    let gpu =
        |summary: &Summary| summary.links.iter().find(|link| link.name == "gpu").map(|link| link.busy_ns);
    assert_eq!(gpu(served), gpu(replay));
    let [gpu] = found.gpu_use.as_slice() else { panic!("one GPU: {:?}", found.gpu_use) };
    let both =
        |of: fn(&moesim::metrics::TimeShares) -> u64| of(&replay.prefill_time) + of(&replay.decode_time);
    assert_eq!(gpu.busy_ns, both(|time| time.gpu_compute_ns + time.overhead_ns));
    assert_eq!(gpu.wait_ns, both(|time| time.waits_ns()));
    assert_eq!((gpu.exchange_ns, gpu.idle_ns), (0, 0));
}

/// `event_driven` lets resident experts be timed event by event, too.
fn compare(bench: &Bench, settings: &[&str], chunk: usize, event_driven: bool) {
    let chunked = format!("workload.prefill_chunk={chunk}");
    let replay = bench.plan(&[settings, &[&chunked]].concat()).unwrap();
    let served = [
        "requests.arrivals=\"uniform\"".to_owned(),
        "requests.rate=\"1 /s\"".to_owned(),
        "requests.count=1".to_owned(),
        format!("requests.prompt_tokens={PROMPT}"),
        format!("requests.output_tokens={}", DECODE + 1),
        "scheduler.max_batch=1".to_owned(),
        format!("scheduler.token_budget={chunk}"),
    ];
    let served: Vec<&str> = served.iter().map(String::as_str).collect();
    let mut served = bench.plan(&[settings, &served].concat()).unwrap();
    if event_driven {
        served.serving.as_mut().unwrap().is_resident = false;
    }
    assert_eq!(replay.fits(), served.fits(), "{:?} {:?}", replay.problems, served.problems);
    if !replay.fits() {
        return;
    }
    let (replay, served) = (bench::run(&replay), serve(&served));
    assert_same(&replay, &served);
}

#[test]
fn a_request_alone_is_its_sequence() {
    let bench = Bench::weighted(DIMENSIONS, &[sequence(PROMPT, DECODE, 7)]);
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(
        home in prop::sample::select(HOMES), prefetch in prop::sample::select(PREFETCHES),
        overlap in prop::sample::select(OVERLAPS), chunk in prop::sample::select(&[1_usize, 5, 8, 24, 100][..]),
        latency in prop::sample::select(&["1 ns", "20 us", "500 us"][..]), event_driven in any::<bool>(),
    )| {
        let overlap = format!("engine.overlap=\"{overlap}\"");
        let latency = format!("engine.h2d_latency=\"{latency}\"");
        let cpu = "hardware.cpu=\"ryzen-7950x\"";
        let settings = [home, prefetch, &[cpu, overlap.as_str(), latency.as_str()]].concat();
        compare(&bench, &settings, chunk, event_driven);
    });
}
