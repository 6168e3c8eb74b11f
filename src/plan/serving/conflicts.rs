//! Settings that belong to serving and stand without it, and the other way round.

use crate::error::Error;
use crate::plan::resolve::Resolver;
use crate::scenario::Scenario;

/// A key, and whether it was written.
type Key = (&'static str, bool);

/// Keys that mean nothing unless requests arrive.
fn serving_keys(scenario: &Scenario) -> Vec<Key> {
    let (requests, scheduler) = (&scenario.requests, &scenario.scheduler);
    let (kv, parallel, slo) = (&scenario.kv, &scenario.parallel, &scenario.slo);
    vec![
        ("requests.rate", requests.rate.is_some()),
        ("requests.cv", requests.cv.is_some()),
        ("requests.users", requests.users.is_some()),
        ("requests.think_time", requests.think_time.is_some()),
        ("requests.think", requests.think.is_some()),
        ("requests.log", requests.log.is_some()),
        ("requests.log_speed", requests.log_speed.is_some()),
        ("requests.count", requests.count.is_some()),
        ("requests.duration", requests.duration.is_some()),
        ("requests.lengths", requests.lengths.is_some()),
        ("requests.prompt_tokens", requests.prompt_tokens.is_some()),
        ("requests.prompt_cv", requests.prompt_cv.is_some()),
        ("requests.output_tokens", requests.output_tokens.is_some()),
        ("requests.output_cv", requests.output_cv.is_some()),
        ("requests.tokens_max", requests.tokens_max.is_some()),
        ("requests.routing", requests.routing.is_some()),
        ("requests.domains", requests.domains.is_some()),
        ("requests.domains_end", requests.domains_end.is_some()),
        ("requests.priorities", requests.priorities.is_some()),
        ("scheduler.policy", scheduler.policy.is_some()),
        ("scheduler.batching", scheduler.batching.is_some()),
        ("scheduler.max_batch", scheduler.max_batch.is_some()),
        ("scheduler.token_budget", scheduler.token_budget.is_some()),
        ("scheduler.chunked_prefill", scheduler.chunked_prefill.is_some()),
        ("scheduler.order", scheduler.order.is_some()),
        ("scheduler.max_queue", scheduler.max_queue.is_some()),
        ("scheduler.preemption", scheduler.preemption.is_some()),
        ("kv.capacity", kv.capacity.is_some()),
        ("kv.block_tokens", kv.block_tokens.is_some()),
        ("kv.prefix_reuse", kv.prefix_reuse.is_some()),
        ("parallel.replicas", parallel.replicas.is_some()),
        ("parallel.routing", parallel.routing.is_some()),
        ("parallel.placement", parallel.placement.is_some()),
        ("parallel.redundant_experts", parallel.redundant_experts.is_some()),
        ("parallel.profile", parallel.profile.is_some()),
        ("parallel.exchange", parallel.exchange.is_some()),
        ("parallel.interconnect", parallel.interconnect.is_some()),
        ("parallel.node_gpus", parallel.node_gpus.is_some()),
        ("slo.ttft", slo.ttft.is_some()),
        ("slo.tpot", slo.tpot.is_some()),
        ("slo.e2e", slo.e2e.is_some()),
    ]
}

/// Keys of replaying sequences one after another.
fn replay_keys(scenario: &Scenario) -> Vec<Key> {
    let workload = &scenario.workload;
    vec![
        ("workload.batch", workload.batch.is_some()),
        ("workload.depth", workload.depth.is_some()),
        ("workload.decode_tokens", workload.decode_tokens.is_some() && workload.router.is_none()),
        ("workload.sequences", workload.sequences.is_some() && workload.router.is_none()),
        ("workload.prefill", workload.prefill.is_some()),
        ("workload.prefill_chunk", workload.prefill_chunk.is_some()),
        ("workload.context", workload.context.is_some()),
        ("workload.between", workload.between.is_some()),
        ("cache.hit_rate", scenario.cache.hit_rate.is_some()),
        ("placement.cpu_layers", scenario.placement.cpu_layers.is_some() && is_parallel(scenario)),
    ]
}

fn is_parallel(scenario: &Scenario) -> bool {
    let parallel = &scenario.parallel;
    let degrees = [parallel.tp, parallel.dp, parallel.ep, parallel.pp];
    degrees.into_iter().flatten().any(|degree| degree.get() > 1)
}

/// Refuses what cannot be meant.
pub(in crate::plan) fn check(resolver: &mut Resolver<'_>) {
    let scenario = resolver.scenario();
    let serves = scenario.requests.arrivals.is_some();
    let (keys, why, expected) = if serves {
        (replay_keys(scenario), "beside requests.arrivals", "no such key where requests are served")
    } else {
        let mut keys = serving_keys(scenario);
        keys.push(("parallel", is_parallel(scenario)));
        (keys, "without requests.arrivals", "requests.arrivals, like \"poisson\"")
    };
    for (key, _) in keys.into_iter().filter(|(_, written)| *written) {
        resolver.refuse(key, |place| Error::at(place, format!("{key}: found {why}")).expected(expected));
    }
}
