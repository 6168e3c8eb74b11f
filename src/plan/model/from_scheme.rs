//! A model stored by a quantisation scheme: bytes follow from the architecture and the scheme's types.

use std::sync::Arc;

use super::{ModelPlan, Overrides};
use crate::catalogue::{FfnMix, QuantScheme};
use crate::model::{ComponentBytes, Dtype, Ffn, LayerSpec, ModelSpec};
use crate::units::Bytes;

/// Weights of gate and up together and of down, in a network of `params` weights; biases count with down.
fn split_ffn(params: u64, hidden: u64, inter: u64, gated: bool) -> (u64, u64) {
    let gate_up = (hidden * inter * if gated { 2 } else { 1 }).min(params);
    (gate_up, params - gate_up)
}

fn layer_bytes(
    spec: &LayerSpec,
    scheme: &QuantScheme,
    overrides: &Overrides,
    number: usize,
    layers: usize,
) -> ComponentBytes {
    let attention = spec.attention.projections(spec.hidden);
    let attention = match overrides.attention {
        Some(dtype) => dtype.bytes_for(attention.total()),
        None => scheme.attention.value.bytes_at(
            attention.query_key,
            attention.value,
            attention.output,
            number,
            layers,
        ),
    };
    let ffn = |params: u64, gated: bool, inter: u64, mix: FfnMix, other: Option<Dtype>| {
        let (gate_up, down) = split_ffn(params, spec.hidden, inter, gated);
        match other {
            Some(dtype) => dtype.bytes_for(params),
            None => mix.bytes_at(gate_up, down, number, layers),
        }
    };
    let shared = spec.moe().map_or(Bytes::ZERO, |moe| {
        ffn(
            spec.shared_params(),
            moe.gated,
            moe.shared_inter,
            scheme.shared_experts.value,
            overrides.shared_experts,
        )
    });
    let dense = match &spec.ffn {
        Ffn::Dense(dense) => ffn(
            spec.dense_ffn_params(),
            dense.gated,
            dense.inter,
            scheme.dense_ffn.value,
            overrides.dense_ffn,
        ),
        _ => Bytes::ZERO,
    };
    ComponentBytes {
        attention,
        norms: scheme.norms.value.bytes_for(spec.norm_params()),
        router: overrides.router.unwrap_or(scheme.router.value).bytes_for(spec.router_params()),
        shared_experts: shared,
        dense_ffn: dense,
        ..ComponentBytes::default()
    }
}

pub(super) fn sizes(
    spec: Arc<ModelSpec>,
    scheme: &QuantScheme,
    overrides: &Overrides,
    kv: Dtype,
) -> ModelPlan {
    let count = spec.layers.len();
    let layers = spec
        .layers
        .iter()
        .enumerate()
        .map(|(number, layer)| layer_bytes(layer, scheme, overrides, number, count));
    let expert = |(number, layer): (usize, &LayerSpec)| {
        let moe = layer.moe()?;
        let params = layer.expert_params();
        let (gate_up, down) = split_ffn(params, layer.hidden, moe.expert_inter, moe.gated);
        Some(match overrides.experts {
            Some(dtype) => dtype.bytes_for(params),
            None => scheme.expert_bytes(gate_up, down, number, count),
        })
    };
    let params = spec.params();
    let outside_norms: u64 = params.norms - spec.layers.iter().map(LayerSpec::norm_params).sum::<u64>();
    let lm_head = overrides.lm_head.unwrap_or(scheme.lm_head.value);
    // A tied matrix is stored once, as the output projection is.
    let embeddings =
        if spec.tied_embeddings { lm_head } else { overrides.embeddings.unwrap_or(scheme.embeddings.value) };
    let outside = ComponentBytes {
        embeddings: embeddings.bytes_for(params.embeddings),
        lm_head: lm_head.bytes_for(params.lm_head),
        norms: scheme.norms.value.bytes_for(outside_norms),
        ..ComponentBytes::default()
    };
    let changed = overrides.embeddings.or(overrides.lm_head).or(overrides.attention).or(overrides.router);
    let changed = changed.or(overrides.shared_experts).or(overrides.dense_ffn).or(overrides.experts);
    let quant = if changed.is_some() { format!("{} (changed)", scheme.id) } else { scheme.id.clone() };
    ModelPlan {
        layers: layers.collect(),
        experts: spec.layers.iter().enumerate().filter_map(expert).collect(),
        outside,
        quant,
        kv,
        expert_dtype: Some(
            overrides.experts.unwrap_or_else(|| scheme.routed_experts.value.gate_up.at(count / 2, count)),
        ),
        spec,
    }
}
