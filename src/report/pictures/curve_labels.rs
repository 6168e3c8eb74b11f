//! Names written beside curves, where they cover the least.

use crate::report::draw::{Align, Ink, Plot, Scene, width};

const EM: f64 = 11.0;
/// Pixels between the places along a line that a name keeps clear of.
const STEP: f64 = 5.0;
/// A reader takes a name for that of any line within so many pixels of it.
const NEAR: f64 = 18.0;
/// A place that is covered counts as many that are near.
const COVERED: usize = 10;

/// Everything drawn so far.
#[derive(Default)]
pub(super) struct Drawn {
    /// The line and where it passes, in pixels.
    places: Vec<(usize, (f64, f64))>,
    lines: usize,
}

impl Drawn {
    /// A line through these places. Lines are numbered from 0.
    pub(super) fn line(&mut self, places: &[(f64, f64)]) {
        for pair in places.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let length = ((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)).sqrt();
            let mut done = 0.0;
            while done <= length {
                let share = if length > 0.0 { done / length } else { 0.0 };
                self.places.push((self.lines, (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)));
                done += STEP;
            }
        }
        self.places.extend(places.iter().map(|place| (self.lines, *place)));
        self.lines += 1;
    }

    /// Writes a name above or below one of these places of a line, where it covers the least and other lines are far.
    pub(super) fn name(
        &mut self,
        scene: &mut Scene,
        plot: &Plot,
        (text, rgb): (&str, (u8, u8, u8)),
        (line, places): (usize, &[(f64, f64)]),
    ) {
        let (wide, high) = (width(text, EM), EM + 2.0);
        let boxes = places.iter().flat_map(|(x, y)| [(*x + 4.0, *y + 4.0), (*x + 4.0, *y - high - 4.0)]);
        let inside = boxes.filter(|(x, y)| {
            *x > plot.left && x + wide < plot.right && *y > plot.top && y + high < plot.bottom
        });
        let cost = |(left, top): &(f64, f64)| {
            let within = |(x, y): (f64, f64), by: f64| {
                (left - by..left + wide + by).contains(&x) && (top - by..top + high + by).contains(&y)
            };
            let cost = |(of, place): &(usize, (f64, f64))| {
                let is_near = *of != line && within(*place, NEAR);
                usize::from(is_near) + if within(*place, 1.0) { COVERED } else { 0 }
            };
            self.places.iter().map(cost).sum::<usize>()
        };
        let Some((left, top)) = inside.min_by_key(cost) else { return };
        scene.rect((left, top), (wide, high), Ink::tint((255, 255, 255), 0.75));
        scene.text((left, top + EM), text, EM, Align::Start, rgb);
        let rows = [top, top + high / 2.0, top + high];
        rows.into_iter().for_each(|y| self.line(&[(left, y), (left + wide, y)]));
    }
}

/// A line without the places that a straight line passes within an eighth of a pixel; `x` must grow.
pub(super) fn thinned(line: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const WITHIN: f64 = 0.125;
    let mut kept: Vec<(f64, f64)> = line.first().copied().into_iter().collect();
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    for pair in line.windows(2) {
        let (last, next) = (pair[0], pair[1]);
        let from = kept.last().copied().unwrap_or(last);
        let slope = |rise: f64| (next.1 + rise - from.1) / (next.0 - from.0);
        if (low..=high).contains(&slope(0.0)) {
            low = low.max(slope(-WITHIN));
            high = high.min(slope(WITHIN));
            continue;
        }
        kept.push(last);
        let slope = |rise: f64| (next.1 + rise - last.1) / (next.0 - last.0);
        (low, high) = (slope(-WITHIN), slope(WITHIN));
    }
    kept.extend(line.last().copied().filter(|_| line.len() > 1));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_line_stays_within_an_eighth_of_a_pixel() {
        let line: Vec<(f64, f64)> = (0..900).map(|x| (f64::from(x), f64::from(x * x) / 2000.0)).collect();
        let thin = thinned(&line);
        assert!(thin.len() < 100, "{}", thin.len());
        for (x, y) in line {
            let after = thin.partition_point(|place| place.0 < x).max(1);
            let ((x0, y0), (x1, y1)) = (thin[after - 1], thin[after]);
            let drawn = y0 + (y1 - y0) * (x - x0) / (x1 - x0);
            assert!((drawn - y).abs() < 0.2, "{x}: {drawn} for {y}");
        }
    }

    #[test]
    fn short_lines_are_kept() {
        assert_eq!(thinned(&[]), []);
        assert_eq!(thinned(&[(1.0, 2.0)]), [(1.0, 2.0)]);
        assert_eq!(thinned(&[(1.0, 2.0), (3.0, 2.0), (4.0, 2.0)]), [(1.0, 2.0), (4.0, 2.0)]);
    }
}
