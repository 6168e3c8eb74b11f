//! Small traces and settings of every kind.

use proptest::prelude::*;

use super::bench::{Sequence, small};

pub(crate) const DIMENSIONS: (usize, u32, usize) = (3, 6, 2);

/// Rows of one token: for each layer, as many different experts as the router chooses.
pub(crate) fn rows(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<u16>>> {
    let (layers, experts, top_k) = DIMENSIONS;
    let all: Vec<u16> = (0..u16::try_from(experts).unwrap()).collect();
    let distinct = prop::sample::subsequence(all, top_k).prop_shuffle();
    let row = prop::collection::vec(distinct, layers).prop_map(|layers| layers.concat());
    prop::collection::vec(row, count)
}

/// One to three sequences, with and without prompts.
pub(crate) fn sequences() -> impl Strategy<Value = Vec<Sequence>> {
    let one = (rows(0..6), rows(1..8)).prop_map(|(prompt, decode)| Sequence { prompt, decode });
    prop::collection::vec(one, 1..4)
}

/// One sequence that is only decoded.
pub(crate) fn decode() -> impl Strategy<Value = Vec<Sequence>> {
    rows(1..16).prop_map(|decode| vec![Sequence { prompt: Vec::new(), decode }])
}

/// One of these.
pub(crate) fn one_of(values: &'static [&'static str]) -> BoxedStrategy<Vec<String>> {
    prop::sample::select(values).prop_map(|value| vec![value.to_owned()]).boxed()
}

/// One of these, or none more often than not.
fn seldom(values: &'static [&'static str]) -> BoxedStrategy<Vec<String>> {
    prop_oneof![7 => Just(Vec::new()), 3 => one_of(values)].boxed()
}

/// A size in experts.
pub(crate) fn room(key: &'static str, experts: std::ops::Range<u64>) -> BoxedStrategy<Vec<String>> {
    experts.prop_map(move |experts| vec![format!("{key}=\"{} B\"", experts * small::EXPERT_BYTES)]).boxed()
}

/// All of these together.
pub(crate) fn together(parts: Vec<BoxedStrategy<Vec<String>>>) -> BoxedStrategy<Vec<String>> {
    parts.prop_map(|parts| parts.concat()).boxed()
}

pub(crate) const OVERLAPS: &[&str] =
    &["engine.overlap=\"none\"", "engine.overlap=\"within-layer\"", "engine.overlap=\"across-layers\""];
pub(crate) const HOMES: &[&str] = &["placement.experts=\"dram\"", "placement.experts=\"nvme\""];
const POLICIES: &[&str] = &[
    "cache.policy=\"lru\"",
    "cache.policy=\"lfu\"",
    "cache.policy=\"fifo\"",
    "cache.policy=\"random\"",
    "cache.policy=\"static\"",
    "cache.policy=\"belady\"",
];
pub(crate) const PREDICTORS: &[&str] = &[
    "prefetch.predictor=\"none\"",
    "prefetch.predictor=\"previous-token\"",
    "prefetch.predictor=\"popularity\"",
    "prefetch.predictor=\"gate-lookahead\"",
    "prefetch.predictor=\"transition\"",
    "prefetch.predictor=\"activation-matrix\"",
    "prefetch.predictor=\"oracle\"",
];

/// A cache: policy, room, start, scope.
pub(crate) fn caches() -> BoxedStrategy<Vec<String>> {
    together(vec![
        one_of(POLICIES),
        prop_oneof![3 => room("cache.capacity", 1..19), 1 => one_of(&["cache.slots_per_layer=1", "cache.slots_per_layer=4"])]
            .boxed(),
        one_of(&["cache.start=\"empty\"", "cache.start=\"filled\""]),
        seldom(&["workload.between=\"clear\""]),
        seldom(&["workload.prefill_chunk=1", "workload.prefill_chunk=3"]),
    ])
}

/// As the bench takes them.
pub(crate) fn texts(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}

/// Prefetching of every kind.
pub(crate) fn prefetches() -> BoxedStrategy<Vec<String>> {
    together(vec![
        one_of(PREDICTORS),
        seldom(&["prefetch.depth=0", "prefetch.depth=2"]),
        seldom(&["prefetch.experts=1", "prefetch.experts=4"]),
        seldom(&["prefetch.recall=[\"10 %\"]", "prefetch.recall=[\"100 %\", \"50 %\"]"]),
        seldom(&["prefetch.cost=\"7 us\""]),
        seldom(&["engine.copy_chunk=\"1 MiB\"", "engine.copy_chunk=\"100 KB\""]),
        prop_oneof![7 => Just(Vec::new()), 3 => room("prefetch.budget", 1..6)].boxed(),
    ])
}

/// Rates from too slow to too fast, so that now the one device is waited for and now the other.
pub(crate) fn rates() -> BoxedStrategy<Vec<String>> {
    together(vec![
        seldom(&["engine.h2d_bandwidth=\"1 GB/s\"", "engine.h2d_bandwidth=\"200 GB/s\""]),
        seldom(&["engine.nvme_bandwidth=\"0.5 GB/s\"", "engine.nvme_bandwidth=\"40 GB/s\""]),
        seldom(&["engine.cpu_thread_bandwidth=\"0.2 GB/s\"", "engine.cpu_thread_bandwidth=\"40 GB/s\""]),
        seldom(&["engine.h2d_latency=\"1 ns\"", "engine.h2d_latency=\"500 us\""]),
        seldom(&["engine.gpu_memory_efficiency=\"2 %\""]),
        seldom(&["hardware.dram_bandwidth=\"5 GB/s\"", "hardware.dram_bandwidth=\"20 GB/s\""]),
        seldom(&["hardware.cpu_threads=1", "hardware.cpu_threads=4"]),
    ])
}

/// Plain places of experts, with everything that the link and the drive can be.
pub(crate) fn fetching() -> BoxedStrategy<Vec<String>> {
    let nvme = together(vec![
        one_of(&["placement.experts=\"nvme\""]),
        one_of(&["engine.nvme_path=\"dram\"", "engine.nvme_path=\"vram\""]),
        one_of(&["seed=0", "placement.dram_cache=\"20 MB\"", "placement.page_cache=true"]),
    ]);
    prop_oneof![one_of(&["placement.experts=\"dram\""]), nvme].boxed()
}

/// Where experts live, and what host memory holds of those on NVMe.
fn homes() -> BoxedStrategy<Vec<String>> {
    let nvme = together(vec![
        one_of(&["placement.experts=\"nvme\""]),
        seldom(&["engine.nvme_path=\"vram\""]),
        seldom(&["engine.nvme_queue_depth=4"]),
        seldom(&["hardware.gpu=\"m2-ultra\""]),
        prop_oneof![
            2 => Just(Vec::new()),
            1 => together(vec![
                room("placement.dram_cache", 1..19),
                seldom(&["placement.dram_policy=\"static\"", "placement.dram_policy=\"lfu\""]),
            ]),
            1 => one_of(&["placement.page_cache=true"]),
            1 => one_of(&["placement.warm_experts=1", "placement.warm_experts=2"]),
        ]
        .boxed(),
    ]);
    let vram = one_of(&["placement.experts=\"vram\""]);
    prop_oneof![4 => one_of(&["placement.experts=\"dram\""]), 4 => nvme, 1 => vram, 1 => Just(Vec::new())]
        .boxed()
}

/// What a miss leads to.
fn misses() -> BoxedStrategy<Vec<String>> {
    let spared = together(vec![
        one_of(&["placement.miss=\"degrade\"", "placement.miss=\"skip\"", "placement.miss=\"substitute\""]),
        seldom(&["placement.miss_below=\"40 %\"", "placement.miss_below=\"1 %\""]),
    ]);
    let others = one_of(&["placement.miss=\"fetch\"", "placement.miss=\"cpu\"", "placement.miss=\"auto\""]);
    prop_oneof![2 => Just(Vec::new()), 2 => others, 1 => spared].boxed()
}

/// Where things lie and what a miss leads to.
pub(crate) fn placements() -> BoxedStrategy<Vec<String>> {
    let cpu_layers = &[
        "placement.n_cpu_moe=1",
        "placement.n_cpu_moe=2",
        "placement.n_cpu_moe=3",
        "placement.cpu_layers=1",
        "placement.cpu_layers=3",
    ];
    together(vec![
        homes(),
        misses(),
        prop_oneof![9 => one_of(&["hardware.cpu=\"ryzen-7950x\""]), 1 => Just(Vec::new())].boxed(),
        seldom(cpu_layers),
        seldom(&["engine.prefill_offload_tokens=2"]),
        seldom(&["placement.hot_experts=1", "placement.hot_experts=2"]),
    ])
}

/// How experts come into GPU memory: fetched ahead or not, one at a time or not, or by an assumed rate.
pub(crate) fn ways() -> BoxedStrategy<Vec<String>> {
    let assumed = one_of(&["cache.hit_rate=\"0 %\"", "cache.hit_rate=\"70 %\"", "cache.hit_rate=\"100 %\""]);
    let single = one_of(&["placement.single_buffer=true"]);
    prop_oneof![6 => prefetches(), 1 => assumed, 1 => single, 2 => Just(Vec::new())].boxed()
}

/// What else may be asked for.
pub(crate) fn extras() -> BoxedStrategy<Vec<String>> {
    together(vec![
        one_of(OVERLAPS),
        seldom(&["cache.yields_to_kv=true", "cache.replay=\"access\"", "cache.scope=\"per-layer\""]),
        seldom(&["workload.batch=2", "workload.batch=5"]),
        seldom(&["workload.depth=0", "workload.depth=1000"]),
        seldom(&["hardware.vram=\"720 MB\"", "hardware.overcommit=\"spill\""]),
        seldom(&["seed=3"]),
    ])
}
