//! From plans to footprints.

use rayon::prelude::*;

use super::scenario::Case;
use super::{FootprintAsk, offload};
use crate::error::{Error, Place, Result};
use crate::memory::{Ledger, Tier, textbook_activations};
use crate::metrics::{Footprint, FootprintPart, LedgerLine, MemoryCount, TierNeed};
use crate::plan::{Inputs, Plan, WholeModel};
use crate::units::Bytes;

/// What introductory texts do not count.
const NOT_IN_TEXTBOOKS: [&str; 2] = ["workspace", "framework"];
/// Where an owner stands: weights as a token meets them, then what grows with use, then what is always there.
const ORDER: [&str; 16] = [
    "routed experts",
    "expert cache",
    "expert buffer",
    "low-bit copies",
    "shared experts",
    "dense ffn",
    "attention",
    "router",
    "norms",
    "embeddings",
    "lm head",
    "kv cache",
    "activations (residual)",
    "activations (experts)",
    "workspace",
    "framework",
];

/// The footprint of every model with every scheme, in their order.
///
/// # Errors
/// All that is wrong with the question at once: unknown names, layouts that the model does not allow, settings that
/// contradict each other. What does not fit is a result.
pub fn footprints(ask: &FootprintAsk, inputs: &Inputs) -> Result<Vec<Footprint>> {
    if ask.schemes.is_empty() {
        return Err(Error::at(Place::option("--quant"), "found no scheme").expected("at least one, like fp8"));
    }
    let found: Vec<Result<Footprint>> =
        Case::all(ask).par_iter().map(|case| footprint(case, inputs)).collect();
    let (found, errors): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    match Error::join(errors.into_iter().filter_map(Result::err)) {
        Some(error) => Err(error),
        None => Ok(found.into_iter().filter_map(Result::ok).collect()),
    }
}

fn footprint(case: &Case<'_>, inputs: &Inputs) -> Result<Footprint> {
    let ask = case.ask;
    let plan = case.plan(inputs)?;
    let MemoryCount { ledger, tiers } =
        if ask.is_simplified { textbook(&plan, tokens(ask)) } else { count(&plan.ledger) };
    let gpu_asked = ask.gpu.is_some() || ask.sets.iter().any(|set| set.starts_with("hardware."));
    let WholeModel { spec, experts, kv, .. } = &plan.model;
    let moe_params: Vec<u64> =
        spec.layers.iter().filter(|layer| layer.moe().is_some()).map(|layer| layer.expert_params()).collect();
    let alike = moe_params.windows(2).all(|pair| pair[0] == pair[1]);
    let short = tiers.iter().any(|tier| tier.needed_bytes > tier.capacity_bytes);
    let offload = if ask.offloads && !spares_offload(ask, &plan) {
        offload::runs(case, inputs, &plan)?
    } else {
        Vec::new()
    };
    Ok(Footprint {
        model: plan.labels.model.clone(),
        quant: plan.labels.quant.clone(),
        is_simplified: ask.is_simplified,
        layers: spec.layers.len() as u64,
        moe_layers: moe_params.len() as u64,
        experts: u64::from(spec.experts()),
        top_k: u64::from(spec.top_k()),
        expert_params: moe_params.first().copied().filter(|_| alike).unwrap_or(0),
        expert_bytes: experts.iter().max().map_or(0, |size| size.get()),
        parts: parts(&plan.model),
        kv_type: kv.name.to_owned(),
        context_tokens: ask.context.get(),
        batch: u64::from(ask.batch.get()),
        degrees: ask.degrees(),
        gpu: if gpu_asked { plan.labels.gpu.clone() } else { String::new() },
        engine: plan.labels.engine.clone(),
        problems: if gpu_asked && (short || !ask.is_simplified) { problems(ask, &plan) } else { Vec::new() },
        ledger,
        tiers: tiers
            .into_iter()
            .map(|tier| TierNeed { capacity_bytes: if gpu_asked { tier.capacity_bytes } else { 0 }, ..tier })
            .collect(),
        offload,
    })
}

/// Whether there is nothing to offload, or the user has already said how.
fn spares_offload(ask: &FootprintAsk, plan: &Plan) -> bool {
    plan.model.experts.is_empty() || ask.is_simplified || ask.degrees().gpus() > 1 || ask.places_experts()
}

fn problems(ask: &FootprintAsk, plan: &Plan) -> Vec<String> {
    if !ask.is_simplified {
        return plan.problems.clone();
    }
    textbook_ledger(plan, tokens(ask)).shortfalls()
}

/// Tokens of all sequences of a data-parallel rank.
fn tokens(ask: &FootprintAsk) -> u64 {
    ask.context.get().saturating_mul(u64::from(ask.batch_of_rank()))
}

/// What introductory texts count of a plan: its weights and KV cache, and every activation of so many tokens in place of
/// workspace and framework. The plan is to be that of a simplified model.
pub fn textbook(plan: &Plan, tokens: u64) -> MemoryCount {
    count(&textbook_ledger(plan, tokens))
}

/// Who owns what, in [`ORDER`], and need against capacity.
fn count(ledger: &Ledger) -> MemoryCount {
    let place = |line: &LedgerLine| {
        let owner = ORDER.iter().position(|known| *known == line.owner).unwrap_or(ORDER.len());
        (Tier::ALL.iter().position(|tier| tier.name() == line.tier), owner)
    };
    let mut lines = ledger.lines();
    lines.sort_by_key(place);
    let needs = ledger.needs().into_iter().filter(|need| need.needed_bytes > 0);
    MemoryCount { ledger: lines, tiers: needs.collect() }
}

/// The ledger with the activations of introductory texts in place of workspace and framework.
fn textbook_ledger(plan: &Plan, tokens: u64) -> Ledger {
    let mut ledger = Ledger::default();
    for tier in Tier::ALL {
        ledger.set_capacity(tier, plan.ledger.capacity(tier));
        let lines = plan.ledger.lines();
        let kept = lines
            .iter()
            .filter(|line| line.tier == tier.name() && !NOT_IN_TEXTBOOKS.contains(&line.owner.as_str()));
        kept.for_each(|line| ledger.add(tier, &line.owner, Bytes::new(line.bytes)));
    }
    let (residual, experts) = textbook_activations(&plan.model.spec, tokens);
    ledger.add(Tier::Vram, "activations (residual)", residual);
    ledger.add(Tier::Vram, "activations (experts)", experts);
    ledger
}

fn parts(model: &WholeModel) -> Vec<FootprintPart> {
    let (params, active) = (model.spec.params().named(), model.spec.active_params().named());
    let (bytes, active_bytes) = (model.weights.named(), model.active_weights().named());
    let part = |index: usize| FootprintPart {
        part: params[index].0.to_owned(),
        params: params[index].1,
        active_params: active[index].1,
        bytes: bytes[index].1.get(),
        active_bytes: active_bytes[index].1.get(),
    };
    (0..params.len()).map(part).filter(|part| part.params > 0).collect()
}
