//! A model stored by a quantisation scheme: bytes follow from the architecture and the scheme's types.

use std::sync::Arc;

use super::{ModelPlan, Overrides, Stored};
use crate::catalogue::{FfnMix, LayerMix, QuantScheme};
use crate::model::{ComponentBytes, Dtype, Ffn, LayerSpec, ModelSpec, WeightTypes};
use crate::units::Bytes;

/// Weights of gate and up together, of which the network has `inputs`, and of down, in a network of `params` weights;
/// biases count with down.
fn split_ffn(params: u64, hidden: u64, inter: u64, inputs: u64) -> (u64, u64) {
    let gate_up = (hidden * inter * inputs).min(params);
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
        let (gate_up, down) = split_ffn(params, spec.hidden, inter, 1 + u64::from(gated));
        match other {
            Some(dtype) => dtype.bytes_for(params),
            None => mix.bytes_at(gate_up, down, number, layers),
        }
    };
    let shared = spec.moe().map_or(Bytes::ZERO, |moe| {
        let (mix, other) = (scheme.shared_experts.value, overrides.shared_experts);
        // What the routed experts share is a matrix of its own, stored as all else that every token passes.
        let up = moe.shared_up_params(spec.hidden);
        let up_bytes = other.map_or_else(|| mix.bytes_at(up, 0, number, layers), |dtype| dtype.bytes_for(up));
        ffn(spec.shared_params() - up, moe.gated, moe.shared_inter, mix, other) + up_bytes
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
        let own_inputs = u64::from(moe.gated) + u64::from(!moe.shared_up);
        let (gate_up, down) = split_ffn(params, layer.hidden, moe.expert_inter, own_inputs);
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
    let unchanged = changed.is_none().then(|| scheme.id.clone());
    let types = types(scheme, overrides, count);
    ModelPlan {
        routed: Arc::clone(&spec),
        layers: layers.collect(),
        experts: spec.layers.iter().enumerate().filter_map(expert).collect(),
        outside,
        quant,
        kv,
        expert_dtype: Some(types.routed_experts),
        stored: Some(Stored { scheme: unchanged, types }),
        spec,
    }
}

/// The type of each part; of mixes that of the first matrix in the middle of the model.
fn types(scheme: &QuantScheme, overrides: &Overrides, layers: usize) -> WeightTypes {
    let first = |mix: LayerMix| mix.at(layers / 2, layers);
    WeightTypes {
        embeddings: overrides.embeddings.unwrap_or(scheme.embeddings.value),
        lm_head: overrides.lm_head.unwrap_or(scheme.lm_head.value),
        attention: overrides.attention.unwrap_or_else(|| first(scheme.attention.value.query_key)),
        norms: scheme.norms.value,
        router: overrides.router.unwrap_or(scheme.router.value),
        shared_experts: overrides
            .shared_experts
            .unwrap_or_else(|| first(scheme.shared_experts.value.gate_up)),
        dense_ffn: overrides.dense_ffn.unwrap_or_else(|| first(scheme.dense_ffn.value.gate_up)),
        routed_experts: overrides.experts.unwrap_or_else(|| first(scheme.routed_experts.value.gate_up)),
    }
}
