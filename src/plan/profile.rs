//! Which experts are hottest, by a profile.

use std::sync::Arc;

use super::Inputs;
use super::merging::like_the_routing;
use super::model::ModelPlan;
use super::placement::Placement;
use super::resolve::Resolver;
use super::types::LayerHome;
use super::workload::Workload;
use crate::cache::PolicyRow;
use crate::error::Error;

/// The hottest experts of each layer that the GPU computes, by the profile.
pub(super) fn hottest(
    resolver: &mut Resolver<'_>,
    model: &ModelPlan,
    placement: &Placement,
    profile: &[u64],
) -> Vec<u32> {
    let Some(count) = resolver.scenario().placement.hot_experts else { return Vec::new() };
    resolver.given("placement.hot_experts", count);
    ranked(model, placement, profile, 0, count.get())
}

/// Of each layer that the GPU computes, `count` experts from the `skipped`-th hottest on; the lower number first among
/// equals.
pub(super) fn ranked(
    model: &ModelPlan,
    placement: &Placement,
    profile: &[u64],
    skipped: u32,
    count: u32,
) -> Vec<u32> {
    let experts = model.spec.experts();
    let of_gpu = (0_u32..).zip(&placement.homes).filter(|(_, home)| **home == LayerHome::Gpu);
    let of_layer = |(layer, _): (u32, &LayerHome)| {
        let mut objects: Vec<u32> = (layer * experts..(layer + 1) * experts).collect();
        let asked = |object: &u32| profile.get(*object as usize).copied().unwrap_or(0);
        objects.sort_by_key(|object| (std::cmp::Reverse(asked(object)), *object));
        objects.into_iter().skip(skipped as usize).take(count as usize)
    };
    of_gpu.flat_map(of_layer).collect()
}

/// The profile, and whether it was taken from the very trace that it is judged on.
pub(super) fn profile(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    model: &ModelPlan,
    workload: &Workload,
    policy: &PolicyRow,
) -> Option<(Arc<Vec<u64>>, bool)> {
    // A dense model has nothing to count.
    let placement = &resolver.scenario().placement;
    let ranks = placement.hot_experts.is_some() || placement.warm_experts.is_some();
    let host = placement.dram_policy.as_deref().and_then(|name| inputs.registry().find(name));
    let host = host.is_some_and(|row| row.needs.profile);
    if !(policy.needs.profile || ranks || host) || model.experts.is_empty() {
        return Some((Arc::default(), false));
    }
    let (path, in_sample) = match &resolver.scenario().cache.profile {
        Some(path) => {
            resolver.given("cache.profile", path.display());
            match like_the_routing(resolver, inputs, path) {
                Ok(path) => (path.clone(), path == workload.path),
                Err(error) => {
                    resolver.refuse_file("cache.profile", error);
                    return None;
                }
            }
        }
        None => {
            resolver.note(
                "cache.profile",
                &workload.name,
                "default: the trace itself, so what it decides counts as an oracle",
            );
            (workload.path.clone(), true)
        }
    };
    let shape = |trace: &crate::trace::Trace| (trace.header().layers(), trace.header().experts);
    let found = inputs.trace(&path).and_then(|trace| {
        if shape(&trace) == shape(&workload.plan.trace) {
            return inputs.profile(&path);
        }
        let text = |(layers, experts)| format!("{layers} MoE layers of {experts} experts");
        let (found, wanted) = (text(shape(&trace)), text(shape(&workload.plan.trace)));
        let error = Error::new(format!("{} holds {found}", path.display()));
        Err(error.expected(format!("{wanted} as {} does", workload.name)))
    });
    let found = found.map_err(|error| resolver.refuse_file("cache.profile", error));
    found.map(|profile| (profile, in_sample)).ok()
}
