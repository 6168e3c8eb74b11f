//! What is refused by name: parts of an architecture that no count here holds.
//!
//! A config with such a part would import with numbers that are quietly wrong.

use serde_json::Value;

use super::reader::Config;
use crate::error::Result;

/// A key that, set to anything but nothing, zero or false, announces the feature.
const NOT_MODELLED: &[(&str, &str)] = &[
    ("routed_expert_hidden_size", "latent-MoE expert projection"),
    ("moe_latent_size", "latent-MoE expert projection"),
    ("hc_mult", "hyper-connections"),
    ("compress_ratios", "compressed sparse attention"),
    ("o_lora_rank", "low-rank output projection"),
    ("zero_expert_num", "zero-computation experts"),
    ("use_cla", "cross-layer attention"),
    ("num_kv_shared_layers", "keys and values shared between layers"),
    ("hidden_size_per_layer_input", "per-layer input embeddings"),
    ("use_double_wide_mlp", "double-width feed-forward layers"),
    ("attn_res_block_size", "attention over residual blocks"),
    ("mla_use_output_gate", "gated latent attention"),
];

/// Refuses a config that has any feature which is not modelled, by the feature's name.
pub(super) fn refuse(config: &Config) -> Result<()> {
    for (key, feature) in NOT_MODELLED {
        let announced = match config.get(key) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(_) => true,
        };
        if announced {
            return Err(config.error_at(key, format!("{feature} ({key}) is not modelled")));
        }
    }
    Ok(())
}
