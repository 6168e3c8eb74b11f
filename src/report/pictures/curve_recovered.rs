//! How much of the distance from LRU to Belady each policy recovers.

use super::common::text_entry;
use super::curve_sheet::{CurveSheet, Ranked};
use super::curve_words::labelled;
use crate::report::draw::{
    Align, Axis, Chart, Entry, GREY, INK, Ink, Marker, Plot, SHADE, Scale, Scene, Stroke, Swatch, hue,
    series_look,
};

pub(super) const NAME: &str = "recovered";
const TITLE: &str = "share of the distance from LRU to Belady recovered";

/// Rows drawn; more would overlap.
const ROWS_MAX: usize = 38;
/// Capacities that get a mark each, where they were asked for: the nearest to these parts per million.
const SHARES: [u64; 4] = [100_000, 250_000, 500_000, 750_000];
/// Marks end here however much worse a policy is.
const LOWEST: f64 = -100.0;
/// Room to the left of that for words.
const WORDS: f64 = 24.0;

pub(super) fn scene(sheet: &CurveSheet<'_>) -> Scene {
    if let Some(scene) = sheet.nothing(TITLE) {
        return scene;
    }
    let marked = marked(sheet);
    if marked.is_empty() {
        return sheet
            .empty(TITLE, "At no capacity do LRU and Belady differ enough, or one of them is not known.");
    }
    let all: Vec<&Ranked<'_>> = sheet.ranked.iter().filter(|one| one.mean.is_some()).collect();
    let rows = &all[..all.len().min(ROWS_MAX)];
    let scale = scale(sheet, rows, &marked);
    let middle = |row: usize| rows.len() as f64 - row as f64 - 0.5;
    let mut y = Axis::new("", Scale::linear(0.0, rows.len() as f64));
    y.ticks = rows.iter().enumerate().map(|(row, one)| (middle(row), labelled(one.curve))).collect();
    let chart = Chart {
        title: sheet.title(&format!("{TITLE}, {}", sheet.phase())),
        subtitle: sheet.subtitle(),
        x: Axis::new("recovered misses (%): 0 is LRU, 100 is Belady", scale),
        y,
        legend: legend(sheet, &marked, all.len() - rows.len()),
        line_at: None,
        note: sheet.note(
            "Left of 0: more misses than LRU; \"to \u{2013}150\": a mark lies there. Hollow marks: bounds, and profiled in sample.",
        ),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    for (at, stroke) in [(0.0, Stroke::solid(INK, 1.5)), (100.0, Stroke::dashed(INK, 1.5, 5.0, 4.0))] {
        scene.line(&[plot.at(at, 0.0), plot.at(at, rows.len() as f64)], stroke);
    }
    for (row, one) in rows.iter().enumerate() {
        bar(&mut scene, &plot, one, middle(row));
        marks(&mut scene, &plot, sheet, one, middle(row), &marked);
    }
    scene
}

/// The capacities that get a mark, smallest first.
fn marked(sheet: &CurveSheet<'_>) -> Vec<usize> {
    let telling = sheet.telling();
    let nearest = |share: u64| {
        let telling = telling.iter().copied();
        telling.min_by_key(|at| sheet.of.capacities[*at].share_ppm.abs_diff(share))
    };
    let mut marked: Vec<usize> = SHARES.into_iter().filter_map(nearest).collect();
    marked.dedup();
    marked
}

fn scale(sheet: &CurveSheet<'_>, rows: &[&Ranked<'_>], marked: &[usize]) -> Scale {
    let shares = rows.iter().flat_map(|one| marked.iter().filter_map(|at| sheet.recovered(one.curve, *at)));
    let (low, high) =
        shares.fold((0.0, 100.0), |(low, high): (f64, f64), share| (low.min(share), high.max(share)));
    Scale::linear(if low < LOWEST { LOWEST - WORDS } else { low - 4.0 }, high + 4.0)
}

/// Colour and marker of a capacity, by its position among those marked.
fn look(index: usize) -> (Ink, Marker) {
    let (stroke, marker) = series_look(index, false);
    (stroke.ink, marker)
}

fn bar_ink(one: &Ranked<'_>) -> Ink {
    match one.mean {
        _ if !one.curve.is_candidate() => Ink::tint(SHADE, 0.35),
        Some(mean) if mean < 0.0 => Ink::tint(hue(1), 0.25),
        _ => Ink::tint(hue(0), 0.25),
    }
}

fn legend(sheet: &CurveSheet<'_>, marked: &[usize], left_out: usize) -> Vec<Entry> {
    let mut legend = vec![text_entry("at a capacity of".to_owned())];
    legend.extend(marked.iter().enumerate().map(|(index, at)| {
        let (ink, marker) = look(index);
        Entry { swatch: Swatch::Mark(marker, ink), text: sheet.capacity(*at) }
    }));
    let range = sheet.contested_range().unwrap_or_default();
    legend.push(Entry { swatch: Swatch::Area(Ink::tint(hue(0), 0.25)), text: format!("mean, {range}") });
    legend.push(Entry {
        swatch: Swatch::Area(Ink::tint(hue(1), 0.25)),
        text: "the same, worse than LRU".to_owned(),
    });
    legend.push(Entry {
        swatch: Swatch::Area(Ink::tint(SHADE, 0.35)),
        text: "the same, of bounds and in sample".to_owned(),
    });
    if left_out > 0 {
        legend.push(text_entry(format!("and {left_out} worse, not drawn")));
    }
    legend
}

/// The mean, as a bar from zero.
fn bar(scene: &mut Scene, plot: &Plot, one: &Ranked<'_>, middle: f64) {
    let mean = one.mean.unwrap_or(0.0);
    let (left, top) = plot.at(mean.min(0.0), middle + 0.36);
    let (right, foot) = plot.at(mean.max(0.0), middle - 0.36);
    scene.rect((left, top), (right - left, foot - top), bar_ink(one));
}

fn marks(
    scene: &mut Scene,
    plot: &Plot,
    sheet: &CurveSheet<'_>,
    one: &Ranked<'_>,
    middle: f64,
    marked: &[usize],
) {
    let shares: Vec<(usize, f64)> = marked
        .iter()
        .enumerate()
        .filter_map(|(index, at)| Some((index, sheet.recovered(one.curve, *at)?)))
        .collect();
    for (index, share) in shares.iter().filter(|(_, share)| *share >= LOWEST) {
        let (ink, marker) = look(*index);
        let at = plot.at(*share, middle);
        marker.draw(scene, at, 4.0, ink.rgb);
        if !one.curve.is_candidate() {
            marker.draw(scene, at, 2.2, (255, 255, 255));
        }
    }
    let lowest = shares.iter().map(|(_, share)| *share).fold(0.0, f64::min);
    if lowest < LOWEST {
        let (right, y) = plot.at(LOWEST, middle);
        let text = format!("to \u{2013}{:.0}", lowest.abs());
        scene.rect(
            (plot.left + 1.0, y - 6.0),
            (right - plot.left - 6.0, 12.0),
            Ink::tint((255, 255, 255), 0.8),
        );
        scene.text((right - 8.0, y + 4.0), &text, 10.5, Align::End, GREY);
    }
}
