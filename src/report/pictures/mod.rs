//! The pictures of a sweep, one per file. Each is a pure function from rows to a scene, and says so where it has
//! nothing to show.

pub(super) mod advice_front;
mod advice_labels;
pub(super) mod advice_memory;
pub(super) mod advice_rejected;
#[cfg(test)]
mod advice_tests;
mod allocator_over_time;
mod common;
mod cost;
pub(super) mod curve;
mod curve_bytes;
mod curve_heat_map;
mod curve_hit_rate;
mod curve_labels;
mod curve_layers;
mod curve_lines;
mod curve_over_capacity;
mod curve_recovered;
mod curve_reuse;
mod curve_sequences;
mod curve_sheet;
#[cfg(test)]
mod curve_tests;
mod curve_words;
pub(super) mod deployments;
mod deployments_latency;
mod deployments_memory;
pub(super) mod effect;
pub(super) mod footprint;
mod hit_rate;
mod memory;
mod pareto;
mod serving_distribution;
mod serving_latency;
mod serving_over_time;
mod serving_panel;
#[cfg(test)]
mod serving_tests;
mod serving_throughput;
mod serving_vram;
mod throughput_vs_vram;
mod time_shares;
pub(super) mod tornado;
mod tpot_vs_vram;
pub(super) mod validation;

use rayon::prelude::*;

use self::common::{Sheet, only};
use super::draw::{Scene, files};
use super::serving::is_serving;
use super::{NamedFile, ReportMeta};
use crate::error::Result;
use crate::metrics::Row;

/// A file's name without its ending, what its picture shows, and how it is laid out; none where it has no place.
type Picture = (&'static str, &'static str, fn(&Sheet<'_>) -> Option<Scene>);

/// Of sequences replayed one after another.
const PICTURES: [Picture; 8] = [
    (tpot_vs_vram::NAME, tpot_vs_vram::TITLE, |sheet| Some(tpot_vs_vram::scene(sheet))),
    (throughput_vs_vram::NAME, throughput_vs_vram::TITLE, |sheet| Some(throughput_vs_vram::scene(sheet))),
    (time_shares::NAME, time_shares::TITLE, |sheet| Some(time_shares::scene(sheet))),
    (hit_rate::NAME, hit_rate::TITLE, |sheet| Some(hit_rate::scene(sheet))),
    (memory::NAME, memory::TITLE, |sheet| Some(memory::scene(sheet))),
    (pareto::NAME, pareto::TITLE, |sheet| Some(pareto::scene(sheet))),
    (cost::NAME, cost::TITLE, cost::scene),
    (allocator_over_time::NAME, allocator_over_time::TITLE, allocator_over_time::scene),
];

/// Of runs under load.
const SERVING: [Picture; 9] = [
    (serving_latency::NAME, serving_latency::TITLE, serving_latency::scene),
    (serving_throughput::NAME, serving_throughput::TITLE, serving_throughput::scene),
    (serving_distribution::NAME, serving_distribution::TITLE, serving_distribution::scene),
    (serving_over_time::NAME, serving_over_time::TITLE, serving_over_time::scene),
    (serving_vram::NAME, serving_vram::TITLE, serving_vram::scene),
    (memory::NAME, memory::TITLE, |sheet| Some(memory::scene(sheet))),
    (hit_rate::NAME, hit_rate::TITLE, |sheet| {
        let capacities = sheet.rows.iter().map(|row| row.config.cache_capacity_bytes);
        only(capacities).is_none().then(|| hit_rate::scene(sheet))
    }),
    (cost::NAME, cost::TITLE, cost::scene),
    (allocator_over_time::NAME, allocator_over_time::TITLE, allocator_over_time::scene),
];

fn pictures(rows: &[Row]) -> &'static [Picture] {
    if is_serving(rows) { &SERVING } else { &PICTURES }
}

/// The pictures of a sweep: names without their ending, and what each shows.
pub(super) fn names(meta: &ReportMeta, rows: &[Row]) -> Vec<(&'static str, &'static str)> {
    let sheet = Sheet::new(meta, rows);
    let shown = pictures(rows).iter().filter(|(.., layout)| layout(&sheet).is_some());
    shown.map(|(name, title, _)| (*name, *title)).collect()
}

/// All pictures as SVG and PNG, in a fixed order whatever the number of threads.
pub(super) fn render(meta: &ReportMeta, rows: &[Row]) -> Result<Vec<NamedFile>> {
    let sheet = Sheet::new(meta, rows);
    let rendered: Vec<Result<Vec<NamedFile>>> = pictures(rows)
        .par_iter()
        .map(|(name, _, layout)| layout(&sheet).map_or_else(|| Ok(Vec::new()), |scene| files(name, &scene)))
        .collect();
    Ok(rendered.into_iter().collect::<Result<Vec<_>>>()?.concat())
}
