//! A whole model, layer by layer.
//!
//! Text only: vision and audio towers are left out, and so are parameters that a published total counts for them.

use super::{ComponentBytes, Dtype, LayerSpec, ParamCounts, WeightTypes};
use crate::units::Bytes;

/// The architecture of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSpec {
    /// Name, for reports.
    pub name: String,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Rows of the embedding, padding included.
    pub vocab: u64,
    /// The layers, first to last; they may differ.
    pub layers: Vec<LayerSpec>,
    /// The output projection is the input embedding.
    pub tied_embeddings: bool,
    /// The output projection has a bias.
    pub lm_head_bias: bool,
    /// The last norm has a bias.
    pub final_norm_bias: bool,
    /// Modules that predict further tokens, for speculative decoding; in no other count.
    pub mtp: Option<Mtp>,
}

/// Multi-token-prediction modules, each a layer with a projection of twice the width in front (DeepSeek-V3 technical
/// report, section 2.2). Embedding and output projection are the model's own.
///
/// Published totals leave them out (DeepSeek-V3: 671B without, 685B in the files), so no count of [`ModelSpec`] holds
/// them. Known only for models whose module repeats their last layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtp {
    /// How many modules.
    pub modules: u32,
    /// The layer in each.
    pub layer: LayerSpec,
}

impl Mtp {
    /// Parameters of all modules by part: layer, projection (with attention), and three norms.
    pub fn params(&self) -> ParamCounts {
        let mut one = self.layer.params();
        one.attention += 2 * self.layer.hidden * self.layer.hidden;
        one.norms += 3 * self.layer.hidden;
        let mut all = ParamCounts::default();
        for _ in 0..self.modules {
            all += one;
        }
        all
    }
}

impl ModelSpec {
    /// Numbers of the layers with routed experts, ascending from 0; empty for a dense model.
    pub fn moe_layer_ids(&self) -> Vec<u32> {
        (0..).zip(&self.layers).filter(|(_, layer)| layer.moe().is_some()).map(|(id, _)| id).collect()
    }

    /// Routed experts in an MoE layer, the most where layers differ; 0 for a dense model.
    pub fn experts(&self) -> u32 {
        self.layers.iter().filter_map(LayerSpec::moe).map(|moe| moe.experts).max().unwrap_or(0)
    }

    /// Experts each token is sent to in an MoE layer, the most where layers differ; 0 for a dense model.
    pub fn top_k(&self) -> u32 {
        self.layers.iter().filter_map(LayerSpec::moe).map(|moe| moe.top_k).max().unwrap_or(0)
    }

    /// Parameters by part.
    pub fn params(&self) -> ParamCounts {
        self.params_of(LayerSpec::params)
    }

    /// Parameters by part that one token uses: of the routed experts exactly its `top_k` in each layer, of all else
    /// everything, the whole input embedding included.
    ///
    /// Most published figures count so (Mixtral, Qwen, DeepSeek-MoE, `OLMoE`, Kimi, Llama 4). Some leave out the input
    /// embedding, of which a token reads one row (gpt-oss, DeepSeek-V2-Lite), or both embeddings (GLM-4.5):
    /// [`ParamCounts::without_input_embedding`] and [`ParamCounts::without_embeddings`] give those.
    pub fn active_params(&self) -> ParamCounts {
        self.params_of(LayerSpec::active_params)
    }

    fn params_of(&self, of_layer: impl Fn(&LayerSpec) -> ParamCounts) -> ParamCounts {
        let mut counts = ParamCounts {
            embeddings: self.vocab * self.hidden,
            lm_head: if self.tied_embeddings { 0 } else { self.logits_params() },
            norms: self.hidden * (1 + u64::from(self.final_norm_bias)),
            ..ParamCounts::default()
        };
        for layer in &self.layers {
            counts += of_layer(layer);
        }
        counts
    }

    /// Parameters of the output projection, whether or not it has weights of its own.
    pub fn logits_params(&self) -> u64 {
        self.vocab * self.hidden + if self.lm_head_bias { self.vocab } else { 0 }
    }

    /// Bytes of the weights by part. Each expert is a run of blocks of its own, and so is each part of each layer.
    pub fn weight_bytes(&self, types: &WeightTypes) -> ComponentBytes {
        let mut bytes = ComponentBytes::default();
        for layer in &self.layers {
            let mut counts = layer.params();
            counts.routed_experts = 0;
            bytes += counts.bytes(types);
            let experts = layer.moe().map_or(0, |moe| u64::from(moe.experts));
            bytes.routed_experts += layer.expert_bytes(types).times(experts);
        }
        let outside = Self { layers: Vec::new(), name: String::new(), mtp: None, ..*self };
        bytes += outside.params().bytes(types);
        bytes
    }

    /// Bytes of keys, values and recurrent states of one sequence of `context` tokens, all layers; saturates at 2^64.
    pub fn kv_bytes(&self, context: u64, kv_dtype: Dtype) -> Bytes {
        let sizes = self.layers.iter().map(|layer| layer.kv_bytes(context, kv_dtype).get());
        Bytes::new(sizes.fold(0, u64::saturating_add))
    }
}
