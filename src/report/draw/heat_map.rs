//! A heat map: a matrix of numbers as colours, with its colour bar.

use super::chart::{footnote, heading};
use super::font::{fitted, width};
use super::palette::{GREY, INK, LIGHT, diverging, ramp};
use super::scale::Scale;
use super::scene::{Align, HEIGHT, Ink, Rgb, Scene, Stroke, WIDTH};

/// Distinct colours; equal neighbours are drawn as one rectangle, which keeps files small.
const LEVELS: u32 = 32;
const TOP: f64 = 84.0;
const BOTTOM: f64 = HEIGHT - 78.0;
/// Left end of the cells where rows are numbered.
const LEFT: f64 = 84.0;
/// Left end of the cells where rows have long names.
const LEFT_MAX: f64 = 260.0;
const CELL_EM: f64 = 9.5;
const RIGHT: f64 = WIDTH - 130.0;
const BAR_LEFT: f64 = WIDTH - 104.0;
const BAR_WIDTH: f64 = 18.0;

/// A matrix and the words around it.
#[derive(Clone, Debug)]
pub(in crate::report) struct HeatMap {
    pub title: String,
    pub subtitle: String,
    pub x_label: String,
    pub y_label: String,
    /// What the colour means, with the unit.
    pub value_label: String,
    pub note: String,
    /// Number of columns; `values` holds a whole number of rows of them, the first row on top.
    pub columns: usize,
    pub values: Vec<f64>,
    /// Values at and beyond its ends take the end colours.
    pub scale: Scale,
    /// Two colours that meet in white in the middle of the scale, instead of one that darkens.
    pub diverging: bool,
    pub labels: Labels,
}

/// What a heat map of named rows and columns shows besides colours; nothing by default.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Labels {
    /// Names of the rows; their numbers where there are none.
    pub rows: Vec<String>,
    /// Names of the columns; their numbers where there are none.
    pub columns: Vec<String>,
    /// A text for each cell, left out where cells are too small for it.
    pub cells: Vec<String>,
    /// A line before this column and what it means, written above the cells.
    pub line_before: Option<(usize, String)>,
}

impl HeatMap {
    /// Lays it out. An empty matrix becomes a frame that says so.
    pub(in crate::report) fn scene(&self) -> Scene {
        let mut scene = Scene::default();
        heading(&mut scene, &self.title, &self.subtitle);
        footnote(&mut scene, &self.note);
        let rows = self.values.len().checked_div(self.columns).unwrap_or(0);
        if rows == 0 {
            scene.text((WIDTH / 2.0, HEIGHT / 2.0), "no data", 16.0, Align::Middle, GREY);
            return scene;
        }
        self.cells(&mut scene, rows);
        self.axes(&mut scene, rows);
        self.bar(&mut scene);
        scene
    }

    /// Where the cells begin: further right where rows have names.
    fn left(&self) -> f64 {
        let widest = self.labels.rows.iter().map(|name| width(name, 12.0)).fold(0.0, f64::max);
        (widest + 50.0).clamp(LEFT, LEFT_MAX)
    }

    /// The upper left corner of a cell.
    fn corner(&self, row: usize, column: usize, rows: usize) -> (f64, f64) {
        let left = self.left();
        let x = left + (RIGHT - left) * column as f64 / self.columns as f64;
        (x, TOP + (BOTTOM - TOP) * row as f64 / rows as f64)
    }

    /// An odd number of levels has a middle.
    fn levels(&self) -> u32 {
        LEVELS + u32::from(self.diverging)
    }

    /// `None` for a value that is not a number.
    fn level(&self, value: f64) -> Option<u32> {
        // Between 0 and the number of levels.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let level = (self.scale.share(value) * f64::from(self.levels())) as u32;
        (!value.is_nan()).then(|| level.min(self.levels() - 1))
    }

    fn color(&self, level: Option<u32>) -> Rgb {
        let share = |level| f64::from(level) / f64::from(self.levels() - 1);
        match level {
            None => LIGHT,
            Some(level) if self.diverging => diverging(share(level)),
            Some(level) => ramp(share(level)),
        }
    }

    fn cells(&self, scene: &mut Scene, rows: usize) {
        for (row, values) in self.values.chunks_exact(self.columns).enumerate() {
            let levels: Vec<Option<u32>> = values.iter().map(|value| self.level(*value)).collect();
            let mut column = 0;
            for run in levels.chunk_by(|a, b| a == b) {
                let end = column + run.len();
                let (corner, opposite) = (self.corner(row, column, rows), self.corner(row + 1, end, rows));
                let size = (opposite.0 - corner.0, opposite.1 - corner.1);
                scene.rect(corner, size, Ink::solid(self.color(run[0])));
                column = end;
            }
        }
        self.texts(scene, rows);
        let left = self.left();
        let corners = [(left, TOP), (RIGHT, TOP), (RIGHT, BOTTOM), (left, BOTTOM), (left, TOP)];
        scene.line(&corners, Stroke::solid(GREY, 1.0));
    }

    fn texts(&self, scene: &mut Scene, rows: usize) {
        let size = self.corner(1, 1, rows);
        let (wide, high) = (size.0 - self.left(), size.1 - TOP);
        let widest = self.labels.cells.iter().map(|text| width(text, CELL_EM)).fold(0.0, f64::max);
        if widest > wide || high < CELL_EM + 2.0 {
            return;
        }
        for (index, (text, value)) in self.labels.cells.iter().zip(&self.values).enumerate() {
            let (x, y) = self.corner(index / self.columns, index % self.columns, rows);
            let (red, green, blue) = self.color(self.level(*value));
            let is_dark = u32::from(red) + 2 * u32::from(green) + u32::from(blue) < 500;
            let rgb = if is_dark { (255, 255, 255) } else { INK };
            scene.text((x + wide / 2.0, y + high / 2.0 + CELL_EM * 0.36), text, CELL_EM, Align::Middle, rgb);
        }
    }

    fn axes(&self, scene: &mut Scene, rows: usize) {
        let left = self.left();
        let name = |names: &[String], index: usize| names.get(index).cloned().unwrap_or(index.to_string());
        for index in indices(self.columns, if self.labels.columns.is_empty() { 16 } else { 24 }) {
            let x = left + (RIGHT - left) * (index as f64 + 0.5) / self.columns as f64;
            let text = name(&self.labels.columns, index);
            scene.text((x, BOTTOM + 17.0), &text, 12.0, Align::Middle, INK);
        }
        for index in indices(rows, if self.labels.rows.is_empty() { 16 } else { 40 }) {
            let y = TOP + (BOTTOM - TOP) * (index as f64 + 0.5) / rows as f64;
            let text = fitted(&name(&self.labels.rows, index), 12.0, left - 42.0);
            scene.text((left - 7.0, y + 4.0), &text, 12.0, Align::End, INK);
        }
        let label = fitted(&self.x_label, 13.0, RIGHT - left);
        scene.text(((left + RIGHT) / 2.0, HEIGHT - 38.0), &label, 13.0, Align::Middle, INK);
        scene.text_upwards((28.0, (TOP + BOTTOM) / 2.0), &self.y_label, 13.0, INK);
        if let Some((column, text)) = &self.labels.line_before {
            let (x, _) = self.corner(0, *column, rows);
            scene.line(&[(x, TOP - 6.0), (x, BOTTOM)], Stroke::dashed(INK, 1.5, 4.0, 3.0));
            let half = width(text, 12.0) / 2.0;
            let middle = x.min(RIGHT - half).max(left + half);
            scene.text((middle, TOP - 9.0), text, 12.0, Align::Middle, INK);
        }
    }

    fn bar(&self, scene: &mut Scene) {
        let height = (BOTTOM - TOP) / f64::from(self.levels());
        for level in 0..self.levels() {
            let y = BOTTOM - height * f64::from(level + 1);
            scene.rect((BAR_LEFT, y), (BAR_WIDTH, height), Ink::solid(self.color(Some(level))));
        }
        for (value, text) in self.scale.ticks(6) {
            let y = BOTTOM - (BOTTOM - TOP) * self.scale.share(value);
            let at = BAR_LEFT + BAR_WIDTH;
            scene.line(&[(at, y), (at + 4.0, y)], Stroke::solid(GREY, 1.0));
            scene.text((at + 7.0, y + 4.0), &text, 12.0, Align::Start, INK);
        }
        let right = WIDTH - 14.0;
        let label = fitted(&self.value_label, 12.0, BOTTOM - TOP);
        debug_assert!(width(&label, 12.0) <= BOTTOM - TOP);
        scene.text_upwards((right, (TOP + BOTTOM) / 2.0), &label, 12.0, INK);
    }
}

/// About `wanted` evenly spaced indices below `count`, from 0.
fn indices(count: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let step = [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 500]
        .into_iter()
        .find(|step| count.div_ceil(*step) <= wanted)
        .unwrap_or(1000);
    (0..count).step_by(step)
}
