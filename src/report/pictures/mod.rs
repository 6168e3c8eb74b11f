//! The pictures of a sweep, one per file. Each is a pure function from rows to a scene, and says so where it has
//! nothing to show.

mod common;
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
pub(super) mod effect;
mod hit_rate;
mod memory;
mod pareto;
mod throughput_vs_vram;
mod time_shares;
mod tpot_vs_vram;
pub(super) mod validation;

use rayon::prelude::*;

use self::common::Sheet;
use super::draw::{Scene, files};
use super::{NamedFile, ReportMeta};
use crate::error::Result;
use crate::metrics::Row;

/// File names without their ending, and what each picture shows.
pub(super) const NAMES: [(&str, &str); 6] = [
    (tpot_vs_vram::NAME, tpot_vs_vram::TITLE),
    (throughput_vs_vram::NAME, throughput_vs_vram::TITLE),
    (time_shares::NAME, time_shares::TITLE),
    (hit_rate::NAME, hit_rate::TITLE),
    (memory::NAME, memory::TITLE),
    (pareto::NAME, pareto::TITLE),
];

/// A file's name and how its picture is laid out.
type Picture = (&'static str, fn(&Sheet<'_>) -> Scene);

const PICTURES: [Picture; 6] = [
    (tpot_vs_vram::NAME, tpot_vs_vram::scene),
    (throughput_vs_vram::NAME, throughput_vs_vram::scene),
    (time_shares::NAME, time_shares::scene),
    (hit_rate::NAME, hit_rate::scene),
    (memory::NAME, memory::scene),
    (pareto::NAME, pareto::scene),
];

/// All pictures as SVG and PNG, in a fixed order whatever the number of threads.
pub(super) fn render(meta: &ReportMeta, rows: &[Row]) -> Result<Vec<NamedFile>> {
    let sheet = Sheet::new(meta, rows);
    let rendered: Vec<Result<Vec<NamedFile>>> =
        PICTURES.par_iter().map(|(name, layout)| files(name, &layout(&sheet))).collect();
    Ok(rendered.into_iter().collect::<Result<Vec<_>>>()?.concat())
}
