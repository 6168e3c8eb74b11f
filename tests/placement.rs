//! Where weights lie and what lies there costs: ledger, pins, host caches, shared room, spills.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "timing_laws/any.rs"]
mod any;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "sim_laws/bench.rs"]
mod bench;

use moesim::memory::Tier;
use moesim::metrics::Summary;
use moesim::plan::{LayerHome, Plan};
use moesim::trace::{Compression, write_file};
use proptest::prelude::*;

use any::{DIMENSIONS, caches, decode, one_of, room, sequences, texts};
use bench::{Bench, decode_only, link, routing, run, small};

const CPU: &str = "hardware.cpu=\"ryzen-7950x\"";
const NVME: &str = "placement.experts=\"nvme\"";

fn owner(plan: &Plan, tier: Tier, owner: &str) -> u64 {
    let lines = plan.ledger.lines();
    lines.iter().filter(|line| line.tier == tier.name() && line.owner == owner).map(|line| line.bytes).sum()
}

fn carried(summary: &Summary, name: &str) -> u64 {
    link(summary, name).map_or(0, |link| link.bytes)
}

/// Rows that ask for experts 5 and 4 of the first layer most often, and of the second for 0 and 1.
fn leaning() -> Bench {
    let rows: [&[u16]; 6] =
        [&[5, 4, 0, 1], &[5, 4, 0, 1], &[4, 5, 1, 0], &[5, 3, 0, 2], &[2, 4, 3, 1], &[5, 1, 0, 4]];
    Bench::new((2, 6, 2), &decode_only(&rows))
}

#[test]
fn the_hottest_of_each_layer_are_pinned_and_the_next_lie_in_host_memory() {
    let bench = leaning();
    let room = format!("cache.capacity=\"{} B\"", 4 * small::EXPERT_BYTES);
    let plan = bench.plan(&[NVME, "placement.hot_experts=2", "placement.warm_experts=1", &room]).unwrap();
    assert_eq!(plan.cache.shape.pinned, [5, 4, 6, 7]);
    let host = plan.placement.dram.as_ref().unwrap();
    // Third of the first layer are 1, 2 and 3 with one selection each: the lowest number. Of the second, 2 to 4 alike.
    assert_eq!(
        (host.shape.pinned.as_slice(), host.shape.pool_capacity.as_slice()),
        (&[1, 8][..], &[2 * small::EXPERT_BYTES][..])
    );
    assert_eq!(owner(&plan, Tier::Dram, "host expert cache"), 2 * small::EXPERT_BYTES);
    assert!(plan.labels.policy_is_oracle, "the profile is the trace itself");
    let summary = run(&plan);
    // All but 3, 2, 1 of the first layer and 2, 3, 4 of the second hit; of these host memory holds one each.
    assert_eq!((summary.decode.lookups, summary.decode.hits), (24, 18));
    assert_eq!((summary.decode.dram_lookups, summary.decode.dram_hits), (6, 2));
    assert_eq!(
        (carried(&summary, "nvme"), carried(&summary, "h2d")),
        (4 * small::EXPERT_BYTES, 6 * small::EXPERT_BYTES)
    );
}

/// A profile from elsewhere decides as well, and is no oracle.
#[test]
fn a_profile_of_another_trace_ranks() {
    let bench = leaning();
    let other = routing((2, 6, 2), &decode_only(&[&[0, 1, 2, 3], &[0, 1, 2, 3]]));
    write_file(&other, Compression::None, &bench.folder().join("other.moetrace")).unwrap();
    let profile = format!("cache.profile=\"{}\"", bench.folder().join("other.moetrace").display());
    let plan = bench.plan(&["placement.hot_experts=1", &profile]).unwrap();
    assert_eq!(plan.cache.shape.pinned, [0, 8]);
    assert!(!plan.labels.policy_is_oracle);
}

#[test]
fn the_ledger_books_what_lies_where() {
    let bench = Bench::new(DIMENSIONS, &decode_only(&[&[0, 1, 2, 3, 4, 5]]));
    let layer = 6 * small::EXPERT_BYTES;
    let plan = |settings: &[&str]| bench.plan(&[&[CPU][..], settings].concat()).unwrap();
    for (settings, vram, dram, nvme) in [
        (&["placement.n_cpu_moe=2"][..], layer, 2 * layer, 0),
        (&["placement.n_cpu_moe=3"], 0, 3 * layer, 0),
        (&["placement.n_cpu_moe=2", NVME, "cache.capacity=\"100 %\""], layer, 2 * layer, layer),
        (
            &["placement.n_cpu_moe=2", "placement.experts=\"dram\"", "cache.capacity=\"100 %\""],
            layer,
            3 * layer,
            0,
        ),
        (&["placement.cpu_layers=1"], 2 * layer, layer, 0),
        (&["placement.experts=\"vram\""], 3 * layer, 0, 0),
    ] {
        let plan = plan(settings);
        let booked = Tier::ALL.map(|tier| owner(&plan, tier, "routed experts"));
        assert_eq!(booked, [vram, dram, nvme], "{settings:?}");
        assert!(plan.fits());
    }
    // What a slot holds, and what low-bit copies take, is counted for layers of the GPU alone.
    let slots = plan(&["placement.n_cpu_moe=1", "placement.experts=\"dram\"", "cache.slots_per_layer=2"]);
    assert_eq!(owner(&slots, Tier::Vram, "expert cache"), 4 * small::EXPERT_BYTES);
    let copies = |layers: &str| {
        owner(
            &plan(&[layers, "placement.miss=\"degrade\"", "placement.experts=\"dram\""]),
            Tier::Vram,
            "low-bit copies",
        )
    };
    assert_eq!(copies("placement.n_cpu_moe=0"), 3 * copies("placement.n_cpu_moe=2"));
    let shares = plan(&[
        "placement.n_cpu_moe=1",
        "placement.experts=\"dram\"",
        "cache.scope=\"per-layer\"",
        "cache.capacity=\"50 %\"",
    ]);
    assert_eq!(shares.cache.shape.pool_capacity, [0, layer / 2, layer / 2]);
    assert_eq!(shares.placement.homes, [LayerHome::CpuExperts, LayerHome::Gpu, LayerHome::Gpu]);
    // Keys and values of a layer lie where the layer is computed.
    let whole = plan(&["placement.cpu_layers=2", "workload.context=3000"]);
    let kv = 3000 * small::KV_BYTES_PER_TOKEN;
    assert_eq!(
        (owner(&whole, Tier::Vram, "kv cache"), owner(&whole, Tier::Dram, "kv cache on the CPU")),
        (kv, 2 * kv)
    );
}

/// One pool of memory has no links, and what is copied elsewhere is there at once.
#[test]
fn one_pool_of_memory_copies_nothing() {
    let bench = Bench::new(DIMENSIONS, &decode_only(&[&[0, 1, 2, 3, 4, 5], &[2, 1, 0, 3, 4, 5]]));
    let plan = bench
        .plan(&["hardware.gpu=\"m2-ultra\"", NVME, "cache.capacity=\"100 %\"", "cache.start=\"empty\""])
        .unwrap();
    let summary = run(&plan);
    let names: Vec<&str> = summary.links.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["gpu", "nvme"]);
    assert_eq!(carried(&summary, "nvme"), summary.decode.miss_bytes);
    assert_eq!(summary.decode_time.wait_h2d_ns, 0);
    let resident = bench.run(&["hardware.gpu=\"m2-ultra\"", CPU, "placement.n_cpu_moe=3"]);
    assert_eq!((resident.decode.on_cpu, resident.decode.misses), (12, 12));
    assert!(link(&resident, "d2h").is_none() && link(&resident, "h2d").is_none());
}

/// A prompt of enough tokens has the experts of CPU layers copied and computed on the GPU.
#[test]
fn long_prompts_leave_the_cpu() {
    let prompt: Vec<Vec<u16>> =
        (0..8_u16).map(|token| vec![token % 6, (token + 1) % 6, 0, 1, 2, 3]).collect();
    let sequence = bench::Sequence { prompt, decode: vec![vec![0, 1, 2, 3, 4, 5]] };
    let bench = Bench::new(DIMENSIONS, &[sequence]);
    let run = |tokens: u64| {
        bench.run(&[CPU, "placement.n_cpu_moe=3", &format!("engine.prefill_offload_tokens={tokens}")])
    };
    let (offloaded, kept) = (run(8), run(9));
    assert_eq!((offloaded.prefill.fetched, offloaded.prefill.on_cpu), (10, 0));
    assert_eq!((kept.prefill.fetched, kept.prefill.on_cpu), (0, 10));
    assert_eq!((offloaded.decode, kept.decode.on_cpu), (kept.decode, 6));
    assert!(carried(&offloaded, "h2d") > 10 * small::EXPERT_BYTES);
}

/// With a full context the cache has what the ledger says; with less of it, more, by the keys and values not there yet.
#[test]
fn a_cache_gives_way_to_the_context() {
    // 24 experts in turn: LRU hits all where there is room for all, and none where one is too few.
    let rows: Vec<Vec<u16>> = (0..60_u16).map(|token| vec![token % 12, token % 12]).collect();
    let rows: Vec<&[u16]> = rows.iter().map(Vec::as_slice).collect();
    let bench = Bench::new((2, 12, 1), &decode_only(&rows));
    let per_expert = small::EXPERT_BYTES / (2 * small::KV_BYTES_PER_TOKEN);
    let context = 12 * per_expert;
    let room = format!("cache.capacity=\"{} B\"", 13 * small::EXPERT_BYTES);
    let run = |depth: u64, more: &[&str]| {
        let (depth, context) = (format!("workload.depth={depth}"), format!("workload.context={context}"));
        bench.run(&[&[room.as_str(), &depth, &context, "cache.start=\"empty\""][..], more].concat())
    };
    let yields = &["cache.yields_to_kv=true"][..];
    let hits = |depth: u64| run(depth, yields).decode.hits;
    // Room for 25 less the tokens at hand, until the context has taken that of two.
    assert_eq!(hits(0), 96);
    assert_eq!(hits(2 * per_expert), 0);
    let full = context - 60;
    assert_eq!(run(full, yields).decode, run(full, &[]).decode);
    assert_eq!(run(full, &["cache.yields_to_kv=false"]), run(full, &[]));
}

/// Whole layers on the CPU keep their keys and values there, so that the room shared is that of the others.
#[test]
fn only_what_lies_in_gpu_memory_is_shared() {
    let rows: Vec<Vec<u16>> = (0..24_u16).map(|token| vec![0, token % 12]).collect();
    let rows: Vec<&[u16]> = rows.iter().map(Vec::as_slice).collect();
    let bench = Bench::new((2, 12, 1), &decode_only(&rows));
    let per_expert = small::EXPERT_BYTES / small::KV_BYTES_PER_TOKEN;
    let settings = |room: u64| {
        let room = format!("cache.capacity=\"{} B\"", room * small::EXPERT_BYTES);
        let context = format!("workload.context={}", 3 * per_expert);
        let cpu = [CPU, "placement.cpu_layers=1", "placement.experts=\"dram\"", "cache.yields_to_kv=true"];
        let plan = bench.plan(&[&cpu[..], &[&room, &context, "cache.start=\"empty\""]].concat()).unwrap();
        run(&plan).decode.hits
    };
    // Three experts' worth of one layer's keys and values: with nine experts beside them all twelve have room but for
    // the tokens at hand, with ten they do.
    assert_eq!((settings(9), settings(10)), (0, 12));
}

#[test]
fn spilled_memory_slows_every_pass() {
    let bench = leaning();
    let run = |settings: &[&str]| {
        let plan = bench.plan(&[&["placement.experts=\"vram\""][..], settings].concat()).unwrap();
        plan.fits().then(|| run(&plan).span_ns)
    };
    let fits = run(&[]).unwrap();
    assert_eq!(run(&["hardware.vram=\"680 MB\""]), None);
    assert_eq!(run(&["hardware.vram=\"680 MB\"", "hardware.overcommit=\"error\""]), None);
    let spill = "hardware.overcommit=\"spill\"";
    assert_eq!(run(&[spill]), Some(fits));
    let some = run(&["hardware.vram=\"700 MB\"", spill]).unwrap();
    let more = run(&["hardware.vram=\"680 MB\"", spill]).unwrap();
    assert!(fits < some && some < more);
    // A link faster than the GPU's memory does not make memory faster.
    let link = ["hardware.vram=\"680 MB\"", spill, "engine.h2d_bandwidth=\"9000 GB/s\""];
    assert_eq!(run(&link), Some(fits));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// More of each layer pinned in host memory, or more room there, is never slower under LRU, and room for all is host
    /// memory after the first read of each.
    #[test]
    fn more_host_memory_is_never_slower(sequences in sequences(), cache in caches(), less in 1..18_u64, more in 0..18_u64, overlap in one_of(any::OVERLAPS)) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let run = |experts: u64| {
            let room = format!("placement.dram_cache=\"{} B\"", experts * small::EXPERT_BYTES);
            bench.run(&[&texts(&cache)[..], &texts(&overlap), &[NVME, &room, "cache.start=\"empty\""]].concat())
        };
        let (small, large) = (run(less), run(less + more));
        prop_assert_eq!((small.decode.hits, small.prefill.hits), (large.decode.hits, large.prefill.hits));
        let found = |summary: &Summary| summary.decode.dram_hits + summary.prefill.dram_hits;
        prop_assert!(found(&small) <= found(&large));
        prop_assert!(large.span_ns <= small.span_ns, "{} and {}", small.span_ns, large.span_ns);
    }

    /// The page cache is a host cache under LRU over all the host memory that is left.
    #[test]
    fn the_page_cache_is_what_is_left(decode in decode(), cache in caches(), free in room("", 3..18)) {
        let bench = Bench::new(DIMENSIONS, &decode);
        let experts: u64 = free[0][2..free[0].len() - 3].parse().unwrap();
        let staging = 4 * small::EXPERT_BYTES;
        let host = format!("hardware.dram=\"{} B\"", staging + experts);
        let run = |more: &str| bench.run(&[&texts(&cache)[..], &[NVME, &host, more]].concat());
        let cached = run(&format!("placement.dram_cache=\"{experts} B\""));
        prop_assert_eq!(&run("placement.page_cache=true"), &cached);
        prop_assert_eq!(run("placement.dram_cache=\"rest\""), cached);
    }
}
