//! VRAM needed against decode latency: every point that ran, and the front of those that nothing real beats in both.

use super::common::{Sheet, text_entry};
use crate::metrics::Row;
use crate::report::draw::{
    Align, Axis, Chart, Entry, INK, Plot, Scale, Scene, Stroke, Swatch, size_unit, time_unit, width,
};
use crate::report::format::size;
use crate::report::series::Varying;

pub(super) const NAME: &str = "pareto";
pub(super) const TITLE: &str = "least VRAM for each decode latency";

const LABEL_EM: f64 = 11.0;
const LABELS_MAX: usize = 16;
const FRONT: Stroke = Stroke::solid(INK, 1.5);

/// A point in bytes and nanoseconds.
fn place(row: &Row) -> Option<(u64, u64)> {
    let tpot = &row.summary()?.tpot_ns;
    (tpot.count > 0).then_some((row.tier("vram")?.needed_bytes, tpot.p50))
}

/// Real points that no other beats in both, by rising VRAM; of equals, the first in the sweep.
fn front(rows: &[Row]) -> Vec<(&Row, (u64, u64))> {
    let mut points: Vec<(&Row, (u64, u64))> = rows
        .iter()
        .filter(|row| !row.config.policy_is_oracle)
        .filter_map(|row| Some((row, place(row)?)))
        .collect();
    points.sort_by_key(|(row, place)| (*place, row.index));
    let mut best_ns = u64::MAX;
    points.retain(|(_, (_, ns))| {
        let better = *ns < best_ns;
        best_ns = best_ns.min(*ns);
        better
    });
    points
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
    let mut legend: Vec<Entry> = sheet
        .drawn()
        .filter(|(series, ..)| series.rows.iter().any(|row| place(row).is_some()))
        .map(|(series, stroke, marker)| Entry {
            swatch: Swatch::Mark(marker, stroke.ink),
            text: series.label.clone(),
        })
        .collect();
    legend.push(Entry { swatch: Swatch::Line(FRONT, None), text: "front without oracles".to_owned() });
    legend.extend(sheet.left_out());
    if sheet.series.iter().any(|series| series.oracle) {
        legend.push(text_entry("oracles are bounds only".to_owned()));
    }
    let chart = Chart {
        title: sheet.title(TITLE),
        subtitle: sheet.subtitle.clone(),
        x: Axis::new(format!("VRAM needed in all ({bytes})"), Scale::around(&x)),
        y: Axis::new(
            format!("time per output token, median over sequences ({time})"),
            Scale::log_beyond(20.0, &y),
        ),
        legend,
        line_at: None,
        note: "Labels: policy and VRAM for experts at the corners of the front.".to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    let front: Vec<(&Row, (f64, f64))> = front(sheet.rows)
        .into_iter()
        .map(|(row, place)| (row, plot.at(scaled(place).0, scaled(place).1)))
        .collect();
    let corners: Vec<(f64, f64)> = front.iter().map(|(_, at)| *at).collect();
    scene.line(&steps(&corners, plot.right), FRONT);
    let mut dots: Vec<(f64, f64)> = Vec::new();
    for (series, stroke, marker) in sheet.drawn() {
        for place in series.rows.iter().filter_map(|row| place(row)) {
            let at = plot.at(scaled(place).0, scaled(place).1);
            marker.draw(&mut scene, at, 4.0, stroke.ink.rgb);
            dots.push(at);
        }
    }
    labels(&mut scene, &plot, &front, &dots, &Varying::of(sheet.rows));
    scene
}

/// Right, then down, from corner to corner, and on to the right edge.
fn steps(corners: &[(f64, f64)], right: f64) -> Vec<(f64, f64)> {
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

/// Writes labels beside corners where there is room, the ends of the front first.
fn labels(
    scene: &mut Scene,
    plot: &Plot,
    front: &[(&Row, (f64, f64))],
    dots: &[(f64, f64)],
    varying: &Varying,
) {
    let mut taken: Vec<Box4> = dots.iter().map(|(x, y)| (x - 4.0, y - 4.0, x + 4.0, y + 4.0)).collect();
    let mut order: Vec<usize> = (0..front.len()).collect();
    order.sort_by_key(|index| (*index != 0 && index + 1 != front.len(), *index));
    let mut written = 0;
    for index in order {
        let (row, (x, y)) = front[index];
        let text = format!("{}, {}", varying.label(row), size(row.config.cache_capacity_bytes));
        let wide = width(&text, LABEL_EM);
        let above = [(x + 8.0, y - 20.0), (x - wide / 2.0, y - 24.0), (x + 10.0, y - 7.0)];
        let below = [(x - wide - 8.0, y + 6.0), (x - wide / 2.0, y + 10.0), (x + 8.0, y + 8.0)];
        let spot = above
            .into_iter()
            .chain(below)
            .map(|(left, top)| (left, top, left + wide, top + 14.0))
            .find(|spot| inside(*spot, plot) && !taken.iter().any(|other| overlap(*spot, *other)));
        if let Some(spot) = spot.filter(|_| written < LABELS_MAX) {
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
