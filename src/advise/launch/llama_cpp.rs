//! llama.cpp and ik_llama.cpp.
//!
//! Flags: <https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md> and `tools/llama-bench/README.md`
//! beside it; `--moe-cache-mib` since <https://github.com/ggml-org/llama.cpp/releases/tag/b11480>, `--load-mode` in place
//! of `--no-mmap` since <https://github.com/ggml-org/llama.cpp/pull/20834>. Those of the fork:
//! <https://github.com/ikawrakow/ik_llama.cpp/blob/main/docs/parameters.md>.
//!
//! `-ngl` counts layers from the last, the output one among them, and `--n-cpu-moe` layers from the first, dense ones
//! among them; scenarios count both from the first. Together they say every placement that a scenario can, so patterns
//! of tensors (`-ot`) are never needed.

use super::command::Command;
use super::facts::Facts;
use super::notes::{own_policy, prefetching};
use crate::metrics::{LaunchCheck, LaunchLine};
use crate::scenario::Copies;
use crate::units::Bytes;

/// Types that the KV cache may have.
const KV_TYPES: [&str; 9] = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"];
/// More than any model has layers.
const ALL_LAYERS: usize = 99;
/// Logical batch where the micro-batch does not ask for more: the engine's default.
const BATCH_DEFAULT: u64 = 2048;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fork {
    Main,
    Ik,
}

pub(super) fn line(facts: Facts<'_>, fork: Fork) -> LaunchLine {
    let mut notes = Vec::new();
    if let Some(nearest) = facts.nearest_gguf().filter(|nearest| *nearest != "f16") {
        notes.push(format!(
            "GGUF has no {}; the nearest in bits is {nearest}: simulate it with quant.scheme = {nearest:?}.",
            facts.scheme()
        ));
    }
    let shared = placement(facts, fork, &mut notes);
    let mut server = Command::new("llama-server").with("-m", facts.gguf());
    server = placed(server, &shared, facts, fork);
    server = context(server, facts, fork, &mut notes);
    server = kv(server, facts, Some(&mut notes));
    server = batch(server, facts);
    server = gpus(server, facts, fork, &mut notes);
    server = mapping(server, facts, fork, &mut notes);
    // As few slots as the scenario has sequences: the default is a number of the engine's own.
    server = server.with("--parallel", facts.sequences());
    prefetching(facts, "llama.cpp", &mut notes);
    let engine = if fork == Fork::Main { "llama.cpp" } else { "ik_llama.cpp" };
    LaunchLine {
        engine: engine.to_owned(),
        command: server.text(),
        check: check(facts, &shared, fork, &mut notes),
        notes,
    }
}

/// Where experts lie, as flags say it.
struct Placed {
    gpu_layers: usize,
    /// Layers from the first whose experts stay on the CPU.
    cpu_moe: Option<u64>,
    /// All of them do.
    all_on_cpu: bool,
    cache: Option<Bytes>,
}

fn placement(facts: Facts<'_>, fork: Fork, notes: &mut Vec<String>) -> Placed {
    let section = &facts.scenario.placement;
    let whole = section.cpu_layers.unwrap_or(0);
    let gpu_layers = match usize::try_from(whole) {
        Ok(0) | Err(_) => ALL_LAYERS,
        Ok(whole) => (facts.layers() + 1).saturating_sub(whole),
    };
    let outside = facts.outside();
    if outside == Bytes::ZERO {
        let cpu_moe = section.n_cpu_moe.filter(|layers| *layers > 0);
        return Placed { gpu_layers, cpu_moe, all_on_cpu: false, cache: None };
    }
    let cached = facts.cached();
    if facts.plan.machine.single_buffer || cached == Bytes::ZERO {
        notes.push(format!(
            "{} has no buffer for one expert at a time; the nearest is experts on the CPU, which are copied to the GPU for \
             long prompts alone.",
            name(fork)
        ));
        return Placed { gpu_layers, cpu_moe: None, all_on_cpu: true, cache: None };
    }
    let cache = match fork {
        Fork::Main => {
            notes.push(
                "The expert cache (--moe-cache-mib) needs llama.cpp b11480 or later and is experimental: one room for all \
                 layers, least recently used first, for passes of few tokens."
                    .to_owned(),
            );
            own_policy(facts, "llama.cpp", notes);
            Some(cached)
        }
        Fork::Ik => {
            notes.push(format!(
                "ik_llama.cpp has no expert cache; the nearest is the {cached} of GPU memory for the experts of whole layers: \
                 lower --n-cpu-moe until it is full, and simulate that with placement.n_cpu_moe."
            ));
            None
        }
    };
    Placed { gpu_layers, cpu_moe: None, all_on_cpu: true, cache }
}

fn name(fork: Fork) -> &'static str {
    if fork == Fork::Main { "llama.cpp" } else { "ik_llama.cpp" }
}

fn placed(command: Command, placed: &Placed, facts: Facts<'_>, fork: Fork) -> Command {
    let layers = (placed.all_on_cpu && fork == Fork::Ik).then(|| facts.layers() as u64).or(placed.cpu_moe);
    let command = command.with("-ngl", placed.gpu_layers);
    let command = command.flag("--cpu-moe", placed.all_on_cpu && fork == Fork::Main);
    let command = command.maybe("--n-cpu-moe", layers);
    let mib = placed.cache.map(|cache| cache.get() / Bytes::MIB.get());
    command.maybe("--moe-cache-mib", mib).maybe("-t", facts.threads())
}

/// Room for tokens: of all slots together, which share it under load.
fn context(command: Command, facts: Facts<'_>, fork: Fork, notes: &mut Vec<String>) -> Command {
    let Some(serving) = &facts.plan.serving else {
        return command.with("-c", facts.context() * facts.sequences());
    };
    let block = serving.kv.shape.full_block_bytes().get().max(1);
    let blocks = serving.kv.capacity.get() / block;
    let tokens = blocks * u64::from(serving.kv.shape.block_tokens());
    let command = command.with("-c", tokens);
    match fork {
        Fork::Main => command.word("--kv-unified"),
        Fork::Ik => {
            notes.push(
                "ik_llama.cpp gives each slot an equal part of the context, whatever its request needs."
                    .to_owned(),
            );
            command
        }
    }
}

/// Flash attention, and the types of keys and values where they are not the engine's own.
fn kv(command: Command, facts: Facts<'_>, notes: Option<&mut Vec<String>>) -> Command {
    let command = command.with("-fa", "on");
    let kv = facts.kv();
    if kv == "f16" {
        return command;
    }
    if !KV_TYPES.contains(&kv) {
        if let Some(notes) = notes {
            notes.push(format!(
                "llama.cpp keeps no keys and values in {kv}; without a type here they are f16."
            ));
        }
        return command;
    }
    command.with("-ctk", kv).with("-ctv", kv)
}

fn batch(command: Command, facts: Facts<'_>) -> Command {
    let tokens = facts.pass_tokens();
    command.with("-b", tokens.max(BATCH_DEFAULT)).with("-ub", tokens)
}

fn gpus(command: Command, facts: Facts<'_>, fork: Fork, notes: &mut Vec<String>) -> Command {
    let Some(serving) = &facts.plan.serving else { return command };
    let layout = &serving.layout;
    if layout.dp > 1 || serving.replicas > 1 {
        let servers = u64::from(layout.dp) * u64::from(serving.replicas);
        notes.push(format!(
            "It serves one group of GPUs: start {servers} of it, each on its own, behind a balancer."
        ));
    }
    if layout.ep > 1 {
        notes.push(
            "llama.cpp has no expert parallelism; the nearest is a split of layers or tensors.".to_owned(),
        );
    }
    let mode = match (layout.tp > 1, layout.pp > 1, fork) {
        (true, _, Fork::Main) => "tensor",
        (true, _, Fork::Ik) => "graph",
        (false, true, _) => "layer",
        (false, false, _) => return command,
    };
    if mode == "tensor" {
        notes.push("Splitting tensors between GPUs (-sm tensor) is experimental in llama.cpp.".to_owned());
    }
    if layout.tp > 1 && layout.pp > 1 {
        notes.push("Of tensor and pipeline parallelism llama.cpp does one at a time.".to_owned());
    }
    let parts = vec!["1"; (layout.tp * layout.pp) as usize].join(",");
    command.with("--split-mode", mode).with("--tensor-split", parts)
}

/// How the file is read: mapped where experts live on the drive, into memory of its own where copies start there.
fn mapping(command: Command, facts: Facts<'_>, fork: Fork, notes: &mut Vec<String>) -> Command {
    let in_host = facts.plan.labels.backing == "dram" && facts.outside() > Bytes::ZERO;
    let pinned = facts.scenario.engine.copies != Some(Copies::Pageable);
    if facts.plan.labels.backing == "nvme" {
        notes.push(format!(
            "{} reads experts from the drive by page faults of the mapped file, through the operating system's cache; reads \
             of whole experts, and reads into GPU memory, are not its own.",
            name(fork)
        ));
        return match fork {
            Fork::Main => command.with("--load-mode", "mmap"),
            Fork::Ik => command,
        };
    }
    match fork {
        Fork::Main if in_host && pinned => command.with("--load-mode", "none"),
        Fork::Ik if in_host && pinned => command.word("--no-mmap"),
        _ => command,
    }
}

fn check(facts: Facts<'_>, shared: &Placed, fork: Fork, notes: &mut Vec<String>) -> LaunchCheck {
    let predicted = facts.predicted();
    let (prompt, output) = facts.lengths();
    if facts.plan.serving.is_some() {
        let (requests, rate, concurrency) = facts.load();
        // The client of vLLM speaks to any server of this interface.
        let command = Command::new("vllm bench serve --backend openai --base-url http://127.0.0.1:8080")
            .with("--model", facts.hf())
            .with("--dataset-name", "random")
            .with("--random-input-len", prompt)
            .with("--random-output-len", output)
            .with("--num-prompts", requests)
            .maybe("--request-rate", rate)
            .maybe("--burstiness", facts.burstiness())
            .maybe("--max-concurrency", concurrency)
            .word("--ignore-eos")
            .text();
        notes.push("The check wants the server on port 8080: add --port 8080.".to_owned());
        return LaunchCheck {
            command,
            compare: format!("its TPOT, TTFT and output token throughput; {predicted}"),
        };
    }
    if shared.cache.is_some() {
        let command = format!(
            "curl -s http://127.0.0.1:8080/completion -d '{{\"prompt\": \"...\", \"n_predict\": {output}}}' | jq .timings"
        );
        let compare = format!(
            "predicted_per_second, over several prompts of your own (random tokens miss the cache more than text), once it \
             is warm; add --port 8080 to the server; {predicted}"
        );
        return LaunchCheck { command, compare };
    }
    let mut bench = Command::new("llama-bench").with("-m", facts.gguf()).with("-ngl", shared.gpu_layers);
    let layers = if shared.all_on_cpu { Some(facts.layers() as u64) } else { shared.cpu_moe };
    bench = bench.maybe("--n-cpu-moe", layers).maybe("-t", facts.threads());
    bench = kv(bench, facts, None).with("-ub", facts.pass_tokens()).with("-p", prompt).with("-n", output);
    bench = bench.maybe("-d", facts.scenario.workload.depth.filter(|depth| *depth > 0 && fork == Fork::Main));
    LaunchCheck { command: bench.text(), compare: format!("tokens/s of the row tg{output}; {predicted}") }
}
