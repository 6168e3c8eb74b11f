//! The tables of one model: a column for each way to store it.

use super::words::{ROOMS, gb, params, run};
use crate::metrics::Footprint;

/// Parameters by part, and bytes of each as stored.
pub(super) fn weights(all: &[&Footprint]) -> Vec<Vec<String>> {
    let Some(first) = all.first() else { return Vec::new() };
    let mut head = vec!["weights, GB".to_owned(), "parameters".to_owned(), "active".to_owned()];
    head.extend(all.iter().map(|one| one.quant.clone()));
    let mut lines = vec![head];
    for part in &first.parts {
        let mut line = vec![part.part.replace('_', " "), params(part.params), params(part.active_params)];
        line.extend(all.iter().map(|one| gb(one.part(&part.part).bytes)));
        lines.push(line);
    }
    let mut total = vec!["all".to_owned(), params(first.params()), params(first.active_params())];
    total.extend(all.iter().map(|one| gb(one.weight_bytes())));
    let mut active = vec!["used by one token".to_owned(), String::new(), String::new()];
    active.extend(all.iter().map(|one| gb(one.active_bytes())));
    lines.extend([total, active]);
    lines
}

/// Owners of each tier, in the order of the ledger, each once.
pub(super) fn owners<'a>(all: &[&'a Footprint]) -> Vec<(&'a str, &'a str)> {
    let mut owners: Vec<(&str, &str)> = Vec::new();
    for tier in ["vram", "dram", "nvme"] {
        for line in all.iter().flat_map(|one| &one.ledger).filter(|line| line.tier == tier) {
            let owner = (line.tier.as_str(), line.owner.as_str());
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
    }
    owners
}

/// Who owns which memory of a GPU and its host.
pub(super) fn ledger(all: &[&Footprint]) -> Vec<Vec<String>> {
    let mut lines = vec![vec!["memory, GB".to_owned()]];
    lines[0].extend(all.iter().map(|one| one.quant.clone()));
    let owners = owners(all);
    for tier in ["vram", "dram", "nvme"] {
        let own = owners.iter().filter(|(of, _)| *of == tier);
        for (_, owner) in own.clone() {
            let mut line = vec![format!("{} {owner}", tier.to_uppercase().replace("NVME", "NVMe"))];
            line.extend(all.iter().map(|one| gb(one.owned(tier, owner))));
            lines.push(line);
        }
        if own.count() > 0 {
            let mut line = vec![format!("{} needed", tier.to_uppercase().replace("NVME", "NVMe"))];
            line.extend(all.iter().map(|one| gb(one.tier(tier).map_or(0, |tier| tier.needed_bytes))));
            lines.push(line);
        }
    }
    lines
}

/// Offloading: memory and latency by the room that experts have; nothing where none was simulated.
pub(super) fn offload(all: &[&Footprint], label: impl Fn(&Footprint) -> String) -> Vec<Vec<String>> {
    let simulated: Vec<&&Footprint> = all.iter().filter(|one| !one.offload.is_empty()).collect();
    if simulated.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![vec!["room in VRAM for".to_owned()]];
    lines[0].extend(ROOMS.map(|room| room.words().to_owned()));
    for one in simulated {
        let mut line = vec![label(one)];
        line.extend(ROOMS.map(|room| run(one.offloaded(room))));
        lines.push(line);
    }
    lines
}
