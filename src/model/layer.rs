//! One layer: a token mixer, a feed-forward part, and the norms around them.

use super::{Attention, Dtype, Ffn, Moe, ParamCounts, WeightTypes};
use crate::units::Bytes;

/// One layer of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Token mixer.
    pub attention: Attention,
    /// Feed-forward part.
    pub ffn: Ffn,
    /// Norms of the residual stream's width, before and after the parts.
    pub norms: u64,
    /// These norms have a bias (layer norms, not RMS norms).
    pub norm_bias: bool,
}

impl LayerSpec {
    /// The routed experts; `None` for a layer without.
    pub fn moe(&self) -> Option<&Moe> {
        match &self.ffn {
            Ffn::Moe(moe) => Some(moe),
            Ffn::None | Ffn::Dense(_) => None,
        }
    }

    /// Parameters of the token mixer, norms excluded.
    pub fn attention_params(&self) -> u64 {
        self.attention.params(self.hidden)
    }

    /// Parameters of all norms, those inside the token mixer included.
    pub fn norm_params(&self) -> u64 {
        self.norms * self.hidden * (1 + u64::from(self.norm_bias)) + self.attention.norm_params()
    }

    /// Parameters of the router.
    pub fn router_params(&self) -> u64 {
        self.moe().map_or(0, |moe| moe.router_params(self.hidden))
    }

    /// Parameters of all shared experts together.
    pub fn shared_params(&self) -> u64 {
        self.moe().map_or(0, |moe| moe.shared_params(self.hidden))
    }

    /// Parameters of the feed-forward network of a layer without experts.
    pub fn dense_ffn_params(&self) -> u64 {
        match &self.ffn {
            Ffn::Dense(dense) => dense.params(self.hidden),
            Ffn::None | Ffn::Moe(_) => 0,
        }
    }

    /// Parameters of one routed expert.
    pub fn expert_params(&self) -> u64 {
        self.moe().map_or(0, |moe| moe.expert_params(self.hidden))
    }

    /// Parameters by part.
    pub fn params(&self) -> ParamCounts {
        self.params_with(self.moe().map_or(0, |moe| u64::from(moe.experts)))
    }

    /// Parameters by part that one token uses: of the routed experts its `top_k`.
    pub fn active_params(&self) -> ParamCounts {
        self.params_with(self.moe().map_or(0, |moe| u64::from(moe.top_k)))
    }

    fn params_with(&self, experts: u64) -> ParamCounts {
        ParamCounts {
            attention: self.attention_params(),
            norms: self.norm_params(),
            router: self.router_params(),
            shared_experts: self.shared_params(),
            dense_ffn: self.dense_ffn_params(),
            routed_experts: experts * self.expert_params(),
            ..ParamCounts::default()
        }
    }

    /// Bytes of one routed expert. Biases of experts are counted in the experts' own type.
    pub fn expert_bytes(&self, types: &WeightTypes) -> Bytes {
        types.routed_experts.bytes_for(self.expert_params())
    }

    /// Bytes of keys and values (or latents, and keys of an indexer) for each token kept, all heads.
    pub fn kv_bytes_per_token(&self, kv_dtype: Dtype) -> Bytes {
        kv_dtype.bytes_for(self.attention.kv_elements_per_token())
    }

    /// Tokens kept of a context of `context` tokens: all, a window, or none.
    pub fn kv_tokens_kept(&self, context: u64) -> u64 {
        self.attention.kv_tokens_kept(context)
    }

    /// Bytes of keys and values of one sequence of `context` tokens, recurrent state included.
    pub fn kv_bytes(&self, context: u64, kv_dtype: Dtype) -> Bytes {
        let kept = self.kv_tokens_kept(context);
        let elements = self.attention.kv_elements_per_token().saturating_mul(kept);
        Bytes::new(kv_dtype.bytes_for(elements).get().saturating_add(self.state_bytes().get()))
    }

    /// Bytes of the cache that one decoded token moves, of a context of `context` tokens with it: the keys and values
    /// it attends to, its own included, every key of an indexer, and a recurrent state read and written back.
    pub fn decode_cache_bytes(&self, context: u64, kv_dtype: Dtype) -> Bytes {
        let elements = self.attention.kv_elements_read(context);
        let state = self.state_bytes().get().saturating_mul(2);
        Bytes::new(kv_dtype.bytes_for(elements).get().saturating_add(state))
    }

    /// Bytes of the recurrent state of one sequence.
    pub fn state_bytes(&self) -> Bytes {
        self.attention.state_bytes()
    }

    /// FLOPs of one token's attention over `context` tokens, projections excluded: see [`Attention::flops`].
    pub fn attention_flops(&self, context: u64) -> u64 {
        self.attention.flops(context)
    }

    /// As [`LayerSpec::attention_flops`] for a token of a prompt: see [`Attention::prefill_flops`].
    pub fn prefill_attention_flops(&self, context: u64) -> u64 {
        self.attention.prefill_flops(context)
    }

    /// FLOPs of one token in the layer's matrices: twice the parameters it uses, norms excluded.
    pub fn matmul_flops(&self) -> u64 {
        let active = self.active_params();
        matmul_flops(active.total() - active.norms)
    }
}

/// FLOPs of one token in matrices of `params` parameters: a multiplication and an addition each.
pub const fn matmul_flops(params: u64) -> u64 {
    2 * params
}
