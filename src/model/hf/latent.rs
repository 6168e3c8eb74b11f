//! Latent attention and what stands beside it: DeepSeek, Kimi, GLM-5.

use super::families::Family;
use super::pattern::Kind;
use super::reader::{Config, HEAD_DIM, HEADS, TOKENS, WIDTH};
use crate::error::Result;
use crate::model::Attention;
use crate::model::attention::{Indexer, IndexerQuery, KimiDelta, Linear, Mla};

/// Multi-head latent attention, with DeepSeek-V3.2's indexer where the config has one.
pub(super) fn mla(config: &Config, family: &Family, layer: usize, _kind: Kind) -> Result<Attention> {
    let q_lora = config.opt_size("q_lora_rank", WIDTH)?;
    Ok(Attention::Mla(Mla {
        heads: config.size("num_attention_heads", HEADS)?,
        q_lora,
        kv_lora: config.size("kv_lora_rank", WIDTH)?,
        nope: config.size("qk_nope_head_dim", HEAD_DIM)?,
        rope: config.size("qk_rope_head_dim", HEAD_DIM)?,
        v_head_dim: config.size("v_head_dim", HEAD_DIM)?,
        bias: family.qkv_bias.read(config)?,
        indexer: indexer(config, q_lora, layer)?,
    }))
}

fn indexer(config: &Config, q_lora: Option<u64>, layer: usize) -> Result<Option<Indexer>> {
    let Some(heads) = config.opt_size("index_n_heads", HEADS)? else { return Ok(None) };
    let rank = match q_lora {
        Some(rank) => rank,
        None => config.size("q_lora_rank", WIDTH)?,
    };
    Ok(Some(Indexer {
        heads,
        head_dim: config.size("index_head_dim", HEAD_DIM)?,
        selected: config.size("index_topk", TOKENS)?,
        query: IndexerQuery::Latent(rank),
        shared: takes_over_selection(config, layer)?,
    }))
}

/// Whether a layer uses the selection of an earlier one (`indexer_types`, GLM-5.2).
fn takes_over_selection(config: &Config, layer: usize) -> Result<bool> {
    const KEY: &str = "indexer_types";
    let Some(item) = config.list(KEY)?.map(|items| items.get(layer)) else { return Ok(false) };
    match item.and_then(|item| item.as_str()) {
        Some("full") => Ok(false),
        Some("shared") => Ok(true),
        _ => {
            let message = format!("key {KEY:?} has no known type for layer {layer}");
            Err(config.error_at(KEY, message).expected("\"full\" or \"shared\" for each layer"))
        }
    }
}

/// Kimi Linear: delta attention in the layers that `kda_layers` counts from 1, latent attention in the others.
pub(super) fn kimi_linear(config: &Config, family: &Family, layer: usize, kind: Kind) -> Result<Attention> {
    let linear = config.section("linear_attn_config")?;
    let Some(items) = linear.list("kda_layers")? else {
        return Err(linear.missing(&["kda_layers"], "a list of layer numbers, from 1"));
    };
    if !items.iter().any(|item| item.as_u64() == Some(layer as u64 + 1)) {
        return mla(config, family, layer, kind);
    }
    Ok(Attention::Linear(Linear::KimiDelta(KimiDelta {
        heads: linear.size("num_heads", HEADS)?,
        head_dim: linear.size("head_dim", HEAD_DIM)?,
        conv_kernel: linear.size("short_conv_kernel_size", HEAD_DIM)?,
    })))
}
