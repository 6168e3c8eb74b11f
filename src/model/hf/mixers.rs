//! Recurrent token mixers and the layouts that mix them with attention: Qwen3-Next, Jamba, Nemotron-H.

use super::families::Family;
use super::pattern::Kind;
use super::reader::{Config, HEAD_DIM, HEADS, LAYERS, WIDTH};
use super::{moe, softmax};
use crate::error::Result;
use crate::model::attention::{DeltaNet, Linear, Mamba, Mamba1, Mamba2};
use crate::model::{Attention, Ffn, LayerSpec};

/// Reads a layer's token mixer.
pub(super) type MixerRule = fn(&Config, &Family, usize, Kind) -> Result<Attention>;

/// The key of Nemotron-H's layout: one letter for each block.
pub(super) const BLOCK_PATTERN: &str = "hybrid_override_pattern";

/// Qwen3-Next: gated delta networks between layers of gated full attention.
pub(super) fn delta_net(config: &Config, family: &Family, layer: usize, kind: Kind) -> Result<Attention> {
    if kind != Kind::Linear {
        return softmax::gqa(config, family, layer, kind);
    }
    Ok(Attention::Linear(Linear::DeltaNet(DeltaNet {
        key_heads: config.size("linear_num_key_heads", HEADS)?,
        value_heads: config.size("linear_num_value_heads", HEADS)?,
        key_dim: config.size("linear_key_head_dim", HEAD_DIM)?,
        value_dim: config.size("linear_value_head_dim", HEAD_DIM)?,
        conv_kernel: config.size("linear_conv_kernel_dim", HEAD_DIM)?,
    })))
}

/// Jamba: attention each `attn_layer_period` layers, the first at `attn_layer_offset`, Mamba in the others.
pub(super) fn jamba(config: &Config, family: &Family, layer: usize, kind: Kind) -> Result<Attention> {
    let period = config.size("attn_layer_period", LAYERS)?;
    let offset = config.opt_number("attn_layer_offset", 0, LAYERS)?.unwrap_or(4);
    if layer as u64 % period == offset {
        return softmax::gqa(config, family, layer, kind);
    }
    let hidden = config.size("hidden_size", WIDTH)?;
    // "auto" is the default.
    let dt_rank = match config.get("mamba_dt_rank") {
        Some(value) if value.as_str() != Some("auto") => config.size("mamba_dt_rank", WIDTH)?,
        _ => hidden.div_ceil(16),
    };
    Ok(Attention::Mamba(Mamba::V1(Mamba1 {
        inner: hidden * config.size("mamba_expand", 64)?,
        state: config.size("mamba_d_state", HEAD_DIM)?,
        conv_kernel: config.size("mamba_d_conv", HEAD_DIM)?,
        dt_rank,
        conv_bias: config.flag("mamba_conv_bias", true)?,
        proj_bias: config.flag("mamba_proj_bias", false)?,
    })))
}

/// Nemotron-H: each layer is one block, `M` Mamba 2, `*` attention, `E` experts or `-` a dense network.
pub(super) fn blocks(config: &Config, family: &Family, hidden: u64, count: usize) -> Result<Vec<LayerSpec>> {
    let pattern = config.text(BLOCK_PATTERN)?;
    if pattern.chars().count() != count {
        let message = format!("key {BLOCK_PATTERN:?} has {} letters", pattern.chars().count());
        return Err(config.error_at(BLOCK_PATTERN, message).expected(format!("{count}, one for each layer")));
    }
    let block = |(index, letter): (usize, char)| {
        let (attention, ffn) = match letter {
            'M' => (mamba2(config)?, Ffn::None),
            '*' => (softmax::gqa(config, family, index, Kind::Full)?, Ffn::None),
            'E' => (Attention::None, moe::ffn(config, family, index, true)?),
            '-' => (Attention::None, moe::ffn(config, family, index, false)?),
            other => {
                let message = format!("key {BLOCK_PATTERN:?} has the letter {other:?} for layer {index}");
                return Err(config.error_at(BLOCK_PATTERN, message).expected("M, *, E or -"));
            }
        };
        Ok(LayerSpec { hidden, attention, ffn, norms: family.norms, norm_bias: family.norm_bias })
    };
    pattern.chars().enumerate().map(block).collect()
}

fn mamba2(config: &Config) -> Result<Attention> {
    Ok(Attention::Mamba(Mamba::V2(Mamba2 {
        heads: config.size("mamba_num_heads", HEADS)?,
        head_dim: config.size("mamba_head_dim", HEAD_DIM)?,
        groups: config.any_size(&["n_groups", "mamba_n_groups"], HEADS)?,
        state: config.any_size(&["ssm_state_size", "mamba_d_state"], HEAD_DIM)?,
        conv_kernel: config.any_size(&["conv_kernel", "mamba_d_conv"], HEAD_DIM)?,
        conv_bias: config.flag("use_conv_bias", true)?,
        proj_bias: config.flag("use_bias", false)?,
    })))
}
