//! A heat map: a matrix of numbers as colours, with its colour bar.

use super::chart::{footnote, heading};
use super::font::{fitted, width};
use super::palette::{GREY, INK, ramp};
use super::scale::Scale;
use super::scene::{Align, HEIGHT, Ink, Rgb, Scene, Stroke, WIDTH};

/// Distinct colours; equal neighbours are drawn as one rectangle, which keeps files small.
const LEVELS: u32 = 32;
const TOP: f64 = 84.0;
const BOTTOM: f64 = HEIGHT - 78.0;
const LEFT: f64 = 84.0;
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

    fn level(&self, value: f64) -> u32 {
        // Between 0 and LEVELS; a value that is not a number becomes 0.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let level = (self.scale.share(value) * f64::from(LEVELS)) as u32;
        level.min(LEVELS - 1)
    }

    fn color(level: u32) -> Rgb {
        ramp(f64::from(level) / f64::from(LEVELS - 1))
    }

    fn cells(&self, scene: &mut Scene, rows: usize) {
        let x = |column: usize| LEFT + (RIGHT - LEFT) * column as f64 / self.columns as f64;
        let y = |row: usize| TOP + (BOTTOM - TOP) * row as f64 / rows as f64;
        for (row, values) in self.values.chunks_exact(self.columns).enumerate() {
            let levels: Vec<u32> = values.iter().map(|value| self.level(*value)).collect();
            let mut column = 0;
            for run in levels.chunk_by(|a, b| a == b) {
                let end = column + run.len();
                let size = (x(end) - x(column), y(row + 1) - y(row));
                scene.rect((x(column), y(row)), size, Ink::solid(Self::color(run[0])));
                column = end;
            }
        }
        let corners = [(LEFT, TOP), (RIGHT, TOP), (RIGHT, BOTTOM), (LEFT, BOTTOM), (LEFT, TOP)];
        scene.line(&corners, Stroke::solid(GREY, 1.0));
    }

    fn axes(&self, scene: &mut Scene, rows: usize) {
        for index in indices(self.columns, 16) {
            let x = LEFT + (RIGHT - LEFT) * (index as f64 + 0.5) / self.columns as f64;
            scene.text((x, BOTTOM + 17.0), &index.to_string(), 12.0, Align::Middle, INK);
        }
        for index in indices(rows, 16) {
            let y = TOP + (BOTTOM - TOP) * (index as f64 + 0.5) / rows as f64;
            scene.text((LEFT - 7.0, y + 4.0), &index.to_string(), 12.0, Align::End, INK);
        }
        let label = fitted(&self.x_label, 13.0, RIGHT - LEFT);
        scene.text(((LEFT + RIGHT) / 2.0, HEIGHT - 38.0), &label, 13.0, Align::Middle, INK);
        scene.text_upwards((28.0, (TOP + BOTTOM) / 2.0), &self.y_label, 13.0, INK);
    }

    fn bar(&self, scene: &mut Scene) {
        let height = (BOTTOM - TOP) / f64::from(LEVELS);
        for level in 0..LEVELS {
            let y = BOTTOM - height * f64::from(level + 1);
            scene.rect((BAR_LEFT, y), (BAR_WIDTH, height), Ink::solid(Self::color(level)));
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
