//! Decode hit rate against the VRAM given to experts, below the bound that oracles set.

use std::collections::BTreeMap;

use super::common::{Sheet, area_entry, legend_of, only};
use crate::report::draw::{Axis, Chart, Ink, Plot, SHADE, Scale, Scene};

pub(super) const NAME: &str = "hit_rate";
pub(super) const TITLE: &str = "decode hit rate against expert VRAM";

const UNREACHABLE: Ink = Ink::tint(SHADE, 0.22);

pub(super) fn scene(sheet: &Sheet<'_>) -> Scene {
    let (unit_bytes, bytes) = sheet.capacity_unit();
    let curves =
        sheet.curves(unit_bytes, |summary| Some((summary.decode.hit_rate().map(|rate| rate * 100.0)?, None)));
    if curves.is_empty() {
        return sheet.nothing(TITLE, &sheet.no_result());
    }
    let x: Vec<f64> = curves.iter().flat_map(|(curve, _)| &curve.points).map(|point| point.0).collect();
    let mut x_axis = Axis::new(format!("VRAM for routed experts ({bytes})"), Scale::spread(100.0, &x));
    x_axis.percent_of = sheet
        .experts_total_bytes()
        .map(|total| ("share of all routed experts".to_owned(), total as f64 / unit_bytes));
    let (line_at, cliff_entry) = sheet.cliff(x_axis.scale, unit_bytes);
    let bound = bound(sheet, unit_bytes);
    let mut legend = legend_of(&curves);
    legend.extend((!bound.is_empty()).then(|| area_entry(UNREACHABLE, "beyond the oracle: out of reach")));
    legend.extend(sheet.left_out());
    legend.extend(cliff_entry);
    let chart = Chart {
        title: sheet.title(TITLE),
        subtitle: sheet.subtitle.clone(),
        x: x_axis,
        y: Axis::new("lookups that hit in decode (%)", Scale::linear(0.0, 100.0)),
        legend,
        line_at,
        note: "A lookup is the first appearance of an expert in a layer's pass; resident before any prefetch counts as a hit."
            .to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    shade(&mut scene, &plot, &bound);
    curves.iter().for_each(|(curve, _)| curve.draw(&mut scene, &plot));
    scene
}

/// The best oracle at each capacity; empty where settings differ, since each then has a bound of its own.
fn bound(sheet: &Sheet<'_>, unit_bytes: f64) -> Vec<(f64, f64)> {
    if only(sheet.series.iter().map(|series| &series.setting)).is_none() {
        return Vec::new();
    }
    let mut best: BTreeMap<u64, f64> = BTreeMap::new();
    for row in sheet.series.iter().filter(|series| series.oracle).flat_map(|series| &series.rows) {
        if let Some(rate) = row.summary().and_then(|summary| summary.decode.hit_rate()) {
            let entry = best.entry(row.config.cache_capacity_bytes).or_default();
            *entry = entry.max(rate * 100.0);
        }
    }
    best.into_iter().map(|(capacity, rate)| (capacity as f64 / unit_bytes, rate)).collect()
}

fn shade(scene: &mut Scene, plot: &Plot, bound: &[(f64, f64)]) {
    let (Some(first), Some(last)) = (bound.first(), bound.last()) else { return };
    let mut corners: Vec<(f64, f64)> = bound.iter().map(|(x, rate)| plot.at(*x, *rate)).collect();
    corners.extend([plot.at(last.0, 100.0), plot.at(first.0, 100.0)]);
    scene.polygon(corners, UNREACHABLE);
}
