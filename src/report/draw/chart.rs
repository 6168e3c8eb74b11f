//! The frame around every chart: title, axes, grid, and a legend beside the plot, so that nothing covers data.

use super::font::{fitted, width};
use super::marks::Marker;
use super::palette::{GREY, INK, LIGHT};
use super::scale::Scale;
use super::scene::{Align, HEIGHT, Ink, Scene, Stroke, WIDTH};
use crate::report::format::size;

const MARGIN: f64 = 24.0;
const TICK_EM: f64 = 12.0;
const LABEL_EM: f64 = 13.0;
const LEGEND_EM: f64 = 12.0;
const LEGEND_LINE: f64 = 19.0;
const SWATCH: f64 = 34.0;
const LEGEND_WIDTH_MAX: f64 = 350.0;

/// One axis.
#[derive(Clone, Debug)]
pub(in crate::report) struct Axis {
    /// What it shows, with the unit.
    pub label: String,
    pub scale: Scale,
    /// Positions and texts; round numbers of the scale where empty.
    pub ticks: Vec<(f64, String)>,
    /// A second line below each tick of an x axis, its value in percent of a whole: what that is, and its value.
    pub percent_of: Option<(String, f64)>,
    /// A third line below each tick of an x axis, its value as a size: bytes per unit of the axis.
    pub bytes_per_unit: Option<f64>,
}

impl Axis {
    /// An axis with round ticks.
    pub(in crate::report) fn new(label: impl Into<String>, scale: Scale) -> Self {
        Self { label: label.into(), scale, ticks: Vec::new(), percent_of: None, bytes_per_unit: None }
    }

    fn marks(&self, wanted: u32) -> Vec<(f64, String)> {
        if self.ticks.is_empty() { self.scale.ticks(wanted) } else { self.ticks.clone() }
    }
}

/// The sample before a legend's text.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) enum Swatch {
    Line(Stroke, Option<Marker>),
    Area(Ink),
    Mark(Marker, Ink),
    /// Text only.
    None,
}

/// One line of a legend.
#[derive(Clone, Debug)]
pub(in crate::report) struct Entry {
    pub swatch: Swatch,
    pub text: String,
}

/// A chart without its data.
#[derive(Clone, Debug)]
pub(in crate::report) struct Chart {
    pub title: String,
    pub subtitle: String,
    pub x: Axis,
    pub y: Axis,
    pub legend: Vec<Entry>,
    /// A vertical line at an x value and what it means, written above the plot.
    pub line_at: Option<(f64, String)>,
    /// A remark in the lower left corner.
    pub note: String,
}

/// Where data goes: a rectangle in pixels and its two scales.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Plot {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
    x: Scale,
    y: Scale,
}

impl Plot {
    /// The pixel position of a point in data units.
    pub(in crate::report) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.left + self.x.share(x) * (self.right - self.left),
            self.bottom - self.y.share(y) * (self.bottom - self.top),
        )
    }
}

/// Title and subtitle of any picture.
pub(in crate::report) fn heading(scene: &mut Scene, title: &str, subtitle: &str) {
    let room = WIDTH - 2.0 * MARGIN;
    scene.text((MARGIN, 36.0), &fitted(title, 19.0, room), 19.0, Align::Start, INK);
    scene.text((MARGIN, 58.0), &fitted(subtitle, LABEL_EM, room), LABEL_EM, Align::Start, GREY);
}

/// The remark at the foot of any picture.
pub(in crate::report) fn footnote(scene: &mut Scene, note: &str) {
    let text = fitted(note, 11.0, WIDTH - 2.0 * MARGIN);
    scene.text((MARGIN, HEIGHT - 12.0), &text, 11.0, Align::Start, GREY);
}

/// The width that a legend takes, its left margin included; zero for none.
pub(in crate::report) fn legend_width(entries: &[Entry]) -> f64 {
    let widest = entries.iter().map(|entry| width(&entry.text, LEGEND_EM)).fold(0.0, f64::max);
    if entries.is_empty() { 0.0 } else { (widest + SWATCH + 30.0).min(LEGEND_WIDTH_MAX) }
}

/// Draws a legend into the right margin from `top` down to `bottom`; what does not fit is counted.
pub(in crate::report) fn legend(scene: &mut Scene, entries: &[Entry], top: f64, bottom: f64) {
    let left = WIDTH - legend_width(entries) + 14.0;
    let lines = (1..200).take_while(|line| top + f64::from(*line) * LEGEND_LINE <= bottom).count().max(1);
    let shown = if entries.len() > lines { lines - 1 } else { entries.len() };
    for (entry, line) in entries.iter().take(shown).zip(0..) {
        let y = top + LEGEND_LINE * (f64::from(line) + 0.5);
        swatch(scene, entry.swatch, left, y);
        let at = left + SWATCH;
        let text = fitted(&entry.text, LEGEND_EM, WIDTH - 8.0 - at);
        scene.text((at, y + 4.0), &text, LEGEND_EM, Align::Start, INK);
    }
    if shown < entries.len() {
        let y = top + LEGEND_LINE * (shown as f64 + 0.5);
        let text = format!("and {} more", entries.len() - shown);
        scene.text((left + SWATCH, y + 4.0), &text, LEGEND_EM, Align::Start, GREY);
    }
}

fn swatch(scene: &mut Scene, swatch: Swatch, left: f64, y: f64) {
    let middle = left + 13.0;
    match swatch {
        Swatch::Line(stroke, marker) => {
            scene.line(&[(left, y), (left + 26.0, y)], stroke);
            if let Some(marker) = marker {
                marker.draw(scene, (middle, y), 4.0, stroke.ink.rgb);
            }
        }
        Swatch::Area(ink) => scene.rect((left, y - 6.0), (26.0, 12.0), ink),
        Swatch::Mark(marker, ink) => marker.draw(scene, (middle, y), 4.5, ink.rgb),
        Swatch::None => {}
    }
}

impl Chart {
    /// Draws the frame and says where data goes.
    pub(in crate::report) fn frame(&self, scene: &mut Scene) -> Plot {
        heading(scene, &self.title, &self.subtitle);
        footnote(scene, &self.note);
        let plot = self.place();
        self.x_axis(scene, &plot);
        self.y_axis(scene, &plot);
        legend(scene, &self.legend, plot.top, HEIGHT - MARGIN);
        if let Some((x, text)) = &self.line_at {
            self.marked_line(scene, &plot, *x, text);
        }
        let corners = [
            (plot.left, plot.top),
            (plot.right, plot.top),
            (plot.right, plot.bottom),
            (plot.left, plot.bottom),
            (plot.left, plot.top),
        ];
        scene.line(&corners, Stroke::solid(GREY, 1.0));
        plot
    }

    fn place(&self) -> Plot {
        let marks = self.y.marks(6);
        let tick_width = marks.iter().map(|(_, text)| width(text, TICK_EM)).fold(0.0, f64::max);
        let above = if self.line_at.is_some() { 20.0 } else { 0.0 };
        let lines = [self.x.percent_of.is_some(), self.x.bytes_per_unit.is_some()];
        let below = lines.into_iter().filter(|is_there| *is_there).count() as f64 * 16.0;
        Plot {
            left: MARGIN + LABEL_EM + 12.0 + tick_width,
            top: 78.0 + above,
            right: (WIDTH - legend_width(&self.legend)).min(WIDTH - MARGIN - 8.0),
            bottom: HEIGHT - 78.0 - below,
            x: self.x.scale,
            y: self.y.scale,
        }
    }

    fn x_axis(&self, scene: &mut Scene, plot: &Plot) {
        let mut free_from = f64::NEG_INFINITY;
        for (value, text) in self.x.marks(8) {
            let (x, y) = plot.at(value, 0.0);
            scene.line(&[(x, plot.top), (x, plot.bottom)], Stroke::solid(LIGHT, 1.0));
            let share = self.x.percent_of.as_ref().map(|(_, whole)| percent_text(value, *whole));
            // Sizes are at most those of all experts.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let bytes = self.x.bytes_per_unit.map(|bytes| size((bytes * value).round() as u64));
            let half = [Some(&text), share.as_ref(), bytes.as_ref()]
                .into_iter()
                .flatten()
                .map(|text| width(text, TICK_EM) / 2.0)
                .fold(0.0, f64::max);
            if x - half < free_from {
                continue;
            }
            free_from = x + half + 6.0;
            scene.text((x, plot.bottom + 17.0), &text, TICK_EM, Align::Middle, INK);
            if let Some(share) = share {
                scene.text((x, y.max(plot.bottom) + 33.0), &share, TICK_EM, Align::Middle, GREY);
            }
            if let Some(bytes) = bytes {
                scene.text((x, plot.bottom + 49.0), &bytes, TICK_EM, Align::Middle, GREY);
            }
        }
        let label = match &self.x.percent_of {
            Some((text, _)) => format!("{}; below: {text}", self.x.label),
            None => self.x.label.clone(),
        };
        let at = ((plot.left + plot.right) / 2.0, HEIGHT - 38.0);
        let room = plot.right - plot.left;
        scene.text(at, &fitted(&label, LABEL_EM, room), LABEL_EM, Align::Middle, INK);
    }

    fn y_axis(&self, scene: &mut Scene, plot: &Plot) {
        for (value, text) in self.y.marks(6) {
            let (_, y) = plot.at(0.0, value);
            scene.line(&[(plot.left, y), (plot.right, y)], Stroke::solid(LIGHT, 1.0));
            scene.text((plot.left - 7.0, y + 4.0), &text, TICK_EM, Align::End, INK);
        }
        let log = if self.y.scale.is_log() { ", log scale" } else { "" };
        let label = fitted(&format!("{}{log}", self.y.label), LABEL_EM, plot.bottom - plot.top);
        scene.text_upwards((MARGIN + 4.0, (plot.top + plot.bottom) / 2.0), &label, LABEL_EM, INK);
    }

    fn marked_line(&self, scene: &mut Scene, plot: &Plot, value: f64, text: &str) {
        let (x, _) = plot.at(value, 0.0);
        scene.line(&[(x, plot.top - 6.0), (x, plot.bottom)], Stroke::dashed(INK, 1.5, 4.0, 3.0));
        let text = fitted(text, TICK_EM, plot.right - plot.left);
        let half = width(&text, TICK_EM) / 2.0;
        let middle = x.min(plot.right - half).max(plot.left + half);
        scene.text((middle, plot.top - 11.0), &text, TICK_EM, Align::Middle, INK);
    }
}

/// A share in percent, short: `12.5 %`, `0.3 %`, `100 %`.
fn percent_text(value: f64, whole: f64) -> String {
    let share = value * 100.0 / whole;
    let text = format!("{share:.1}");
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
