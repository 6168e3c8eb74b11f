//! Grouped-query attention with the additions that models make to it.

use super::Indexer;

/// Normalisation of queries and keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QkNorm {
    /// None, or one without weights (Llama 4's L2 norm).
    #[default]
    None,
    /// One weight vector of a head's width for all heads, one each for queries and keys (Qwen3).
    PerHead,
    /// Over all heads together (`OLMoE`, MiniMax-M2).
    PerLayer,
}

/// A gate on the output of attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputGate {
    /// None.
    #[default]
    None,
    /// One number for each head (Step-3.5).
    PerHead,
    /// One number for each channel of each head (Qwen3-Next, where the query projection is twice as wide for it).
    PerChannel,
}

/// Grouped-query attention; multi-head attention where `kv_heads == heads`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gqa {
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Width of a query and of a key.
    pub head_dim: u64,
    /// Width of a value.
    pub v_head_dim: u64,
    /// Normalisation of queries and keys.
    pub qk_norm: QkNorm,
    /// The three input projections have biases.
    pub qkv_bias: bool,
    /// The output projection has a bias.
    pub output_bias: bool,
    /// One learned sink for each head (gpt-oss).
    pub sinks: bool,
    /// A gate on the output.
    pub gate: OutputGate,
    /// There is no value projection: values are the keys before their normalisation (Gemma 4, full layers). Both are
    /// cached all the same, since only keys are rotated.
    pub value_from_key: bool,
    /// Selects the tokens attended to (MiniMax-M3).
    pub indexer: Option<Indexer>,
}

impl Gqa {
    pub(super) fn params(&self, hidden: u64) -> u64 {
        let query = self.heads * self.head_dim;
        let key = self.kv_heads * self.head_dim;
        let value = if self.value_from_key { 0 } else { self.kv_heads * self.v_head_dim };
        let output = self.heads * self.v_head_dim;
        let gate = match self.gate {
            OutputGate::None => 0,
            OutputGate::PerHead => self.heads,
            OutputGate::PerChannel => output,
        };
        let matrices = hidden * (query + key + value + gate + output);
        let input_bias = if self.qkv_bias { query + key + value } else { 0 };
        let output_bias = if self.output_bias { hidden } else { 0 };
        let sinks = if self.sinks { self.heads } else { 0 };
        let indexer = self.indexer.map_or(0, |indexer| indexer.params(hidden));
        matrices + input_bias + output_bias + sinks + indexer
    }

    pub(super) fn norm_params(&self) -> u64 {
        let own = match self.qk_norm {
            QkNorm::None => 0,
            QkNorm::PerHead => 2 * self.head_dim,
            QkNorm::PerLayer => (self.heads + self.kv_heads) * self.head_dim,
        };
        own + self.indexer.map_or(0, |indexer| indexer.norm_params())
    }

    pub(super) fn kv_elements_per_token(&self) -> u64 {
        let index = self.indexer.map_or(0, |indexer| indexer.key_elements());
        self.kv_heads * (self.head_dim + self.v_head_dim) + index
    }

    pub(super) fn flops(&self, attended: u64) -> u64 {
        let per_token = 2 * self.heads * (self.head_dim + self.v_head_dim);
        match self.indexer {
            None => per_token.saturating_mul(attended),
            Some(indexer) => {
                per_token.saturating_mul(indexer.attended(attended)).saturating_add(indexer.flops(attended))
            }
        }
    }
}
