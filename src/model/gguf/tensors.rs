//! Gives every tensor of the list to a layer and a part of the model.

use super::header::{Header, Tensor};
use super::{GgufLayer, GgufModel, tensor_error};
use crate::error::{Place, Result};
use crate::model::{Attention, ComponentBytes, Ffn, LayerSpec, ModelSpec, ParamCounts};
use crate::units::Bytes;

/// A part of the model's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Embeddings,
    LmHead,
    Attention,
    Norms,
    Router,
    Shared,
    Dense,
    Routed,
    Other,
}

/// Sums up the tensors by layer and part, and lists those that are not there.
pub(super) fn assign(header: &Header, spec: ModelSpec, place: &Place) -> Result<GgufModel> {
    let mut layers = vec![GgufLayer::default(); spec.layers.len()];
    let (mut bytes, mut params) = (ComponentBytes::default(), ParamCounts::default());
    let mut other_bytes = Bytes::ZERO;
    for tensor in &header.tensors {
        let (layer, part) = part_of(&tensor.name, &spec);
        if part == Part::Other {
            other_bytes += tensor.bytes;
            continue;
        }
        add(&mut bytes, part, tensor.bytes);
        add(&mut params, part, tensor.weights);
        if let Some(index) = layer {
            add(&mut layers[index].bytes, part, tensor.bytes);
            if part == Part::Routed {
                check_experts(tensor, &spec.layers[index], place)?;
            }
        }
    }
    for (layer, layer_spec) in layers.iter_mut().zip(&spec.layers) {
        let experts = layer_spec.moe().map_or(1, |moe| u64::from(moe.experts));
        layer.expert_bytes = layer.bytes.routed_experts.fraction(1, experts);
    }
    let missing = missing(header, &spec);
    let shards = header.shards();
    Ok(GgufModel { spec, bytes, params, layers, other_bytes, shards, missing })
}

fn add<T: std::ops::AddAssign>(parts: &mut crate::model::Components<T>, part: Part, value: T) {
    let field = match part {
        Part::Embeddings => &mut parts.embeddings,
        Part::LmHead => &mut parts.lm_head,
        Part::Attention => &mut parts.attention,
        Part::Norms => &mut parts.norms,
        Part::Router => &mut parts.router,
        Part::Shared => &mut parts.shared_experts,
        Part::Dense => &mut parts.dense_ffn,
        Part::Routed => &mut parts.routed_experts,
        Part::Other => return,
    };
    *field += value;
}

/// Layer and number of a `blk.N.name` tensor.
fn in_block(name: &str) -> Option<(usize, &str)> {
    let (number, inner) = name.strip_prefix("blk.")?.split_once('.')?;
    Some((number.parse().ok()?, inner))
}

fn part_of(name: &str, spec: &ModelSpec) -> (Option<usize>, Part) {
    match in_block(name) {
        Some((layer, inner)) => match spec.layers.get(layer) {
            Some(layer_spec) => (Some(layer), part_of_block(inner, layer_spec)),
            // Blocks past the last layer predict further tokens.
            None => (None, Part::Other),
        },
        None => (
            None,
            match name {
                "token_embd.weight" => Part::Embeddings,
                "output.weight" | "output.bias" => Part::LmHead,
                name if name.starts_with("output_norm.") || name.starts_with("token_embd_norm.") => {
                    Part::Norms
                }
                _ => Part::Other,
            },
        ),
    }
}

fn part_of_block(inner: &str, layer: &LayerSpec) -> Part {
    // `ffn_gate.weight`, `ffn_gate.3.weight` (one tensor for each expert), `exp_probs_b.bias`
    let stem = inner.split('.').next().unwrap_or_default();
    let one_of_many = inner.split('.').nth(1).is_some_and(|part| part.parse::<u32>().is_ok());
    match stem {
        "ffn_gate_inp_shexp" => Part::Shared,
        "ffn_gate_inp" | "exp_probs_b" => Part::Router,
        _ if stem.ends_with("_shexp") => Part::Shared,
        _ if stem.ends_with("_exps") => Part::Routed,
        "ffn_gate" | "ffn_up" | "ffn_down" if one_of_many => Part::Routed,
        // A dense network beside experts is a shared expert.
        "ffn_gate" | "ffn_up" | "ffn_down" if layer.moe().is_some() => Part::Shared,
        "ffn_gate" | "ffn_up" | "ffn_down" => Part::Dense,
        _ if stem.starts_with("rope_") => Part::Other,
        _ if stem.ends_with("norm") => Part::Norms,
        _ => Part::Attention,
    }
}

/// Experts lie in layers that have them, as many as the metadata say.
fn check_experts(tensor: &Tensor, layer: &LayerSpec, place: &Place) -> Result<()> {
    let Some(moe) = layer.moe() else {
        return Err(tensor_error(place, &tensor.name, "lies in a layer without experts")
            .expected("the metadata to give that layer experts"));
    };
    let stacked = in_block(&tensor.name).is_some_and(|(_, inner)| inner.contains("_exps"));
    // The experts are the slowest dimension, of weights as of biases.
    match tensor.dims.last() {
        Some(count) if stacked && *count != u64::from(moe.experts) => {
            Err(tensor_error(place, &tensor.name, &format!("holds {count} experts"))
                .expected(format!("{}, as the metadata say", moe.experts)))
        }
        _ => Ok(()),
    }
}

/// Names of tensors that the architecture needs and the list does not have.
fn missing(header: &Header, spec: &ModelSpec) -> Vec<String> {
    let mut names = Vec::new();
    let listed = |name: &str| header.tensors.iter().any(|tensor| tensor.name == name);
    for name in ["token_embd.weight", "output_norm.weight", "output.weight"] {
        let needed = name != "output.weight" || !spec.tied_embeddings;
        if needed && !listed(name) {
            names.push(name.to_owned());
        }
    }
    let blocks: Vec<(usize, &str)> =
        header.tensors.iter().filter_map(|tensor| in_block(&tensor.name)).collect();
    for (index, layer) in spec.layers.iter().enumerate() {
        let inside: Vec<&str> =
            blocks.iter().filter(|(block, _)| *block == index).map(|(_, inner)| *inner).collect();
        let mixes = |inner: &&str| inner.starts_with("attn_") || inner.starts_with("ssm_");
        if layer.attention != Attention::None && !inside.iter().any(mixes) {
            names.push(format!("blk.{index}.attn_*"));
        }
        names.extend(missing_matrices(&inside, layer).map(|name| format!("blk.{index}.{name}.weight")));
    }
    names
}

fn missing_matrices(inside: &[&str], layer: &LayerSpec) -> impl Iterator<Item = String> {
    let (suffix, gated) = match &layer.ffn {
        Ffn::None => ("", None),
        Ffn::Dense(dense) => ("", Some(dense.gated)),
        Ffn::Moe(moe) => ("_exps", Some(moe.gated)),
    };
    let wanted: &[&str] = match gated {
        None => &[],
        Some(false) => &["up", "down"],
        Some(true) => &["gate", "up", "down"],
    };
    let has = |stem: &str| inside.iter().any(|inner| inner.split('.').next() == Some(stem));
    let there = |matrix: &str| {
        let fused = matrix != "down" && has(&format!("ffn_gate_up{suffix}"));
        let one_by_one = !suffix.is_empty() && inside.iter().any(|inner| is_one_of_many(inner, matrix));
        has(&format!("ffn_{matrix}{suffix}")) || fused || one_by_one
    };
    let names: Vec<String> =
        wanted.iter().filter(|matrix| !there(matrix)).map(|matrix| format!("ffn_{matrix}{suffix}")).collect();
    names.into_iter()
}

/// `ffn_up.3.weight`: one expert's matrix in a tensor of its own, as files of 2023 and early 2024 have it.
fn is_one_of_many(inner: &str, matrix: &str) -> bool {
    let rest = inner.strip_prefix("ffn_").and_then(|rest| rest.strip_prefix(matrix));
    let number = rest.and_then(|rest| rest.strip_prefix('.')).and_then(|rest| rest.split('.').next());
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}
