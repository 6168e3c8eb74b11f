//! Pictures of effects: curves where the x axis is a number, bars where it is a name.

use crate::error::Result;
use crate::metrics::{Effect, EffectChart};
use crate::report::NamedFile;
use crate::report::draw::{
    Align, Axis, Chart, Curve, Entry, INK, Ink, Plot, Scale, Scene, Stroke, Swatch, files, hue, series_look,
    width,
};
use crate::report::validation::number;

use super::common::text_entry;

/// Beyond this ratio of the largest to the smallest, the x axis is logarithmic.
const LOG_X: f64 = 18.0;
/// The same for the y axis.
const LOG_Y: f64 = 40.0;
/// At most so many places of the x axis are ticks of their own.
const TICKS_MAX: usize = 12;
/// Share of a place's width that its bars fill.
const FILLED: f64 = 0.78;
const VALUE_EM: f64 = 11.0;

/// The name of a chart's picture, without its ending: the first one has the effect's own.
pub(in crate::report) fn name(effect: &Effect, chart: &EffectChart) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let id: String = effect.id.chars().map(plain).collect();
    let is_first = effect.charts.first().is_some_and(|first| first.metric == chart.metric);
    if is_first { format!("effect-{id}") } else { format!("effect-{id}-{}", chart.metric) }
}

/// All pictures as SVG and PNG.
pub(in crate::report) fn render(all: &[Effect]) -> Result<Vec<NamedFile>> {
    let charts = all.iter().flat_map(|effect| effect.charts.iter().map(move |chart| (effect, chart)));
    let rendered: Vec<Vec<NamedFile>> = charts
        .map(|(effect, chart)| files(&name(effect, chart), &scene(effect, chart)))
        .collect::<Result<_>>()?;
    Ok(rendered.concat())
}

fn scene(effect: &Effect, chart: &EffectChart) -> Scene {
    let is_curve = chart.values.iter().all(|value| value.place.is_some());
    if is_curve { curves(effect, chart) } else { bars(effect, chart) }
}

fn frame(effect: &Effect, chart: &EffectChart, x: Axis, y: Scale, legend: Vec<Entry>) -> Chart {
    Chart {
        title: effect.title.clone(),
        subtitle: effect.setting.clone(),
        x,
        y: Axis::new(chart.title(), y),
        legend,
        line_at: None,
        note: format!("moesim effects {}", effect.file),
    }
}

/// The groups with their looks, under what they mean.
fn legend(effect: &Effect, chart: &EffectChart, swatch: fn(usize) -> Swatch) -> Vec<Entry> {
    let groups = chart.groups();
    if groups.iter().all(|group| group.is_empty()) {
        return Vec::new();
    }
    let entry = |(index, group): (usize, &&str)| Entry { swatch: swatch(index), text: (*group).to_owned() };
    let mut legend = vec![text_entry(format!("{}:", effect.group_label))];
    legend.extend(groups.iter().enumerate().map(entry));
    legend
}

fn curves(effect: &Effect, chart: &EffectChart) -> Scene {
    let places: Vec<f64> = chart.values.iter().filter_map(|value| value.place).collect();
    let values: Vec<f64> = chart.values.iter().filter_map(|value| value.value).collect();
    let scale = Scale::spread(LOG_X, &places);
    let log = if scale.is_log() { ", log scale" } else { "" };
    let mut x = Axis::new(format!("{}{log}", effect.x_label), scale);
    let mut ticks: Vec<(f64, String)> =
        chart.values.iter().filter_map(|value| Some((value.place?, number_part(&value.x)))).collect();
    ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
    ticks.dedup();
    if ticks.len() <= TICKS_MAX {
        x.ticks = ticks;
    }
    let line = |index: usize| {
        let (stroke, marker) = series_look(index, false);
        Swatch::Line(stroke, Some(marker))
    };
    // How far ratios are from one matters, not how far from nothing.
    let y =
        if chart.unit.is_empty() { Scale::spread(LOG_Y, &values) } else { Scale::log_beyond(LOG_Y, &values) };
    let mut scene = Scene::default();
    let plot = frame(effect, chart, x, y, legend(effect, chart, line)).frame(&mut scene);
    for (index, group) in chart.groups().into_iter().enumerate() {
        let (stroke, marker) = series_look(index, false);
        let points: Vec<(f64, f64)> =
            chart.curve(group).into_iter().filter_map(|(place, value)| Some((place?, value))).collect();
        Curve { points, band: Vec::new(), stroke, marker: Some(marker) }.draw(&mut scene, &plot);
    }
    scene
}

/// `12.5 GiB` without its unit, which the axis names.
fn number_part(text: &str) -> String {
    text.split(' ').next().unwrap_or(text).to_owned()
}

fn bars(effect: &Effect, chart: &EffectChart) -> Scene {
    let (places, groups) = (chart.places(), chart.groups());
    let mut x = Axis::new(effect.x_label.clone(), Scale::linear(0.0, places.len() as f64));
    x.ticks =
        places.iter().enumerate().map(|(index, place)| (index as f64 + 0.5, (*place).to_owned())).collect();
    let values: Vec<f64> = chart.values.iter().filter_map(|value| value.value).collect();
    let highest = values.iter().copied().fold(0.0, f64::max);
    // Room for the number above the highest bar.
    let y = Scale::from_zero(&[highest * 1.05]);
    let area = |index: usize| Swatch::Area(bar_ink(index));
    let legend = legend(effect, chart, area);
    let mut scene = Scene::default();
    let plot = frame(effect, chart, x, y, legend).frame(&mut scene);
    let step = FILLED / groups.len().max(1) as f64;
    for (at, place) in places.iter().enumerate() {
        for (index, group) in groups.iter().enumerate() {
            let left = at as f64 + (1.0 - FILLED) / 2.0 + step * index as f64;
            let value = chart.at(place, group).and_then(|value| value.value);
            bar(&mut scene, &plot, (left, left + step * 0.94), value, index);
        }
    }
    if chart.unit.is_empty() {
        let line = [plot.at(0.0, 1.0), plot.at(places.len() as f64, 1.0)];
        scene.line(&line, Stroke::dashed(INK, 1.2, 5.0, 4.0));
    }
    scene
}

fn bar_ink(index: usize) -> Ink {
    Ink::tint(hue(index), 0.85)
}

/// One bar with its number above it, where that fits; where there is none, a cross on the axis.
fn bar(scene: &mut Scene, plot: &Plot, (from, to): (f64, f64), value: Option<f64>, index: usize) {
    let (left, foot) = plot.at(from, 0.0);
    let (right, top) = plot.at(to, value.unwrap_or(0.0));
    let middle = (left + right) / 2.0;
    scene.rect((left, top), (right - left, foot - top), bar_ink(index));
    let text = value.map_or_else(|| "-".to_owned(), number);
    if width(&text, VALUE_EM) <= right - left + 4.0 {
        scene.text((middle, top - 4.0), &text, VALUE_EM, Align::Middle, INK);
    }
}
