//! Markers and curves, the marks that charts are made of.

use super::chart::Plot;
use super::scene::{Ink, Rgb, Scene, Stroke};

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Plus,
    Cross,
}

impl Marker {
    /// In the order in which series take them.
    pub(super) const ALL: [Self; 7] = [
        Self::Circle,
        Self::Square,
        Self::Triangle,
        Self::Diamond,
        Self::TriangleDown,
        Self::Plus,
        Self::Cross,
    ];

    /// Draws it around a pixel position; `radius` in pixels.
    pub(in crate::report) fn draw(self, scene: &mut Scene, (x, y): (f64, f64), radius: f64, rgb: Rgb) {
        let ink = Ink::solid(rgb);
        let around = |corners: &[(f64, f64)]| -> Vec<(f64, f64)> {
            corners.iter().map(|(dx, dy)| (x + dx * radius, y + dy * radius)).collect()
        };
        let mut bars = |ends: [[(f64, f64); 2]; 2]| {
            for end in ends {
                scene.line(&around(&end), Stroke::solid(rgb, 2.0));
            }
        };
        match self {
            Self::Circle => scene.disc((x, y), radius, ink),
            Self::Square => scene.polygon(around(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]), ink),
            Self::Triangle => scene.polygon(around(&[(0.0, -1.15), (1.1, 0.8), (-1.1, 0.8)]), ink),
            Self::Diamond => {
                scene.polygon(around(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]), ink);
            }
            Self::TriangleDown => scene.polygon(around(&[(0.0, 1.15), (1.1, -0.8), (-1.1, -0.8)]), ink),
            Self::Plus => bars([[(-1.2, 0.0), (1.2, 0.0)], [(0.0, -1.2), (0.0, 1.2)]]),
            Self::Cross => bars([[(-1.0, -1.0), (1.0, 1.0)], [(-1.0, 1.0), (1.0, -1.0)]]),
        }
    }
}

/// A line through points in data units, with an optional marker at each and an optional band around it.
#[derive(Clone, Debug)]
pub(in crate::report) struct Curve {
    pub points: Vec<(f64, f64)>,
    /// Lower and upper end at the x of each point; empty for no band.
    pub band: Vec<(f64, f64)>,
    pub stroke: Stroke,
    pub marker: Option<Marker>,
}

/// Beyond this many points, markers would touch.
const MARKED_POINTS_MAX: usize = 48;

impl Curve {
    /// Draws the band.
    pub(in crate::report) fn draw_band(&self, scene: &mut Scene, plot: &Plot) {
        let upper = self.points.iter().zip(&self.band).map(|((x, _), (_, high))| plot.at(*x, *high));
        let lower = self.points.iter().zip(&self.band).rev().map(|((x, _), (low, _))| plot.at(*x, *low));
        scene.polygon(upper.chain(lower).collect(), Ink::tint(self.stroke.ink.rgb, 0.14));
    }

    /// Draws line and markers. A lone point always gets its marker, and its band becomes a bar.
    pub(in crate::report) fn draw(&self, scene: &mut Scene, plot: &Plot) {
        let places: Vec<(f64, f64)> = self.points.iter().map(|(x, y)| plot.at(*x, *y)).collect();
        if let ([(x, _)], [(low, high)]) = (self.points.as_slice(), self.band.as_slice()) {
            scene.line(&[plot.at(*x, *low), plot.at(*x, *high)], Stroke { dash: None, ..self.stroke });
        }
        scene.line(&places, self.stroke);
        for place in places.iter().filter(|_| places.len() <= MARKED_POINTS_MAX) {
            if let Some(marker) = self.marker {
                marker.draw(scene, *place, 4.0, self.stroke.ink.rgb);
            }
        }
    }
}
