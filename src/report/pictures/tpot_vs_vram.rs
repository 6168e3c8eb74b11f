//! Decode latency against the VRAM given to experts, one line per series.

use super::common::{BANDS_MAX, Sheet, legend_of};
use crate::report::draw::{Axis, Chart, Scale, Scene, time_unit};

pub(super) const NAME: &str = "tpot_vs_vram";
pub(super) const TITLE: &str = "decode latency against expert VRAM";

/// A larger ratio between the slowest and the fastest point makes the axis logarithmic.
const LINEAR_RATIO_MAX: f64 = 20.0;

pub(super) fn scene(sheet: &Sheet<'_>) -> Scene {
    let summaries = || sheet.rows.iter().filter_map(|row| row.summary()).filter(|s| s.tpot_ns.count > 0);
    let Some(slowest_ns) = summaries().map(|summary| summary.tpot_ns.p50).max() else {
        return sheet.nothing(TITLE, &sheet.no_result());
    };
    let (unit_ns, time) = time_unit(slowest_ns);
    let (unit_bytes, bytes) = sheet.capacity_unit();
    let banded = sheet.drawn().count() <= BANDS_MAX && summaries().any(|s| s.tpot_ns.p10 < s.tpot_ns.p90);
    let curves = sheet.curves(unit_bytes, |summary| {
        let tpot = &summary.tpot_ns;
        let band = (tpot.p10 as f64 / unit_ns, tpot.p90 as f64 / unit_ns);
        (tpot.count > 0).then_some((tpot.p50 as f64 / unit_ns, banded.then_some(band)))
    });
    let x: Vec<f64> = curves.iter().flat_map(|(curve, _)| &curve.points).map(|point| point.0).collect();
    let heights = curves.iter().flat_map(|(curve, _)| curve.points.iter().map(|point| point.1));
    let ends = curves.iter().flat_map(|(curve, _)| curve.band.iter().flat_map(|(low, high)| [*low, *high]));
    let y: Vec<f64> = heights.chain(ends).collect();
    let mut x_axis = Axis::new(format!("VRAM for routed experts ({bytes})"), Scale::spread(100.0, &x));
    x_axis.percent_of = sheet
        .experts_total_bytes()
        .map(|total| ("share of all routed experts".to_owned(), total as f64 / unit_bytes));
    let (line_at, cliff_entry) = sheet.cliff(x_axis.scale, unit_bytes);
    let mut legend = legend_of(&curves);
    legend.extend(sheet.left_out());
    legend.extend(cliff_entry);
    let note = if banded {
        "Lines: median over sequences; bands: p10 to p90."
    } else {
        "Median over sequences; p10 and p90 are in results.csv."
    };
    let chart = Chart {
        title: sheet.title(TITLE),
        subtitle: sheet.subtitle.clone(),
        x: x_axis,
        y: Axis::new(format!("time per output token ({time})"), Scale::log_beyond(LINEAR_RATIO_MAX, &y)),
        legend,
        line_at,
        note: note.to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    curves.iter().for_each(|(curve, _)| curve.draw_band(&mut scene, &plot));
    curves.iter().for_each(|(curve, _)| curve.draw(&mut scene, &plot));
    scene
}
