//! The counting of introductory texts: multi-head attention of four square matrices and experts of two.
//!
//! Real models have fewer key-value heads and a third matrix in each expert, so that this is not what they weigh; it
//! exists to reproduce the tables of such texts with the ordinary code. Mixtral-8x7B in FP16 becomes 262 MB of embedding,
//! 134 MB of attention and 1.88 GB of experts a layer (texts that round an expert to 234 MB first say 1.87 and 59.8 GB in
//! all). Routers and the last norm stay, 2 MB in all, since every count of [`ModelSpec`] holds them.

use super::attention::Gqa;
use super::{Attention, Dense, Ffn, LayerSpec, ModelSpec, Moe};

impl ModelSpec {
    /// The model as introductory texts count it: attention is four matrices of `hidden x hidden` with as many key-value
    /// heads as heads and the whole context in its cache; networks and experts have no gate; no biases; no norms in the
    /// layers; the embedding is counted once; nothing predicts further tokens.
    ///
    /// Layers keep their number, their experts and inner widths. Mixers of other kinds become such attention, too.
    #[must_use]
    pub fn simplified(&self) -> Self {
        Self {
            name: format!("{} (simplified)", self.name),
            layers: self.layers.iter().map(simple_layer).collect(),
            tied_embeddings: true,
            lm_head_bias: false,
            final_norm_bias: false,
            mtp: None,
            ..*self
        }
    }
}

fn simple_layer(layer: &LayerSpec) -> LayerSpec {
    LayerSpec {
        hidden: layer.hidden,
        attention: simple_attention(layer),
        ffn: simple_ffn(&layer.ffn),
        norms: 0,
        norm_bias: false,
    }
}

/// Heads of the layer's own number where they divide its width, else one.
fn simple_attention(layer: &LayerSpec) -> Attention {
    let heads = match &layer.attention {
        Attention::None => return Attention::None,
        Attention::Gqa(gqa) | Attention::SlidingWindow { gqa, .. } => gqa.heads,
        Attention::Mla(mla) => mla.heads,
        Attention::Linear(_) | Attention::Mamba(_) => 1,
    };
    let heads = if heads > 0 && layer.hidden.is_multiple_of(heads) { heads } else { 1 };
    let width = layer.hidden / heads;
    Attention::Gqa(Gqa { heads, kv_heads: heads, head_dim: width, v_head_dim: width, ..Gqa::default() })
}

fn simple_ffn(ffn: &Ffn) -> Ffn {
    match ffn {
        Ffn::None => Ffn::None,
        Ffn::Dense(dense) => Ffn::Dense(Dense { inter: dense.inter, gated: false, bias: false }),
        Ffn::Moe(moe) => Ffn::Moe(Moe {
            experts: moe.experts,
            top_k: moe.top_k,
            expert_inter: moe.expert_inter,
            shared_inter: moe.shared_inter,
            ..Moe::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::models;
    use crate::model::{Dtype, WeightTypes};

    fn mixtral() -> ModelSpec {
        models::find("mixtral-8x7b").unwrap().spec.simplified()
    }

    #[test]
    fn mixtral_weighs_what_introductory_texts_say() {
        let (model, f16) = (mixtral(), Dtype::by_name("f16").unwrap());
        let types = WeightTypes::uniform(f16);
        let (all, layer) = (model.weight_bytes(&types), model.layers[0]);
        let layer_attention = f16.bytes_for(layer.attention_params());
        let expert = layer.expert_bytes(&types);
        // What, exact bytes, what texts say in MB, and how far that may be off in thousandths: they round on the way.
        for (what, bytes, exact, text_mb, permille) in [
            ("embedding", all.embeddings, 262_144_000, 262, 1),
            ("attention of a layer", layer_attention, 134_217_728, 134, 2),
            ("attention", all.attention, 4_294_967_296, 4_300, 2),
            ("parameters of an expert, in bytes", expert, 234_881_024, 234, 4),
            ("experts of a layer", expert.times(8), 1_879_048_192, 1_870, 5),
            ("experts", all.routed_experts, 60_129_542_144, 59_800, 6),
            ("KV cache of 2,048 tokens", model.kv_bytes(2048, f16), 1_073_741_824, 1_000, 74),
        ] {
            assert_eq!(bytes.get(), exact, "{what}");
            let text = text_mb * 1_000_000;
            assert!(exact.abs_diff(text) * 1000 <= text * permille, "{what}: {exact} and {text}");
        }
        assert_eq!(layer.expert_params(), 117_440_512);
        assert_eq!((all.lm_head.get(), all.dense_ffn.get(), all.shared_experts.get()), (0, 0, 0));
        // Routers and the last norm, which texts leave out: 2.1 MB of 64.7 GB.
        assert_eq!((all.router.get(), all.norms.get()), (2_097_152, 8_192));
    }

    #[test]
    fn every_known_model_is_four_square_matrices_and_two_for_each_network() {
        for row in models::all() {
            let simple = row.spec.simplified();
            assert_eq!(simple.layers.len(), row.spec.layers.len(), "{}", row.id);
            assert_eq!(simple.simplified().layers, simple.layers, "{}", row.id);
            for (layer, known) in simple.layers.iter().zip(&row.spec.layers) {
                let square = layer.hidden * layer.hidden;
                let none = known.attention == Attention::None;
                assert_eq!(layer.attention_params(), if none { 0 } else { 4 * square }, "{}", row.id);
                let moe = (known.moe(), layer.moe());
                if let (Some(known), Some(moe)) = moe {
                    assert_eq!((moe.experts, moe.top_k), (known.experts, known.top_k), "{}", row.id);
                    assert_eq!(layer.expert_params(), 2 * layer.hidden * known.expert_inter, "{}", row.id);
                } else {
                    assert_eq!(moe, (None, None), "{}", row.id);
                }
                assert_eq!(layer.norm_params(), 0, "{}", row.id);
            }
        }
    }
}
