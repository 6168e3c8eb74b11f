//! Routing where no trace was recorded: a synthetic router of the model's shape.

use std::path::PathBuf;
use std::sync::Arc;

use super::Inputs;
use super::model::ModelPlan;
use super::resolve::Resolver;
use crate::error::Result;
use crate::scenario::Router;
use crate::trace::Trace;
use crate::trace::synthetic::{SyntheticSpec, shipped};

/// Sequences generated where the scenario does not say.
const SEQUENCES_DEFAULT: u64 = 4;
/// Tokens decoded in each where the scenario does not say.
const DECODE_DEFAULT: u64 = 64;
/// Shipped specification that `typical` routing takes its statistics from.
const TYPICAL: &str = "qwen3-30b-a3b";

/// The trace of the synthetic router that the scenario asks for, and a name for it.
pub(super) fn trace(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    model: &ModelPlan,
    router: Router,
) -> Option<(PathBuf, Arc<Trace>)> {
    resolver.given("workload.router", router.spelling());
    let spec = specification(resolver, model, router);
    // Passes are kept by this name, so it says everything that they depend on.
    let name = format!(
        "{} router: {} of {} layers x {} experts, top-{}, {} sequences, {} prompt and {} decode tokens, repeat {} ppm, seed {}",
        router.spelling(),
        spec.model,
        spec.layers,
        spec.experts,
        spec.top_k,
        spec.sequences,
        spec.prompt_tokens[0],
        spec.decode_tokens[0],
        parts_per_million(spec.stickiness),
        spec.seed
    );
    let found: Result<Arc<Trace>> = inputs.generated(&name, &spec);
    let trace = found.map_err(|error| resolver.push(error)).ok()?;
    Some((PathBuf::from(name), trace))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a probability")]
fn parts_per_million(share: f64) -> u64 {
    (share * 1e6).round() as u64
}

fn specification(resolver: &mut Resolver<'_>, model: &ModelPlan, router: Router) -> SyntheticSpec {
    let section = &resolver.scenario().workload;
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let sequences = section.sequences.map_or(SEQUENCES_DEFAULT, std::num::NonZeroU64::get);
    let sequences = number(sequences.max(section.batch.map_or(1, |batch| u64::from(batch.get()))));
    let decode = number(section.decode_tokens.map_or(DECODE_DEFAULT, std::num::NonZeroU64::get));
    let prompt =
        number(resolver.or_default("workload.prompt_tokens", section.prompt_tokens, 0, "default: no prompt"));
    let mut spec = typical(router);
    if let Some(repeat) = section.repeat {
        resolver.given("workload.repeat", repeat);
        spec.stickiness = repeat.ppm() as f64 / 1e6;
    }
    SyntheticSpec {
        model: model.spec.name.clone(),
        layers: number(model.experts.len() as u64),
        first_layer_id: 0,
        experts: model.spec.experts(),
        top_k: model.spec.top_k(),
        expert_size: None,
        sequences,
        prompt_tokens: [prompt; 2],
        decode_tokens: [decode; 2],
        seed: resolver.scenario().seed.unwrap_or(0),
        source: format!("{} router", router.spelling()),
        ..spec
    }
}

/// Statistics of the router; shape, length and seed are replaced.
fn typical(router: Router) -> SyntheticSpec {
    let even = SyntheticSpec {
        model: String::new(),
        layers: 1,
        first_layer_id: 0,
        experts: 1,
        top_k: 1,
        expert_size: None,
        zipf_slope: 0.0,
        zipf_offset: 0.0,
        sequence_tilt: 0.0,
        sequence_spread: 0.0,
        topic_tilt: 0.0,
        topic_tokens: 16,
        stickiness: 0.0,
        weights: true,
        sequences: 1,
        prompt_tokens: [0, 0],
        decode_tokens: [1, 1],
        seed: 0,
        source: String::new(),
    };
    match router {
        Router::Uniform => even,
        Router::Typical => {
            shipped::all().into_iter().find(|(stem, _)| *stem == TYPICAL).map_or(even, |(_, spec)| spec)
        }
    }
}
