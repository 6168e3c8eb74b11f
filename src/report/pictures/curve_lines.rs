//! A measure of misses over capacity: lines between the capacities asked for, or through every number of slots.

use super::curve_labels::{Drawn, thinned};
use super::curve_sheet::CurveSheet;
use crate::metrics::{CurvePoint, PhaseCounts, PolicyCurve};
use crate::report::draw::{Axis, Curve, Entry, Ink, Marker, Plot, Scene, Swatch};

/// What is measured.
pub(super) struct Measure<'a> {
    pub title: String,
    pub y: Axis,
    /// Of a point.
    pub of_point: &'a dyn Fn(&CurvePoint) -> f64,
    /// Of a number of misses, where these tell it.
    pub of_misses: Option<&'a dyn Fn(u64) -> f64>,
    /// The ends of the axis towards the best and the worst.
    pub ends: (f64, f64),
    pub note: &'a str,
    /// What no policy can avoid, in words.
    pub limit: String,
}

/// A line with its legend.
pub(super) struct Line {
    pub curve: Curve,
    pub text: String,
}

impl Line {
    pub(super) fn draw(&self, scene: &mut Scene, plot: &Plot, drawn: &mut Drawn) {
        let places: Vec<(f64, f64)> = self.curve.points.iter().map(|(x, y)| plot.at(*x, *y)).collect();
        drawn.line(&places);
        match self.curve.marker {
            Some(_) => self.curve.draw(scene, plot),
            None => scene.line(&thinned(&places), self.curve.stroke),
        }
    }

    pub(super) fn entry(&self) -> Entry {
        Entry { swatch: Swatch::Line(self.curve.stroke, self.curve.marker), text: self.text.clone() }
    }
}

/// A lone point is drawn as a marker.
pub(super) fn lone(points: &[(f64, f64)]) -> Option<Marker> {
    (points.len() == 1).then_some(Marker::Circle)
}

/// Between a line and an end of the axis.
pub(super) fn area(scene: &mut Scene, plot: &Plot, line: &[(f64, f64)], end: f64, ink: Ink) {
    let (Some(first), Some(last)) = (line.first(), line.last()) else { return };
    let places: Vec<(f64, f64)> = line.iter().map(|(x, y)| plot.at(*x, *y)).collect();
    let mut corners = thinned(&places);
    corners.extend([plot.at(last.0, end), plot.at(first.0, end)]);
    scene.polygon(corners, ink);
}

/// The points of a policy, by place.
pub(super) fn points(sheet: &CurveSheet<'_>, measure: &Measure<'_>, curve: &PolicyCurve) -> Vec<(f64, f64)> {
    let at = |at: &usize| {
        let point = curve.points.get(*at)?;
        Some((sheet.place(point, *at), (measure.of_point)(point)))
    };
    let mut points: Vec<(f64, f64)> = sheet.order.iter().filter_map(at).collect();
    // Raised pools are equally large at several capacities.
    points.dedup();
    points
}

pub(super) fn points_of(
    sheet: &CurveSheet<'_>,
    measure: &Measure<'_>,
    name: &str,
) -> Option<Vec<(f64, f64)>> {
    let points = points(sheet, measure, sheet.of.curve(name)?);
    (!points.is_empty()).then_some(points)
}

/// A policy at every number of slots.
pub(super) fn exact(
    sheet: &CurveSheet<'_>,
    measure: &Measure<'_>,
    needs: &[PhaseCounts],
) -> Option<Vec<(f64, f64)>> {
    let of_misses = measure.of_misses.filter(|_| !needs.is_empty())?;
    let reach = sheet.reach();
    let mut misses = sheet.lookups();
    let mut points = Vec::new();
    for (slots, served) in needs.iter().enumerate().take_while(|(slots, _)| *slots as f64 <= reach) {
        misses = misses.saturating_sub(sheet.of.judged(*served));
        points.push((slots as f64, of_misses(misses)));
    }
    Some(points)
}
