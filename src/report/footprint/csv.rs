//! `memory.csv`: a line for each model and way to store it, bytes exact, an empty cell where nothing is known.

use super::one::owners;
use super::words::ROOMS;
use crate::error::{Error, Result};
use crate::metrics::{ExpertRoom, Footprint};

/// A column's name and how a footprint fills it.
type Column = (&'static str, fn(&Footprint) -> String);

const COLUMNS: [Column; 19] = [
    ("model", |one| one.model.clone()),
    ("quant", |one| one.quant.clone()),
    ("simplified", |one| one.is_simplified.to_string()),
    ("params_total", |one| one.params().to_string()),
    ("params_active", |one| one.active_params().to_string()),
    ("params_shared", |one| one.shared_params().to_string()),
    ("params_expert", |one| one.expert_params.to_string()),
    ("weights_bytes", |one| one.weight_bytes().to_string()),
    ("active_weights_bytes", |one| one.active_bytes().to_string()),
    ("kv_type", |one| one.kv_type.clone()),
    ("context_tokens", |one| one.context_tokens.to_string()),
    ("batch", |one| one.batch.to_string()),
    ("tp", |one| one.degrees.tp.to_string()),
    ("dp", |one| one.degrees.dp.to_string()),
    ("ep", |one| one.degrees.ep.to_string()),
    ("pp", |one| one.degrees.pp.to_string()),
    ("gpu", |one| one.gpu.clone()),
    ("fits", |one| one.fits().map_or_else(String::new, |fits| fits.to_string())),
    ("problems", |one| one.problems.join("; ")),
];

fn room_name(room: ExpertRoom) -> &'static str {
    match room {
        ExpertRoom::Resident => "all_experts",
        ExpertRoom::OneToken => "one_token",
        ExpertRoom::OneExpert => "one_expert",
    }
}

/// The table.
///
/// # Errors
/// When the encoder fails, which no footprint causes.
pub(super) fn csv(all: &[Footprint]) -> Result<Vec<u8>> {
    let failed = |cause: String| Error::new(format!("cannot encode memory.csv: {cause}"));
    let every: Vec<&Footprint> = all.iter().collect();
    let owners = owners(&every);
    let tiers: Vec<&str> =
        ["vram", "dram", "nvme"].into_iter().filter(|tier| owners.iter().any(|(of, _)| of == tier)).collect();
    let mut head: Vec<String> = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for tier in &tiers {
        head.extend([format!("{tier}_needed_bytes"), format!("{tier}_capacity_bytes")]);
    }
    let plain = |owner: &str| owner.replace(['(', ')'], "").replace([' ', '-'], "_");
    head.extend(owners.iter().map(|(tier, owner)| format!("{tier}_{}_bytes", plain(owner))));
    for room in ROOMS {
        head.extend(["vram_bytes", "tpot_ns", "supposed"].map(|what| format!("{}_{what}", room_name(room))));
    }
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(&head).map_err(|cause| failed(cause.to_string()))?;
    for one in all {
        let mut line: Vec<String> = COLUMNS.iter().map(|(_, cell)| cell(one)).collect();
        for tier in &tiers {
            let known = |bytes: Option<u64>| {
                bytes.filter(|bytes| *bytes > 0).map_or_else(String::new, |b| b.to_string())
            };
            let need = one.tier(tier);
            line.push(need.map_or(0, |need| need.needed_bytes).to_string());
            line.push(known(need.map(|need| need.capacity_bytes)));
        }
        line.extend(owners.iter().map(|(tier, owner)| one.owned(tier, owner).to_string()));
        for room in ROOMS {
            let run = one.offloaded(room);
            let text = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
            line.push(text(run.map(crate::metrics::OffloadRun::vram_bytes)));
            line.push(text(run.and_then(crate::metrics::OffloadRun::tpot_ns)));
            line.push(run.map_or_else(String::new, |run| run.is_supposed.to_string()));
        }
        writer.write_record(&line).map_err(|cause| failed(cause.to_string()))?;
    }
    writer.into_inner().map_err(|cause| failed(cause.to_string()))
}
