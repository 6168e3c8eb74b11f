//! Launch lines: what a scenario says is what the command asks for, and what an engine cannot do is said.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "common/binary.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod binary;

use std::path::Path;

use binary::Desk;
use moesim::advise::launch::launch_lines;
use moesim::metrics::LaunchLine;
use moesim::plan::{Inputs, plan};
use moesim::scenario::ScenarioFile;

const SMALL: &str = "model.name = \"qwen3-30b-a3b\"\nhardware.gpu = \"rtx4090\"\nhardware.cpu = \"ryzen-7950x\"\n\
                     workload.router = \"uniform\"\nworkload.context = 8192\nworkload.sequences = 1\n\
                     workload.decode_tokens = 4\n";
const SERVED: &str = "model.name = \"qwen3-30b-a3b\"\nhardware.gpu = \"h100-sxm\"\nworkload.router = \"uniform\"\n\
                      quant.scheme = \"bf16\"\nplacement.experts = \"vram\"\nrequests.arrivals = \"poisson\"\nrequests.rate = \"2 /s\"\n\
                      requests.count = 8\nrequests.prompt_tokens = 1000\nrequests.output_tokens = 200\n\
                      workload.sequences = 2\nworkload.prompt_tokens = 8\nworkload.decode_tokens = 4\n";

fn lines(text: &str, sets: &[&str]) -> Vec<LaunchLine> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let scenario = ScenarioFile::parse(text, Path::new("launch.toml"), &sets).unwrap();
    let point = scenario.point(0).unwrap();
    let plan = plan(&point, &Inputs::default()).unwrap();
    launch_lines(&point.scenario, &plan, None)
}

fn line(text: &str, sets: &[&str]) -> LaunchLine {
    let all = lines(text, sets);
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}

#[test]
fn llama_cpp_is_configured_as_the_scenario_says() {
    const GGUF: &str = "llama-server -m Qwen3-30B-A3B-Q4_K_M.gguf";
    for (sets, rest) in [
        (&[][..], "-ngl 99 -c 8192 -fa on -b 2048 -ub 512 --parallel 1"),
        (
            &["placement.n_cpu_moe=24", "hardware.cpu_threads=12"][..],
            "-ngl 99 --n-cpu-moe 24 -t 12 -c 8192 -fa on -b 2048 -ub 512 --parallel 1",
        ),
        (
            &["placement.cpu_layers=12"][..],
            // 48 layers and the output, which counts as one.
            "-ngl 37 -t 16 -c 8192 -fa on -b 2048 -ub 512 --parallel 1",
        ),
        (
            &["quant.kv=\"q8_0\"", "workload.prefill_chunk=4096"][..],
            "-ngl 99 -c 8192 -fa on -ctk q8_0 -ctv q8_0 -b 4096 -ub 4096 --parallel 1",
        ),
        (
            &["workload.batch=4", "workload.sequences=4"][..],
            "-ngl 99 -c 32768 -fa on -b 2048 -ub 512 --parallel 4",
        ),
        (
            &["placement.experts=\"dram\"", "cache.capacity=\"8 GiB\""][..],
            "-ngl 99 --cpu-moe --moe-cache-mib 8192 -c 8192 -fa on -b 2048 -ub 512 --load-mode none --parallel 1",
        ),
        (
            &["placement.experts=\"nvme\"", "cache.capacity=\"4 GiB\""][..],
            "-ngl 99 --cpu-moe --moe-cache-mib 4096 -c 8192 -fa on -b 2048 -ub 512 --load-mode mmap --parallel 1",
        ),
    ] {
        let sets = [&["engine.profile=\"llama.cpp\"", "quant.scheme=\"q4_k_m\""], sets].concat();
        let found = line(SMALL, &sets);
        assert_eq!(found.command, format!("{GGUF} {rest}"), "{sets:?}");
    }
}

/// The command of a scenario that serves requests.
fn served(engine: &str, sets: &[&str]) -> String {
    let profile = format!("engine.profile={engine:?}");
    let sets: Vec<&str> = std::iter::once(profile.as_str()).chain(sets.iter().copied()).collect();
    line(SERVED, &sets).command
}

#[test]
fn vllm_is_configured_as_the_scenario_says() {
    const VLLM: &str = "vllm serve Qwen/Qwen3-30B-A3B";
    for (engine, sets, command) in [
        (
            "vllm",
            &[][..],
            format!(
                "{VLLM} --tensor-parallel-size 1 --max-model-len 1200 --max-num-seqs 256 --max-num-batched-tokens 8192 \
                 --gpu-memory-utilization 0.95 --no-enable-prefix-caching"
            ),
        ),
        (
            "vllm",
            &[
                "parallel.dp=4",
                "parallel.ep=4",
                "parallel.redundant_experts=8",
                "parallel.placement=\"load-balanced\"",
            ],
            format!(
                "{VLLM} --tensor-parallel-size 1 --data-parallel-size 4 --enable-expert-parallel --enable-eplb \
                 --eplb-config '{{\"num_redundant_experts\":8}}' --max-model-len 1200 --max-num-seqs 256 \
                 --max-num-batched-tokens 8192 --gpu-memory-utilization 0.95 --no-enable-prefix-caching"
            ),
        ),
        (
            "vllm",
            &[
                "parallel.tp=2",
                "parallel.pp=2",
                "quant.scheme=\"fp8\"",
                "quant.kv=\"fp8\"",
                "scheduler.max_batch=32",
            ],
            format!(
                "{VLLM} --tensor-parallel-size 2 --pipeline-parallel-size 2 --max-model-len 1200 --max-num-seqs 32 \
                 --max-num-batched-tokens 8192 --gpu-memory-utilization 0.95 --quantization fp8 --kv-cache-dtype fp8 \
                 --no-enable-prefix-caching"
            ),
        ),
        (
            "vllm",
            &[
                "kv.block_tokens=32",
                "scheduler.policy=\"priority\"",
                "parallel.placement=\"round-robin\"",
                "kv.capacity=\"4 GiB\"",
            ],
            format!(
                "{VLLM} --tensor-parallel-size 1 --expert-placement-strategy round_robin --max-model-len 1200 \
                 --max-num-seqs 256 --max-num-batched-tokens 8192 --gpu-memory-utilization 0.78 --block-size 32 \
                 --no-enable-prefix-caching --scheduling-policy priority"
            ),
        ),
    ] {
        assert_eq!(served(engine, sets), command, "{sets:?}");
    }
}

#[test]
fn sglang_is_configured_as_the_scenario_says() {
    const SGLANG: &str = "python -m sglang.launch_server --model-path Qwen/Qwen3-30B-A3B";
    for (engine, sets, command) in [
        (
            "sglang",
            &["parallel.dp=4", "parallel.ep=4", "kv.capacity=\"8 GiB\""],
            format!(
                "{SGLANG} --tp-size 4 --dp-size 4 --enable-dp-attention --ep-size 4 --context-length 1200 \
                 --mem-fraction-static 0.30 --max-running-requests 256 --chunked-prefill-size 8192 --disable-radix-cache"
            ),
        ),
        (
            "sglang",
            &["parallel.tp=2", "scheduler.token_budget=4096", "kv.capacity=\"8 GiB\""],
            format!(
                "{SGLANG} --tp-size 2 --context-length 1200 --mem-fraction-static 0.45 --max-running-requests 256 \
                 --chunked-prefill-size 4096 --disable-radix-cache"
            ),
        ),
    ] {
        assert_eq!(served(engine, sets), command, "{sets:?}");
    }
}

#[test]
fn other_engines_have_commands_of_their_own() {
    let cpu = ["engine.profile=\"ik_llama.cpp\"", "quant.scheme=\"q4_k_m\"", "placement.n_cpu_moe=24"];
    assert_eq!(
        line(SMALL, &cpu).command,
        "llama-server -m Qwen3-30B-A3B-Q4_K_M.gguf -ngl 99 --n-cpu-moe 24 -t 16 -c 8192 -fa on -b 2048 -ub 512 --parallel 1"
    );
    let hot = [
        "engine.profile=\"ktransformers\"",
        "quant.scheme=\"int8\"",
        "placement.experts=\"dram\"",
        "placement.miss=\"cpu\"",
        "placement.hot_experts=24",
        "cache.policy=\"static\"",
        "cache.slots_per_layer=24",
    ];
    let found = line(SMALL, &hot);
    assert_eq!(
        found.command,
        "python -m sglang.launch_server --model-path Qwen/Qwen3-30B-A3B --tp-size 1 --context-length 8192 \
         --mem-fraction-static 0.33 --max-running-requests 1 --chunked-prefill-size 512 --disable-radix-cache \
         --kt-weight-path CPU_WEIGHTS --kt-method AMXINT8 --kt-cpuinfer 16 --kt-threadpool-count 1 --kt-num-gpu-experts 24"
    );
}

#[test]
fn what_an_engine_cannot_do_is_said() {
    let cached = ["placement.experts=\"dram\"", "cache.capacity=\"4 GiB\"", "quant.scheme=\"q4_k_m\""];
    for (engine, sets, note) in [
        ("llama.cpp", &[][..], "The expert cache (--moe-cache-mib) needs llama.cpp b11480 or later"),
        ("llama.cpp", &["cache.policy=\"lfu\""], "llama.cpp knows no cache policy but its own: \"lfu\""),
        ("llama.cpp", &["placement.single_buffer=true"], "llama.cpp has no buffer for one expert at a time"),
        (
            "llama.cpp",
            &["prefetch.predictor=\"popularity\""],
            "llama.cpp does not load experts ahead of the router",
        ),
        ("ik_llama.cpp", &[], "ik_llama.cpp has no expert cache; the nearest is the 4.00 GiB"),
        ("vllm", &[], "vLLM has no expert cache; the nearest is --cpu-offload-gb"),
        ("vllm", &[], "The point stores weights as GGUF (q4_k_m)"),
        (
            "sglang",
            &["quant.scheme=\"int4\""],
            "in place of Qwen/Qwen3-30B-A3B name one of it that is stored as int4",
        ),
        ("ktransformers", &[], "KTransformers has no expert cache that follows every token"),
        ("generic", &[], "The point was planned with the engine profile \"generic\""),
    ] {
        let profile = format!("engine.profile={engine:?}");
        let sets: Vec<&str> =
            cached.iter().copied().chain([profile.as_str()]).chain(sets.iter().copied()).collect();
        let found = line(SMALL, &sets);
        assert!(found.notes.iter().any(|said| said.contains(note)), "{engine} {note}: {:#?}", found.notes);
    }
}

#[test]
fn a_profile_of_no_engine_has_those_that_read_its_weights() {
    let engines =
        |sets: &[&str]| -> Vec<String> { lines(SMALL, sets).into_iter().map(|line| line.engine).collect() };
    assert_eq!(engines(&["quant.scheme=\"q4_k_m\""]), ["llama.cpp"]);
    assert_eq!(engines(&["quant.scheme=\"int4\""]), ["vLLM", "SGLang"]);
    assert_eq!(engines(&["quant.scheme=\"int4\"", "placement.n_cpu_moe=8"]), ["llama.cpp", "vLLM"]);
}

#[test]
fn the_program_prints_them_with_the_prediction() {
    let desk = Desk::new();
    desk.write("a.toml", format!("{SMALL}engine.profile = \"llama.cpp\"\nquant.scheme = \"q4_k_m\"\n"));
    let text = desk.succeed(&["plan", "a.toml", "--launch"]);
    assert!(text.starts_with("llama.cpp:\n  llama-server -m Qwen3-30B-A3B-Q4_K_M.gguf -ngl 99 "), "{text}");
    assert!(
        text.contains(
            "  check: llama-bench -m Qwen3-30B-A3B-Q4_K_M.gguf -ngl 99 -fa on -ub 512 -p 512 -n 4\n"
        )
    );
    assert!(text.contains("compare tokens/s of the row tg4; predicted: "), "{text}");
    let parsed: Vec<LaunchLine> =
        serde_json::from_str(&desk.succeed(&["plan", "a.toml", "--launch", "--json"])).unwrap();
    assert_eq!(parsed.len(), 1);
    assert!(parsed[0].check.compare.contains("tokens/s, TPOT"), "{parsed:?}");
}
