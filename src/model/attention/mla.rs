//! Multi-head latent attention: keys and values are rebuilt from one cached latent (DeepSeek-V2, arXiv 2405.04434,
//! section 2.1).

use super::Indexer;

/// Latent attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mla {
    /// Heads.
    pub heads: u64,
    /// Rank of the query latent; `None` where queries are projected directly (DeepSeek-V2-Lite).
    pub q_lora: Option<u64>,
    /// Rank of the key-value latent.
    pub kv_lora: u64,
    /// Width of the part of a key that is not rotated.
    pub nope: u64,
    /// Width of the rotated part, shared by all heads and cached beside the latent.
    pub rope: u64,
    /// Width of a value.
    pub v_head_dim: u64,
    /// The two down projections and the output projection have biases.
    pub bias: bool,
    /// Selects the tokens attended to (DeepSeek-V3.2, GLM-5).
    pub indexer: Option<Indexer>,
}

impl Mla {
    pub(super) fn params(&self, hidden: u64) -> u64 {
        let key = self.nope + self.rope;
        let query = match self.q_lora {
            Some(rank) => rank * (hidden + self.heads * key),
            None => hidden * self.heads * key,
        };
        let down = hidden * (self.kv_lora + self.rope);
        let up = self.kv_lora * self.heads * (self.nope + self.v_head_dim);
        let output = self.heads * self.v_head_dim * hidden;
        let bias = if self.bias { self.q_lora.unwrap_or(0) + self.kv_lora + self.rope + hidden } else { 0 };
        query + down + up + output + bias + self.indexer.map_or(0, |indexer| indexer.params(hidden))
    }

    pub(super) fn norm_params(&self) -> u64 {
        let index = self.indexer.map_or(0, |indexer| indexer.norm_params());
        self.q_lora.unwrap_or(0) + self.kv_lora + index
    }

    pub(super) fn kv_elements_per_token(&self) -> u64 {
        self.kv_lora + self.rope + self.indexer.map_or(0, |indexer| indexer.key_elements())
    }

    /// Queries and values in the latent's space: what is read is what is cached, but heads are wider.
    pub(super) fn absorbed_flops(&self, context: u64) -> u64 {
        self.flops(self.kv_lora + self.rope + self.kv_lora, context)
    }

    /// Keys and values rebuilt for every head; rebuilding is part of the projections.
    pub(super) fn expanded_flops(&self, context: u64) -> u64 {
        self.flops(self.nope + self.rope + self.v_head_dim, context)
    }

    fn flops(&self, width: u64, context: u64) -> u64 {
        let attended = self.indexer.map_or(context, |indexer| indexer.attended(context));
        let index = self.indexer.map_or(0, |indexer| indexer.flops(context));
        (2 * self.heads * width).saturating_mul(attended).saturating_add(index)
    }
}
