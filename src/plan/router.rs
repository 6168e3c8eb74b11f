//! Routing where no trace was recorded: a synthetic router of the model's shape.

use std::path::PathBuf;
use std::sync::Arc;

use super::Inputs;
use super::model::ModelPlan;
use super::resolve::Resolver;
use crate::error::{Error, Result};
use crate::scenario::{Factor, Percent, Router, RouterSection};
use crate::trace::Trace;
use crate::trace::synthetic::{RouterKnobs, SyntheticSpec, shipped};

/// What is generated where the scenario does not say.
struct Extent {
    sequences: u64,
    /// Of each sequence.
    prompt_tokens: u64,
    /// Of each sequence.
    decode_tokens: u64,
}

/// To be replayed.
const REPLAYED: Extent = Extent { sequences: 4, prompt_tokens: 0, decode_tokens: 64 };
/// For requests to draw from.
const SERVED: Extent = Extent { sequences: 32, prompt_tokens: 256, decode_tokens: 256 };
/// How far domains differ in their experts where the scenario does not say, in nats.
const DOMAIN_TILT_DEFAULT: f64 = 1.0;
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
    let (knobs, turned) = knobs(resolver);
    // Passes are kept by this name, so it says everything that they depend on.
    let name = format!(
        "{} router: {} of {} layers x {} experts, top-{}, {} sequences, {} prompt and {} decode tokens, repeat {} ppm, \
         seed {}{turned}",
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
    if let Err(error) = knobs.check() {
        resolver.refuse_file("router", error);
        return None;
    }
    let found: Result<Arc<Trace>> = inputs.generated(&name, &spec, &knobs);
    let trace = found.map_err(|error| resolver.refuse_file("workload.router", error)).ok()?;
    Some((PathBuf::from(name), trace))
}

/// Refuses what turns a router where there is none.
pub(super) fn check(resolver: &mut Resolver<'_>) {
    let workload = &resolver.scenario().workload;
    if workload.router.is_some() {
        return;
    }
    let why = if workload.trace.is_some() { "beside workload.trace" } else { "without workload.router" };
    let RouterSection { top_k, temperature, noise, balance, domains, domain_tilt } =
        &resolver.scenario().router;
    for (key, is_there) in [
        ("router.top_k", top_k.is_some()),
        ("router.temperature", temperature.is_some()),
        ("router.noise", noise.is_some()),
        ("router.balance", balance.is_some()),
        ("router.domains", domains.is_some()),
        ("router.domain_tilt", domain_tilt.is_some()),
    ] {
        if is_there {
            resolver.refuse(key, |place| {
                Error::at(place, format!("{key}: found {why}")).expected("workload.router, like \"typical\"")
            });
        }
    }
}

/// How the router is turned, and the same in words.
fn knobs(resolver: &mut Resolver<'_>) -> (RouterKnobs, String) {
    let section = &resolver.scenario().router;
    let (mut knobs, mut words) = (RouterKnobs::default(), String::new());
    for (key, written, knob) in [
        ("router.temperature", section.temperature, &mut knobs.temperature),
        ("router.noise", section.noise, &mut knobs.noise),
    ] {
        if let Some(written) = written {
            resolver.given(key, written);
            *knob = written.value();
            words.push_str(&format!(", {key} {written}"));
        }
    }
    if let Some(balance) = section.balance {
        resolver.given("router.balance", balance);
        knobs.balance = balance.ppm() as f64 / 1e6;
        words.push_str(&format!(", router.balance {balance}"));
    }
    match (&section.domains, section.domain_tilt) {
        (Some(domains), tilt) => {
            let names = domains.join(", ");
            resolver.given("router.domains", &names);
            knobs.domains.clone_from(domains);
            knobs.domain_tilt = tilt.map_or(DOMAIN_TILT_DEFAULT, Factor::value);
            words.push_str(&format!(", domains {names} with tilt {}", knobs.domain_tilt));
        }
        (None, Some(_)) => resolver.refuse("router.domain_tilt", |place| {
            Error::at(place, "router.domain_tilt: found without router.domains").expected("names of domains")
        }),
        (None, None) => {}
    }
    if let Some(tilt) = section.domain_tilt {
        resolver.given("router.domain_tilt", tilt);
    } else if section.domains.is_some() {
        resolver.note("router.domain_tilt", DOMAIN_TILT_DEFAULT, "default");
    }
    (knobs, words)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a probability")]
fn parts_per_million(share: f64) -> u64 {
    (share * 1e6).round() as u64
}

fn specification(resolver: &mut Resolver<'_>, model: &ModelPlan, router: Router) -> SyntheticSpec {
    let section = &resolver.scenario().workload;
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let served = resolver.scenario().requests.arrivals.is_some();
    let usual = if served { SERVED } else { REPLAYED };
    let sequences = section.sequences.map_or(usual.sequences, std::num::NonZeroU64::get);
    let sequences = number(sequences.max(section.batch.map_or(1, |batch| u64::from(batch.get()))));
    let decode = number(section.decode_tokens.map_or(usual.decode_tokens, std::num::NonZeroU64::get));
    let why = if served { "default: requests go on beyond it" } else { "default: no prompt" };
    let prompt = number(resolver.or_default(
        "workload.prompt_tokens",
        section.prompt_tokens,
        usual.prompt_tokens,
        why,
    ));
    let top_k = resolver.scenario().router.top_k.map(std::num::NonZeroU32::get);
    if let Some(top_k) = top_k {
        resolver.given("router.top_k", top_k);
    }
    let mut spec = typical(router);
    if let Some(repeat) = section.repeat {
        resolver.given("workload.repeat", repeat);
        spec.stickiness = repeat.ppm() as f64 / 1e6;
    }
    SyntheticSpec {
        model: model.routed.name.clone(),
        layers: number(model.experts.len() as u64),
        first_layer_id: 0,
        experts: model.routed.experts(),
        top_k: top_k.unwrap_or_else(|| model.routed.top_k()),
        expert_size: None,
        sequences,
        prompt_tokens: [prompt; 2],
        decode_tokens: [decode; 2],
        seed: resolver.scenario().seed.unwrap_or(0),
        source: format!("{} router", router.spelling()),
        ..spec
    }
}

/// Share of experts that a router keeps from token to token where the scenario does not say.
pub(super) fn repeat(router: Router) -> Percent {
    as_percent(typical(router).stickiness)
}

/// A probability as a percentage.
pub(super) fn as_percent(share: f64) -> Percent {
    Percent::from_ppm(parts_per_million(share))
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
