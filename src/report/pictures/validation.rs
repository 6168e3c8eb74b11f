//! Pictures of a validation: every prediction against its measurement, and the curves of each series.

use crate::error::Result;
use crate::metrics::{ValidationRow, ValidationSeries};
use crate::report::NamedFile;
use crate::report::draw::{
    Axis, Chart, Curve, Entry, GREY, Ink, Marker, Plot, Scale, Scene, Stroke, Swatch, files, hue, series_look,
};
use crate::report::format::counted;

use super::common::text_entry;

/// Name of the picture of all series, without its ending.
pub(in crate::report) const ALL: &str = "validation";
/// Shares of the measurement at which lines are drawn beside the diagonal.
const BAND: [f64; 2] = [0.75, 1.25];
/// Room around the outermost points, as a factor.
const MARGIN: f64 = 1.3;

/// The name of a series' picture, without its ending.
pub(in crate::report) fn name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    format!("{ALL}-{}", id.chars().map(plain).collect::<String>())
}

/// All pictures as SVG and PNG: that of all series first.
pub(in crate::report) fn render(all: &[ValidationSeries]) -> Result<Vec<NamedFile>> {
    let mut rendered = files(ALL, &scatter(all))?;
    for series in all {
        rendered.extend(files(&name(&series.id), &curves(series))?);
    }
    Ok(rendered)
}

/// Predicted against measured, on logarithmic axes of one range: a perfect prediction lies on the diagonal.
fn scatter(all: &[ValidationSeries]) -> Scene {
    let rows = || all.iter().flat_map(|series| &series.rows);
    let values: Vec<f64> =
        rows().flat_map(|row| [row.measured, row.predicted]).filter(|value| *value > 0.0).collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min) / MARGIN;
    let high = values.iter().copied().fold(0.0, f64::max) * MARGIN;
    let scale = Scale::log_beyond(1.0, &[low, high]);
    let (diagonal, beside) = (Stroke::solid(GREY, 1.5), Stroke::dashed(GREY, 1.0, 5.0, 4.0));
    let mut legend: Vec<Entry> = all
        .iter()
        .enumerate()
        .map(|(index, series)| {
            let (stroke, marker) = series_look(index, false);
            let text = format!("{} ({})", series.id, series.unit());
            Entry { swatch: Swatch::Mark(marker, stroke.ink), text }
        })
        .collect();
    legend.push(Entry { swatch: Swatch::Line(diagonal, None), text: "as measured".to_owned() });
    legend.push(Entry { swatch: Swatch::Line(beside, None), text: "25 % off".to_owned() });
    let chart = Chart {
        title: "Predicted against measured".to_owned(),
        subtitle: format!("{} of {} series", counted(rows().count(), "measurement"), all.len()),
        x: Axis::new("measured, each series in its own unit, log scale", scale),
        y: Axis::new("predicted", scale),
        legend,
        line_at: None,
        note: "Above the diagonal the prediction is the larger number.".to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    if low >= high {
        return scene;
    }
    for (factor, stroke) in [(BAND[0], beside), (1.0, diagonal), (BAND[1], beside)] {
        // Cut where the line leaves the square.
        let (from, to) = (low.max(low / factor), high.min(high / factor));
        scene.line(&[plot.at(from, from * factor), plot.at(to, to * factor)], stroke);
    }
    for (index, series) in all.iter().enumerate() {
        let (stroke, marker) = series_look(index, false);
        for row in &series.rows {
            marker.draw(&mut scene, plot.at(row.measured, row.predicted), 3.5, stroke.ink.rgb);
        }
    }
    scene
}

/// The rows of one curve, by their place on the axis.
type Group<'a> = (&'a str, Vec<(f64, &'a ValidationRow)>);

/// Groups in the order of their first rows. Where a row has no `x`, all take their position instead.
fn groups(series: &ValidationSeries) -> Vec<Group<'_>> {
    let has_x = series.rows.iter().all(|row| row.x.is_some());
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (index, row) in series.rows.iter().enumerate() {
        let place = (row.x.filter(|_| has_x).unwrap_or(index as f64 + 1.0), row);
        match groups.iter_mut().find(|(name, _)| *name == row.group) {
            Some((_, rows)) => rows.push(place),
            None => groups.push((&row.group, vec![place])),
        }
    }
    for (_, rows) in &mut groups {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    groups
}

/// Measured points and predicted lines of one series.
fn curves(series: &ValidationSeries) -> Scene {
    let groups = groups(series);
    let places: Vec<f64> = groups.iter().flat_map(|(_, rows)| rows.iter().map(|(x, _)| *x)).collect();
    let values: Vec<f64> = series.rows.iter().flat_map(|row| [row.measured, row.predicted]).collect();
    let x_label = match series.x_label.as_str() {
        "" => "row",
        label => label,
    };
    let x = Scale::spread(20.0, &places);
    let log = if x.is_log() { ", log scale" } else { "" };
    let chart = Chart {
        title: format!("{}: {}", series.id, series.title),
        subtitle: format!("{} \u{b7} {}", series.metric, summary(series)),
        x: Axis::new(format!("{x_label}{log}"), x),
        y: Axis::new(format!("{} ({})", series.metric, series.unit()), Scale::log_beyond(20.0, &values)),
        legend: legend(&groups),
        line_at: None,
        note: format!("Points: measured. Lines: predicted. Source: {}", series.source),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    for (index, (_, rows)) in groups.iter().enumerate() {
        let (stroke, marker) = series_look(index, false);
        predicted(&mut scene, &plot, rows, stroke);
        for (x, row) in rows {
            marker.draw(&mut scene, plot.at(*x, row.measured), 4.5, stroke.ink.rgb);
        }
    }
    scene
}

fn predicted(scene: &mut Scene, plot: &Plot, rows: &[(f64, &ValidationRow)], stroke: Stroke) {
    let points: Vec<(f64, f64)> = rows.iter().map(|(x, row)| (*x, row.predicted)).collect();
    for (x, y) in &points {
        scene.disc(plot.at(*x, *y), 2.2, Ink::solid(stroke.ink.rgb));
    }
    // Several measurements of one setting have one prediction each, and no line from one to the next.
    Curve { points, band: Vec::new(), stroke: Stroke { width: 1.5, ..stroke }, marker: None }
        .draw(scene, plot);
}

fn legend(groups: &[Group<'_>]) -> Vec<Entry> {
    let mut legend: Vec<Entry> = groups
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| !name.is_empty())
        .map(|(index, (name, _))| {
            let (stroke, marker) = series_look(index, false);
            Entry { swatch: Swatch::Line(stroke, Some(marker)), text: (*name).to_owned() }
        })
        .collect();
    if legend.is_empty() {
        let ink = Ink::solid(hue(0));
        legend.push(Entry { swatch: Swatch::Mark(Marker::Circle, ink), text: "measured".to_owned() });
        legend.push(Entry {
            swatch: Swatch::Line(Stroke::solid(hue(0), 1.5), None),
            text: "predicted".to_owned(),
        });
    } else {
        legend.push(text_entry("points: measured".to_owned()));
        legend.push(text_entry("lines: predicted".to_owned()));
    }
    legend
}

fn summary(series: &ValidationSeries) -> String {
    let fitted = match &series.parameters_from {
        Some(other) => format!("parameters of {other}"),
        None => counted(series.fitted.len(), "fitted parameter"),
    };
    format!(
        "{}, {fitted} \u{b7} MAPE {:.1} %, worst {:.1} %",
        counted(series.rows.len(), "row"),
        series.errors.mape_pct,
        series.errors.worst_pct
    )
}
