//! Grouped-query attention as the families spell it.

use super::families::{Family, QkRule};
use super::pattern::Kind;
use super::reader::{Config, HEAD_DIM, HEADS, TOKENS, WIDTH};
use crate::error::Result;
use crate::model::Attention;
use crate::model::attention::{Gqa, Indexer, IndexerQuery, QkNorm};

/// Heads as most families have them, full or within a window.
pub(super) fn gqa(config: &Config, family: &Family, _layer: usize, kind: Kind) -> Result<Attention> {
    within(config, heads(config, family)?, kind)
}

/// Puts heads behind the window that the layer's kind asks for.
fn within(config: &Config, gqa: Gqa, kind: Kind) -> Result<Attention> {
    match kind {
        Kind::Full => Ok(Attention::Gqa(gqa)),
        Kind::Sliding => {
            let keys = ["sliding_window", "sliding_window_size", "attention_chunk_size"];
            Ok(Attention::SlidingWindow { gqa, window: config.any_size(&keys, TOKENS)? })
        }
        Kind::Linear => Err(config
            .error_at("layer_types", "linear attention is not modelled for this model type".to_owned())
            .expected("full or sliding attention in every layer")),
    }
}

pub(super) fn heads(config: &Config, family: &Family) -> Result<Gqa> {
    let heads = config.size("num_attention_heads", HEADS)?;
    let kv_heads = config.opt_size("num_key_value_heads", HEADS)?.unwrap_or(heads);
    let head_dim = head_dim(config, heads)?;
    let gqa = Gqa {
        heads,
        kv_heads,
        head_dim,
        v_head_dim: config.opt_size("v_head_dim", HEAD_DIM)?.unwrap_or(head_dim),
        qk_norm: qk_norm(config, family)?,
        qkv_bias: family.qkv_bias.read(config)?,
        output_bias: family.output_bias.read(config)?,
        sinks: family.sinks,
        gate: family.gate,
        value_from_key: false,
        indexer: None,
    };
    grouped(config, "num_key_value_heads", gqa)
}

/// Every key-value head serves the same number of query heads.
fn grouped(config: &Config, key: &str, gqa: Gqa) -> Result<Gqa> {
    if gqa.heads.is_multiple_of(gqa.kv_heads) {
        return Ok(gqa);
    }
    let message = format!("{} query heads cannot share {} key-value heads evenly", gqa.heads, gqa.kv_heads);
    Err(config.error_at(key, message).expected("a divisor of the number of query heads"))
}

/// `head_dim`, else an equal share of the hidden width.
fn head_dim(config: &Config, heads: u64) -> Result<u64> {
    if let Some(key) = config.first(&["head_dim", "attention_head_dim"]) {
        return config.size(key, HEAD_DIM);
    }
    let hidden = config.size("hidden_size", WIDTH)?;
    if hidden.is_multiple_of(heads) {
        return Ok(hidden / heads);
    }
    let message = format!("hidden_size {hidden} is no multiple of num_attention_heads {heads}");
    Err(config.error_at("num_attention_heads", message).expected("key \"head_dim\" to say a head's width"))
}

fn qk_norm(config: &Config, family: &Family) -> Result<QkNorm> {
    match family.qk_norm {
        QkRule::None => Ok(QkNorm::None),
        QkRule::PerLayer => Ok(QkNorm::PerLayer),
        QkRule::PerHead(flag) => Ok(if flag.read(config)? { QkNorm::PerHead } else { QkNorm::None }),
        QkRule::Typed if !config.flag("use_qk_norm", true)? => Ok(QkNorm::None),
        QkRule::Typed => match config.get("qk_norm_type").map(|kind| (kind, kind.as_str())) {
            None | Some((_, Some("per_layer"))) => Ok(QkNorm::PerLayer),
            Some((_, Some("per_head"))) => Ok(QkNorm::PerHead),
            Some((kind, _)) => Err(config.wrong("qk_norm_type", kind, "\"per_layer\" or \"per_head\"")),
        },
    }
}

/// MiMo-V2: layers within a window have heads of their own, and sinks.
pub(super) fn mimo(config: &Config, family: &Family, _layer: usize, kind: Kind) -> Result<Attention> {
    let mut gqa = heads(config, family)?;
    if kind == Kind::Sliding {
        gqa.heads = config.opt_size("swa_num_attention_heads", HEADS)?.unwrap_or(gqa.heads);
        gqa.kv_heads = config.opt_size("swa_num_key_value_heads", HEADS)?.unwrap_or(2 * gqa.kv_heads);
        gqa.head_dim = config.opt_size("swa_head_dim", HEAD_DIM)?.unwrap_or(gqa.head_dim);
        gqa.v_head_dim = config.opt_size("swa_v_head_dim", HEAD_DIM)?.unwrap_or(gqa.v_head_dim);
        gqa.sinks = config.flag("add_swa_attention_sink_bias", true)?;
    } else {
        gqa.sinks = config.flag("add_full_attention_sink_bias", false)?;
    }
    within(config, grouped(config, "swa_num_key_value_heads", gqa)?, kind)
}

/// Step-3.5: layers within a window may have another number of query heads.
pub(super) fn step(config: &Config, family: &Family, _layer: usize, kind: Kind) -> Result<Attention> {
    let mut gqa = heads(config, family)?;
    if kind == Kind::Sliding {
        let other = match config.get("attention_other_setting") {
            Some(_) => config.section("attention_other_setting")?.opt_size("num_attention_heads", HEADS)?,
            None => config.opt_size("num_sliding_attention_heads", HEADS)?,
        };
        gqa.heads = other.unwrap_or(gqa.heads);
    }
    within(config, grouped(config, "num_key_value_heads", gqa)?, kind)
}

/// Gemma 4: full layers have wider heads, fewer of them for keys, and may take values from keys.
pub(super) fn gemma4(config: &Config, family: &Family, _layer: usize, kind: Kind) -> Result<Attention> {
    let mut gqa = heads(config, family)?;
    if kind == Kind::Full {
        gqa.value_from_key = config.flag("attention_k_eq_v", false)?;
        gqa.head_dim = config.opt_size("global_head_dim", HEAD_DIM)?.unwrap_or(gqa.head_dim);
        gqa.v_head_dim = gqa.head_dim;
        if gqa.value_from_key {
            let global = config.opt_size("num_global_key_value_heads", HEADS)?;
            gqa.kv_heads = global.unwrap_or(gqa.kv_heads);
        }
    }
    within(config, grouped(config, "num_global_key_value_heads", gqa)?, kind)
}

/// MiniMax-M3: an indexer selects blocks of keys in the layers that `sparse_attention_freq` marks.
pub(super) fn block_sparse(config: &Config, family: &Family, layer: usize, kind: Kind) -> Result<Attention> {
    let mut gqa = heads(config, family)?;
    if config.get("sparse_attention_config").is_some() {
        let sparse = config.section("sparse_attention_config")?;
        let marked = sparse.layer_number("sparse_attention_freq", layer, 0, 1)? == Some(1);
        if marked && sparse.flag("use_sparse_attention", true)? {
            if sparse.layer_number("sparse_disable_index_value", layer, 0, 1)? == Some(0) {
                let key = "sparse_disable_index_value";
                let message = format!("values of the sparse-attention index ({key} = 0) are not modelled");
                return Err(sparse.error_at(key, message));
            }
            let blocks = sparse.size("sparse_topk_blocks", TOKENS >> 20)?;
            gqa.indexer = Some(Indexer {
                heads: sparse.size("sparse_num_index_heads", HEADS)?,
                head_dim: sparse.size("sparse_index_dim", HEAD_DIM)?,
                selected: blocks * sparse.size("sparse_block_size", TOKENS >> 20)?,
                query: IndexerQuery::Hidden,
                shared: false,
            });
        }
    }
    within(config, gqa, kind)
}
