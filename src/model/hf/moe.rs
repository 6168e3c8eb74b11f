//! Experts, routers and shared experts, in every spelling.

use super::families::Family;
use super::reader::{Config, EXPERTS, INTER};
use crate::error::Result;
use crate::model::{Dense, Ffn, Moe};

const EXPERT_KEYS: [&str; 4] = ["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"];
const TOP_K_KEYS: [&str; 7] = [
    "num_experts_per_tok",
    "num_experts_per_token",
    "moe_topk",
    "moe_top_k",
    "moe_k",
    "top_k_experts",
    "experts_per_token",
];
/// Inner width of all shared experts together.
const SHARED_WIDTH_KEYS: [&str; 4] = [
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "share_expert_dim",
    "shared_intermediate_size",
];
/// Number of shared experts, each as wide as a routed one.
const SHARED_COUNT_KEYS: [&str; 4] =
    ["n_shared_experts", "moe_num_shared_experts", "num_shared_expert", "num_shared_experts"];

/// The feed-forward part of a layer that has experts (`sparse`) or has none.
pub(super) fn ffn(config: &Config, family: &Family, layer: usize, sparse: bool) -> Result<Ffn> {
    if sparse { moe(config, family, layer).map(Ffn::Moe) } else { dense(config, family).map(Ffn::Dense) }
}

fn dense(config: &Config, family: &Family) -> Result<Dense> {
    let inter = config.any_size(family.dense_inter, INTER)?;
    Ok(Dense { inter, gated: family.gated, bias: family.ffn_bias.read(config)? })
}

fn moe(config: &Config, family: &Family, layer: usize) -> Result<Moe> {
    let experts = config.any_size(&EXPERT_KEYS, EXPERTS)?;
    let top_k = top_k(config, layer, experts)?;
    let expert_inter = expert_inter(config, family, layer)?;
    Ok(Moe {
        experts: u32::try_from(experts).unwrap_or(u32::MAX),
        top_k: u32::try_from(top_k).unwrap_or(u32::MAX),
        expert_inter,
        gated: family.gated,
        expert_bias: family.expert_bias,
        shared_inter: shared_inter(config, family, layer, expert_inter)?,
        shared_gate: family.shared_gate,
        router_bias: family.router_bias,
        selection_bias: family.selection_bias.read(config)?,
        router_scale: family.router_scale,
        ..Moe::default()
    })
}

fn top_k(config: &Config, layer: usize, experts: u64) -> Result<u64> {
    let expected = format!("a whole number from 1 to the {experts} experts");
    let Some(key) = config.first(&TOP_K_KEYS) else { return Err(config.missing(&TOP_K_KEYS, &expected)) };
    let found = config.layer_number(key, layer, 1, EXPERTS)?;
    match found.filter(|top_k| *top_k <= experts) {
        Some(top_k) => Ok(top_k),
        None => {
            let message = format!("key {key:?} sends a token to {} of {experts} experts", found.unwrap_or(0));
            Err(config.error_at(key, message).expected(expected))
        }
    }
}

fn expert_inter(config: &Config, family: &Family, layer: usize) -> Result<u64> {
    let missing = || config.missing(family.expert_inter, &format!("a whole number from 1 to {INTER}"));
    let key = config.first(family.expert_inter).ok_or_else(missing)?;
    config.layer_number(key, layer, 1, INTER)?.ok_or_else(missing)
}

fn shared_inter(config: &Config, family: &Family, layer: usize, expert_inter: u64) -> Result<u64> {
    if let Some(key) = family.shared_inter {
        return config.size(key, INTER);
    }
    // Hunyuan keeps a number of shared experts even where it does not use them.
    if !config.flag("use_mixed_mlp_moe", true)? {
        return Ok(0);
    }
    if let Some(key) = config.first(&SHARED_WIDTH_KEYS) {
        return Ok(config.opt_number(key, 0, INTER)?.unwrap_or(0));
    }
    match config.first(&SHARED_COUNT_KEYS) {
        Some(key) => Ok(config.layer_number(key, layer, 0, EXPERTS)?.unwrap_or(0) * expert_inter),
        None if family.shared_gate => {
            Err(config.missing(&SHARED_WIDTH_KEYS[..1], &format!("a whole number from 0 to {INTER}")))
        }
        None => Ok(0),
    }
}
