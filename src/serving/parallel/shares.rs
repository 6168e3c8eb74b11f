//! What one GPU of a layout holds of a model's weights and of a sequence's cache.
//!
//! Splits are those of vLLM (`vllm/model_executor/models/deepseek_v2.py`, `layers/linear.py`): projections of queries and
//! outputs, dense networks and shared experts over the tensor-parallel ranks and whole on each data-parallel rank;
//! key and value projections over at most as many ranks as there are key-value heads; down projections to latents and
//! indexers, norms and routers whole on every GPU; routed experts by the slots of a rank, each over `moe_tp` GPUs.
//! Shares round up. Left out: shared experts replicated on all ranks, as vLLM has them where tokens of a
//! tensor-parallel group are dealt out before the experts (`use_sequence_parallel_moe`), padding, and parts of
//! attention that are stored in different types, which share its bytes by their numbers of parameters.

use super::Layout;
use crate::model::{Attention, ComponentBytes, LayerSpec, ModelSpec};
use crate::units::Bytes;

/// `parts / whole` of a size, rounded up; nothing where there is no whole.
fn share(size: Bytes, parts: u64, whole: u64) -> Bytes {
    let scaled = u128::from(size.get()) * u128::from(parts);
    Bytes::new(u64::try_from(scaled.div_ceil(u128::from(whole.max(1)))).unwrap_or(u64::MAX))
}

/// Over how many of `tp` tensor-parallel ranks a sequence's cache of this layer is spread: as many as have key-value heads
/// of their own. A latent is whole on each rank; recurrent states are split by heads. The keys of an indexer count as
/// split with the rest.
pub fn kv_divisor(layer: &LayerSpec, tp: u32) -> u32 {
    let tp = tp.max(1);
    match &layer.attention {
        Attention::Mla(_) => 1,
        Attention::Gqa(gqa) | Attention::SlidingWindow { gqa, .. } => {
            u32::try_from(gqa.kv_heads.max(1)).map_or(tp, |heads| heads.min(tp))
        }
        Attention::None | Attention::Linear(_) | Attention::Mamba(_) => tp,
    }
}

/// The same token mixer without an indexer.
fn without_indexer(attention: &Attention) -> Attention {
    let mut plain = *attention;
    match &mut plain {
        Attention::Gqa(gqa) | Attention::SlidingWindow { gqa, .. } => gqa.indexer = None,
        Attention::Mla(mla) => mla.indexer = None,
        Attention::None | Attention::Linear(_) | Attention::Mamba(_) => {}
    }
    plain
}

/// Parameters of a layer's attention that one of `tp` ranks holds.
fn attention_params(layer: &LayerSpec, tp: u32) -> u64 {
    let hidden = layer.hidden;
    let plain = without_indexer(&layer.attention).params(hidden);
    let indexer = layer.attention_params() - plain;
    let (key_value, whole) = match &layer.attention {
        Attention::Gqa(gqa) | Attention::SlidingWindow { gqa, .. } => {
            let width = gqa.head_dim + if gqa.value_from_key { 0 } else { gqa.v_head_dim };
            (hidden * gqa.kv_heads * width, 0)
        }
        Attention::Mla(mla) => (0, hidden * (mla.q_lora.unwrap_or(0) + mla.kv_lora + mla.rope)),
        Attention::None | Attention::Linear(_) | Attention::Mamba(_) => (0, 0),
    };
    let split = plain - key_value - whole;
    let key_value = key_value.div_ceil(u64::from(kv_divisor(layer, tp)));
    split.div_ceil(u64::from(tp.max(1))) + key_value + whole + indexer
}

/// What one GPU holds of a layer whose parts have these sizes in all. `slots` is the number of experts that an
/// expert-parallel rank has room for in it ([`super::Placement::slots_per_rank`]), replicas included.
pub fn layer_share(layer: &LayerSpec, whole: &ComponentBytes, layout: &Layout, slots: u32) -> ComponentBytes {
    let tp = u64::from(layout.tp.max(1));
    let experts = layer.moe().map_or(1, |moe| u64::from(moe.experts));
    ComponentBytes {
        attention: share(whole.attention, attention_params(layer, layout.tp), layer.attention_params()),
        shared_experts: share(whole.shared_experts, 1, tp),
        dense_ffn: share(whole.dense_ffn, 1, tp),
        routed_experts: share(whole.routed_experts, u64::from(slots), experts * u64::from(layout.moe_tp())),
        ..*whole
    }
}

/// What one GPU of a stage holds of the parts outside of the layers: the input embedding on the first stage, the output
/// projection and the last norm on the last. A tied embedding is on both.
pub fn outside_share(
    model: &ModelSpec,
    whole: &ComponentBytes,
    layout: &Layout,
    stage: u32,
) -> ComponentBytes {
    let tp = u64::from(layout.tp.max(1));
    let (first, last) = (stage == 0, stage + 1 == layout.pp.max(1));
    let here = |size: Bytes, is_here: bool| if is_here { size } else { Bytes::ZERO };
    ComponentBytes {
        embeddings: share(here(whole.embeddings, first || (last && model.tied_embeddings)), 1, tp),
        lm_head: share(here(whole.lm_head, last), 1, tp),
        norms: here(whole.norms, last),
        ..ComponentBytes::default()
    }
}

/// What each GPU of a stage holds. `layers` are the sizes of each layer's parts, `outside` those of what lies outside of
/// them; `redundant` experts are held twice in each MoE layer. All GPUs of a stage hold equally much.
pub fn gpu_share(
    model: &ModelSpec,
    layers: &[ComponentBytes],
    outside: &ComponentBytes,
    layout: &Layout,
    redundant: u32,
    stage: u32,
) -> ComponentBytes {
    let mut held = outside_share(model, outside, layout, stage);
    let range = layout.stage_layers(stage, model.layers.len());
    for (layer, whole) in model.layers.iter().zip(layers).skip(range.start).take(range.len()) {
        let slots =
            layer.moe().map_or(0, |moe| moe.experts.saturating_add(redundant).div_ceil(layout.ep.max(1)));
        held += layer_share(layer, whole, layout, slots);
    }
    held
}
