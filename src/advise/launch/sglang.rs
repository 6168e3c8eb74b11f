//! SGLang, and KTransformers, whose CPU experts run within it.
//!
//! Flags: <https://docs.sglang.io/advanced_features/server_arguments.html>; the check:
//! <https://docs.sglang.io/developer_guide/bench_serving.html>. `--kt-...`:
//! <https://github.com/kvcache-ai/ktransformers/blob/main/doc/en/kt-kernel/Native-Precision-Tutorial.md> and, for the
//! methods of converted weights, <https://github.com/kvcache-ai/ktransformers/issues/1608>.

use super::command::Command;
use super::facts::Facts;
use super::notes::{checkpoint, cpu_experts, offloaded, own_policy, prefetching};
use crate::metrics::{LaunchCheck, LaunchLine};
use crate::scenario::{PlacementRule, SchedulerPolicy};

/// Owners of GPU memory that are not part of the static share: weights and the KV cache are.
const NOT_STATIC: [&str; 3] = ["reserve", "workspace", "framework"];

pub(super) fn line(facts: Facts<'_>) -> LaunchLine {
    let mut notes = Vec::new();
    let mut command = server(facts, &mut notes);
    command = command.maybe("--quantization", checkpoint(facts, "SGLang", &mut notes));
    command = command.maybe("--cpu-offload-gb", offloaded(facts, "SGLang", &mut notes));
    cpu_experts(facts, "SGLang", &mut notes);
    LaunchLine { engine: "SGLang".to_owned(), command: command.text(), notes, check: check(facts) }
}

pub(super) fn with_ktransformers(facts: Facts<'_>) -> LaunchLine {
    let mut notes =
        vec!["It needs the kt-kernel package and KTransformers' own branch of SGLang.".to_owned()];
    let method = match facts.scheme() {
        "bf16" | "fp16" => "BF16",
        "fp8" => "FP8",
        "int8" => "AMXINT8",
        _ if facts.is_gguf() => "LLAMAFILE",
        _ => "AMXINT4",
    };
    let hot = facts.scenario.placement.hot_experts.map(|hot| u64::from(hot.get()));
    let layers = facts.cpu_layers();
    let gpu_experts = hot.unwrap_or_else(|| if layers > 0 { 0 } else { facts.experts_per_layer() });
    let nodes = facts.scenario.hardware.numa_nodes.map_or(1, std::num::NonZeroU32::get);
    let command = server(facts, &mut notes)
        .with("--kt-weight-path", "CPU_WEIGHTS")
        .with("--kt-method", method)
        .maybe("--kt-cpuinfer", facts.threads())
        .with("--kt-threadpool-count", nodes)
        .with("--kt-num-gpu-experts", gpu_experts)
        .maybe("--kt-gpu-prefill-token-threshold", facts.plan.placement.offload_tokens);
    if layers > 0 && layers < facts.plan.placement.homes.len() {
        notes.push(format!(
            "KTransformers keeps as many experts of every layer on the GPU, not all of some layers: the {layers} layers of the \
             point on the CPU are nearest to part of each."
        ));
    }
    if hot.is_none() && gpu_experts > 0 {
        own_policy(facts, "KTransformers", &mut notes);
        notes.push(
            "KTransformers has no expert cache that follows every token; the nearest is a fixed number of experts of each \
             layer on the GPU, the rest computed by the CPU (placement.hot_experts, placement.miss = \"cpu\")."
                .to_owned(),
        );
    }
    prefetching(facts, "KTransformers", &mut notes);
    LaunchLine { engine: "KTransformers".to_owned(), command: command.text(), notes, check: check(facts) }
}

/// What both have.
fn server(facts: Facts<'_>, notes: &mut Vec<String>) -> Command {
    let mut command = Command::new("python -m sglang.launch_server").with("--model-path", facts.hf());
    command = parallel(command, facts, notes);
    let percent = facts.utilization(&NOT_STATIC);
    command = command
        .with("--context-length", facts.context())
        .with("--mem-fraction-static", format!("{}.{:02}", percent / 100, percent % 100))
        .with("--max-running-requests", facts.sequences())
        .with("--chunked-prefill-size", facts.pass_tokens());
    let kv = facts.kv();
    if kv.starts_with("fp8") {
        command = command.with("--kv-cache-dtype", "fp8_e4m3");
    } else if !["f16", "bf16", "fp16"].contains(&kv) {
        notes.push(format!(
            "SGLang keeps no keys and values in {kv}; the nearest is --kv-cache-dtype fp8_e4m3."
        ));
    }
    let reuses = facts.plan.serving.as_ref().is_some_and(|serving| serving.kv.reuses_prefixes);
    command = command.flag("--disable-radix-cache", !reuses);
    command = command.flag("--disable-cuda-graph", !facts.plan.costs.overheads().graphs);
    match facts.scenario.scheduler.policy {
        Some(SchedulerPolicy::Priority) => command.word("--enable-priority-scheduling"),
        Some(SchedulerPolicy::ShortestPrefillFirst) => {
            notes.push("SGLang has no policy that serves the shortest prompt first.".to_owned());
            command
        }
        Some(SchedulerPolicy::Fcfs) | None => command,
    }
}

/// SGLang counts all GPUs of a stage as tensor parallelism, of which data-parallel attention takes groups.
fn parallel(command: Command, facts: Facts<'_>, notes: &mut Vec<String>) -> Command {
    let Some(serving) = &facts.plan.serving else { return command.with("--tp-size", 1) };
    let layout = &serving.layout;
    let gpus = layout.tp * layout.dp;
    let many = |degree: u32| (degree > 1).then_some(degree);
    let mut command = command
        .with("--tp-size", gpus)
        .maybe("--dp-size", many(layout.dp))
        .flag("--enable-dp-attention", layout.dp > 1)
        .maybe("--pp-size", many(layout.pp))
        .maybe("--ep-size", many(layout.ep));
    if layout.dp > 1 && layout.tp > 1 {
        notes.push(
            "SGLang documents data-parallel attention with as many groups as GPUs; groups of several are not promised."
                .to_owned(),
        );
    }
    let rule = facts.scenario.parallel.placement.unwrap_or(PlacementRule::Contiguous);
    let redundant = facts.scenario.parallel.redundant_experts.filter(|experts| *experts > 0);
    let balanced = rule == PlacementRule::LoadBalanced || redundant.is_some();
    command = command.flag("--enable-eplb", balanced).maybe("--ep-num-redundant-experts", redundant);
    if rule == PlacementRule::RoundRobin {
        notes.push("SGLang places experts in blocks, not in turn.".to_owned());
    }
    if serving.replicas > 1 {
        notes.push(format!("Start {} of it behind a balancer.", serving.replicas));
    }
    command
}

fn check(facts: Facts<'_>) -> LaunchCheck {
    let ((prompt, output), (requests, rate, concurrency)) = (facts.lengths(), facts.load());
    let command = Command::new("python -m sglang.bench_serving")
        .with("--backend", "sglang")
        .with("--dataset-name", "random")
        .with("--random-input-len", prompt)
        .with("--random-output-len", output)
        .with("--random-range-ratio", 1)
        .with("--num-prompts", requests)
        .maybe("--request-rate", rate)
        .maybe("--max-concurrency", concurrency);
    let compare = format!("its TPOT, TTFT and output token throughput; {}", facts.predicted());
    LaunchCheck { command: command.text(), compare }
}
