//! Every policy at every capacity, against LRU.

use super::curve_sheet::{CurveSheet, Ranked};
use super::curve_words::labelled;
use crate::report::draw::{HeatMap, Labels, Scale, Scene};

pub(super) const NAME: &str = "heat_map";
const TITLE: &str = "hit rate against LRU's";

/// Rows drawn; more would be too low to read.
const ROWS_MAX: usize = 40;
/// One cell in so many may lie beyond the colours.
const BEYOND: usize = 10;
/// The colours span at least so many percentage points each way.
const SPAN_MIN: f64 = 1.0;

pub(super) fn scene(sheet: &CurveSheet<'_>) -> Scene {
    if let Some(scene) = sheet.nothing(TITLE) {
        return scene;
    }
    if sheet.lru(0).is_none() {
        return sheet.empty(TITLE, "LRU is not known.");
    }
    let rows = &sheet.ranked[..sheet.ranked.len().min(ROWS_MAX)];
    let values: Vec<f64> =
        rows.iter().flat_map(|one| sheet.order.iter().map(|at| points_above(sheet, one, *at))).collect();
    let span = span(&values);
    let cycle = sheet.of.cycle_experts();
    let below = sheet.order.iter().filter(|at| !sheet.is_above_cycle(**at)).count();
    let map = HeatMap {
        title: sheet.title(&format!("{TITLE}, {}", sheet.phase())),
        subtitle: sheet.subtitle(),
        x_label: "capacity of the cache (% of all experts)".to_owned(),
        y_label: String::new(),
        value_label: "hit rate minus LRU's (percentage points)".to_owned(),
        note: sheet.note(&format!(
            "Best mean share of the distance from LRU to Belady on top. Colours end at {span} points. Grey: pools hold more."
        )),
        columns: sheet.order.len(),
        scale: Scale::linear(-span, span),
        diverging: true,
        labels: Labels {
            rows: rows.iter().map(|one| labelled(one.curve)).collect(),
            columns: sheet.shares(),
            cells: values.iter().map(|value| points(*value)).collect(),
            line_before: (below > 0)
                .then(|| (below, format!("left: fewer experts than one token asks for ({cycle})"))),
        },
        values,
    };
    map.scene()
}

/// Percentage points by which a policy's hit rate exceeds LRU's; not a number where that cannot be told.
fn points_above(sheet: &CurveSheet<'_>, one: &Ranked<'_>, at: usize) -> f64 {
    let misses = sheet.point(one.curve, at).map(|point| sheet.of.judged(point.misses) as f64);
    let lru = sheet.lru(at).map(|misses| misses as f64);
    let lookups = sheet.lookups().max(1) as f64;
    lru.zip(misses).map_or(f64::NAN, |(lru, misses)| (lru - misses) * 100.0 / lookups)
}

/// A round number of points that all but the farthest cells lie within.
fn span(values: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = values.iter().map(|value| value.abs()).filter(|value| *value > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    let within = sizes.get((sizes.len() * (BEYOND - 1)) / BEYOND).copied().unwrap_or(0.0);
    let round = [1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0];
    round.into_iter().find(|span| *span >= within.max(SPAN_MIN)).unwrap_or(100.0)
}

/// A difference in as few characters as tell it.
fn points(value: f64) -> String {
    match value {
        value if value.is_nan() => String::new(),
        value if value.abs() < 0.05 => "0".to_owned(),
        value => format!("{value:+.1}").replace('-', "\u{2013}"),
    }
}
