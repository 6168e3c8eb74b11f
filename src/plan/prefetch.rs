//! Prefetching: who guesses, how far ahead, and how much GPU memory that takes.

use super::Inputs;
use super::memory::Booked;
use super::merging::like_the_routing;
use super::model::ModelPlan;
use super::resolve::Resolver;
use super::types::{Overlap, PrefetchPlan};
use super::workload::Workload;
use crate::error::Error;
use crate::memory::Tier;
use crate::prefetch::PredictorRow;
use crate::scenario::{ExpertHome, Percent};
use crate::units::{Bytes, SimDuration};

/// Layers ahead where the scenario does not say.
const DEPTH_DEFAULT: u64 = 1;
/// Share of experts that the next layer's gate finds from this layer's hidden state where the scenario does not say:
/// between the 80-90 % that mixtral-offloading and AdapMoE report for one layer ahead.
const RECALL_DEFAULT: Percent = Percent::from_ppm(850_000);

/// Who guesses, where anybody does. Called whatever the rest of the point is, so that a wrong name is told of.
pub(super) fn predictor(resolver: &mut Resolver<'_>, inputs: &Inputs) -> Option<PredictorRow> {
    let name = resolver.scenario().prefetch.predictor.as_deref()?;
    resolver.given("prefetch.predictor", name);
    let names = inputs.predictors().rows().iter().map(|row| row.name.as_str());
    resolver.known("prefetch.predictor", "predictor", name, inputs.predictors().find(name).cloned(), names)
}

/// The prefetching of a point whose experts do not all lie in GPU memory.
pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    model: &ModelPlan,
    workload: &Workload,
    (row, overlap): (PredictorRow, Overlap),
    booked: &mut Booked,
) -> Option<PrefetchPlan> {
    let section = &resolver.scenario().prefetch;
    let depth = resolver.or_default("prefetch.depth", section.depth, DEPTH_DEFAULT, "default");
    let layers = model.experts.len() as u64;
    if depth >= layers.max(1) {
        resolver.refuse("prefetch.depth", |place| {
            Error::at(place, format!("prefetch.depth: found {depth}"))
                .expected(format!("less than the {layers} MoE layers of {}", model.spec.name))
        });
        return None;
    }
    if row.name == "none" || depth == 0 || booked.home == ExpertHome::Vram {
        return None;
    }
    if overlap == Overlap::None {
        booked.problems.push(
            "prefetch.predictor: with engine.overlap \"none\" nothing is copied while the GPU computes"
                .to_owned(),
        );
    }
    let top_k = workload.plan.trace.header().top_k;
    let limit = section.experts.map(std::num::NonZeroU32::get);
    let limit =
        resolver.or_default("prefetch.experts", limit, top_k, "default: as many as the router chooses");
    let largest = model.experts.iter().max().copied().unwrap_or(Bytes::ZERO);
    let budget = resolver.or_default(
        "prefetch.budget",
        section.budget,
        largest.saturating_times(depth * u64::from(limit)),
        "default: what is guessed for all layers ahead",
    );
    booked.ledger.add(Tier::Vram, "prefetch buffer", budget);
    let recall = section.recall.clone().unwrap_or_else(|| vec![RECALL_DEFAULT]);
    let cost = resolver.or_default("prefetch.cost", section.cost, SimDuration::ZERO, "default: no time");
    let profile = section.profile.as_ref().map(|path| {
        resolver.given("prefetch.profile", path.display());
        let experts = model.spec.experts();
        let found = like_the_routing(resolver, inputs, path).and_then(|path| inputs.prefetch_profile(&path));
        found.and_then(|profile| {
            profile.check(u32::try_from(layers).unwrap_or(u32::MAX), experts).map(|()| profile)
        })
    });
    let profile = match profile {
        Some(Err(error)) => {
            resolver.refuse_file("prefetch.profile", error);
            return None;
        }
        Some(Ok(profile)) => Some(profile),
        None => None,
    };
    Some(PrefetchPlan {
        predictor: row,
        depth: u32::try_from(depth).unwrap_or(u32::MAX),
        limit,
        budget,
        recall_ppm: recall.iter().map(|share| u32::try_from(share.ppm()).unwrap_or(u32::MAX)).collect(),
        profile,
        cost,
        seed: resolver.scenario().seed.unwrap_or(0),
    })
}
