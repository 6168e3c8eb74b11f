//! Hit rate by layer: policies at one capacity, and LRU at all of them.

use super::curve_sheet::CurveSheet;
use super::curve_words::labelled;
use crate::metrics::PolicyCurve;
use crate::report::draw::{
    Axis, Chart, Curve, Entry, HeatMap, INK, Labels, Scale, Scene, Stroke, Swatch, series_look,
};

pub(super) const NAME: &str = "layers";
pub(super) const LRU_NAME: &str = "layers_lru";
const TITLE: &str = "hit rate by layer";

/// LRU, Belady and the best policy at the capacity in the middle.
pub(super) fn scene(sheet: &CurveSheet<'_>) -> Scene {
    if let Some(scene) = sheet.nothing(TITLE) {
        return scene;
    }
    let Some(at) = sheet.middle() else { return sheet.empty(TITLE, "No capacity was asked for.") };
    let best = sheet.best().first().map(|one| one.curve);
    let drawn: Vec<&PolicyCurve> =
        [sheet.of.curve("belady"), best, sheet.of.curve("lru")].into_iter().flatten().collect();
    let look = |curve: &PolicyCurve| match curve.name.as_str() {
        "lru" => (Stroke::solid(INK, 2.6), series_look(1, false).1),
        "belady" => (Stroke::dashed(INK, 1.8, 7.0, 4.0), series_look(2, false).1),
        _ => series_look(0, !curve.is_candidate()),
    };
    let entry = |curve: &&PolicyCurve| {
        let (stroke, marker) = look(curve);
        Entry { swatch: Swatch::Line(stroke, Some(marker)), text: labelled(curve) }
    };
    let layers = sheet.of.layers as f64;
    let mut heights: Vec<f64> = drawn.iter().flat_map(|curve| rates(sheet, curve, at)).collect();
    heights.retain(|rate| !rate.is_nan());
    let chart = Chart {
        title: sheet.title(&format!("{TITLE} at {}, {}", sheet.capacity(at), sheet.phase())),
        subtitle: sheet.subtitle(),
        x: Axis::new("MoE layer, counted from 0", Scale::linear(-0.5, (layers - 0.5).max(0.5))),
        y: Axis::new(format!("lookups that hit in {} (%)", sheet.phase()), Scale::around(&heights)),
        legend: drawn.iter().map(entry).collect(),
        line_at: None,
        note: sheet
            .note("One cache for all layers, unless a policy divides it: each takes what its lookups win."),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    for curve in drawn {
        let (stroke, marker) = look(curve);
        let rates = rates(sheet, curve, at).into_iter().enumerate();
        let points = rates.filter(|(_, rate)| !rate.is_nan()).map(|(layer, rate)| (layer as f64, rate));
        Curve { points: points.collect(), band: Vec::new(), stroke, marker: Some(marker) }
            .draw(&mut scene, &plot);
    }
    scene
}

/// LRU's hit rate in each layer at each capacity.
pub(super) fn lru(sheet: &CurveSheet<'_>) -> Scene {
    const TITLE: &str = "hit rate of LRU by layer and capacity";
    if let Some(scene) = sheet.nothing(TITLE) {
        return scene;
    }
    let Some(curve) = sheet.of.curve("lru") else { return sheet.empty(TITLE, "LRU was not asked for.") };
    let mut values = Vec::new();
    let columns: Vec<Vec<f64>> = sheet.order.iter().map(|at| rates(sheet, curve, *at)).collect();
    for layer in 0..sheet.of.lookups_by_layer.len() {
        values.extend(columns.iter().map(|rates| rates.get(layer).copied().unwrap_or(f64::NAN)));
    }
    let lowest = values.iter().copied().filter(|rate| !rate.is_nan()).fold(100.0, f64::min);
    let cells =
        values.iter().map(|rate| if rate.is_nan() { String::new() } else { format!("{rate:.0}") }).collect();
    let map = HeatMap {
        title: sheet.title(&format!("{TITLE}, {}", sheet.phase())),
        subtitle: sheet.subtitle(),
        x_label: "capacity of the cache (% of all experts)".to_owned(),
        y_label: "MoE layer, counted from 0".to_owned(),
        value_label: format!("lookups that hit in {} (%)", sheet.phase()),
        note: "One cache for all layers.".to_owned(),
        columns: sheet.order.len(),
        values,
        scale: Scale::linear((lowest / 10.0).floor() * 10.0, 100.0),
        diverging: false,
        labels: Labels { columns: sheet.shares(), cells, ..Labels::default() },
    };
    map.scene()
}

/// Hit rate by layer in percent; not a number in a layer without lookups.
fn rates(sheet: &CurveSheet<'_>, curve: &PolicyCurve, at: usize) -> Vec<f64> {
    let misses = curve.points.get(at).map(|point| point.by_layer.as_slice()).unwrap_or_default();
    let rate = |(misses, lookups): (&_, &_)| {
        let (misses, lookups) = (sheet.of.judged(*misses), sheet.of.judged(*lookups));
        if lookups == 0 { f64::NAN } else { 100.0 - misses as f64 * 100.0 / lookups as f64 }
    };
    misses.iter().zip(&sheet.of.lookups_by_layer).map(rate).collect()
}
