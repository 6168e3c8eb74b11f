//! Serving: requests, the deployment that serves them, and its memory.

mod conflicts;
mod deployment;
mod memory;
mod requests;
mod routing;
mod types;

pub(super) use conflicts::check;
pub(super) use deployment::{Deployment, node_gpus, resolve as deployment, sliced};
pub(super) use memory::{book, kv_first, kv_rest};
pub(super) use requests::{Load, resolve as load};
pub use routing::Continuation;
pub(super) use routing::{Routed, check as check_routing, resolve as routed};
pub use types::{ExchangeKind, KvPlan, Links, ReplicaRouting, ServingPlan, Slo};

use std::num::NonZeroU32;
use std::sync::Arc;

use super::links::activation_bytes;
use super::machine::MachinePlan;
use super::merging::like_the_routing;
use super::model::ModelPlan;
use super::resolve::Resolver;
use super::{CopyPlan, Inputs};
use crate::error::Error;
use crate::scenario::{BatchOrder, Batching, PreemptionRule, SchedulerPolicy};
use crate::serving::kv::KvShape;
use crate::serving::parallel::{Placement, PlacementShape, Strategy};
use crate::serving::scheduler::{
    Batching as BatchRule, PassOrder, Preemption, SchedulerConfig, SchedulingPolicy,
};
use crate::units::{Bytes, SimDuration};

/// Tokens of a block of the KV cache where the scenario does not say: vLLM's default.
const BLOCK_TOKENS_DEFAULT: u32 = 16;
/// Requests that run at once where the scenario does not say: vLLM's `max_num_seqs`.
const MAX_BATCH_DEFAULT: u32 = 256;
/// Tokens of a pass where the scenario does not say: vLLM's `max_num_batched_tokens` for servers of large GPUs.
const TOKEN_BUDGET_DEFAULT: u32 = 8192;
/// Bytes of one element of a token on the way to its experts: 16 bits, as engines send them by default. DeepEP's FP8
/// dispatch halves that.
const DISPATCH_ELEMENT_BYTES: u64 = 2;

/// Settings of the scheduler.
pub(super) fn scheduler(resolver: &mut Resolver<'_>) -> SchedulerConfig {
    let section = resolver.scenario().scheduler.clone();
    let max_batch = section.max_batch.map(NonZeroU32::get);
    let max_batch =
        resolver.or_default("scheduler.max_batch", max_batch, MAX_BATCH_DEFAULT, "default: vLLM's");
    let budget = section.token_budget.map(NonZeroU32::get);
    let token_budget = resolver.or_default(
        "scheduler.token_budget",
        budget,
        TOKEN_BUDGET_DEFAULT,
        "default: vLLM's for servers",
    );
    let policy = section.policy.unwrap_or(SchedulerPolicy::Fcfs);
    resolver.or_default("scheduler.policy", section.policy.map(SchedulerPolicy::spelling), "fcfs", "default");
    let config = SchedulerConfig {
        policy: match policy {
            SchedulerPolicy::Fcfs => SchedulingPolicy::Fcfs,
            SchedulerPolicy::ShortestPrefillFirst => SchedulingPolicy::ShortestPrefillFirst,
            SchedulerPolicy::Priority => SchedulingPolicy::Priority,
        },
        batching: match section.batching {
            Some(Batching::Static) => BatchRule::Static,
            Some(Batching::Continuous) | None => BatchRule::Continuous,
        },
        max_batch,
        token_budget,
        chunked_prefill: section.chunked_prefill.unwrap_or(true),
        order: match section.order {
            Some(BatchOrder::PrefillFirst) => PassOrder::PrefillFirst,
            Some(BatchOrder::DecodeFirst) | None => PassOrder::DecodeFirst,
        },
        max_queue: section.max_queue.map(NonZeroU32::get),
        preemption: match section.preemption {
            Some(PreemptionRule::Swap) => Preemption::Swap,
            Some(PreemptionRule::Recompute) | None => Preemption::Recompute,
        },
    };
    for (key, text) in [
        ("scheduler.batching", section.batching.map(Batching::spelling)),
        ("scheduler.order", section.order.map(BatchOrder::spelling)),
        ("scheduler.preemption", section.preemption.map(PreemptionRule::spelling)),
    ] {
        if let Some(text) = text {
            resolver.given(key, text);
        }
    }
    if let Err(error) = config.check() {
        resolver.refuse_file("scheduler", error);
    }
    config
}

/// Which rank has which experts.
pub(super) fn placement(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    model: &ModelPlan,
    deployment: &Deployment,
    shares: &[u64],
) -> Option<Placement> {
    let shape = PlacementShape {
        layers: u32::try_from(model.experts.len()).unwrap_or(u32::MAX),
        // A dense model has no layer to place.
        experts: model.spec.experts().max(1),
        ranks: deployment.layout.ep,
        redundant: deployment.redundant,
    };
    let written = resolver.scenario().parallel.profile.clone();
    let profile = match written {
        Some(path) => {
            resolver.given("parallel.profile", path.display());
            match like_the_routing(resolver, inputs, &path).and_then(|path| inputs.profile(&path)) {
                Ok(profile) => profile,
                Err(error) => {
                    resolver.refuse_file("parallel.profile", error);
                    return None;
                }
            }
        }
        None => {
            if deployment.strategy == Strategy::LoadBalanced || deployment.redundant > 0 {
                resolver.note(
                    "parallel.profile",
                    "the trace itself",
                    "default: so the balance is that of a known load",
                );
            }
            Arc::new(if model.experts.is_empty() { Vec::new() } else { shares.to_vec() })
        }
    };
    match Placement::new(deployment.strategy, shape, Some(&profile)) {
        Ok(placement) => Some(placement),
        Err(error) => {
            resolver.refuse_file("parallel", error);
            None
        }
    }
}

/// What is known when everything else is planned.
pub(super) struct Parts<'a> {
    pub(super) whole: &'a ModelPlan,
    pub(super) machine: &'a MachinePlan,
    pub(super) deployment: Deployment,
    pub(super) load: Load,
    pub(super) routed: Routed,
    pub(super) scheduler: SchedulerConfig,
    pub(super) kv_room: Bytes,
    pub(super) is_resident: bool,
    /// Bytes of experts that one GPU holds where all of its own lie there.
    pub(super) own_experts: Bytes,
    pub(super) copies: Option<CopyPlan>,
}

/// Puts the plan of serving together; problems are what cannot work.
pub(super) fn assemble(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    parts: Parts<'_>,
    problems: &mut Vec<String>,
) -> Option<ServingPlan> {
    let Parts { whole, machine, deployment, load, routed, scheduler, .. } = parts;
    let placement = placement(resolver, inputs, whole, &deployment, &routed.shares.selections)?;
    let interconnect = deployment::interconnect(resolver, machine.gpu, &deployment.layout)?;
    let kind = deployment::exchange(resolver, &deployment.layout);
    let kv = kv(resolver, whole, &deployment, &load, parts.kv_room);
    let shortest = load.requests.requests.iter().map(|request| request.prompt_tokens).min().unwrap_or(1);
    if kv.shape.bytes(shortest + 1) > kv.capacity {
        problems.push(format!(
            "kv.capacity: {} of GPU memory are left for the KV cache, and the shortest prompt, {shortest} tokens, needs {}",
            kv.capacity,
            kv.shape.bytes(shortest + 1)
        ));
    }
    let section = &resolver.scenario().parallel;
    let (replicas, routing) = (section.replicas, section.routing);
    let replicas = replicas.map_or(1, NonZeroU32::get);
    if replicas > 1 {
        resolver.given("parallel.replicas", replicas);
    }
    let state_bytes = activation_bytes(whole.spec.hidden);
    let stage_gpus = u64::from(deployment.layout.stage_gpus());
    Some(ServingPlan {
        load: load.words,
        rate_millihertz: load.rate_millihertz,
        requests: load.requests,
        routes: routed.routes,
        counts: routed.counts,
        shares: routed.shares,
        top_k: routed.trace.header().top_k,
        scheduler,
        kv,
        placement: Arc::new(placement),
        links: Links {
            interconnect,
            kind,
            state_bytes,
            dispatch_bytes: Bytes::new(whole.spec.hidden * DISPATCH_ELEMENT_BYTES),
            combine_bytes: state_bytes,
        },
        replicas,
        routing: routing.unwrap_or(ReplicaRouting::RoundRobin),
        is_resident: parts.is_resident,
        resident_bytes: parts.own_experts.times(stage_gpus),
        swap: swap(resolver, parts.copies, scheduler.preemption),
        slo: slo(resolver),
        notes: routed.notes,
        stages: deployment.stages,
        layout: deployment.layout,
    })
}

fn kv(
    resolver: &mut Resolver<'_>,
    whole: &ModelPlan,
    deployment: &Deployment,
    load: &Load,
    capacity: Bytes,
) -> KvPlan {
    let section = resolver.scenario().kv.clone();
    let block = section.block_tokens.map(NonZeroU32::get);
    let block = resolver.or_default("kv.block_tokens", block, BLOCK_TOKENS_DEFAULT, "default: vLLM's");
    let reuses_prefixes = section.prefix_reuse.unwrap_or(false);
    if section.prefix_reuse.is_some() {
        resolver.given("kv.prefix_reuse", reuses_prefixes);
    }
    if reuses_prefixes && load.requests.hash_tokens == 0 {
        resolver.refuse("kv.prefix_reuse", |place| {
            Error::at(place, "kv.prefix_reuse: found without hashes of prompt blocks")
                .expected("a request log that has them, such as Mooncake's")
        });
    }
    let range = deployment.layout.stage_layers(deployment.heaviest, whole.spec.layers.len());
    let divisor = deployment::kv_spread(whole, deployment.layout.tp);
    KvPlan {
        shape: KvShape::of(&whole.spec.layers[range], whole.kv, block, divisor),
        capacity,
        reuses_prefixes,
        hash_tokens: load.requests.hash_tokens,
    }
}

fn swap(
    resolver: &mut Resolver<'_>,
    copies: Option<CopyPlan>,
    preemption: Preemption,
) -> Option<(crate::resource::RateCurve, crate::resource::RateCurve)> {
    if preemption != Preemption::Swap {
        return None;
    }
    if copies.is_none() {
        resolver.refuse("scheduler.preemption", |place| {
            Error::at(place, "scheduler.preemption: found \"swap\" where memory is one pool")
                .expected("\"recompute\"")
        });
    }
    copies.map(|copies| (copies.curve, copies.curve))
}

fn slo(resolver: &mut Resolver<'_>) -> Option<Slo> {
    let section = resolver.scenario().slo.clone();
    let mut words = Vec::new();
    let mut limit = |key: &str, name: &str, written: Option<SimDuration>| {
        let limit = written?;
        resolver.given(key, limit);
        words.push(format!("{name} < {limit}"));
        Some(limit)
    };
    let ttft = limit("slo.ttft", "ttft", section.ttft);
    let tpot = limit("slo.tpot", "tpot", section.tpot);
    let e2e = limit("slo.e2e", "e2e", section.e2e);
    let any = ttft.is_some() || tpot.is_some() || e2e.is_some();
    any.then(|| Slo { ttft, tpot, e2e, text: words.join(", ") })
}
