//! Latencies that a hand works out, to the nanosecond.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "sim_laws/bench.rs"]
mod bench;

use moesim::metrics::Summary;

use bench::{Bench, decode_only, link, small};

fn ceil_ns(amount: u64, per_s: u64) -> u64 {
    u64::try_from((u128::from(amount) * 1_000_000_000).div_ceil(u128::from(per_s))).unwrap()
}

/// GPU time of one expert for one token.
fn expert_ns() -> u64 {
    ceil_ns(small::EXPERT_BYTES, small::GPU_BYTES_PER_S)
}

const LAUNCH_NS: u64 = 5_000;
const INFINITE: &str = "engine.h2d_bandwidth=\"9000000 TB/s\"";
const WITHIN: &str = "engine.overlap=\"within-layer\"";

/// A link whose copies of an expert take exactly so long, whatever its size.
fn copy_takes(ns: u64) -> String {
    format!("engine.h2d_latency=\"{} ns\"", ns - 1)
}

/// Of the last layer's two experts one is resident and computes while the other is fetched.
#[test]
fn a_fetch_hides_behind_computation_as_far_as_that_lasts() {
    let bench = Bench::new((2, 4, 2), &decode_only(&[&[0, 1, 0, 2]]));
    let hiding = expert_ns() + LAUNCH_NS;
    let run = |copy: u64, overlap: &str| {
        let settings =
            ["cache.start=\"filled\"", "cache.capacity=\"50 %\"", INFINITE, &copy_takes(copy), overlap];
        let summary = bench.run(&settings);
        assert_eq!((summary.decode.hits, summary.decode.misses), (3, 1));
        summary
    };
    let free = run(1, WITHIN);
    for (copy, waited) in [(hiding, 0), (2 * hiding, hiding), (hiding + 1, 1), (hiding - 1, 0)] {
        let summary = run(copy, WITHIN);
        assert_eq!(summary.decode_time.wait_h2d_ns, waited, "a copy of {copy} ns beside {hiding} ns");
        assert_eq!(summary.span_ns, free.span_ns + waited);
        // Not at all where copies are synchronous.
        let none = run(copy, "engine.overlap=\"none\"");
        assert_eq!((none.decode_time.wait_h2d_ns, none.span_ns), (copy, free.span_ns + copy));
    }
    // Nor where nothing is resident that could compute meanwhile.
    let settings =
        [INFINITE, &copy_takes(hiding), WITHIN, "cache.start=\"empty\"", "cache.capacity=\"100 %\""];
    let summary = bench.run(&settings);
    // In each layer the second copy runs beside the first expert, whose launch takes as long.
    assert_eq!(summary.decode_time.wait_h2d_ns, 2 * hiding);
}

/// 60 % of accesses at 0.01 ms from GPU memory, 30 % at 5 ms from host memory, 10 % at 20 ms from NVMe: 3.506 ms.
#[test]
fn the_textbook_mix_of_three_tiers() {
    // Ten experts of two layers, each asked for once a round; in order of hotness by their number.
    let rows: Vec<[u16; 2]> = (0..20).map(|token| [token % 10, (token + 3) % 10]).collect();
    let rows: Vec<&[u16]> = rows.iter().map(|row| &row[..]).collect();
    let bench = Bench::new((2, 10, 1), &decode_only(&rows));
    let launch = format!("engine.kernel_launch=\"{} ns\"", 10_000 - expert_ns());
    let room = format!("cache.capacity=\"{} B\"", 12 * small::EXPERT_BYTES);
    let exact = [&launch, INFINITE, "engine.nvme_bandwidth=\"9000000 TB/s\"", "engine.overlap=\"none\""];
    let mix = ["placement.experts=\"nvme\"", "placement.hot_experts=6", "placement.warm_experts=3", &room];
    let copy = copy_takes(5_000_000 - 10_000);
    let read = format!("engine.nvme_latency=\"{} ns\"", 15_000_000 - 1);
    let summary = bench.run(&[&exact[..], &mix, &[&copy, &read]].concat());
    assert_eq!((summary.decode.lookups, summary.decode.hits), (40, 24));
    assert_eq!((summary.decode.dram_lookups, summary.decode.dram_hits), (16, 12));
    let resident = bench.run(&[&exact[..], &["placement.experts=\"vram\""]].concat());
    let rest = resident.span_ns - 40 * 10_000;
    assert_eq!(summary.span_ns - rest, 40 * 3_506_000);
}

/// 234 MB at 50 GB/s are 4.68 ms, and two misses through one buffer twice that, with nothing beside them.
#[test]
fn experts_of_mixtral_through_one_buffer() {
    let config = r#"{"model_type": "mixtral", "hidden_size": 6000, "intermediate_size": 6500, "num_hidden_layers": 3,
        "num_attention_heads": 8, "num_key_value_heads": 2, "num_local_experts": 8, "num_experts_per_tok": 2,
        "vocab_size": 1000, "tie_word_embeddings": false}"#;
    let row: &[u16] = &[0, 1, 2, 3, 4, 5];
    let bench = Bench::with_config(config, (3, 8, 2), &decode_only(&[row; 4]));
    let link_rate =
        ["engine.h2d_bandwidth=\"50 GB/s\"", "engine.h2d_latency=\"0 ns\"", "engine.overlap=\"none\""];
    let buffer = ["placement.single_buffer=true", "cache.start=\"empty\""];
    let summary = bench.run(&[&link_rate[..], &buffer].concat());
    // The same two experts in every token, and still every one is copied.
    assert_eq!((summary.decode.hits, summary.decode.misses), (0, 24));
    assert_eq!(summary.decode.miss_bytes, 24 * 234_000_000);
    assert_eq!(summary.decode_time.wait_h2d_ns, 4 * 3 * 2 * 4_680_000);
    assert_eq!(link(&summary, "h2d").unwrap().busy_ns, 24 * 4_680_000);
    // One launch more in each layer, since the second expert comes when the first has computed.
    let resident = bench.run(&[&link_rate[..], &["placement.experts=\"vram\""]].concat());
    let one = ceil_ns(234_000_000, small::GPU_BYTES_PER_S);
    let two = ceil_ns(2 * 234_000_000, small::GPU_BYTES_PER_S);
    let per_layer = 2 * 4_680_000 + 2 * one - two + LAUNCH_NS;
    assert_eq!(summary.span_ns, resident.span_ns + 12 * per_layer);
    // Two buffers would hide the second copy's computation: a cache without room is one launch for both.
    let cached = bench.run(&[&link_rate[..], &["cache.capacity=\"1 B\"", "cache.start=\"empty\""]].concat());
    assert!(cached.span_ns < summary.span_ns);
}

/// Links that take a nanosecond for an expert leave the time of a run with every expert resident, and that nanosecond.
#[test]
fn infinite_links_give_the_time_of_resident_experts() {
    let rows: Vec<[u16; 4]> = (0..6).map(|token| [token % 4, 4, token % 3, 5]).collect();
    let rows: Vec<&[u16]> = rows.iter().map(|row| &row[..]).collect();
    let bench = Bench::new((2, 6, 2), &decode_only(&rows));
    let resident = bench.run(&["placement.experts=\"vram\""]);
    let fast = [
        INFINITE,
        "engine.h2d_latency=\"0 ns\"",
        "engine.nvme_bandwidth=\"9000000 TB/s\"",
        "engine.nvme_latency=\"0 ns\"",
    ];
    // Nothing stays, so that both experts of each layer are fetched and compute in one launch.
    let none = ["cache.capacity=\"1 B\"", "cache.start=\"empty\""];
    let dram = bench.run(&[&fast[..], &none, &["engine.overlap=\"none\""]].concat());
    let (events, copies) = (12, dram.decode.misses);
    assert!(copies >= events);
    let split = |summary: &Summary| summary.decode.hits > 0;
    assert!(!split(&dram));
    assert_eq!(dram.span_ns, resident.span_ns + copies);
    // From storage the first read of an event adds its nanosecond; the others run beside the copies.
    let nvme =
        bench.run(&[&fast[..], &none, &["engine.overlap=\"none\"", "placement.experts=\"nvme\""]].concat());
    assert_eq!(nvme.span_ns, dram.span_ns + events);
}

const CPU: [&str; 6] = [
    "hardware.cpu=\"ryzen-7950x\"",
    "engine.cpu_memory_efficiency=\"50 %\"",
    "engine.cpu_layer_overhead=\"100 us\"",
    "engine.h2d_latency=\"20 us\"",
    "engine.overlap=\"none\"",
    "hardware.dram_bandwidth=\"80 GB/s\"",
];
const CPU_BYTES_PER_S: u64 = 40_000_000_000;

fn six_layers() -> Bench {
    let rows: Vec<Vec<u16>> = (0..5_u16)
        .map(|token| (0..12).map(|slot| 2 * (slot % 2) + (token + slot / 2) % 2).collect())
        .collect();
    let rows: Vec<&[u16]> = rows.iter().map(Vec::as_slice).collect();
    Bench::new((6, 4, 2), &decode_only(&rows))
}

/// `ms = a + b x n`: each layer whose experts the CPU computes costs their time there, a fixed time and activations both
/// ways, and spares what the GPU would take.
#[test]
fn each_cpu_layer_costs_the_same() {
    let bench = six_layers();
    let run = |layers: u64| bench.run(&[&CPU[..], &[&format!("placement.n_cpu_moe={layers}")]].concat());
    let none = bench.run(&[&CPU[..], &["placement.experts=\"vram\""]].concat());
    let on_cpu = ceil_ns(2 * small::EXPERT_BYTES, CPU_BYTES_PER_S) + 100_000;
    let crossing = 20_000 + ceil_ns(2 * small::HIDDEN, 10_000_000_000);
    let on_gpu = ceil_ns(2 * small::EXPERT_BYTES, small::GPU_BYTES_PER_S) + LAUNCH_NS;
    let each = on_cpu + 2 * crossing - on_gpu;
    for layers in 0..=6 {
        let summary = run(layers);
        assert_eq!(summary.span_ns, none.span_ns + 5 * layers * each, "{layers} layers");
        assert_eq!(summary.decode.on_cpu, 5 * layers * 2);
        assert_eq!((summary.decode.fetched, summary.decode.hits), (0, 5 * (6 - layers) * 2));
        assert_eq!(summary.decode_time.wait_cpu_ns, 5 * layers * (on_cpu + 2 * crossing));
    }
}

/// `ms = a + b / threads` up to the threads that fill the memory.
#[test]
fn threads_help_until_the_memory_is_full() {
    let bench = six_layers();
    let span = |threads: u64| {
        let threads = format!("hardware.cpu_threads={threads}");
        let settings = ["placement.n_cpu_moe=6", "engine.cpu_thread_bandwidth=\"5 GB/s\"", &threads];
        bench.run(&[&CPU[..], &settings].concat()).span_ns
    };
    let experts = |rate: u64| 5 * 6 * ceil_ns(2 * small::EXPERT_BYTES, rate);
    let fixed = span(1) - experts(5_000_000_000);
    for threads in 1..=16 {
        let rate = (threads * 5_000_000_000).min(CPU_BYTES_PER_S);
        assert_eq!(span(threads), fixed + experts(rate), "{threads} threads");
    }
    assert_eq!(span(8), span(16));
}

/// With every layer on the CPU the GPU has only the output projection, and one copy brings it the last layer's result.
#[test]
fn every_layer_on_the_cpu_takes_the_cpus_time() {
    let bench = six_layers();
    let summary = bench.run(&[&CPU[..], &["placement.cpu_layers=6"]].concat());
    let weights = (small::ATTENTION_PARAMS + 2 * small::HIDDEN + 4 * small::HIDDEN) * 2;
    let cpu = |bytes: u64| ceil_ns(bytes, CPU_BYTES_PER_S);
    let token = |context: u64| {
        let stretch = weights + small::KV_BYTES_PER_TOKEN * (context + 1);
        // What the engine does once per token stands before the first layer.
        let layers = 6 * (cpu(stretch) + cpu(2 * small::EXPERT_BYTES)) + 1_000_000;
        let back = 20_000 + ceil_ns(2 * small::HIDDEN, 10_000_000_000);
        (layers, layers + back + ceil_ns(small::VOCAB * small::HIDDEN * 2, small::GPU_BYTES_PER_S))
    };
    assert_eq!(summary.span_ns, (0..5).map(|context| token(context).1).sum::<u64>());
    assert_eq!(link(&summary, "cpu").unwrap().busy_ns, (0..5).map(|context| token(context).0).sum::<u64>());
    assert_eq!(link(&summary, "d2h").unwrap().jobs, 0, "nothing of a layer is the GPU's");
    assert_eq!(link(&summary, "h2d").unwrap().jobs, 5);
}
