//! The best policy against LRU, sequence by sequence.

use super::common::text_entry;
use super::curve_sheet::CurveSheet;
use crate::metrics::CurveSequence;
use crate::report::draw::{Axis, Chart, Entry, INK, Ink, Scale, Scene, Stroke, Swatch, hue};

pub(super) const NAME: &str = "sequences";
const TITLE: &str = "hit rate of the best policy minus LRU's, by sequence";

/// `None` where the trace has one sequence only.
pub(super) fn scene(sheet: &CurveSheet<'_>) -> Option<Scene> {
    if sheet.of.sequences.len() < 2 {
        return None;
    }
    if let Some(scene) = sheet.nothing(TITLE) {
        return Some(scene);
    }
    let best = sheet.best().first().map(|one| one.curve);
    let (Some(at), Some(best), Some(lru)) = (sheet.middle(), best, sheet.of.curve("lru")) else {
        return Some(sheet.empty(TITLE, "There is no LRU, or nothing to compare with it."));
    };
    let (Some(ours), Some(theirs)) = (best.points.get(at), lru.points.get(at)) else {
        return Some(sheet.empty(TITLE, "There is no result at this capacity."));
    };
    let pairs = ours.by_sequence.iter().zip(&theirs.by_sequence).zip(&sheet.of.sequences);
    let difference = |((ours, theirs), sequence): ((&_, &_), &CurveSequence)| {
        let lookups = sheet.of.judged(sequence.lookups);
        let fewer = sheet.of.judged(*theirs) as f64 - sheet.of.judged(*ours) as f64;
        (lookups > 0).then(|| fewer * 100.0 / lookups as f64)
    };
    let mut differences: Vec<f64> = pairs.filter_map(difference).collect();
    differences.sort_by(f64::total_cmp);
    Some(bars(sheet, &best.name, at, &differences))
}

fn bars(sheet: &CurveSheet<'_>, best: &str, at: usize, differences: &[f64]) -> Scene {
    let mean = differences.iter().sum::<f64>() / differences.len().max(1) as f64;
    let (low, high) =
        differences.iter().fold((0.0, 0.0), |(low, high): (f64, f64), one| (low.min(*one), high.max(*one)));
    let room = ((high - low) * 0.06).max(0.05);
    let line = Stroke::dashed(INK, 1.6, 6.0, 4.0);
    let area =
        |ink, count: usize, text: &str| Entry { swatch: Swatch::Area(ink), text: format!("{count} {text}") };
    let count = |is: fn(&f64) -> bool| differences.iter().filter(|one| is(one)).count();
    let chart = Chart {
        title: sheet.title(&format!("{best} minus lru at {}, {}", sheet.capacity(at), sheet.phase())),
        subtitle: sheet.subtitle(),
        x: Axis::new("sequences, by difference", Scale::linear(0.0, differences.len() as f64)),
        y: Axis::new(
            "difference of hit rates (percentage points)",
            Scale::linear(if low < 0.0 { low - room } else { 0.0 }, high + room),
        ),
        legend: vec![
            area(ink(1.0), count(|one| *one > 0.0), "better than lru"),
            area(ink(-1.0), count(|one| *one < 0.0), "worse than lru"),
            text_entry(format!("{} alike", count(|one| *one == 0.0))),
            Entry {
                swatch: Swatch::Line(line, None),
                text: format!("mean {mean:+.2} points").replace('-', "\u{2013}"),
            },
        ],
        line_at: None,
        note: sheet.note("Each sequence counts alike in the mean, however long it is."),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    for (index, difference) in differences.iter().enumerate() {
        let (left, top) = plot.at(index as f64 + 0.1, difference.max(0.0));
        let (right, foot) = plot.at(index as f64 + 0.9, difference.min(0.0));
        scene.rect((left, top), (right - left, foot - top), ink(*difference));
    }
    let width = differences.len() as f64;
    scene.line(&[plot.at(0.0, 0.0), plot.at(width, 0.0)], Stroke::solid(INK, 1.2));
    scene.line(&[plot.at(0.0, mean), plot.at(width, mean)], line);
    scene
}

fn ink(difference: f64) -> Ink {
    Ink::tint(hue(usize::from(difference < 0.0)), 0.75)
}
