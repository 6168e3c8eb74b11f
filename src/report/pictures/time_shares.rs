//! Where the time of a token goes: stacked areas along the number that varies, one panel for each setting.

use super::common::{Sheet, short_label};
use crate::metrics::Row;
use crate::report::bottleneck::Bound;
use crate::report::draw::{
    Align, Entry, GREY, HEIGHT, INK, Ink, LIGHT, Scale, Scene, Stroke, Swatch, WIDTH, fitted, footnote,
    heading, hue, legend, legend_width, time_unit,
};
use crate::report::meta::axis_value;
use crate::report::numeric_axis::{NumericAxis, numeric_axis};
use crate::report::series::Varying;

pub(super) const NAME: &str = "time_shares";
pub(super) const TITLE: &str = "where the time of a token goes";

const PANELS_MAX: usize = 9;
const TOP: f64 = 78.0;
const BOTTOM: f64 = HEIGHT - 62.0;
/// Left of a panel, for its ticks; above it, for its name; below it, for its ticks.
const MARGINS: (f64, f64, f64) = (44.0, 22.0, 24.0);

/// Points of one setting: where each lies along the axis, and its shares in nanoseconds per token.
struct Panel {
    label: String,
    points: Vec<(f64, [f64; 6])>,
}

pub(super) fn scene(sheet: &Sheet<'_>) -> Scene {
    let Some(axis) = numeric_axis(sheet.rows) else {
        return sheet.nothing(TITLE, "Nothing numeric varies; the times of each point are in summary.md.");
    };
    let all = panels(sheet.rows, &axis);
    if all.is_empty() {
        return sheet.nothing(TITLE, &sheet.no_result());
    }
    let shown = &all[..all.len().min(PANELS_MAX)];
    let points = || shown.iter().flat_map(|panel| &panel.points);
    let totals: Vec<f64> = points().map(|(_, shares)| shares.iter().sum()).collect();
    let slowest = totals.iter().copied().fold(0.0, f64::max);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of nanoseconds")]
    let (unit_ns, unit) = time_unit(slowest as u64);
    let y = Scale::from_zero(&totals.iter().map(|total| total / unit_ns).collect::<Vec<_>>());
    let x = Scale::spread(100.0, &points().map(|(at, _)| *at).collect::<Vec<_>>());
    let mut scene = Scene::default();
    heading(&mut scene, &sheet.title(TITLE), &sheet.subtitle);
    footnote(&mut scene, "Mean over all decoded tokens.");
    let used: Vec<usize> =
        (0..Bound::ALL.len()).filter(|index| points().any(|(_, shares)| shares[*index] > 0.0)).collect();
    let entries = entries(&used, all.len() - shown.len());
    legend(&mut scene, &entries, TOP, HEIGHT - 24.0);
    let columns = match shown.len() {
        1 => 1,
        2..=4 => 2,
        _ => 3,
    };
    let lines = shown.len().div_ceil(columns);
    let (left, right) = (44.0, WIDTH - legend_width(&entries) - 10.0);
    let (width, height) = ((right - left) / columns as f64, (BOTTOM - TOP) / lines as f64);
    for (index, panel) in shown.iter().enumerate() {
        let corner = (left + width * (index % columns) as f64, TOP + height * (index / columns) as f64);
        let frame = Frame {
            left: corner.0 + MARGINS.0,
            top: corner.1 + MARGINS.1,
            right: corner.0 + width - 12.0,
            bottom: corner.1 + height - MARGINS.2,
            x,
            y,
            unit_ns,
        };
        frame.draw(&mut scene, panel, &used);
    }
    let middle = (left + right) / 2.0;
    let label = fitted(&axis_label(&axis), 13.0, right - left);
    scene.text((middle, HEIGHT - 38.0), &label, 13.0, Align::Middle, INK);
    let label = format!("time per output token ({unit})");
    scene.text_upwards((28.0, (TOP + BOTTOM) / 2.0), &label, 13.0, INK);
    scene
}

fn axis_label(axis: &NumericAxis) -> String {
    match (&axis.key, axis.unit) {
        (None, unit) => format!("VRAM for routed experts ({unit})"),
        (Some(key), "") => key.clone(),
        (Some(key), unit) => format!("{key} ({unit})"),
    }
}

fn entries(used: &[usize], left_out: usize) -> Vec<Entry> {
    let entry = |index: &usize| Entry {
        swatch: Swatch::Area(ink(*index)),
        text: Bound::ALL[*index].label().to_owned(),
    };
    // In the order of the stack, from above.
    let mut entries: Vec<Entry> = used.iter().rev().map(entry).collect();
    entries.extend(
        (left_out > 0).then(|| Entry { swatch: Swatch::None, text: format!("{left_out} more not drawn") }),
    );
    entries
}

fn ink(index: usize) -> Ink {
    // GPU green, link blue, drive orange, CPU purple, overheads brown, compaction a colour of no device.
    Ink::tint(hue([2, 0, 1, 3, 6, 4][index]), 0.8)
}

/// The points that decoded, in one panel for each setting, in the order of the sweep.
fn panels(rows: &[Row], axis: &NumericAxis) -> Vec<Panel> {
    let varying = Varying::of(rows);
    let mut panels: Vec<Panel> = Vec::new();
    for (row, at) in rows.iter().zip(&axis.values) {
        let Some(summary) = row.summary().filter(|summary| summary.decode_time.total_ns() > 0) else {
            continue;
        };
        let tokens = summary.decode.tokens.max(1) as f64;
        let shares = Bound::ALL.map(|bound| bound.share_ns(&summary.decode_time) as f64 / tokens);
        let label = match &axis.key {
            None => varying.label(row),
            Some(key) => others(row, key),
        };
        let index = panels.iter().position(|panel| panel.label == label).unwrap_or_else(|| {
            panels.push(Panel { label, points: Vec::new() });
            panels.len() - 1
        });
        // Capacities above the size of all experts are one capacity.
        if !panels[index].points.iter().any(|(known, _)| known == at) {
            panels[index].points.push((*at, shares));
        }
    }
    for panel in &mut panels {
        panel.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    panels
}

/// The values of all swept keys but this one; the policy where there are no others.
fn others(row: &Row, key: &str) -> String {
    let values = row.axes.iter().filter(|(other, _)| other != key);
    let values: Vec<&str> = values.map(|(other, _)| axis_value(row, other)).collect();
    if values.is_empty() { row.config.policy.clone() } else { values.join(", ") }
}

/// A panel's place in pixels, and its scales.
struct Frame {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    x: Scale,
    y: Scale,
    unit_ns: f64,
}

impl Frame {
    fn at(&self, x: f64, ns: f64) -> (f64, f64) {
        let across = self.left + self.x.share(x) * (self.right - self.left);
        (across, self.bottom - self.y.share(ns / self.unit_ns) * (self.bottom - self.top))
    }

    fn draw(&self, scene: &mut Scene, panel: &Panel, used: &[usize]) {
        let room = self.right - self.left;
        let name = fitted(&short_label(&panel.label), 11.5, room + 16.0);
        scene.text((self.left - 8.0, self.top - 6.0), &name, 11.5, Align::Start, INK);
        for (value, text) in self.y.ticks(if self.bottom - self.top > 300.0 { 6 } else { 5 }) {
            let (_, y) = self.at(0.0, value * self.unit_ns);
            scene.line(&[(self.left, y), (self.right, y)], Stroke::solid(LIGHT, 1.0));
            scene.text((self.left - 6.0, y + 4.0), &text, 11.0, Align::End, INK);
        }
        for (value, text) in self.x.ticks(if room > 400.0 { 8 } else { 4 }) {
            let (x, _) = self.at(value, 0.0);
            scene.text((x, self.bottom + 15.0), &text, 11.0, Align::Middle, INK);
        }
        let mut below = vec![0.0; panel.points.len()];
        for index in used {
            let above: Vec<f64> =
                panel.points.iter().zip(&below).map(|((_, shares), below)| below + shares[*index]).collect();
            self.layer(scene, panel, (&below, &above), ink(*index));
            below = above;
        }
        let corners = [(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)];
        scene.line(&corners, Stroke::solid(GREY, 1.0));
    }

    /// One share over all points; a lone point becomes a bar.
    fn layer(&self, scene: &mut Scene, panel: &Panel, (below, above): (&[f64], &[f64]), ink: Ink) {
        if let ([(x, _)], [low], [high]) = (panel.points.as_slice(), below, above) {
            let ((across, bottom), (_, top)) = (self.at(*x, *low), self.at(*x, *high));
            scene.rect((across - 12.0, top), (24.0, bottom - top), ink);
            return;
        }
        let edge = |heights: &[f64]| -> Vec<(f64, f64)> {
            panel.points.iter().zip(heights).map(|((x, _), ns)| self.at(*x, *ns)).collect()
        };
        let mut corners = edge(above);
        corners.extend(edge(below).into_iter().rev());
        scene.polygon(corners, ink);
    }
}
