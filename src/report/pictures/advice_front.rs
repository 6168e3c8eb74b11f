//! The front: what it costs against what it answers in. Every simulated row is a faint mark, those that nothing is better
//! than are joined and numbered.

use super::advice_labels::Labels;
use crate::error::Result;
use crate::metrics::Row;
use crate::metrics::advice::{Limit, Metric};
use crate::report::NamedFile;
use crate::report::advice::{View, title, unit_of};
use crate::report::draw::{
    self, Align, Axis, Chart, Entry, GREY, INK, Ink, Marker, Plot, SHADE, Scale, Scene, Stroke, Swatch,
    heading, hue,
};
use crate::report::format::counted;

pub(in crate::report) const NAME: &str = "advice_front";
pub(in crate::report) const TITLE: &str = "what it costs against what it answers in";

const EM: f64 = 11.0;
const FAINT: Ink = Ink::tint(SHADE, 0.45);
const FORBIDDEN: Ink = Ink::tint(SHADE, 0.16);
const LIMIT: Stroke = Stroke::dashed(INK, 1.4, 6.0, 4.0);
/// Beyond this ratio of the largest to the smallest an axis is logarithmic.
const LOG: f64 = 20.0;
/// A limit is drawn where the axis need not grow by more than this factor for it.
const STRETCH: f64 = 1.6;

/// Both files of the picture.
///
/// # Errors
/// When a backend fails, which no recommendation causes.
pub(in crate::report) fn files(view: &View<'_>) -> Result<Vec<NamedFile>> {
    draw::files(NAME, &scene(view))
}

/// The line through the front.
fn joined() -> Stroke {
    Stroke::solid(hue(0), 1.8)
}

/// One metric along an axis.
struct Side {
    metric: Metric,
    unit: f64,
    label: String,
    scale: Scale,
}

impl Side {
    /// With room for limits that are not far off.
    fn new(view: &View<'_>, metric: Metric, rows: &[&Row]) -> Self {
        let values: Vec<u64> = rows.iter().filter_map(|row| metric.of(row)).collect();
        let (unit, unit_name) = unit_of(metric, values.iter().copied().max().unwrap_or(0));
        let mut drawn: Vec<f64> = values.iter().map(|value| *value as f64 / unit).collect();
        let most = drawn.iter().copied().fold(0.0, f64::max);
        let least = drawn.iter().copied().fold(f64::INFINITY, f64::min);
        let limits = view.advice.limits.iter().filter(|limit| limit.metric == metric);
        let limits = limits.map(|limit| limit.value as f64 / unit);
        drawn.extend(
            limits
                .filter(|limit| *limit < most * STRETCH && *limit > least / STRETCH)
                .map(|limit| limit * 1.03),
        );
        let scale = Scale::spread(LOG, &drawn);
        Self { metric, unit, label: format!("{} ({unit_name})", title(metric)), scale }
    }

    fn place(&self, row: &Row) -> Option<f64> {
        self.metric.of(row).map(|value| value as f64 / self.unit)
    }
}

/// Rows with a place in the picture.
type Placed<'a> = Vec<(&'a Row, (f64, f64))>;

pub(super) fn scene(view: &View<'_>) -> Scene {
    let advice = view.advice;
    let known = |row: &&Row| view.cost.of(row).is_some() && view.time.of(row).is_some();
    let rows: Vec<&Row> = advice.rows.iter().filter(known).collect();
    let own = format!("{}: {TITLE}", advice.title);
    if rows.is_empty() {
        let mut scene = Scene::default();
        heading(&mut scene, &own, "");
        let what = if advice.rows.is_empty() { "simulated" } else { "found of which both are known" };
        scene.text((500.0, 330.0), &format!("No configuration was {what}."), 16.0, Align::Middle, GREY);
        return scene;
    }
    let (x, y) = (Side::new(view, view.cost, &rows), Side::new(view, view.time, &rows));
    let front: Vec<&Row> =
        rows.iter().copied().filter(|row| advice.front().any(|one| one.index == row.index)).collect();
    let chart = Chart {
        title: own,
        subtitle: format!("{}, {} on the front", counted(rows.len(), "simulation"), front.len()),
        x: Axis::new(format!("{}{}", x.label, if x.scale.is_log() { ", log scale" } else { "" }), x.scale),
        y: Axis::new(y.label.clone(), y.scale),
        legend: legend(view, &x, &y, &front),
        line_at: None,
        note: "Numbers: lines of results.csv. Points of the front off the line are better in something not drawn here."
            .to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    let placed = |rows: &[&'_ Row]| -> Vec<(f64, f64)> {
        rows.iter().filter_map(|row| Some(plot.at(x.place(row)?, y.place(row)?))).collect()
    };
    let mut labels = Labels::new(&plot);
    limits(&mut scene, &plot, view, (&x, &y), &mut labels);
    for place in placed(&rows) {
        scene.disc(place, 3.0, FAINT);
        labels.avoid(place, 2.0);
    }
    let front: Placed<'_> = front.iter().copied().zip(placed(&front)).collect();
    let steps = steps(&front, &plot);
    scene.line(&steps, joined());
    labels.avoid_line(&steps);
    for (_, place) in &front {
        Marker::Circle.draw(&mut scene, *place, 4.0, hue(0));
        labels.avoid(*place, 5.0);
    }
    emphasised(&mut scene, view, &placed, &mut labels);
    let beside = [&advice.cheaper, &advice.faster].map(|one| one.as_ref().map(|one| one.index));
    let named = [advice.subject(), beside[0], beside[1]];
    let others = front.iter().filter(|(row, _)| !named.contains(&Some(row.index)));
    for (row, place) in others {
        labels.write(&mut scene, *place, &row.index.to_string(), EM);
    }
    scene
}

/// The recommended (or nearest) row and its neighbours, with their words.
fn emphasised(
    scene: &mut Scene,
    view: &View<'_>,
    placed: &impl Fn(&[&Row]) -> Vec<(f64, f64)>,
    labels: &mut Labels<'_>,
) {
    let advice = view.advice;
    let place = |index: u64| advice.row(index).and_then(|row| placed(&[row]).first().copied());
    let word = if advice.recommended.is_some() { "recommended" } else { "nearest" };
    let subject = advice.subject().and_then(|index| Some((index, place(index)?)));
    let neighbours: Vec<(&str, u64, (f64, f64))> = [("cheaper", &advice.cheaper), ("faster", &advice.faster)]
        .into_iter()
        .filter_map(|(word, one)| Some((word, one.as_ref()?.index)))
        .filter_map(|(word, index)| Some((word, index, place(index)?)))
        .collect();
    if let Some((_, at)) = subject {
        scene.disc(at, 10.0, Ink::solid(hue(1)));
        scene.disc(at, 7.0, Ink::solid((255, 255, 255)));
        scene.disc(at, 5.0, Ink::solid(hue(1)));
        labels.avoid(at, 10.0);
    }
    for (.., at) in &neighbours {
        Marker::Diamond.draw(scene, *at, 6.0, hue(2));
        labels.avoid(*at, 7.0);
    }
    if let Some((index, at)) = subject {
        labels.write_always(scene, at, &format!("{index}: {word}"), 13.0);
    }
    for (word, index, at) in neighbours {
        labels.write_always(scene, at, &format!("{index}: {word}"), 12.0);
    }
}

/// Right, then up or down, along the points that nothing is better than in both.
fn steps(front: &Placed<'_>, plot: &Plot) -> Vec<(f64, f64)> {
    let mut places: Vec<(f64, f64)> = front.iter().map(|(_, place)| *place).collect();
    // In pixels, so the lower point of two has the larger y.
    places.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for place in places {
        if corners.last().is_none_or(|last| place.1 > last.1) {
            corners.retain(|corner| corner.0 < place.0);
            corners.push(place);
        }
    }
    let mut points = Vec::new();
    for pair in corners.windows(2) {
        points.extend([pair[0], (pair[1].0, pair[0].1)]);
    }
    points.extend(corners.last().copied());
    points.extend(corners.last().map(|last| (plot.right, last.1)));
    points
}

/// A dashed line for each limit of an axis that lies on it, and its forbidden side shaded.
fn limits(scene: &mut Scene, plot: &Plot, view: &View<'_>, (x, y): (&Side, &Side), labels: &mut Labels<'_>) {
    for (limit, is_x, value) in drawn(view, x, y) {
        let at = if is_x { plot.at(value, 0.0).0 } else { plot.at(0.0, value).1 };
        // Towards the right and towards the top are more.
        let beyond_is_more = !limit.metric.more_is_better();
        let (corner, size, ends) = match (is_x, beyond_is_more) {
            (true, true) => ((at, plot.top), (plot.right - at, plot.bottom - plot.top), vertical(at, plot)),
            (true, false) => {
                ((plot.left, plot.top), (at - plot.left, plot.bottom - plot.top), vertical(at, plot))
            }
            (false, true) => {
                ((plot.left, plot.top), (plot.right - plot.left, at - plot.top), horizontal(at, plot))
            }
            (false, false) => {
                ((plot.left, at), (plot.right - plot.left, plot.bottom - at), horizontal(at, plot))
            }
        };
        scene.rect(corner, size, FORBIDDEN);
        scene.line(&ends, LIMIT);
        labels.avoid_line(&ends);
    }
}

fn vertical(at: f64, plot: &Plot) -> [(f64, f64); 2] {
    [(at, plot.top), (at, plot.bottom)]
}

fn horizontal(at: f64, plot: &Plot) -> [(f64, f64); 2] {
    [(plot.left, at), (plot.right, at)]
}

/// Limits of the two axes that lie on them: the limit, whether it is one of x, and where.
fn drawn<'a>(view: &View<'a>, x: &Side, y: &Side) -> Vec<(&'a Limit, bool, f64)> {
    let mut found = Vec::new();
    for limit in &view.advice.limits {
        for (side, is_x) in [(x, true), (y, false)] {
            let value = limit.value as f64 / side.unit;
            if limit.metric == side.metric && side.scale.contains(value) {
                found.push((limit, is_x, value));
            }
        }
    }
    found
}

fn legend(view: &View<'_>, x: &Side, y: &Side, front: &[&Row]) -> Vec<Entry> {
    let advice = view.advice;
    let mark = |marker, rgb, text: &str| Entry {
        swatch: Swatch::Mark(marker, Ink::solid(rgb)),
        text: text.to_owned(),
    };
    let mut legend = Vec::new();
    if advice.subject().is_some() {
        let word = if advice.recommended.is_some() { "recommended" } else { "nearest to the limits" };
        legend.push(mark(Marker::Circle, hue(1), word));
    }
    if advice.cheaper.is_some() || advice.faster.is_some() {
        legend.push(mark(Marker::Diamond, hue(2), "its neighbours"));
    }
    if !front.is_empty() {
        legend.push(Entry { swatch: Swatch::Line(joined(), Some(Marker::Circle)), text: "front".to_owned() });
    }
    legend.push(mark(Marker::Circle, (200, 200, 200), "simulated"));
    let drawn = drawn(view, x, y);
    for limit in &advice.limits {
        let is_drawn = drawn.iter().any(|(other, ..)| std::ptr::eq(*other, limit));
        let off_axis = limit.metric == x.metric || limit.metric == y.metric;
        let text = match (is_drawn, off_axis) {
            (true, _) => limit.text.clone(),
            (false, true) => format!("{} (off axis)", limit.text),
            (false, false) => continue,
        };
        let swatch = if is_drawn { Swatch::Line(LIMIT, None) } else { Swatch::None };
        legend.push(Entry { swatch, text });
    }
    legend
}
