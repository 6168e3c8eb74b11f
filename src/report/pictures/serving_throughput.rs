//! Output tokens a second against how many requests are served at once: users, or the mean requests of a pass.

use super::common::{Sheet, short_label, text_entry};
use crate::report::draw::{
    Align, Axis, Chart, Curve, Entry, INK, Plot, Scale, Scene, Swatch, series_look, width,
};
use crate::report::serving::{LoadSeries, Served, is_saturated, load_series, swept};

pub(super) const NAME: &str = "serving_throughput";
pub(super) const TITLE: &str = "throughput against concurrency";

const SERIES_MAX: usize = 16;
const LABEL_EM: f64 = 11.0;

/// `None` where there are fewer than two points.
pub(super) fn scene(sheet: &Sheet<'_>) -> Option<Scene> {
    let swept = swept(sheet.rows);
    let all: Vec<LoadSeries<'_>> = match swept {
        Some(swept) => swept.series.into_iter().map(|(series, _)| series).collect(),
        None => load_series(sheet.rows),
    };
    let users = all.iter().flat_map(|series| &series.points).all(|point| point.serving.users > 0);
    let place = |point: &Served<'_>| {
        let (serving, batch) = (point.serving, &point.serving.batch);
        let mean = (batch.count > 0).then(|| batch.sum as f64 / batch.count as f64);
        let x = if users { Some(serving.users as f64) } else { mean };
        Some((x?, serving.output_tokens_per_s()?))
    };
    let curves: Vec<(Curve, &LoadSeries<'_>)> = all
        .iter()
        .take(SERIES_MAX)
        .enumerate()
        .map(|(index, series)| {
            let (stroke, marker) = series_look(index, series.oracle);
            let points = series.points.iter().filter_map(place).collect();
            (Curve { points, band: Vec::new(), stroke, marker: Some(marker) }, series)
        })
        .collect();
    let points = || curves.iter().flat_map(|(curve, _)| &curve.points);
    if points().count() < 2 {
        return None;
    }
    let x: Vec<f64> = points().map(|point| point.0).collect();
    let y: Vec<f64> = points().map(|point| point.1).collect();
    let many = curves.len() > 1;
    let legend = if many { legend(&curves, all.len()) } else { Vec::new() };
    let chart = Chart {
        title: sheet.title(TITLE),
        subtitle: sheet.subtitle.clone(),
        x: Axis::new(if users { "users" } else { "mean requests in a pass" }, Scale::from_zero(&x)),
        y: Axis::new("output tokens of finished requests (tokens/s)", Scale::log_beyond(50.0, &y)),
        legend,
        line_at: None,
        note: "Lines join points in the order of what varies. Rates are over the span of the run.".to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    curves.iter().for_each(|(curve, _)| curve.draw(&mut scene, &plot));
    if let ([(curve, series)], false) = (curves.as_slice(), users) {
        labels(&mut scene, &plot, curve, series);
    }
    Some(scene)
}

fn legend(curves: &[(Curve, &LoadSeries<'_>)], all: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = curves
        .iter()
        .map(|(curve, series)| Entry {
            swatch: Swatch::Line(curve.stroke, curve.marker),
            text: short_label(&series.label),
        })
        .collect();
    let left_out = all - curves.len();
    entries.extend((left_out > 0).then(|| text_entry(format!("and {left_out} more, not drawn"))));
    entries
}

/// The load of each point beside it, where there is room.
fn labels(scene: &mut Scene, plot: &Plot, curve: &Curve, series: &LoadSeries<'_>) {
    let mut taken: Vec<(f64, f64, f64)> = Vec::new();
    for ((x, y), point) in curve.points.iter().zip(&series.points) {
        let Some(load) = point.load else { continue };
        let state = if is_saturated(point.serving) { ", saturated" } else { "" };
        let text = format!("{load}{state}");
        let (across, down) = plot.at(*x, *y);
        let wide = width(&text, LABEL_EM);
        let left = if across + 10.0 + wide > plot.right - 4.0 { across - 10.0 - wide } else { across + 10.0 };
        // Below the line where it rises, so that it does not cross the text.
        let base = (down + 15.0).min(plot.bottom - 5.0);
        let free = taken.iter().all(|(other_left, other_right, other_base)| {
            left > *other_right || left + wide < *other_left || (base - other_base).abs() > 13.0
        });
        if free {
            scene.text((left, base), &text, LABEL_EM, Align::Start, INK);
            taken.push((left, left + wide, base));
        }
    }
}
