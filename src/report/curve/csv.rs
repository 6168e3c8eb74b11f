//! Curves as comma-separated values, one line for each policy, capacity and phase. Integers are exact, rates have fixed decimals,
//! and a cell is empty where nothing is known.

use super::Judged;
use crate::error::{Error, Result};
use crate::metrics::{CurvePoint, PhaseCounts, PolicyCurve, TraceCurves};
use crate::report::format::{fixed, percent, ratio};

/// Decimals of a percentage.
const DECIMALS: u32 = 4;

type Get = fn(PhaseCounts) -> u64;

/// The phases and their counts.
const PHASES: [(&str, Get); 2] = [("prefill", |counts| counts.prefill), ("decode", |counts| counts.decode)];

/// The phases that have lookups.
fn phases(curves: &TraceCurves) -> impl Iterator<Item = (&'static str, Get)> {
    let lookups = curves.lookups();
    PHASES.into_iter().filter(move |(_, get)| get(lookups) > 0)
}

fn write(name: &str, head: &[&str], lines: impl Iterator<Item = Vec<String>>) -> Result<Vec<u8>> {
    let failed = |cause: String| Error::new(format!("cannot encode {name}: {cause}"));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(head).map_err(|cause| failed(cause.to_string()))?;
    for line in lines {
        writer.write_record(line).map_err(|cause| failed(cause.to_string()))?;
    }
    writer.into_inner().map_err(|cause| failed(cause.to_string()))
}

/// The columns that every line begins with.
const HEAD: [&str; 8] = [
    "trace",
    "policy",
    "bound",
    "in_sample",
    "capacity_share_pct",
    "capacity_experts",
    "capacity_bytes",
    "phase",
];

fn head(curves: &TraceCurves, curve: &PolicyCurve, at: usize, phase: &str) -> Vec<String> {
    let capacity = &curves.capacities[at];
    vec![
        curves.name.clone(),
        curve.name.clone(),
        curve.is_bound.to_string(),
        curve.in_sample.to_string(),
        share_pct(capacity.share_ppm),
        capacity.experts.to_string(),
        in_bytes(curves, capacity.room),
        phase.to_owned(),
    ]
}

fn share_pct(ppm: u64) -> String {
    ratio(u128::from(ppm), 10_000, DECIMALS)
}

/// A number of bytes; empty where sizes are not known.
fn in_bytes(curves: &TraceCurves, bytes: u64) -> String {
    if curves.expert_bytes.is_empty() { String::new() } else { bytes.to_string() }
}

fn hit_rate_pct(misses: u64, lookups: u64) -> String {
    percent(lookups.saturating_sub(misses), lookups, DECIMALS)
}

/// Every policy at every capacity in every phase.
fn points(curves: &TraceCurves) -> impl Iterator<Item = (usize, &PolicyCurve, usize, &CurvePoint)> {
    curves.curves.iter().enumerate().flat_map(|(index, curve)| {
        curve.points.iter().enumerate().map(move |(at, point)| (index, curve, at, point))
    })
}

/// `curves.csv`. The share recovered is that of the judged phase.
pub(super) fn curves(all: &[Judged]) -> Result<Vec<u8>> {
    let columns: Vec<&str> = HEAD
        .into_iter()
        .chain([
            "held_share_pct",
            "lookups",
            "misses",
            "hit_rate_pct",
            "miss_bytes_per_token",
            "recovered_share_pct",
        ])
        .collect();
    let lines = all.iter().flat_map(|(curves, verdict)| {
        points(curves).flat_map(move |(index, curve, at, point)| {
            phases(curves).map(move |(phase, get)| {
                let (lookups, misses) = (get(curves.lookups()), get(point.misses));
                let is_judged = (phase == "decode") == curves.judges_decode();
                let recovered = verdict.capacities[at].policies[index].recovered.filter(|_| is_judged);
                let bytes = ratio(u128::from(get(point.miss_bytes)), u128::from(get(curves.tokens())), 1);
                let mut line = head(curves, curve, at, phase);
                line.extend([
                    held_share_pct(curves, point),
                    lookups.to_string(),
                    misses.to_string(),
                    hit_rate_pct(misses, lookups),
                    if curves.expert_bytes.is_empty() { String::new() } else { bytes },
                    recovered.map_or_else(String::new, |share| fixed(share * 100.0, DECIMALS as usize)),
                ]);
                line
            })
        })
    });
    write("curves.csv", &columns, lines)
}

/// What the pools hold in all, as a share of all experts: more than the capacity where floors exceed it.
fn held_share_pct(curves: &TraceCurves, point: &CurvePoint) -> String {
    let of_layers: u128 = if curves.expert_bytes.is_empty() {
        u128::from(curves.layers)
    } else {
        curves.expert_bytes.iter().map(|size| u128::from(*size)).sum()
    };
    ratio(u128::from(point.room) * 100, of_layers * u128::from(curves.experts), DECIMALS)
}

/// `sequences.csv`: the same by sequence.
pub(super) fn sequences(all: &[Judged]) -> Result<Vec<u8>> {
    let columns: Vec<&str> = HEAD
        .into_iter()
        .chain(["sequence", "category", "tokens", "lookups", "misses", "hit_rate_pct"])
        .collect();
    let lines = all.iter().flat_map(|(curves, _)| {
        points(curves).flat_map(move |(_, curve, at, point)| {
            phases(curves).flat_map(move |(phase, get)| {
                let sequences = curves.sequences.iter().zip(&point.by_sequence).enumerate();
                let asked = sequences.filter(move |(_, (sequence, _))| get(sequence.lookups) > 0);
                asked.map(move |(number, (sequence, misses))| {
                    let (lookups, misses) = (get(sequence.lookups), get(*misses));
                    let mut line = head(curves, curve, at, phase);
                    line.extend([
                        number.to_string(),
                        sequence.category.clone(),
                        get(sequence.tokens).to_string(),
                        lookups.to_string(),
                        misses.to_string(),
                        hit_rate_pct(misses, lookups),
                    ]);
                    line
                })
            })
        })
    });
    write("sequences.csv", &columns, lines)
}

/// `layers.csv`: the same by layer, counted from 0 among the MoE layers.
pub(super) fn layers(all: &[Judged]) -> Result<Vec<u8>> {
    let columns: Vec<&str> =
        HEAD.into_iter().chain(["moe_layer", "lookups", "misses", "hit_rate_pct"]).collect();
    let lines = all.iter().flat_map(|(curves, _)| {
        points(curves).flat_map(move |(_, curve, at, point)| {
            phases(curves).flat_map(move |(phase, get)| {
                let layers = curves.lookups_by_layer.iter().zip(&point.by_layer).enumerate();
                layers.map(move |(layer, (lookups, misses))| {
                    let (lookups, misses) = (get(*lookups), get(*misses));
                    let mut line = head(curves, curve, at, phase);
                    line.extend([
                        layer.to_string(),
                        lookups.to_string(),
                        misses.to_string(),
                        hit_rate_pct(misses, lookups),
                    ]);
                    line
                })
            })
        })
    });
    write("layers.csv", &columns, lines)
}

/// `lru_all_capacities.csv`: what LRU and Belady's rule miss in one pool for all layers, at every number of slots.
pub(super) fn all_capacities(all: &[Judged]) -> Result<Vec<u8>> {
    let columns = [
        "trace",
        "phase",
        "slots_experts",
        "capacity_share_pct",
        "lookups",
        "lru_misses",
        "lru_hit_rate_pct",
        "belady_misses",
        "belady_hit_rate_pct",
    ];
    let lines = all.iter().flat_map(|(curves, _)| {
        phases(curves).flat_map(move |(phase, get)| {
            let lookups = get(curves.lookups());
            // Running sums, since there may be thousands of slots.
            let misses = move |needs: &[PhaseCounts]| -> Vec<u64> {
                let mut missed = lookups;
                needs
                    .iter()
                    .map(|need| {
                        missed -= get(*need);
                        missed
                    })
                    .collect()
            };
            let (lru, belady) = (misses(&curves.lru_needs), misses(&curves.belady_needs));
            (0..lru.len()).map(move |slots| {
                let known = belady.get(slots).copied();
                let share = u128::from(slots as u64) * 100;
                vec![
                    curves.name.clone(),
                    phase.to_owned(),
                    slots.to_string(),
                    ratio(share, u128::from(curves.all_experts()), DECIMALS),
                    lookups.to_string(),
                    lru[slots].to_string(),
                    hit_rate_pct(lru[slots], lookups),
                    known.map_or_else(String::new, |misses| misses.to_string()),
                    known.map_or_else(String::new, |misses| hit_rate_pct(misses, lookups)),
                ]
            })
        })
    });
    write("lru_all_capacities.csv", &columns, lines)
}
