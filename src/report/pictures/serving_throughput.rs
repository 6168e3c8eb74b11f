//! Output tokens a second against how many requests are served at once: users, or the mean requests of a pass.

use super::common::{Sheet, short_label, text_entry};
use crate::report::draw::{
    Align, Axis, Chart, Curve, Entry, INK, Plot, Scale, Scene, Swatch, series_look, width,
};
use crate::report::serving::{LoadSeries, Served, is_saturated, load_series, settings, swept};

pub(super) const NAME: &str = "serving_throughput";
pub(super) const TITLE: &str = "throughput against concurrency";

const SERIES_MAX: usize = 16;
const LABEL_EM: f64 = 11.0;

/// `None` where there are fewer than two points.
pub(super) fn scene(sheet: &Sheet<'_>) -> Option<Scene> {
    let swept = swept(sheet.rows);
    let by_load = swept.as_ref().is_some_and(|swept| swept.by_load);
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
    // Room above the highest point for its label.
    let y: Vec<f64> = points().flat_map(|point| [point.1, point.1 * 1.06]).collect();
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
        let named = series.points.iter().filter(|point| place(point).is_some());
        let named: Vec<String> = named.map(|point| name(sheet, point, by_load)).collect();
        labels(&mut scene, &plot, curve, &named);
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

/// A point's load where that varies, else its setting; and whether it is saturated.
fn name(sheet: &Sheet<'_>, point: &Served<'_>, by_load: bool) -> String {
    let place = sheet.rows.iter().position(|row| row.index == point.row.index);
    let setting = || place.and_then(|place| settings(sheet.rows).into_iter().nth(place));
    let name = match point.load.filter(|_| by_load) {
        Some(load) => load.to_string(),
        None => short_label(&setting().unwrap_or_default()),
    };
    let state = if is_saturated(point.serving) { ", saturated" } else { "" };
    format!("{name}{state}")
}

/// A label's box: left, top, right, bottom.
type Box4 = (f64, f64, f64, f64);

/// Writes each point's label beside it, where neither the line nor another label is.
fn labels(scene: &mut Scene, plot: &Plot, curve: &Curve, labels: &[String]) {
    let places: Vec<(f64, f64)> = curve.points.iter().map(|(x, y)| plot.at(*x, *y)).collect();
    let line: Vec<(f64, f64)> = places.windows(2).flat_map(|pair| between(pair[0], pair[1])).collect();
    let mut taken: Vec<Box4> = Vec::new();
    for ((x, y), text) in places.iter().zip(labels) {
        let wide = width(text, LABEL_EM);
        let corners = [
            (x + 9.0, y + 4.0),
            (x - 9.0 - wide, y - 19.0),
            (x - wide / 2.0, y + 8.0),
            (x - wide / 2.0, y - 24.0),
            (x + 9.0, y - 19.0),
            (x - 9.0 - wide, y + 4.0),
        ];
        let spots = corners.into_iter().map(|(left, top)| (left, top, left + wide, top + 15.0));
        let free = |spot: &Box4| {
            let inside = spot.0 > plot.left + 2.0 && spot.2 < plot.right - 2.0;
            let inside = inside && spot.1 > plot.top + 2.0 && spot.3 < plot.bottom - 2.0;
            let on_line = line.iter().any(|(x, y)| *x > spot.0 && *x < spot.2 && *y > spot.1 && *y < spot.3);
            let on_other = taken
                .iter()
                .any(|other| spot.0 < other.2 && other.0 < spot.2 && spot.1 < other.3 && other.1 < spot.3);
            // So near to another point it would be taken for that one's.
            let at_other = places.iter().any(|(other_x, other_y)| {
                let across = *other_x > spot.0 - 3.0 && *other_x < spot.2 + 3.0;
                let down = *other_y > spot.1 - 12.0 && *other_y < spot.3 + 12.0;
                (other_x - x).abs() > 1.0 && across && down
            });
            inside && !on_line && !on_other && !at_other
        };
        if let Some(spot) = spots.into_iter().find(free) {
            scene.text((spot.0, spot.3 - 4.0), text, LABEL_EM, Align::Start, INK);
            taken.push(spot);
        }
    }
}

/// Places along a straight line, a few pixels apart.
fn between(a: (f64, f64), b: (f64, f64)) -> impl Iterator<Item = (f64, f64)> {
    (0..=200).map(move |step| {
        let part = f64::from(step) / 200.0;
        (a.0 + (b.0 - a.0) * part, a.1 + (b.1 - a.1) * part)
    })
}
