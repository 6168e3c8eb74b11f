//! What mixes the tokens of a sequence in a layer, and what of the past it keeps.
//!
//! Four kinds: grouped-query attention (multi-head attention is its case `kv_heads == heads`), the same within a
//! window, latent attention, and recurrences with a state of fixed size. Positional encodings have no weights and are
//! left out; so are the FLOPs of softmax, which are small beside the two products it stands between.

mod gqa;
mod indexer;
mod mla;
mod recurrent;

pub use gqa::{Gqa, OutputGate, QkNorm};
pub use indexer::{Indexer, IndexerQuery};
pub use mla::Mla;
pub use recurrent::{DeltaNet, KimiDelta, Linear, Mamba, Mamba1, Mamba2};

use crate::units::Bytes;

/// The token mixer of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// The layer has none: a feed-forward block that stands alone, as in Nemotron-H.
    None,
    /// Multi-head or grouped-query attention over the whole context.
    Gqa(Gqa),
    /// The same, over the latest `window` tokens only. Attention in chunks (Llama 4) is counted as a window of the
    /// chunk's size, which is the most that a chunk ever holds.
    SlidingWindow {
        /// Heads and their sizes.
        gqa: Gqa,
        /// Tokens kept and attended to, the current one included.
        window: u64,
    },
    /// Multi-head latent attention.
    Mla(Mla),
    /// Linear attention.
    Linear(Linear),
    /// A Mamba mixer.
    Mamba(Mamba),
}

/// Parameters of attention by projection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Projections {
    /// Queries, keys, gates, latents, indexers and biases.
    pub query_key: u64,
    /// Values.
    pub value: u64,
    /// Output.
    pub output: u64,
}

impl Projections {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.query_key + self.value + self.output
    }
}

impl Attention {
    /// Parameters, normalisations excluded; `hidden` is the width of the residual stream.
    pub fn params(&self, hidden: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::Gqa(gqa) | Self::SlidingWindow { gqa, .. } => gqa.params(hidden),
            Self::Mla(mla) => mla.params(hidden),
            Self::Linear(linear) => linear.params(hidden),
            Self::Mamba(mamba) => mamba.params(hidden),
        }
    }

    /// [`Attention::params`] by projection, for storage types that differ between them. Only softmax attention over
    /// separate heads has a value projection of its own; whatever is neither value nor output counts with the queries.
    pub fn projections(&self, hidden: u64) -> Projections {
        let (value, output) = match self {
            Self::Gqa(gqa) | Self::SlidingWindow { gqa, .. } => {
                let value = if gqa.value_from_key { 0 } else { hidden * gqa.kv_heads * gqa.v_head_dim };
                (value, hidden * gqa.heads * gqa.v_head_dim)
            }
            Self::Mla(mla) => (0, hidden * mla.heads * mla.v_head_dim),
            Self::None | Self::Linear(_) | Self::Mamba(_) => (0, 0),
        };
        Projections { query_key: self.params(hidden) - value - output, value, output }
    }

    /// Parameters of the normalisations inside: of queries, keys, latents, or a mixer's output.
    pub fn norm_params(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Gqa(gqa) | Self::SlidingWindow { gqa, .. } => gqa.norm_params(),
            Self::Mla(mla) => mla.norm_params(),
            Self::Linear(linear) => linear.norm_params(),
            Self::Mamba(mamba) => mamba.norm_params(),
        }
    }

    /// Numbers cached for each token kept.
    pub fn kv_elements_per_token(&self) -> u64 {
        match self {
            Self::None | Self::Linear(_) | Self::Mamba(_) => 0,
            Self::Gqa(gqa) | Self::SlidingWindow { gqa, .. } => gqa.kv_elements_per_token(),
            Self::Mla(mla) => mla.kv_elements_per_token(),
        }
    }

    /// Tokens kept of a context of `context` tokens.
    pub fn kv_tokens_kept(&self, context: u64) -> u64 {
        match self {
            Self::None | Self::Linear(_) | Self::Mamba(_) => 0,
            Self::Gqa(_) | Self::Mla(_) => context,
            Self::SlidingWindow { window, .. } => context.min(*window),
        }
    }

    /// Numbers of the cache that one decoded token reads at a context of `context` tokens: those of all tokens kept, or
    /// where an indexer selects tokens, theirs and the indexer's keys of all.
    pub fn kv_elements_read(&self, context: u64) -> u64 {
        let kept = self.kv_tokens_kept(context);
        let indexer = match self {
            Self::Gqa(gqa) | Self::SlidingWindow { gqa, .. } => gqa.indexer,
            Self::Mla(mla) => mla.indexer,
            Self::None | Self::Linear(_) | Self::Mamba(_) => None,
        };
        let all = self.kv_elements_per_token();
        let Some(indexer) = indexer else { return all.saturating_mul(kept) };
        let keys = indexer.key_elements();
        (all - keys).saturating_mul(indexer.attended(kept)).saturating_add(keys.saturating_mul(kept))
    }

    /// Recurrent state of one sequence: 32-bit states and 16-bit convolution inputs, as vLLM and the Hugging Face code
    /// keep them by default (`mamba_ssm_dtype = float32`).
    pub fn state_bytes(&self) -> Bytes {
        match self {
            Self::Linear(linear) => linear.state_bytes(),
            Self::Mamba(mamba) => mamba.state_bytes(),
            Self::None | Self::Gqa(_) | Self::SlidingWindow { .. } | Self::Mla(_) => Bytes::ZERO,
        }
    }

    /// FLOPs of one token that attends to `context` tokens, itself included: scores and values, or the update and the
    /// read of a recurrent state. Latent attention in its absorbed form, as engines decode it.
    pub fn flops(&self, context: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::Gqa(gqa) | Self::SlidingWindow { gqa, .. } => gqa.flops(self.kv_tokens_kept(context)),
            Self::Mla(mla) => mla.absorbed_flops(context),
            Self::Linear(linear) => linear.flops(),
            Self::Mamba(mamba) => mamba.flops(),
        }
    }

    /// As [`Attention::flops`], with latent attention expanded to full heads, as engines run it in prefill.
    pub fn prefill_flops(&self, context: u64) -> u64 {
        match self {
            Self::Mla(mla) => mla.expanded_flops(context),
            _ => self.flops(context),
        }
    }
}
