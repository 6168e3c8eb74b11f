//! What several engines cannot express.

use super::facts::Facts;
use crate::units::Bytes;

/// Policies other than the engine's own.
pub(super) fn own_policy(facts: Facts<'_>, engine: &str, notes: &mut Vec<String>) {
    let cache = &facts.scenario.cache;
    let policy = facts.plan.labels.policy.as_str();
    if policy == "assumed" {
        notes.push(format!("The point assumes a hit rate; what {engine} reaches is another matter."));
    } else if policy != "lru" {
        notes.push(format!(
            "{engine} knows no cache policy but its own: {policy:?} of the scenario is not it."
        ));
    }
    if cache.pin.is_some() || facts.scenario.placement.hot_experts.is_some() {
        notes.push(format!("{engine} cannot keep chosen experts of a layer in GPU memory."));
    }
    let action = facts.scenario.placement.miss.unwrap_or(crate::scenario::MissAction::Fetch);
    if action != crate::scenario::MissAction::Fetch {
        notes.push(format!("{engine} has no miss action {:?}.", action.spelling()));
    }
}

/// Loading experts ahead of need.
pub(super) fn prefetching(facts: Facts<'_>, engine: &str, notes: &mut Vec<String>) {
    if facts.plan.prefetch.is_some() {
        let predictor = &facts.plan.labels.prefetch;
        notes.push(format!(
            "{engine} does not load experts ahead of the router; {predictor:?} of the scenario does."
        ));
    }
}

/// Experts outside of GPU memory with an engine that offloads weights by layer; gigabytes of them, rounded up.
pub(super) fn offloaded(facts: Facts<'_>, engine: &str, notes: &mut Vec<String>) -> Option<u64> {
    let outside = facts.outside();
    if outside == Bytes::ZERO {
        return None;
    }
    notes.push(format!(
        "{engine} has no expert cache; the nearest is --cpu-offload-gb, by which every pass reads all of the {outside} that \
         are offloaded, not the experts that miss: it is slower than predicted."
    ));
    if facts.plan.labels.backing == "nvme" {
        notes.push(format!("{engine} cannot keep weights on a drive: they must fit host memory."));
    }
    prefetching(facts, engine, notes);
    Some(outside.get().div_ceil(Bytes::GIB.get()))
}

/// Layers whose experts the CPU computes.
pub(super) fn cpu_experts(facts: Facts<'_>, engine: &str, notes: &mut Vec<String>) {
    if facts.cpu_layers() > 0 {
        notes.push(format!(
            "{engine} computes no layers or experts on the CPU; llama.cpp (engine.profile = \"llama.cpp\") does."
        ));
    }
}

/// Schemes that come as a checkpoint of their own.
pub(super) fn checkpoint(facts: Facts<'_>, engine: &str, notes: &mut Vec<String>) -> Option<&'static str> {
    let hf = facts.hf();
    match facts.scheme() {
        "bf16" | "fp16" => None,
        // Quantised as it is loaded, where the checkpoint is in 16 bits.
        "fp8" => Some("fp8"),
        "nf4" => Some("bitsandbytes"),
        "mxfp4" if hf.starts_with("openai/") => None,
        _ if facts.is_gguf() => {
            notes.push(format!(
                "The point stores weights as GGUF ({}), which is llama.cpp's; for {engine} take the checkpoint of {hf} that is \
                 nearest in bits, such as an AWQ or GPTQ one in 4, and simulate that scheme.",
                facts.scheme()
            ));
            None
        }
        scheme => {
            notes.push(format!(
                "{engine} reads the method from the checkpoint: in place of {hf} name one of it that is stored as {scheme}."
            ));
            None
        }
    }
}
