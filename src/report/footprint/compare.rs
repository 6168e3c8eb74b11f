//! Models and ways to store them side by side, a line each.

use super::words::{gb, params, verdict};
use crate::metrics::Footprint;

/// Owners that are shown apart; all others are in the total alone.
const OWNERS: [(&str, &[&str]); 4] = [
    ("experts", &["routed experts", "expert cache", "expert buffer", "low-bit copies"]),
    (
        "other weights",
        &["shared experts", "dense ffn", "attention", "router", "norms", "embeddings", "lm head"],
    ),
    ("KV", &["kv cache"]),
    ("working", &["workspace", "framework", "activations (residual)", "activations (experts)"]),
];

/// The table, its head first.
pub(super) fn table(all: &[Footprint]) -> Vec<Vec<String>> {
    let judged = all.iter().any(|one| one.fits().is_some());
    let mut head: Vec<String> = ["model", "stored as", "total", "active", "weights GB", "per token GB"]
        .into_iter()
        .chain(OWNERS.iter().map(|(name, _)| *name))
        .chain(["VRAM GB"])
        .map(str::to_owned)
        .collect();
    head.extend(judged.then(|| "on the GPU".to_owned()));
    let mut lines = vec![head];
    for one in all {
        let mut line = vec![
            one.model.clone(),
            one.quant.clone(),
            params(one.params()),
            params(one.active_params()),
            gb(one.weight_bytes()),
            gb(one.active_bytes()),
        ];
        let of = |owners: &[&str]| owners.iter().map(|owner| one.owned("vram", owner)).sum();
        line.extend(OWNERS.iter().map(|(_, owners)| gb(of(owners))));
        line.push(gb(one.vram_bytes()));
        line.extend(judged.then(|| verdict(one)));
        lines.push(line);
    }
    lines
}
