//! Which layers have experts, and which kind of attention each layer has: ten spellings of the first, five of the
//! second.

use serde_json::Value;

use super::reader::{Config, LAYERS, TOKENS};
use crate::error::Result;

/// What a layer attends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Full,
    Sliding,
    Linear,
}

type Spelling = fn(&Config, usize) -> Result<Option<Vec<bool>>>;

/// Each spelling with the key to name where two disagree.
const MOE_SPELLINGS: &[(&str, Spelling)] = &[
    ("mlp_layer_types", by_type_list),
    ("moe_layer_freq", by_frequency_list),
    ("moe_layers_enum", by_text_list),
    ("moe_layers", by_id_list),
    ("first_k_dense_replace", after_dense_layers),
    ("decoder_sparse_step", by_sparse_step),
    ("interleave_moe_layer_step", by_interleave_step),
    ("expert_layer_period", by_period),
    ("moe_layer_start_index", by_range),
    ("moe_layer_num_skipped", after_skipped_layers),
];

/// Which layers have routed experts: as every spelling in the config says, else all of them.
pub(super) fn moe_layers(config: &Config, layers: usize) -> Result<Vec<bool>> {
    let mut found: Option<(&str, Vec<bool>)> = None;
    for (key, spelling) in MOE_SPELLINGS {
        let Some(flags) = spelling(config, layers)? else { continue };
        match &found {
            None => found = Some((key, flags)),
            Some((other, before)) => {
                if let Some(layer) = (0..layers).find(|layer| flags[*layer] != before[*layer]) {
                    let message = format!("keys {other:?} and {key:?} disagree about layer {layer}");
                    return Err(config
                        .error_at(key, message)
                        .expected("the same layers to have experts by both"));
                }
            }
        }
    }
    Ok(found.map_or_else(|| vec![true; layers], |(_, flags)| flags))
}

/// `sparse` or `dense` for each layer (GLM-5.2).
fn by_type_list(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    const KEY: &str = "mlp_layer_types";
    let Some(items) = config.layer_list(KEY, layers)? else { return Ok(None) };
    let flag = |item: &Value| match item.as_str() {
        Some("sparse" | "moe") => Ok(true),
        Some("dense" | "mlp") => Ok(false),
        _ => Err(config.wrong(KEY, item, "\"sparse\" or \"dense\" for each layer")),
    };
    items.iter().map(flag).collect::<Result<_>>().map(Some)
}

/// 0 or 1 for each layer (MiMo-V2, MiniMax-M3); a single number belongs to `first_k_dense_replace`.
fn by_frequency_list(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    const KEY: &str = "moe_layer_freq";
    if !matches!(config.get(KEY), Some(Value::Array(_))) {
        return Ok(None);
    }
    let Some(items) = config.layer_list(KEY, layers)? else { return Ok(None) };
    let flag = |item: &Value| match item.as_u64() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(config.wrong(KEY, item, "0 or 1 for each layer")),
    };
    items.iter().map(flag).collect::<Result<_>>().map(Some)
}

/// Layer numbers in one text, `"3,4,5"` (Step-3.5).
fn by_text_list(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    const KEY: &str = "moe_layers_enum";
    let Some(value) = config.get(KEY) else { return Ok(None) };
    if value.is_array() {
        return Ok(config.layer_ids(KEY, layers)?.map(|ids| flags_of(&ids, layers)));
    }
    let ids = config.text(KEY)?.split(',').map(|id| id.trim().parse::<usize>());
    match ids.collect::<std::result::Result<Vec<_>, _>>() {
        // Numbers past the last layer are modules that predict further tokens.
        Ok(ids) => Ok(Some(flags_of(&ids, layers))),
        Err(_) => Err(config.wrong(KEY, value, "layer numbers like \"3,4,5\"")),
    }
}

/// Layer numbers (Llama 4).
fn by_id_list(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    Ok(config.layer_ids("moe_layers", layers)?.map(|ids| flags_of(&ids, layers)))
}

fn flags_of(ids: &[usize], layers: usize) -> Vec<bool> {
    (0..layers).map(|layer| ids.contains(&layer)).collect()
}

/// Dense layers first, then experts in each `moe_layer_freq`-th layer (DeepSeek).
fn after_dense_layers(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    let Some(dense) = index(config, "first_k_dense_replace", 0)? else { return Ok(None) };
    let every = match config.get("moe_layer_freq") {
        Some(Value::Array(_)) | None => 1,
        Some(_) => index(config, "moe_layer_freq", 1)?.unwrap_or(1),
    };
    Ok(Some((0..layers).map(|layer| layer >= dense && layer % every == 0).collect()))
}

/// Experts in each `decoder_sparse_step`-th layer but those of `mlp_only_layers`; a step of 0 means none (Qwen).
fn by_sparse_step(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    let (step, dense) =
        (index(config, "decoder_sparse_step", 0)?, config.layer_ids("mlp_only_layers", layers)?);
    if step.is_none() && dense.is_none() {
        return Ok(None);
    }
    let (step, dense) = (step.unwrap_or(1), dense.unwrap_or_default());
    let sparse = |layer: usize| step > 0 && (layer + 1).is_multiple_of(step) && !dense.contains(&layer);
    Ok(Some((0..layers).map(sparse).collect()))
}

/// Experts in each `interleave_moe_layer_step`-th layer (Llama 4).
fn by_interleave_step(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    let step = index(config, "interleave_moe_layer_step", 1)?;
    Ok(step.map(|step| (0..layers).map(|layer| (layer + 1) % step == 0).collect()))
}

/// Experts each `expert_layer_period` layers, the first at `expert_layer_offset` (Jamba).
fn by_period(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    let Some(period) = index(config, "expert_layer_period", 1)? else { return Ok(None) };
    let offset = index(config, "expert_layer_offset", 0)?.unwrap_or(1);
    Ok(Some((0..layers).map(|layer| layer % period == offset).collect()))
}

/// Experts each `moe_layer_interval` layers within a range; an end of -1 is the last layer (ERNIE 4.5).
fn by_range(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    let Some(start) = index(config, "moe_layer_start_index", 0)? else { return Ok(None) };
    let every = index(config, "moe_layer_interval", 1)?.unwrap_or(1);
    let end = match config.get("moe_layer_end_index").and_then(Value::as_i64) {
        Some(-1) => layers,
        _ => index(config, "moe_layer_end_index", 0)?.unwrap_or(layers),
    };
    Ok(Some((0..layers).map(|layer| layer >= start && layer <= end && (layer + 1) % every == 0).collect()))
}

/// Dense layers first, then experts everywhere (Hunyuan).
fn after_skipped_layers(config: &Config, layers: usize) -> Result<Option<Vec<bool>>> {
    let skipped = index(config, "moe_layer_num_skipped", 0)?;
    Ok(skipped.map(|skipped| (0..layers).map(|layer| layer >= skipped).collect()))
}

fn index(config: &Config, key: &str, least: u64) -> Result<Option<usize>> {
    Ok(config.opt_number(key, least, LAYERS)?.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
}

/// Each layer's kind of attention: as a list says, or an interval of full layers among linear ones, or what
/// `sliding_window` says for all.
pub(super) fn kinds(config: &Config, layers: usize) -> Result<Vec<Kind>> {
    if let Some(items) = config.layer_list("layer_types", layers)? {
        return items.iter().map(|item| kind_named(config, item)).collect();
    }
    if let Some(items) = config.layer_list("hybrid_layer_pattern", layers)? {
        let kind = |item: &Value| match item.as_u64() {
            Some(0) => Ok(Kind::Full),
            Some(1) => Ok(Kind::Sliding),
            _ => Err(config.wrong("hybrid_layer_pattern", item, "0 (full) or 1 (sliding) for each layer")),
        };
        return items.iter().map(kind).collect();
    }
    if let Some(interval) = index(config, "full_attention_interval", 1)? {
        let full = |layer: usize| (layer + 1).is_multiple_of(interval);
        return Ok((0..layers).map(|layer| if full(layer) { Kind::Full } else { Kind::Linear }).collect());
    }
    if config.get("attention_chunk_size").is_some() {
        return chunked(config, layers);
    }
    sliding(config, layers)
}

fn kind_named(config: &Config, item: &Value) -> Result<Kind> {
    const EXPECTED: &str =
        "\"full_attention\", \"sliding_attention\", \"chunked_attention\" or \"linear_attention\"";
    match item.as_str() {
        Some("full_attention" | "attention") => Ok(Kind::Full),
        Some("sliding_attention" | "chunked_attention") => Ok(Kind::Sliding),
        Some("linear_attention") => Ok(Kind::Linear),
        _ => Err(config.wrong("layer_types", item, EXPECTED)),
    }
}

/// Llama 4: layers with rotary positions attend in chunks, those without to everything; by default each fourth is of
/// the latter kind.
fn chunked(config: &Config, layers: usize) -> Result<Vec<Kind>> {
    let kind = |in_chunks: bool| if in_chunks { Kind::Sliding } else { Kind::Full };
    match config.layer_list("no_rope_layers", layers)? {
        Some(items) if !items.is_empty() => {
            Ok(items.iter().map(|rope| kind(rope.as_u64() != Some(0))).collect())
        }
        _ => {
            let every = index(config, "no_rope_layer_interval", 1)?.unwrap_or(4);
            Ok((0..layers).map(|layer| kind((layer + 1) % every != 0)).collect())
        }
    }
}

/// `sliding_window` holds for all layers, unless `use_sliding_window` switches it off, or limits it to the layers from
/// `max_window_layers` on (Qwen).
fn sliding(config: &Config, layers: usize) -> Result<Vec<Kind>> {
    let window = config.opt_size("sliding_window", TOKENS)?;
    if window.is_none() || !config.flag("use_sliding_window", true)? {
        return Ok(vec![Kind::Full; layers]);
    }
    let first = match config.get("use_sliding_window") {
        Some(_) => index(config, "max_window_layers", 0)?.unwrap_or(0),
        None => 0,
    };
    Ok((0..layers).map(|layer| if layer >= first { Kind::Sliding } else { Kind::Full }).collect())
}
