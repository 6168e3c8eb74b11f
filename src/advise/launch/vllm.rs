//! vLLM.
//!
//! Flags: <https://docs.vllm.ai/en/latest/configuration/engine_args/>, as `vllm/engine/arg_utils.py` declares them; expert
//! parallelism and its balancer: <https://docs.vllm.ai/en/latest/serving/expert_parallel_deployment/>; the check:
//! <https://docs.vllm.ai/en/latest/cli/bench/serve/>.

use super::command::Command;
use super::facts::Facts;
use super::notes::{checkpoint, cpu_experts, offloaded};
use crate::metrics::{LaunchCheck, LaunchLine};
use crate::scenario::{BatchOrder, Batching, PlacementRule, PreemptionRule, SchedulerPolicy};

/// Tokens of a block that need no flag: the engine's default.
const BLOCK_DEFAULT: u32 = 16;

pub(super) fn line(facts: Facts<'_>) -> LaunchLine {
    let mut notes = Vec::new();
    let mut command = Command::new("vllm serve").word(&facts.hf());
    command = parallel(command, facts, &mut notes);
    let percent = facts.utilization(&["reserve"]);
    command = command
        .with("--max-model-len", facts.context())
        .with("--max-num-seqs", facts.sequences())
        .with("--max-num-batched-tokens", facts.pass_tokens().max(facts.sequences()))
        .with("--gpu-memory-utilization", format!("{}.{:02}", percent / 100, percent % 100));
    command = command.maybe("--quantization", checkpoint(facts, "vLLM", &mut notes));
    command = command.flag("--enforce-eager", !facts.plan.costs.overheads().graphs);
    command = kv(command, facts, &mut notes);
    command = command.maybe("--cpu-offload-gb", offloaded(facts, "vLLM", &mut notes));
    command = scheduler(command, facts, &mut notes);
    cpu_experts(facts, "vLLM", &mut notes);
    LaunchLine { engine: "vLLM".to_owned(), command: command.text(), notes, check: check(facts) }
}

fn parallel(command: Command, facts: Facts<'_>, notes: &mut Vec<String>) -> Command {
    let Some(serving) = &facts.plan.serving else { return command.with("--tensor-parallel-size", 1) };
    let layout = &serving.layout;
    let many = |degree: u32| (degree > 1).then_some(degree);
    let mut command = command
        .with("--tensor-parallel-size", layout.tp)
        .maybe("--data-parallel-size", many(layout.dp))
        .maybe("--pipeline-parallel-size", many(layout.pp))
        .flag("--enable-expert-parallel", layout.ep > 1);
    if layout.ep > 1 && layout.ep != layout.tp * layout.dp {
        notes.push(format!(
            "vLLM splits experts over all {} ranks of tensor and data parallelism; the point over {}.",
            layout.tp * layout.dp,
            layout.ep
        ));
    }
    let rule = facts.scenario.parallel.placement.unwrap_or(PlacementRule::Contiguous);
    let redundant = facts.scenario.parallel.redundant_experts.unwrap_or(0);
    match rule {
        PlacementRule::LoadBalanced => {
            command = command.word("--enable-eplb");
            notes.push("vLLM balances experts by the load of the last passes, not by a profile.".to_owned());
        }
        PlacementRule::RoundRobin => command = command.with("--expert-placement-strategy", "round_robin"),
        PlacementRule::Contiguous => command = command.flag("--enable-eplb", redundant > 0),
    }
    if redundant > 0 {
        command = command.with("--eplb-config", format!("{{\"num_redundant_experts\":{redundant}}}"));
    }
    if serving.replicas > 1 {
        notes.push(format!("Start {} of it behind a balancer.", serving.replicas));
    }
    command
}

fn kv(command: Command, facts: Facts<'_>, notes: &mut Vec<String>) -> Command {
    let kv = facts.kv();
    match kv {
        "f16" | "bf16" | "fp16" => command,
        _ if kv.starts_with("fp8") => command.with("--kv-cache-dtype", "fp8"),
        _ => {
            notes
                .push(format!("vLLM keeps no keys and values in {kv}; the nearest is --kv-cache-dtype fp8."));
            command
        }
    }
}

fn scheduler(command: Command, facts: Facts<'_>, notes: &mut Vec<String>) -> Command {
    let Some(serving) = &facts.plan.serving else {
        // Sequences that are replayed share nothing.
        return command.word("--no-enable-prefix-caching");
    };
    let block = Some(serving.kv.shape.block_tokens()).filter(|block| *block != BLOCK_DEFAULT);
    let section = &facts.scenario.scheduler;
    let prefix =
        if serving.kv.reuses_prefixes { "--enable-prefix-caching" } else { "--no-enable-prefix-caching" };
    let mut command = command.maybe("--block-size", block).word(prefix);
    match section.policy {
        Some(SchedulerPolicy::Priority) => command = command.with("--scheduling-policy", "priority"),
        Some(SchedulerPolicy::ShortestPrefillFirst) => {
            notes.push(
                "vLLM serves first come first or by priority, never the shortest prompt first.".to_owned(),
            );
        }
        Some(SchedulerPolicy::Fcfs) | None => {}
    }
    for (is_other, what) in [
        (section.batching == Some(Batching::Static), "static batches"),
        (section.order == Some(BatchOrder::PrefillFirst), "prompts before answers in a pass"),
        (section.preemption == Some(PreemptionRule::Swap), "swapping of what it preempts"),
        (section.chunked_prefill == Some(false), "prompts in one piece"),
    ] {
        if is_other {
            notes.push(format!("The point has {what}, which this command does not ask for."));
        }
    }
    command
}

fn check(facts: Facts<'_>) -> LaunchCheck {
    let ((prompt, output), (requests, rate, concurrency)) = (facts.lengths(), facts.load());
    let command = Command::new("vllm bench serve")
        .with("--model", facts.hf())
        .with("--dataset-name", "random")
        .with("--random-input-len", prompt)
        .with("--random-output-len", output)
        .with("--num-prompts", requests)
        .maybe("--request-rate", rate)
        .maybe("--burstiness", facts.burstiness())
        .maybe("--max-concurrency", concurrency)
        .word("--ignore-eos");
    let compare = format!("its TPOT, TTFT and output token throughput; {}", facts.predicted());
    LaunchCheck { command: command.text(), compare }
}
