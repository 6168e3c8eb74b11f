//! What a quoted figure may be a figure of: bytes that follow from a plan.

use crate::error::{Error, Result};
use crate::metrics::{MemoryCount, Quote};
use crate::plan::Plan;

/// Owners whose bytes are weights that stay where they are.
const WEIGHTS: [&str; 8] = [
    "routed experts",
    "shared experts",
    "dense ffn",
    "attention",
    "router",
    "norms",
    "embeddings",
    "lm head",
];

/// A quantity in bytes.
pub(super) struct Metric {
    /// As in a file.
    pub(super) name: &'static str,
    /// In words.
    pub(super) label: &'static str,
    /// How a plan and its memory, counted one way or the other, tell it.
    pub(super) read: fn(&Plan, &MemoryCount) -> u64,
}

/// All of them.
const METRICS: &[Metric] = &[
    Metric { name: "vram", label: "memory of a GPU in all", read: |_, count| count.vram_bytes() },
    Metric {
        name: "weights",
        label: "weights that a GPU holds",
        read: |_, count| WEIGHTS.iter().map(|owner| count.owned(owner)).sum(),
    },
    Metric {
        name: "experts",
        label: "all experts of the model",
        read: |plan, _| {
            let weights = &plan.model.weights;
            weights.routed_experts.get() + weights.shared_experts.get()
        },
    },
    Metric { name: "expert_cache", label: "cache of experts", read: |_, count| count.owned("expert cache") },
    Metric {
        name: "expert_buffer",
        label: "buffer of one expert",
        read: |_, count| count.owned("expert buffer"),
    },
    Metric { name: "kv_cache", label: "KV cache", read: |_, count| count.owned("kv cache") },
    Metric {
        name: "active",
        label: "weights that one token uses",
        read: |plan, _| plan.model.active_weights().total().get(),
    },
    Metric { name: Quote::CARD, label: "class of cards", read: |_, count| count.vram_bytes() },
];

/// The metric of a name. The error has no place.
pub(super) fn find(name: &str) -> Result<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name).ok_or_else(|| {
        let known = METRICS.iter().map(|metric| metric.name);
        Error::new(format!("unknown metric {name:?}")).nearest(name, known)
    })
}
