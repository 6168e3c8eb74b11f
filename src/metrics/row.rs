//! One point of a sweep as reports see it: its coordinates, what it resolved to, and how it ended.

use serde::{Deserialize, Serialize};

use super::{CostBasis, Quality, Summary};

/// What a point resolved to, in words and bytes. Everything a plot needs for its axes and series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigLabels {
    /// Model name.
    pub model: String,
    /// Quantisation scheme.
    pub quant: String,
    /// GPU name.
    pub gpu: String,
    /// Engine profile.
    pub engine: String,
    /// Where experts that are not in VRAM live: `dram` or `nvme`.
    pub backing: String,
    /// Cache policy.
    pub policy: String,
    /// The policy reads the future (or a profile of the very trace it is judged on), so no real engine can match it.
    pub policy_is_oracle: bool,
    /// `global`, `per-layer` or `slots`.
    pub cache_scope: String,
    /// `layer` (group-atomic) or `access` (textbook).
    pub replay: String,
    /// VRAM for routed experts.
    pub cache_capacity_bytes: u64,
    /// All routed experts together.
    pub experts_total_bytes: u64,
    /// Bytes of the experts that one token asks for, over all layers. Where they do not fit, an LRU cache finds an expert
    /// gone before the next token asks for it; with room for all layers but one it hits nothing for certain.
    pub token_working_set_bytes: u64,
    /// Trace file or name.
    pub trace: String,
    /// Tokens of context that the KV cache is sized for.
    pub context_tokens: u64,
    /// Predictor of prefetches, or `none`.
    pub prefetch: String,
}

impl ConfigLabels {
    /// Whether experts come and go: not where all that the GPU computes lie in VRAM, and not where the hit rate is
    /// assumed.
    pub fn is_cached(&self) -> bool {
        self.backing != "vram" && self.policy != "assumed"
    }
}

/// One line of the memory ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// `vram`, `dram` or `nvme`.
    pub tier: String,
    /// Who owns the bytes: `attention`, `kv cache`, `expert cache`, ...
    pub owner: String,
    /// How many.
    pub bytes: u64,
}

/// Need against capacity of one tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierNeed {
    /// `vram`, `dram` or `nvme`.
    pub tier: String,
    /// Sum of the ledger's lines.
    pub needed_bytes: u64,
    /// What the machine has.
    pub capacity_bytes: u64,
}

/// How a point ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran.
    Done(Box<Summary>),
    /// It cannot run, for these reasons: `needs 26.1 GiB of VRAM, has 24.0 GiB; ...`.
    CannotRun(Vec<String>),
}

/// One point of a sweep. The same point has the same row alone and inside any sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Position in the sweep, from 0, last axis fastest.
    pub index: u64,
    /// Axis keys and their values as written, in the order of the scenario's `[sweep]` table.
    pub axes: Vec<(String, String)>,
    /// What the point resolved to.
    pub config: ConfigLabels,
    /// Who owns which bytes, in a fixed order.
    pub ledger: Vec<LedgerLine>,
    /// Need against capacity per tier: VRAM, DRAM, NVMe.
    pub tiers: Vec<TierNeed>,
    /// What it costs in the quality of answers.
    #[serde(default)]
    pub quality: Quality,
    /// What the machine costs.
    #[serde(default)]
    pub cost: CostBasis,
    /// How it ended.
    pub outcome: Outcome,
}

impl Row {
    /// The summary, where the point ran.
    pub fn summary(&self) -> Option<&Summary> {
        match &self.outcome {
            Outcome::Done(summary) => Some(summary),
            Outcome::CannotRun(_) => None,
        }
    }

    /// Need against capacity of one tier.
    pub fn tier(&self, name: &str) -> Option<&TierNeed> {
        self.tiers.iter().find(|tier| tier.tier == name)
    }
}
