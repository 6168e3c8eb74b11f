//! Labels beside marks, each where nothing else stands.

use crate::report::draw::{Align, GREY, INK, Ink, Plot, Scene, Stroke, width};

/// A box: left, top, right, bottom.
type Box4 = (f64, f64, f64, f64);

/// Spots that are right beside a mark.
const NEAR: usize = 8;

/// What is drawn already, so that labels keep clear of it.
pub(super) struct Labels<'a> {
    plot: &'a Plot,
    taken: Vec<Box4>,
}

impl<'a> Labels<'a> {
    pub(super) fn new(plot: &'a Plot) -> Self {
        Self { plot, taken: Vec::new() }
    }

    /// Keeps clear of a mark.
    pub(super) fn avoid(&mut self, (x, y): (f64, f64), radius: f64) {
        self.taken.push((x - radius, y - radius, x + radius, y + radius));
    }

    /// Keeps clear of a line, as far as boxes along it do.
    pub(super) fn avoid_line(&mut self, points: &[(f64, f64)]) {
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            self.taken.push((x0.min(x1) - 1.0, y0.min(y1) - 1.0, x0.max(x1) + 1.0, y0.max(y1) + 1.0));
        }
    }

    /// Writes beside a mark where there is room for it.
    pub(super) fn write(&mut self, scene: &mut Scene, at: (f64, f64), text: &str, em: f64) {
        let free = self.spots(at, text, em)[..NEAR].iter().copied().find(|spot| self.is_free(spot));
        if let Some(spot) = free {
            self.put(scene, spot, text, em);
        }
    }

    /// Writes what must stand: beside the mark, else a little off with a line to it, else on what is drawn already.
    pub(super) fn write_always(&mut self, scene: &mut Scene, at: (f64, f64), text: &str, em: f64) {
        let spots = self.spots(at, text, em);
        let inside = || spots.iter().copied().find(|spot| self.inside(spot));
        let Some(spot) = spots.iter().copied().find(|spot| self.is_free(spot)).or_else(inside) else {
            return;
        };
        if spots[NEAR..].contains(&spot) {
            let end = (at.0.clamp(spot.0, spot.2), at.1.clamp(spot.1, spot.3));
            scene.line(&[at, end], Stroke::solid(GREY, 1.0));
        }
        scene.rect((spot.0, spot.1), (spot.2 - spot.0, spot.3 - spot.1), Ink::tint((255, 255, 255), 0.75));
        self.put(scene, spot, text, em);
    }

    fn put(&mut self, scene: &mut Scene, spot: Box4, text: &str, em: f64) {
        scene.text((spot.0 + 1.0, spot.3 - em * 0.3), text, em, Align::Start, INK);
        self.taken.push(spot);
    }

    /// Where a label may stand, the first [`NEAR`] of them right beside the mark.
    fn spots(&self, (x, y): (f64, f64), text: &str, em: f64) -> [Box4; 14] {
        let (wide, tall) = (width(text, em), em * 1.25);
        let (right, left, middle) = (x + 8.0, x - wide - 8.0, x - wide / 2.0);
        let (above, below, beside) = (y - tall - 6.0, y + 6.0, y - tall / 2.0);
        let spots = [
            (right, above),
            (right + 4.0, beside),
            (right, below),
            (middle, above - 6.0),
            (middle, below + 6.0),
            (left, above),
            (left - 4.0, beside),
            (left, below),
            (right + 18.0, above - 22.0),
            (right + 18.0, below + 22.0),
            (left - 18.0, above - 22.0),
            (left - 18.0, below + 22.0),
            (middle, below + 70.0),
            (left - 60.0, below + 60.0),
        ];
        spots.map(|(left, top)| (left, top, left + wide, top + tall))
    }

    fn is_free(&self, spot: &Box4) -> bool {
        self.inside(spot) && !self.taken.iter().any(|other| overlap(spot, other))
    }

    fn inside(&self, spot: &Box4) -> bool {
        let plot = self.plot;
        spot.0 > plot.left + 2.0
            && spot.2 < plot.right - 2.0
            && spot.1 > plot.top + 2.0
            && spot.3 < plot.bottom - 2.0
    }
}

fn overlap(a: &Box4, b: &Box4) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}
