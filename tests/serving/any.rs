//! Settings of serving of every kind.

use proptest::prelude::*;

use super::bench::small;

pub(crate) type Settings = BoxedStrategy<Vec<String>>;

/// One of these, which are settings one after another with ` & ` between them; `@` is the bench's folder.
pub(crate) fn one_of(values: &'static [&'static str]) -> Settings {
    let split = |value: &str| value.split(" & ").filter(|one| !one.is_empty()).map(str::to_owned).collect();
    prop::sample::select(values).prop_map(split).boxed()
}

/// All of these together.
pub(crate) fn together(parts: Vec<Settings>) -> Settings {
    parts.prop_map(|parts| parts.concat()).boxed()
}

fn size(key: &'static str, unit: u64, count: std::ops::Range<u64>) -> Settings {
    count.prop_map(move |count| vec![format!("{key}=\"{} B\"", count * unit)]).boxed()
}

/// How requests come, and how long they are.
pub(crate) fn arrivals() -> Settings {
    let open = one_of(&[
        "requests.arrivals=\"poisson\"",
        "requests.arrivals=\"gamma\" & requests.cv=3.0",
        "requests.arrivals=\"gamma\" & requests.cv=0.3",
        "requests.arrivals=\"uniform\"",
    ]);
    let rate = one_of(&[
        "requests.rate=\"2 /s\"",
        "requests.rate=\"20 /s\"",
        "requests.rate=\"200 /s\"",
        "requests.rate=\"100000 /s\"",
    ]);
    let closed = one_of(&[
        "requests.users=1",
        "requests.users=5 & requests.think_time=\"50 ms\" & requests.think=\"exponential\"",
        "requests.users=17 & requests.think_time=\"3 ms\"",
        "requests.users=60",
    ]);
    let closed = together(vec![one_of(&["requests.arrivals=\"closed\""]), closed]);
    let drawn = || {
        let lengths = one_of(&[
            "requests.prompt_tokens=1 & requests.output_tokens=1",
            "requests.prompt_tokens=30 & requests.output_tokens=8",
            "requests.prompt_tokens=20 & requests.output_tokens=12 & requests.prompt_cv=1.5 & requests.output_cv=1.0 & requests.tokens_max=120",
            "requests.log=\"@/log.csv\" & requests.lengths=\"empirical\"",
        ]);
        let mixed = one_of(&["", "requests.priorities=[\"0: 30 %\", \"2: 70 %\"]"]);
        together(vec![
            lengths,
            mixed,
            (1..60_u32).prop_map(|count| vec![format!("requests.count={count}")]).boxed(),
        ])
    };
    let logged = one_of(&[
        "requests.arrivals=\"log\" & requests.log=\"@/log.csv\"",
        "requests.arrivals=\"log\" & requests.log=\"@/log.csv\" & requests.log_speed=100.0",
        "requests.arrivals=\"log\" & requests.log=\"@/chat.jsonl\" & kv.prefix_reuse=true",
        "requests.arrivals=\"log\" & requests.log=\"@/mooncake.jsonl\" & kv.prefix_reuse=true",
        "requests.arrivals=\"log\" & requests.log=\"@/chat.jsonl\" & requests.log_speed=30.0 & kv.prefix_reuse=true",
        "requests.arrivals=\"log\" & requests.log=\"@/chat.jsonl\" & requests.log_speed=1000.0 & requests.count=31",
    ]);
    prop_oneof![
        4 => together(vec![open, rate, drawn()]),
        2 => together(vec![closed, drawn()]),
        3 => logged,
    ]
    .boxed()
}

/// Who is served when, and in how much memory.
pub(crate) fn scheduling() -> Settings {
    together(vec![
        one_of(&["", "scheduler.policy=\"shortest-prefill-first\"", "scheduler.policy=\"priority\""]),
        one_of(&["", "", "", "scheduler.batching=\"static\""]),
        one_of(&["", "scheduler.order=\"prefill-first\""]),
        one_of(&["", "", "scheduler.chunked_prefill=false"]),
        one_of(&[
            "",
            "scheduler.max_batch=1 & scheduler.token_budget=16",
            "scheduler.max_batch=3 & scheduler.token_budget=7",
            "scheduler.max_batch=16 & scheduler.token_budget=64",
        ]),
        one_of(&["", "", "scheduler.max_queue=1", "scheduler.max_queue=6"]),
        one_of(&["", "kv.block_tokens=1", "kv.block_tokens=5"]),
        prop_oneof![
            2 => one_of(&["kv.capacity=\"20 %\""]),
            5 => size("kv.capacity", small::KV_BYTES_PER_TOKEN * 4 * 16, 3..24),
        ]
        .boxed(),
        one_of(&["scheduler.preemption=\"recompute\"", "scheduler.preemption=\"swap\""]),
    ])
}

/// Where the experts of the only GPU lie, and what a miss leads to.
pub(crate) fn experts() -> Settings {
    let cached = together(vec![
        one_of(&["placement.experts=\"dram\"", "placement.experts=\"dram\"", "placement.experts=\"nvme\""]),
        size("cache.capacity", small::EXPERT_BYTES, 1..33),
        one_of(&["", "cache.policy=\"lfu\"", "cache.policy=\"fifo\"", "cache.policy=\"random\""]),
        one_of(&["cache.start=\"empty\"", "cache.start=\"filled\""]),
        one_of(&[
            "engine.overlap=\"none\"",
            "engine.overlap=\"within-layer\"",
            "engine.overlap=\"across-layers\"",
        ]),
        one_of(&[
            "",
            "placement.miss=\"fetch\"",
            "placement.miss=\"cpu\"",
            "placement.miss=\"auto\"",
            "placement.n_cpu_moe=2",
        ]),
        one_of(&[
            "",
            "",
            "prefetch.predictor=\"previous-token\"",
            "prefetch.predictor=\"popularity\" & prefetch.depth=2",
            "prefetch.predictor=\"gate-lookahead\"",
            "prefetch.predictor=\"transition\"",
            "prefetch.predictor=\"oracle\" & prefetch.depth=2",
        ]),
        one_of(&["", "", "", "cache.yields_to_kv=true"]),
        Just(vec!["hardware.cpu=\"ryzen-7950x\"".to_owned()]).boxed(),
    ]);
    prop_oneof![1 => one_of(&["placement.experts=\"vram\""]), 3 => cached].boxed()
}

/// Layouts of several GPUs.
pub(crate) fn layouts() -> Settings {
    one_of(&[
        "parallel.tp=2",
        "parallel.tp=4 & parallel.ep=4",
        "parallel.tp=2 & parallel.ep=2",
        "parallel.dp=2 & parallel.ep=2",
        "parallel.dp=4 & parallel.ep=4",
        "parallel.tp=2 & parallel.dp=2 & parallel.ep=4",
        "parallel.tp=2 & parallel.dp=2 & parallel.ep=2",
        "parallel.pp=2",
        "parallel.pp=4",
        "parallel.pp=2 & parallel.dp=2 & parallel.ep=2",
        "parallel.pp=3 & parallel.tp=2",
    ])
}

/// Several replicas, or several GPUs, with all experts in their memory or not.
pub(crate) fn fleets() -> Settings {
    let spread = one_of(&[
        "",
        "parallel.placement=\"round-robin\"",
        "parallel.placement=\"load-balanced\"",
        "parallel.exchange=\"all-reduce\"",
        "parallel.exchange=\"all-to-all\"",
        "parallel.node_gpus=2",
    ]);
    let redundant = one_of(&[
        "parallel.dp=2 & parallel.ep=2 & parallel.redundant_experts=2",
        "parallel.tp=4 & parallel.ep=4 & parallel.redundant_experts=4 & parallel.placement=\"load-balanced\"",
    ]);
    let replicas = one_of(&[
        "",
        "parallel.replicas=2 & parallel.routing=\"round-robin\"",
        "parallel.replicas=3 & parallel.routing=\"least-loaded\"",
    ]);
    let home = prop_oneof![
        2 => one_of(&["placement.experts=\"vram\""]),
        1 => together(vec![one_of(&["placement.experts=\"dram\""]), size("cache.capacity", small::EXPERT_BYTES, 1..33)]),
    ];
    let several = prop_oneof![3 => together(vec![layouts(), spread]), 1 => redundant];
    together(vec![several.boxed(), replicas, home.boxed()])
}
