//! Latency of a table of deployments: a bar for each configuration, one panel for the first token and one for each
//! further one.

use super::deployments::{drawn, label, labels_end};
use crate::metrics::Deployment;
use crate::report::deployments::{short_of, shown_latency};
use crate::report::draw::{
    Align, GREY, HEIGHT, INK, Ink, LIGHT, Scale, Scene, Stroke, WIDTH, fitted, footnote, heading, hue,
    time_unit,
};
use crate::report::format::span;

const TOP: f64 = 112.0;
const BOTTOM: f64 = HEIGHT - 74.0;
const ROW_HEIGHT_MAX: f64 = 84.0;
const VALUE_EM: f64 = 11.0;
const RIGHT: f64 = WIDTH - 24.0;
/// Room for the time behind the longest bar.
const VALUES: f64 = 66.0;
const GAP: f64 = 22.0;

/// The picture.
pub(super) fn scene(one: &Deployment) -> Scene {
    let rows = &one.rows[..drawn(one)];
    let mut scene = Scene::default();
    heading(&mut scene, &format!("{}: latency", one.title), &one.question);
    footnote(&mut scene, &format!("Medians. Grey: cannot run, and why. moesim deployments {}", one.file));
    let left = labels_end(one);
    let height = ((BOTTOM - TOP) / rows.len().max(1) as f64).min(ROW_HEIGHT_MAX);
    let bottom = TOP + height * rows.len() as f64;
    let middle = f64::midpoint(left, RIGHT);
    let times: Vec<(Option<u64>, Option<u64>)> = rows.iter().map(shown_latency).collect();
    let first: Vec<Option<u64>> = times.iter().map(|(ttft, _)| *ttft).collect();
    let further: Vec<Option<u64>> = times.iter().map(|(_, tpot)| *tpot).collect();
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + height * (index as f64 + 0.5) + 4.0;
        label(&mut scene, one, index, (left, y));
        let reason = short_of(row);
        // What it needs and has; the largest parts are on the page.
        let reason = reason.split(':').next().unwrap_or("");
        let text = fitted(reason, VALUE_EM, middle - left - 12.0);
        scene.text((left + 6.0, y), &text, VALUE_EM, Align::Start, GREY);
    }
    let panels = [
        ("time to first token", first, (left, middle - GAP), 0),
        ("time per output token", further, (middle + GAP, RIGHT), 1),
    ];
    for (head, times, (start, end), color) in panels {
        panel(&mut scene, head, &times, (start, end), (height, bottom), color);
    }
    scene
}

fn panel(
    scene: &mut Scene,
    head: &str,
    times: &[Option<u64>],
    (left, right): (f64, f64),
    (height, bottom): (f64, f64),
    color: usize,
) {
    let longest = times.iter().flatten().copied().max().unwrap_or(0);
    let (unit_ns, unit) = time_unit(longest);
    let scale = Scale::linear(0.0, (longest.max(1) as f64 / unit_ns) * (1.0 + VALUES / (right - left)));
    let x = |ns: f64| left + (right - left) * scale.share(ns / unit_ns);
    scene.text((left, TOP - 14.0), &format!("{head} ({unit})"), 13.0, Align::Start, INK);
    for (value, text) in scale.ticks(4) {
        let at = x(value * unit_ns);
        // Lines would cross the reason of a row that cannot run.
        for (index, _) in times.iter().enumerate().filter(|(_, time)| time.is_some()) {
            let top = TOP + height * index as f64;
            scene.line(&[(at, top), (at, top + height)], Stroke::solid(LIGHT, 1.0));
        }
        scene.text((at, bottom + 17.0), &text, 12.0, Align::Middle, INK);
    }
    for (index, time) in times.iter().enumerate() {
        let Some(ns) = time else { continue };
        let top = TOP + height * index as f64;
        let end = x(*ns as f64);
        scene.rect((left, top + height * 0.22), (end - left, height * 0.56), Ink::tint(hue(color), 0.85));
        scene.text((end + 6.0, top + height * 0.5 + 4.0), &span(*ns), VALUE_EM, Align::Start, INK);
    }
    scene.line(&[(left, TOP), (left, bottom)], Stroke::solid(GREY, 1.0));
}
