//! Host memory as a cache over NVMe: one of its own, or the operating system's page cache.

use std::sync::Arc;

use super::machine::MachinePlan;
use super::memory::Booked;
use super::model::ModelPlan;
use super::placement::Placement;
use super::profile::ranked;
use super::resolve::Resolver;
use super::{CachePlan, Inputs};
use crate::cache::{Admission, CacheShape, Grouping, PolicyRow, Scope};
use crate::error::Error;
use crate::memory::Tier;
use crate::scenario::{CacheCapacity, ExpertHome, Tiers};
use crate::units::Bytes;

/// The host's cache of a point whose experts live on NVMe; `None` where nothing of it is asked for.
pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    (model, placement): (&ModelPlan, &Placement),
    machine: &MachinePlan,
    vram: &CachePlan,
    booked: &mut Booked,
) -> Option<CachePlan> {
    let section = &resolver.scenario().placement;
    let paged = section.page_cache == Some(true);
    let warm = section.warm_experts.map_or(0, std::num::NonZeroU32::get);
    let wanted = paged || section.dram_cache.is_some() || warm > 0;
    tiers(resolver, wanted);
    if !wanted {
        return None;
    }
    if booked.home != ExpertHome::Nvme {
        refuse(resolver, booked.home);
        return None;
    }
    let host = if machine.gpu.unified { Tier::Vram } else { Tier::Dram };
    let total = placement.gpu_experts(model);
    let hot = section.hot_experts.map_or(0, std::num::NonZeroU32::get);
    let pinned = ranked(model, placement, &vram.profile, hot, warm);
    let experts = model.spec.experts().max(1);
    let pinned_bytes: Bytes =
        pinned.iter().filter_map(|object| model.experts.get((object / experts) as usize)).copied().sum();
    if warm > 0 {
        resolver.given("placement.warm_experts", warm);
    }
    let capacity = match section.dram_cache {
        _ if paged => booked.ledger.free(host),
        Some(CacheCapacity::Size(size)) => size,
        Some(CacheCapacity::Share(share)) => share.of(total),
        Some(CacheCapacity::Rest) => booked.ledger.free(host),
        None => pinned_bytes,
    };
    let capacity = capacity.min(total);
    if paged {
        resolver.given("placement.page_cache", capacity);
    } else if section.dram_cache.is_some() {
        resolver.given("placement.dram_cache", capacity);
    }
    if pinned_bytes > capacity {
        booked.problems.push(format!(
            "placement.warm_experts: the warm experts take {pinned_bytes}, their cache has {capacity}"
        ));
    }
    booked.ledger.add(host, if paged { "page cache" } else { "host expert cache" }, capacity);
    let policy = policy(resolver, inputs, paged)?;
    let scope = policy.scope.unwrap_or(Scope::Global);
    let one_each: u64 = vram.shape.sizes.iter().sum();
    let share = |size: &u64| capacity.fraction(*size, one_each.max(1)).get();
    let pool_capacity = match scope {
        Scope::Global => vec![capacity.get()],
        Scope::PerLayer => vram.shape.sizes.iter().map(share).collect(),
    };
    Some(CachePlan {
        shape: CacheShape { scope, pool_capacity, pinned, ..vram.shape.clone() },
        policy,
        admission: Admission::Always,
        costs: Vec::new(),
        seed: vram.seed,
        grouping: Grouping::Layer,
        start_filled: vram.start_filled,
        clear_between: vram.clear_between,
        profile: Arc::clone(&vram.profile),
        elsewhere: vram.elsewhere.clone(),
        hit_rate_ppm: None,
        shared_with_kv: None,
    })
}

fn policy(resolver: &mut Resolver<'_>, inputs: &Inputs, paged: bool) -> Option<PolicyRow> {
    let section = &resolver.scenario().placement;
    let name = section.dram_policy.as_deref().filter(|_| !paged).unwrap_or("lru");
    let rows = || inputs.registry().rows().iter().filter(|row| !row.needs.is_bound());
    let found = rows().find(|row| row.name == name).cloned();
    let names = rows().map(|row| row.name.as_str());
    let policy = resolver.known("placement.dram_policy", "policy of host memory", name, found, names);
    resolver.note(
        "placement.dram_policy",
        name,
        if paged { "the page cache's" } else { "as written, or default" },
    );
    policy
}

/// Notes whether the tiers exclude one another, which takes two of them.
fn tiers(resolver: &mut Resolver<'_>, wanted: bool) {
    let Some(tiers) = resolver.scenario().placement.tiers else { return };
    resolver.given("placement.tiers", tiers.spelling());
    if !wanted && tiers == Tiers::Exclusive {
        resolver.refuse("placement.tiers", |place| {
            Error::at(place, "placement.tiers: found \"exclusive\" without a cache in host memory")
                .expected("placement.dram_cache beside it")
        });
    }
}

/// Refuses a cache over NVMe where nothing lives there, at the first key that asks for it.
fn refuse(resolver: &mut Resolver<'_>, home: ExpertHome) {
    let section = &resolver.scenario().placement;
    let key = match (section.page_cache, &section.dram_cache) {
        (Some(true), _) => "placement.page_cache",
        (_, Some(_)) => "placement.dram_cache",
        _ => "placement.warm_experts",
    };
    resolver.refuse(key, |place| {
        Error::at(place, format!("{key}: found where experts live in {}", home.spelling()))
            .expected("placement.experts = \"nvme\"")
    });
}
