//! What a person is told whose settings cannot be meant together, or name what a model or a machine does not have: the
//! exact words, with line and column.

use std::path::Path;

use moesim::plan::{Inputs, plan};
use moesim::scenario::ScenarioFile;

/// What is wrong with the point of these lines, on a model of 48 layers with the shipped trace of it, or why it cannot
/// run.
fn point_errors(lines: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/x.toml");
    let head = "model.name = \"qwen3-30b-a3b\"\nquant.scheme = \"q4_k_m\"\nhardware.gpu = \"rtx4090\"\n\
        workload.trace = \"qwen3-30b-a3b.moetrace\"\nworkload.decode_tokens = 2\nworkload.sequences = 1\n";
    let planned = ScenarioFile::parse(&format!("{head}{lines}"), &path, &[])
        .and_then(|file| file.point(0))
        .and_then(|point| plan(&point, &Inputs::default()));
    match planned {
        Ok(plan) if plan.fits() => "runs".to_owned(),
        Ok(plan) => format!("cannot run: {}", plan.problems.join("; ")),
        Err(error) => error.to_string().replace(&path.display().to_string(), "x.toml"),
    }
}

const CPU: &str = "hardware.cpu = \"ryzen-7950x\"\n";

#[test]
fn placements_that_cannot_be() {
    for (lines, expect) in [
        (format!("{CPU}placement.n_cpu_moe = 49"), "x.toml:8:23: placement.n_cpu_moe: found 49, expected at most 48, the layers of Qwen3-30B-A3B"),
        (format!("{CPU}placement.cpu_layers = 49"), "x.toml:8:24: placement.cpu_layers: found 49, expected at most 48, the layers of Qwen3-30B-A3B"),
        (format!("{CPU}placement.n_cpu_moe = 1\nplacement.cpu_layers = 1"), "x.toml:9:11: placement.cpu_layers: found beside placement.n_cpu_moe, expected only one of placement.n_cpu_moe, placement.cpu_layers"),
        ("placement.warm_experts = 2".to_owned(), "x.toml:7:26: placement.warm_experts: found where experts live in dram, expected placement.experts = \"nvme\""),
        ("placement.page_cache = true".to_owned(), "x.toml:7:24: placement.page_cache: found where experts live in dram, expected placement.experts = \"nvme\""),
        ("placement.dram_cache = \"1 GiB\"".to_owned(), "x.toml:7:24: placement.dram_cache: found where experts live in dram, expected placement.experts = \"nvme\""),
        ("placement.experts = \"nvme\"\nplacement.dram_cache = \"1 GiB\"\nplacement.page_cache = true".to_owned(), "x.toml:9:11: placement.page_cache: found beside placement.dram_cache, expected only one of placement.dram_cache, placement.page_cache"),
        ("placement.experts = \"nvme\"\nplacement.dram_cache = \"1 GiB\"\nplacement.dram_policy = \"lur\"".to_owned(), "x.toml:9:25: unknown policy of host memory \"lur\", did you mean \"lru\"?"),
        ("placement.experts = \"nvme\"\nplacement.dram_cache = \"1 GiB\"\nplacement.dram_policy = \"belady\"".to_owned(), "x.toml:9:25: unknown policy of host memory \"belady\", expected one of lru, fifo, clock, sieve, mru, random, slru, s3-fifo, 2q, arc, lirs, lecar, lfu, lfu-perfect, lfu-da, lfu-window, lfu-ema, w-tinylfu, gdsf, static, layer-lru, layer-lfu, layer-distance, gate-weight, activation-aware, pin+lru"),
        ("hardware.overcommit = \"spil\"".to_owned(), "x.toml:7:23: hardware.overcommit: found \"spil\", did you mean \"spill\"?"),
        ("placement.single_buffer = true\ncache.replay = \"access\"".to_owned(), "x.toml:8:16: cache.replay: found beside placement.single_buffer; one expert at a time is how a cache is replayed that keeps all it fetches, expected \"layer\""),
    ] {
        assert_eq!(point_errors(&lines), expect, "\n{lines}");
    }
    for lines in [
        "placement.miss = \"cpu\"",
        "placement.miss = \"auto\"",
        "placement.n_cpu_moe = 1",
        "placement.cpu_layers = 1",
    ] {
        let found = point_errors(lines);
        assert!(found.ends_with(": hardware.cpu is missing, and experts or layers run on the CPU, expected a CPU of the catalogue, like \"ryzen-7950x\""), "{found}");
    }
}

#[test]
fn misses_and_caches_that_contradict_each_other() {
    for (lines, expect) in [
        (
            "placement.miss = \"skipp\"",
            "x.toml:7:18: placement.miss: found \"skipp\", did you mean \"skip\"?",
        ),
        (
            "placement.miss_below = \"10 %\"",
            "x.toml:7:24: placement.miss_below: found beside the miss action \"fetch\", expected placement.miss = \"degrade\", \"skip\" or \"substitute\"",
        ),
        (
            "placement.miss = \"degrade\"\nplacement.low_bit = \"q2_l\"",
            "x.toml:8:21: unknown storage type \"q2_l\", did you mean \"q2_k\"?",
        ),
        (
            "placement.miss = \"degrade\"\nplacement.low_bit = \"bf16\"",
            "x.toml:8:21: placement.low_bit: bf16 takes 9.00 MiB for an expert of 2.92 MiB, expected a smaller type than the experts' own",
        ),
        (
            "placement.miss = \"skip\"\ncache.replay = \"access\"",
            "x.toml:8:16: cache.replay: found beside placement.miss; one expert at a time is how a cache is replayed that keeps all it fetches, expected \"layer\"",
        ),
        (
            "cache.yields_to_kv = true\ncache.slots_per_layer = 4",
            "x.toml:7:22: cache.yields_to_kv: found beside a share for each layer, expected cache.scope = \"global\"",
        ),
        (
            "cache.yields_to_kv = true\ncache.scope = \"per-layer\"",
            "x.toml:7:22: cache.yields_to_kv: found beside a share for each layer, expected cache.scope = \"global\"",
        ),
        (
            "cache.yields_to_kv = true\ncache.hit_rate = \"50 %\"",
            "x.toml:7:22: cache.yields_to_kv: found beside cache.hit_rate; an assumed hit rate is that of no capacity, expected false",
        ),
        (
            "cache.hit_rate = \"120 %\"",
            "x.toml:7:18: cache.hit_rate: found \"120 %\", expected a percentage from 0 % to 100 %",
        ),
        (
            "workload.batch = 2\nworkload.prefill = true",
            "x.toml:8:20: workload.prefill: found beside workload.batch, expected false: only decode is replayed in batches",
        ),
        (
            "workload.batch = 0",
            "x.toml:7:18: workload.batch: found zero, expected a whole number of at least 1",
        ),
        (
            "placement.hot_experts = 0",
            "x.toml:7:25: placement.hot_experts: found zero, expected a whole number of at least 1",
        ),
    ] {
        assert_eq!(point_errors(lines), expect, "\n{lines}");
    }
}

#[test]
fn predictors_that_are_not_known_or_cannot_guess() {
    for (lines, expect) in [
        (
            "prefetch.predictor = \"orcale\"",
            "x.toml:7:22: unknown predictor \"orcale\", did you mean \"oracle\"?",
        ),
        (
            "prefetch.predictor = \"orcale\"\nplacement.experts = \"vram\"",
            "x.toml:7:22: unknown predictor \"orcale\", did you mean \"oracle\"?",
        ),
        (
            "prefetch.predictor = \"oracle\"\nprefetch.depth = 48",
            "x.toml:8:18: prefetch.depth: found 48, expected less than the 48 MoE layers of Qwen3-30B-A3B",
        ),
        (
            "prefetch.predictor = \"oracle\"\ncache.hit_rate = \"50 %\"",
            "x.toml:7:22: prefetch.predictor: found beside cache.hit_rate; which experts an assumed hit rate misses is not known, so none can be fetched ahead, expected \"none\"",
        ),
        (
            "prefetch.predictor = \"oracle\"\nplacement.single_buffer = true",
            "x.toml:7:22: prefetch.predictor: found beside placement.single_buffer; the one buffer holds the expert that is computed, expected \"none\"",
        ),
        ("prefetch.predictor = \"none\"\nplacement.single_buffer = true\nengine.overlap = \"none\"", "runs"),
        ("prefetch.predictor = \"oracle\"\nprefetch.depth = 0\ncache.hit_rate = \"50 %\"", "runs"),
        (
            "prefetch.predictor = \"oracle\"\nengine.overlap = \"none\"",
            "cannot run: prefetch.predictor: with engine.overlap \"none\" nothing is copied while the GPU computes",
        ),
        (
            "prefetch.recall = [\"110 %\"]",
            "x.toml:7:19: prefetch.recall: found \"110 %\", expected a percentage above 0 % and up to 100 %",
        ),
        (
            "prefetch.experts = 0",
            "x.toml:7:20: prefetch.experts: found zero, expected a whole number of at least 1",
        ),
    ] {
        assert_eq!(point_errors(lines), expect, "\n{lines}");
    }
}

/// Values that are mistyped by many orders of magnitude are told of, by the key to blame, before any clock runs over.
#[test]
fn runs_of_centuries() {
    for (lines, key) in [
        ("prefetch.predictor = \"oracle\"\nprefetch.cost = \"100000000 s\"", "prefetch.cost"),
        ("hardware.dram_bandwidth = \"1 B/s\"", "hardware.dram_bandwidth"),
        (
            "hardware.cpu = \"ryzen-7950x\"\nplacement.cpu_layers = 48\nengine.cpu_thread_bandwidth = \"1 B/s\"",
            "engine.cpu_thread_bandwidth",
        ),
        (
            "engine.h2d_bandwidth = \"2 B/s\"\nhardware.vram = \"1 GiB\"\nhardware.overcommit = \"spill\"\nplacement.experts = \"vram\"",
            "engine.gpu_memory_efficiency",
        ),
        ("engine.copy_chunk = \"1 B\"\nengine.h2d_latency = \"1 s\"", "engine.h2d_latency"),
    ] {
        let found = point_errors(lines);
        assert!(
            found.contains(&format!("{key}: the run could take"))
                && found.ends_with("expected less than 292 years"),
            "{lines}: {found}"
        );
    }
}
