//! VRAM needed against decode latency: every point that ran, and for each model the front of those that nothing
//! real beats in both.

use std::collections::BTreeMap;

use super::common::{Sheet, short_label, text_entry};
use crate::metrics::Row;
use crate::report::draw::{
    Align, Axis, Chart, Entry, INK, Ink, Marker, Plot, SHADE, Scale, Scene, Stroke, Swatch, size_unit,
    time_unit, width,
};
use crate::report::format::size;
use crate::report::series::{Series, Varying};

pub(super) const NAME: &str = "pareto";
pub(super) const TITLE: &str = "least VRAM for each decode latency";

const LABEL_EM: f64 = 11.0;
const LABELS_MAX: usize = 16;
/// How the front is drawn.
pub(super) const FRONT: Stroke = Stroke::solid(INK, 1.5);

/// What is least wanted of each, such as VRAM needed in bytes and latency in nanoseconds.
pub(super) type Place = (u64, u64);
/// Rows with where they lie.
pub(super) type Placed<'a, T> = Vec<(&'a Row, T)>;

fn place(row: &Row) -> Option<Place> {
    let tpot = &row.summary()?.tpot_ns;
    (tpot.count > 0).then_some((row.tier("vram")?.needed_bytes, tpot.p50))
}

/// Real points that no other of the same model and storage type beats in both, by the first rising; of equals, the first
/// in the sweep. Models differ in what they are good for, so each has a front of its own.
pub(super) fn fronts(rows: &[Row], place: fn(&Row) -> Option<Place>) -> Vec<Placed<'_, Place>> {
    let mut models: BTreeMap<(&str, &str), Placed<'_, Place>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.config.policy_is_oracle) {
        let key = (row.config.model.as_str(), row.config.quant.as_str());
        models.entry(key).or_default().extend(place(row).map(|place| (row, place)));
    }
    for points in models.values_mut() {
        points.sort_by_key(|(row, place)| (*place, row.index));
        let mut best = u64::MAX;
        points.retain(|(_, (_, second))| {
            let better = *second < best;
            best = best.min(*second);
            better
        });
    }
    models.into_values().filter(|points| !points.is_empty()).collect()
}

pub(super) fn scene(sheet: &Sheet<'_>) -> Scene {
    let places: Vec<(u64, u64)> = sheet.rows.iter().filter_map(place).collect();
    if places.is_empty() {
        return sheet.nothing(TITLE, &sheet.no_result());
    }
    let (unit_bytes, bytes) = size_unit(places.iter().map(|place| place.0).max().unwrap_or(0));
    let (unit_ns, time) = time_unit(places.iter().map(|place| place.1).max().unwrap_or(0));
    let scaled = |(size, ns): (u64, u64)| (size as f64 / unit_bytes, ns as f64 / unit_ns);
    let x: Vec<f64> = places.iter().map(|place| scaled(*place).0).collect();
    let y: Vec<f64> = places.iter().map(|place| scaled(*place).1).collect();
    let chart = Chart {
        title: sheet.title(TITLE),
        subtitle: sheet.subtitle.clone(),
        x: Axis::new(format!("VRAM needed in all ({bytes})"), Scale::around(&x)),
        y: Axis::new(
            format!("time per output token, median over sequences ({time})"),
            Scale::log_beyond(20.0, &y),
        ),
        legend: legend(sheet),
        line_at: None,
        note: "Labels: policy and VRAM for experts at the corners of the front.".to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    let at = |place: (u64, u64)| plot.at(scaled(place).0, scaled(place).1);
    let mut dots: Vec<(f64, f64)> = Vec::new();
    for place in
        sheet.series.iter().skip(sheet.drawn().count()).flat_map(|s| &s.rows).filter_map(|r| place(r))
    {
        scene.disc(at(place), 2.5, Ink::solid(SHADE));
        dots.push(at(place));
    }
    let corners: Vec<Placed<'_, (f64, f64)>> = fronts(sheet.rows, place)
        .into_iter()
        .map(|front| front.into_iter().map(|(row, place)| (row, at(place))).collect())
        .collect();
    for front in &corners {
        let places: Vec<(f64, f64)> = front.iter().map(|(_, at)| *at).collect();
        scene.line(&steps(&places, plot.right), FRONT);
    }
    for (series, stroke, marker) in sheet.drawn() {
        for place in series.rows.iter().filter_map(|row| place(row)) {
            marker.draw(&mut scene, at(place), 4.0, stroke.ink.rgb);
            dots.push(at(place));
        }
    }
    let varying = Varying::of(sheet.rows);
    let label = |row: &Row| {
        let policy = short_label(&varying.label(row));
        format!("{policy}, {}", size(row.config.cache_capacity_bytes))
    };
    labels(&mut scene, &plot, &corners, &dots, &label);
    scene
}

fn legend(sheet: &Sheet<'_>) -> Vec<Entry> {
    let shown = |series: &Series<'_>| series.rows.iter().any(|row| place(row).is_some());
    let mut legend: Vec<Entry> = sheet
        .drawn()
        .filter(|(series, ..)| shown(series))
        .map(|(series, stroke, marker)| Entry {
            swatch: Swatch::Mark(marker, stroke.ink),
            text: short_label(&series.label),
        })
        .collect();
    let others = sheet.series.iter().skip(sheet.drawn().count()).filter(|series| shown(series)).count();
    legend.extend((others > 0).then(|| Entry {
        swatch: Swatch::Mark(Marker::Circle, Ink::solid(SHADE)),
        text: format!("{others} more series"),
    }));
    legend.push(Entry { swatch: Swatch::Line(FRONT, None), text: "front of each model".to_owned() });
    legend.extend(
        sheet.series.iter().any(|series| series.oracle).then(|| text_entry("(without oracles)".to_owned())),
    );
    legend
}

/// Right, then down, from corner to corner, and on to the right edge.
pub(super) fn steps(corners: &[(f64, f64)], right: f64) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    for pair in corners.windows(2) {
        points.extend([pair[0], (pair[1].0, pair[0].1)]);
    }
    points.extend(corners.last().copied());
    points.extend(corners.last().map(|last| (right, last.1)));
    points
}

/// A label's box: left, top, right, bottom.
type Box4 = (f64, f64, f64, f64);

/// Writes labels beside corners where there is room, the ends of each front first.
pub(super) fn labels(
    scene: &mut Scene,
    plot: &Plot,
    fronts: &[Placed<'_, (f64, f64)>],
    dots: &[(f64, f64)],
    label: &dyn Fn(&Row) -> String,
) {
    let mut taken: Vec<Box4> = dots.iter().map(|(x, y)| (x - 4.0, y - 4.0, x + 4.0, y + 4.0)).collect();
    let is_end = |front: &[(&Row, (f64, f64))], index: usize| index == 0 || index + 1 == front.len();
    let corners = |ends: bool| {
        let all = fronts.iter().flat_map(move |front| (0..front.len()).map(move |index| (front, index)));
        all.filter(move |(front, index)| is_end(front, *index) == ends).map(|(front, index)| front[index])
    };
    let mut written = 0;
    for (row, (x, y)) in corners(true).chain(corners(false)) {
        let text = label(row);
        let wide = width(&text, LABEL_EM);
        let above = [(x + 8.0, y - 20.0), (x - wide / 2.0, y - 24.0), (x + 10.0, y - 7.0)];
        let below = [(x - wide - 8.0, y + 6.0), (x - wide / 2.0, y + 10.0), (x + 8.0, y + 8.0)];
        let left = [(x - wide - 8.0, y - 20.0), (x - wide - 10.0, y - 7.0)];
        let mut spots = above
            .into_iter()
            .chain(below)
            .chain(left)
            .map(|(left, top)| (left, top, left + wide, top + 14.0));
        let free = |spot: &Box4| inside(*spot, plot) && !taken.iter().any(|other| overlap(*spot, *other));
        if let Some(spot) = spots.find(free).filter(|_| written < LABELS_MAX) {
            scene.text((spot.0, spot.3 - 3.0), &text, LABEL_EM, Align::Start, INK);
            taken.push(spot);
            written += 1;
        }
    }
}

fn inside(spot: Box4, plot: &Plot) -> bool {
    spot.0 > plot.left + 2.0
        && spot.2 < plot.right - 2.0
        && spot.1 > plot.top + 2.0
        && spot.3 < plot.bottom - 2.0
}

fn overlap(a: Box4, b: Box4) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}
