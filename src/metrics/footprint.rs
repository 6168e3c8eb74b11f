//! What one model takes in memory as stored and laid out in one way, and what offloading makes of it.

use serde::{Deserialize, Serialize};

use super::{LedgerLine, Row, TierNeed};

/// One part of a model's weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FootprintPart {
    /// `embeddings`, `attention`, `routed_experts`, ...
    pub part: String,
    /// Parameters.
    pub params: u64,
    /// Parameters that one token uses.
    pub active_params: u64,
    /// Bytes as stored.
    pub bytes: u64,
    /// Bytes as stored of what one token uses.
    pub active_bytes: u64,
}

/// Degrees of parallelism.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degrees {
    /// Tensor parallelism.
    pub tp: u32,
    /// Data parallelism.
    pub dp: u32,
    /// Expert parallelism.
    pub ep: u32,
    /// Pipeline stages.
    pub pp: u32,
}

impl Degrees {
    /// GPUs of the deployment.
    pub fn gpus(&self) -> u64 {
        u64::from(self.tp) * u64::from(self.dp) * u64::from(self.pp)
    }
}

/// How much GPU memory the routed experts of an offloading run are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpertRoom {
    /// All experts lie in GPU memory.
    Resident,
    /// A cache of what one token asks for, all others in host memory.
    OneToken,
    /// One buffer for one expert at a time.
    OneExpert,
}

impl ExpertRoom {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Resident => "all experts",
            Self::OneToken => "one token's experts",
            Self::OneExpert => "one expert",
        }
    }
}

/// A simulated run of the model with so much room for its experts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffloadRun {
    /// Room of the experts.
    pub room: ExpertRoom,
    /// The GPU or its host has less memory than that takes: the run supposes one as fast that has enough.
    pub is_supposed: bool,
    /// The run.
    pub row: Row,
}

impl OffloadRun {
    /// GPU memory that it takes.
    pub fn vram_bytes(&self) -> u64 {
        self.row.tier("vram").map_or(0, |tier| tier.needed_bytes)
    }

    /// Median over sequences of the time per output token in nanoseconds; `None` where it did not run.
    pub fn tpot_ns(&self) -> Option<u64> {
        self.row.summary().map(|summary| summary.tpot_ns.p50)
    }
}

/// One model, stored in one way, on so many GPUs, with so much context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Model name.
    pub model: String,
    /// Quantisation scheme.
    pub quant: String,
    /// Counted as introductory texts do.
    pub is_simplified: bool,
    /// Layers.
    pub layers: u64,
    /// Layers with routed experts.
    pub moe_layers: u64,
    /// Routed experts in each of them, the most where layers differ; 0 for a dense model.
    pub experts: u64,
    /// Experts that each token is sent to.
    pub top_k: u64,
    /// Parameters of one routed expert, where all have as many; else 0.
    pub expert_params: u64,
    /// Bytes of the largest routed expert.
    pub expert_bytes: u64,
    /// The weights by part, in a fixed order; they add up to the whole model.
    pub parts: Vec<FootprintPart>,
    /// Storage type of keys and values.
    pub kv_type: String,
    /// Tokens of context that each sequence has room for.
    pub context_tokens: u64,
    /// Sequences at once, on all GPUs together.
    pub batch: u64,
    /// How the GPUs share the model.
    pub degrees: Degrees,
    /// GPU that it was held against; empty where none was asked for.
    pub gpu: String,
    /// Engine profile, whose own memory is booked.
    pub engine: String,
    /// Who owns which bytes of one GPU (the fullest) and of its host, in a fixed order.
    pub ledger: Vec<LedgerLine>,
    /// Need against capacity per tier. Without a GPU, capacities are zero.
    pub tiers: Vec<TierNeed>,
    /// Why it does not fit; empty where it does, or where no GPU was asked for.
    pub problems: Vec<String>,
    /// Offloading, simulated, from the most room to the least; empty for dense models and on several GPUs.
    pub offload: Vec<OffloadRun>,
}

impl Footprint {
    fn sum(&self, of: impl Fn(&FootprintPart) -> u64) -> u64 {
        self.parts.iter().map(of).fold(0, u64::saturating_add)
    }

    /// One part of the weights; nothing where the model has none of that name.
    pub fn part(&self, name: &str) -> FootprintPart {
        self.parts.iter().find(|part| part.part == name).cloned().unwrap_or_default()
    }

    /// All parameters.
    pub fn params(&self) -> u64 {
        self.sum(|part| part.params)
    }

    /// Parameters that one token uses.
    pub fn active_params(&self) -> u64 {
        self.sum(|part| part.active_params)
    }

    /// Parameters beside the routed experts, which every token uses.
    pub fn shared_params(&self) -> u64 {
        self.params() - self.part("routed_experts").params
    }

    /// Bytes of all weights of the model, on however many GPUs.
    pub fn weight_bytes(&self) -> u64 {
        self.sum(|part| part.bytes)
    }

    /// Bytes of the weights that one token uses: the active working set.
    pub fn active_bytes(&self) -> u64 {
        self.sum(|part| part.active_bytes)
    }

    /// What one GPU holds.
    pub fn vram_bytes(&self) -> u64 {
        self.tier("vram").map_or(0, |tier| tier.needed_bytes)
    }

    /// Need against capacity of one tier.
    pub fn tier(&self, name: &str) -> Option<&TierNeed> {
        self.tiers.iter().find(|tier| tier.tier == name)
    }

    /// Bytes of one owner in one tier.
    pub fn owned(&self, tier: &str, owner: &str) -> u64 {
        let lines = self.ledger.iter().filter(|line| line.tier == tier && line.owner == owner);
        lines.map(|line| line.bytes).sum()
    }

    /// Whether it fits; `None` where no GPU was asked for.
    pub fn fits(&self) -> Option<bool> {
        (!self.gpu.is_empty()).then_some(self.problems.is_empty())
    }

    /// The offloading run with this room.
    pub fn offloaded(&self, room: ExpertRoom) -> Option<&OffloadRun> {
        self.offload.iter().find(|run| run.room == room)
    }
}
