//! The expert cache: its policy, its capacity, and what it starts with.

use std::num::NonZeroU32;

use super::memory::Booked;
use super::model::ModelPlan;
use super::placement::Placement;
use super::profile::{hottest, profile};
use super::resolve::Resolver;
use super::types::{LayerHome, SharedRoom, kv_bytes};
use super::workload::Workload;
use super::{CachePlan, Inputs};
use crate::cache::{Admission, CacheShape, Grouping, PolicyRow, Scope};
use crate::error::Error;
use crate::memory::{Ledger, Tier};
use crate::scenario::{
    AdmissionRule, Between, CacheCapacity, CacheScope, CacheStart, ExpertHome, PinnedExpert,
};
use crate::units::Bytes;

/// The cache with what the labels need of it.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    pub(super) plan: CachePlan,
    pub(super) capacity: Bytes,
    pub(super) is_oracle: bool,
    pub(super) scope_name: &'static str,
    pub(super) replay_name: &'static str,
    /// Why it cannot work.
    pub(super) problems: Vec<String>,
}

pub(super) fn policy(resolver: &mut Resolver<'_>, inputs: &Inputs) -> Option<PolicyRow> {
    let Some(name) = &resolver.scenario().cache.policy else {
        resolver.note("cache.policy", "lru", "default");
        return inputs.registry().find("lru").cloned();
    };
    resolver.given("cache.policy", name);
    let names = inputs.registry().rows().iter().map(|row| row.name.as_str());
    resolver.known("cache.policy", "cache policy", name, inputs.registry().find(name).cloned(), names)
}

pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    model: &ModelPlan,
    workload: &Workload,
    policy: PolicyRow,
    placement: &Placement,
    booked: &mut Booked,
) -> Option<Cache> {
    let section = &resolver.scenario().cache;
    let resident = booked.home == ExpertHome::Vram;
    let total = placement.gpu_experts(model);
    let layers = u32::try_from(model.experts.len()).unwrap_or(u32::MAX);
    let capacity = if resident {
        resolver.note("cache.capacity", total, "experts live in VRAM: all of them, whatever [cache] says");
        total
    } else if placement.single_buffer {
        Bytes::ZERO
    } else {
        capacity(resolver, model, placement, &booked.ledger)
    };
    let (scope, scope_name) = scope(resolver, &policy, resident);
    let mut pool_capacity = pools(section.slots_per_layer, scope, model, placement, capacity);
    let capacity = floor(resolver, model, placement, workload, (scope, capacity), &mut pool_capacity);
    let admission = admission(resolver);
    booked.ledger.add(
        Tier::Vram,
        if capacity >= total { "routed experts" } else { "expert cache" },
        capacity,
    );
    let shared_with_kv = shared_with_kv(resolver, model, placement, workload, capacity);
    let (profile, in_sample) = profile(resolver, inputs, model, workload, &policy)?;
    let mut pinned = pins(resolver, model);
    pinned.extend(hottest(resolver, model, placement, &profile));
    let problems = pins_too_large(model, &pool_capacity, &pinned);
    let start_filled = if resident {
        resolver.note("cache.start", "filled", "experts live in VRAM");
        true
    } else {
        start(resolver, capacity, total)
    };
    let replay_name = if workload.grouping == Grouping::Layer { "layer" } else { "access" };
    resolver.note("cache.scope", scope_name, if section.scope.is_some() { "as written" } else { "default" });
    let seed = resolver.or_default("seed", resolver.scenario().seed, 0, "default");
    Some(Cache {
        is_oracle: policy.needs.is_bound() || in_sample,
        plan: CachePlan {
            shape: CacheShape {
                layers,
                experts: model.spec.experts(),
                sizes: model.experts.iter().map(|expert| expert.get()).collect(),
                scope,
                pool_capacity,
                pinned,
            },
            policy,
            admission,
            costs: Vec::new(),
            seed,
            grouping: workload.grouping,
            start_filled,
            clear_between: resolver.scenario().workload.between == Some(Between::Clear),
            profile,
            elsewhere: placement.layers_on_cpu(),
            hit_rate_ppm: section.hit_rate.map(|rate| {
                resolver.given("cache.hit_rate", rate.0);
                rate.0.ppm()
            }),
            shared_with_kv,
        },
        capacity,
        scope_name,
        replay_name,
        problems,
    })
}

fn scope(resolver: &mut Resolver<'_>, policy: &PolicyRow, resident: bool) -> (Scope, &'static str) {
    let section = &resolver.scenario().cache;
    let by_layer = policy.scope == Some(Scope::PerLayer);
    if by_layer && section.scope == Some(CacheScope::Global) {
        resolver.refuse("cache.scope", |place| {
            let found = format!("cache.scope: found \"global\" beside cache.policy = {:?}", policy.name);
            Error::at(place, found).expected("\"per-layer\", which is what that policy is")
        });
    }
    match (section.slots_per_layer, section.scope) {
        _ if resident => (Scope::Global, "global"),
        (None, _) if by_layer => (Scope::PerLayer, "per-layer"),
        (Some(_), _) => (Scope::PerLayer, "slots"),
        (None, Some(CacheScope::PerLayer)) => (Scope::PerLayer, "per-layer"),
        (None, Some(CacheScope::Global) | None) => (Scope::Global, "global"),
    }
}

/// Capacity of each pool.
fn pools(
    slots: Option<NonZeroU32>,
    scope: Scope,
    model: &ModelPlan,
    placement: &Placement,
    capacity: Bytes,
) -> Vec<u64> {
    let cached = cached_sizes(model, placement);
    match (slots, scope) {
        (_, Scope::Global) => vec![capacity.get()],
        (Some(slots), Scope::PerLayer) => {
            cached.iter().map(|expert| expert.get() * slots_of(slots, model)).collect()
        }
        (None, Scope::PerLayer) => {
            // In proportion to the experts' size, so that room for all experts is room for each layer's.
            let one_each: u64 = cached.iter().map(|expert| expert.get()).sum();
            cached.iter().map(|expert| capacity.fraction(expert.get(), one_each.max(1)).get()).collect()
        }
    }
}

/// Raises every layer's share to the experts of one token where that is asked for. Returns what all shares take then.
fn floor(
    resolver: &mut Resolver<'_>,
    model: &ModelPlan,
    placement: &Placement,
    workload: &Workload,
    (scope, capacity): (Scope, Bytes),
    pools: &mut [u64],
) -> Bytes {
    let Some(floor) = resolver.scenario().cache.layer_floor else { return capacity };
    resolver.given("cache.layer_floor", floor);
    if !floor || scope == Scope::Global {
        return capacity;
    }
    let top_k = u64::from(workload.plan.trace.header().top_k);
    for (pool, size) in pools.iter_mut().zip(cached_sizes(model, placement)) {
        *pool = (*pool).max(size.times(top_k).get());
    }
    capacity.max(Bytes::new(pools.iter().sum()))
}

fn admission(resolver: &mut Resolver<'_>) -> Admission {
    let Some(rule) = resolver.scenario().cache.admission else { return Admission::Always };
    resolver.given("cache.admission", rule.spelling());
    match rule {
        AdmissionRule::Always => Admission::Always,
        AdmissionRule::SecondHit => Admission::SecondHit,
        AdmissionRule::BypassLargeEvents => Admission::BypassLargeEvents,
    }
}

/// Bytes of one expert of each layer as the cache sees it: none of a layer whose experts never lie there.
fn cached_sizes(model: &ModelPlan, placement: &Placement) -> Vec<Bytes> {
    let of_layer = placement.homes.iter().zip(&model.experts);
    of_layer.map(|(home, size)| if *home == LayerHome::Gpu { *size } else { Bytes::ZERO }).collect()
}

/// Slots of a layer: never more than it has experts.
fn slots_of(slots: NonZeroU32, model: &ModelPlan) -> u64 {
    u64::from(slots.get().min(model.spec.experts()))
}

/// What the cache and the KV cache may take together, where the one gives way to the other.
fn shared_with_kv(
    resolver: &mut Resolver<'_>,
    model: &ModelPlan,
    placement: &Placement,
    workload: &Workload,
    capacity: Bytes,
) -> Option<SharedRoom> {
    let section = &resolver.scenario().cache;
    let yields = section.yields_to_kv?;
    resolver.given("cache.yields_to_kv", yields);
    if !yields {
        return None;
    }
    if section.slots_per_layer.is_some() || section.scope == Some(CacheScope::PerLayer) {
        resolver.refuse("cache.yields_to_kv", |place| {
            Error::at(place, "cache.yields_to_kv: found beside a share for each layer")
                .expected("cache.scope = \"global\"")
        });
    }
    let layers = model.spec.layers[placement.cpu_layers..].to_vec();
    let kv = kv_bytes(&layers, workload.context, model.kv, workload.batch);
    Some(SharedRoom { bytes: Bytes::new(capacity.get().saturating_add(kv.get())), layers, kv: model.kv })
}

/// VRAM for routed experts: what was asked for, but never more than all of them take.
fn capacity(resolver: &mut Resolver<'_>, model: &ModelPlan, placement: &Placement, ledger: &Ledger) -> Bytes {
    let scenario = resolver.scenario();
    let total = placement.gpu_experts(model);
    if let Some(slots) = scenario.cache.slots_per_layer {
        let sizes = cached_sizes(model, placement);
        let capacity = sizes.iter().map(|expert| expert.times(slots_of(slots, model))).sum();
        resolver.given("cache.slots_per_layer", format!("{slots} ({capacity})"));
        return capacity;
    }
    if let Some(count) = scenario.cache.experts {
        // As many even where all are of the layer with the largest.
        let largest = cached_sizes(model, placement).into_iter().max().unwrap_or(Bytes::ZERO);
        let capacity = largest.saturating_times(u64::from(count.get())).min(total);
        resolver.given("cache.experts", format!("{count} ({capacity})"));
        return capacity;
    }
    let free = ledger.free(Tier::Vram);
    let (wanted, how) = match scenario.cache.capacity {
        Some(CacheCapacity::Size(size)) => (size, String::new()),
        Some(CacheCapacity::Share(share)) => (share.of(total), format!("{share} of all routed experts, ")),
        Some(CacheCapacity::Rest) | None => (free, "what VRAM is left, ".to_owned()),
    };
    let capacity = wanted.min(total);
    let cut = if wanted > total { "all routed experts, " } else { "" };
    match scenario.cache.capacity {
        Some(_) => {
            let place = resolver.place("cache.capacity");
            resolver.note("cache.capacity", capacity, format!("{how}{cut}{place}"));
        }
        None => resolver.note("cache.capacity", capacity, format!("default: {how}{cut}of {free}")),
    }
    capacity
}

fn pins(resolver: &mut Resolver<'_>, model: &ModelPlan) -> Vec<u32> {
    let (layers, experts) = (model.experts.len(), model.spec.experts());
    let mut pinned = Vec::new();
    for PinnedExpert { layer, expert } in resolver.scenario().cache.pin.iter().flatten() {
        if usize::from(layer.0) < layers && u32::from(expert.0) < experts {
            pinned.push(u32::from(layer.0) * experts + u32::from(expert.0));
        } else {
            resolver.refuse("cache.pin", |place| {
                let found =
                    format!("cache.pin: no expert \"{}:{}\" in {}", layer.0, expert.0, model.spec.name);
                Error::at(place, found)
                    .expected(format!("a layer below {layers} and an expert below {experts}"))
            });
        }
    }
    pinned
}

/// Pins stay resident, so a pool that they overfill could never be held to its capacity.
fn pins_too_large(model: &ModelPlan, pool_capacity: &[u64], pinned: &[u32]) -> Vec<String> {
    let mut pins = pinned.to_vec();
    pins.sort_unstable();
    pins.dedup();
    let mut taken = vec![0_u64; pool_capacity.len()];
    for pin in pins {
        let layer = (pin / model.spec.experts().max(1)) as usize;
        let pool = layer.min(taken.len() - 1);
        taken[pool] += model.experts[layer].get();
    }
    let short = taken.iter().zip(pool_capacity).filter(|(taken, capacity)| taken > capacity);
    let problem = |(taken, capacity): (&u64, &u64)| {
        let (taken, capacity) = (Bytes::new(*taken), Bytes::new(*capacity));
        format!("cache.pin: the pinned experts take {taken}, their cache has {capacity}")
    };
    short.map(problem).collect()
}

fn start(resolver: &mut Resolver<'_>, capacity: Bytes, total: Bytes) -> bool {
    let fits = capacity >= total;
    match resolver.scenario().cache.start {
        Some(start) => {
            resolver.given("cache.start", start.spelling());
            start == CacheStart::Filled
        }
        None if fits => {
            resolver.note(
                "cache.start",
                "filled",
                "default: every expert fits, and engines load them at start",
            );
            true
        }
        None => {
            resolver.note("cache.start", "empty", "default: experts are loaded when first asked for");
            false
        }
    }
}
