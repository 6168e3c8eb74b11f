//! Panels of the pictures of serving sweeps: several small plots on one sheet, each with a name and its own legend above
//! it, and values that hold for a while drawn as steps.

use crate::report::draw::{Align, Entry, GREY, INK, Ink, LIGHT, Scale, Scene, Stroke, Swatch, fitted, width};

/// Left of a panel, for its ticks.
pub(super) const TICKS_WIDTH: f64 = 62.0;
const EM: f64 = 12.0;

/// A plot's place in pixels, and its scales.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
    pub x: Scale,
    pub y: Scale,
}

impl Panel {
    /// Where a point in data units lies.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.left + self.x.share(x) * (self.right - self.left),
            self.bottom - self.y.share(y) * (self.bottom - self.top),
        )
    }

    /// The name, the legend beside it, and the grid; the x axis has texts only where it is asked for.
    pub(super) fn frame(&self, scene: &mut Scene, name: &str, entries: &[Entry], x_texts: bool) {
        let high = self.bottom - self.top > 180.0;
        for (value, text) in self.y.ticks(if high { 6 } else { 3 }) {
            let (_, y) = self.at(0.0, value);
            scene.line(&[(self.left, y), (self.right, y)], Stroke::solid(LIGHT, 1.0));
            scene.text((self.left - 7.0, y + 4.0), &text, EM, Align::End, INK);
        }
        let mut free_from = f64::NEG_INFINITY;
        for (value, text) in self.x.ticks(if self.right - self.left > 600.0 { 10 } else { 5 }) {
            let (x, _) = self.at(value, 0.0);
            scene.line(&[(x, self.top), (x, self.bottom)], Stroke::solid(LIGHT, 1.0));
            let half = width(&text, EM) / 2.0;
            if x_texts && x - half >= free_from {
                scene.text((x, self.bottom + 17.0), &text, EM, Align::Middle, INK);
                free_from = x + half + 6.0;
            }
        }
        let log = if self.y.is_log() { ", log scale" } else { "" };
        let name = format!("{name}{log}");
        scene.text((self.left, self.top - 8.0), &name, 13.0, Align::Start, INK);
        self.legend(scene, entries, self.left + width(&name, 13.0) + 18.0);
        let corners = [
            (self.left, self.top),
            (self.right, self.top),
            (self.right, self.bottom),
            (self.left, self.bottom),
            (self.left, self.top),
        ];
        scene.line(&corners, Stroke::solid(GREY, 1.0));
    }

    /// Samples and texts in one line, as many as fit.
    fn legend(&self, scene: &mut Scene, entries: &[Entry], from: f64) {
        let (mut left, y) = (from, self.top - 12.0);
        for entry in entries {
            let room = self.right - left - 30.0;
            if room < 30.0 {
                return;
            }
            let text = fitted(&entry.text, EM, room);
            match entry.swatch {
                Swatch::Line(stroke, _) => scene.line(&[(left, y), (left + 22.0, y)], stroke),
                Swatch::Area(ink) => scene.rect((left, y - 5.0), (22.0, 10.0), ink),
                Swatch::Mark(marker, ink) => marker.draw(scene, (left + 11.0, y), 4.0, ink.rgb),
                Swatch::None => left -= 28.0,
            }
            scene.text((left + 28.0, y + 4.0), &text, EM, Align::Start, INK);
            left += 28.0 + width(&text, EM) + 16.0;
        }
    }

    /// A line through points in data units.
    pub(super) fn line(&self, scene: &mut Scene, points: &[(f64, f64)], stroke: Stroke) {
        let places: Vec<(f64, f64)> = points.iter().map(|(x, y)| self.at(*x, *y)).collect();
        scene.line(&places, stroke);
    }

    /// An area between two heights over the same places.
    pub(super) fn area(&self, scene: &mut Scene, below: &[(f64, f64)], above: &[(f64, f64)], ink: Ink) {
        let corners = above.iter().chain(below.iter().rev()).map(|(x, y)| self.at(*x, *y)).collect();
        scene.polygon(corners, ink);
    }

    /// A dashed line across at a height.
    pub(super) fn level(&self, scene: &mut Scene, y: f64) {
        let (_, at) = self.at(0.0, y);
        scene.line(&[(self.left, at), (self.right, at)], Stroke::dashed(GREY, 1.2, 4.0, 3.0));
    }
}

/// Values that hold from one time to another as a line: a pair of points for each.
pub(super) fn steps(values: impl Iterator<Item = (f64, f64, f64)>) -> Vec<(f64, f64)> {
    values.flat_map(|(begin, end, value)| [(begin, value), (end, value)]).collect()
}
