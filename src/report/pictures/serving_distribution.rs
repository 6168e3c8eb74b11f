//! How TTFT and TPOT are distributed over requests, for a few rows: the share of requests that waited no longer.

use super::common::{Sheet, short_label};
use super::serving_panel::{Panel, TICKS_WIDTH};
use crate::metrics::ServingSummary;
use crate::report::draw::{
    Align, Entry, HEIGHT, INK, Scale, Scene, Swatch, WIDTH, footnote, heading, legend, legend_width,
    series_look, time_unit,
};
use crate::report::serving::{LoadSeries, Served, knee, load_series};

pub(super) const NAME: &str = "serving_distribution";
pub(super) const TITLE: &str = "how latency is distributed over requests";

/// Rows drawn.
const LINES_MAX: usize = 6;
/// A larger ratio between the slowest and the fastest makes an axis logarithmic.
const LINEAR_RATIO_MAX: f64 = 20.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = HEIGHT - 78.0;

/// A row that is drawn and what it is called.
type Line<'s, 'a> = (&'s Served<'a>, String);

/// `None` where no row has percentiles.
pub(super) fn scene(sheet: &Sheet<'_>) -> Option<Scene> {
    let all = load_series(sheet.rows);
    let (lines, at) = chosen(&all);
    if lines.is_empty() {
        return None;
    }
    let entry = |(index, (_, name)): (usize, &Line<'_, '_>)| {
        let (stroke, _) = series_look(index, false);
        Entry { swatch: Swatch::Line(stroke, None), text: short_label(name) }
    };
    let entries: Vec<Entry> = lines.iter().enumerate().map(entry).collect();
    let mut scene = Scene::default();
    // Where all lines are at one load, the subtitle begins with it.
    let at = at.trim_start_matches(", ");
    let under = if at.is_empty() { sheet.subtitle.clone() } else { format!("{at} · {}", sheet.subtitle) };
    heading(&mut scene, &sheet.title(TITLE), &under);
    footnote(&mut scene, "Every line is made of 101 quantiles. Dashed: 99 % of requests.");
    legend(&mut scene, &entries, TOP, HEIGHT - 24.0);
    let (left, right) = (44.0, WIDTH - legend_width(&entries) - 6.0);
    let half = (right - left) / 2.0;
    let ttft = |serving: &ServingSummary| serving.ttft_ns_percentiles.clone();
    let tpot = |serving: &ServingSummary| serving.tpot_ns_percentiles.clone();
    draw(&mut scene, &lines, ("TTFT", &ttft), (left, left + half));
    draw(&mut scene, &lines, ("TPOT", &tpot), (left + half, right));
    scene.text_upwards((28.0, (TOP + BOTTOM) / 2.0), "requests that waited no longer (%)", 13.0, INK);
    Some(scene)
}

fn has_percentiles(point: &&Served<'_>) -> bool {
    point.serving.ttft_ns_percentiles.len() > 1
}

/// Of one series its loads, evenly chosen with the least, the knee and the most; of several, each at one load, the most
/// that any of them bears.
fn chosen<'s, 'a>(all: &'s [LoadSeries<'a>]) -> (Vec<Line<'s, 'a>>, String) {
    if let [series] = all {
        let points: Vec<&Served<'_>> = series.points.iter().filter(has_percentiles).collect();
        let held = knee(series).and_then(|knee| knee.held).map(|point| point.row.index);
        let count = points.len();
        let mut places: Vec<usize> = match count {
            0..=LINES_MAX => (0..count).collect(),
            _ => (0..LINES_MAX).map(|index| index * (count - 1) / (LINES_MAX - 1)).collect(),
        };
        if let Some(at) = points.iter().position(|point| Some(point.row.index) == held)
            && !places.contains(&at)
        {
            // The chosen one nearest to the knee gives way to it, but for the ends.
            let inner = 1..places.len().saturating_sub(1);
            if let Some(nearest) = inner.min_by_key(|index| places[*index].abs_diff(at)) {
                places[nearest] = at;
            }
        }
        let named = |at: usize| {
            let point = points[at];
            let knee = if Some(point.row.index) == held { ", the knee" } else { "" };
            let load = point.load.map_or_else(|| point.named(), |load| load.to_string());
            (point, format!("{load}{knee}"))
        };
        return (places.into_iter().map(named).collect(), String::new());
    }
    let held = |series: &LoadSeries<'_>| knee(series)?.held?.load;
    let load = all.iter().filter_map(held).max();
    let nearest = |series: &'s LoadSeries<'a>| {
        let known = || series.points.iter().filter(has_percentiles);
        let point = known().rfind(|point| point.load <= load && load.is_some()).or_else(|| known().next())?;
        let other = point.load.filter(|_| point.load != load && load.is_some());
        let other = other.map_or_else(String::new, |load| format!(", {load}"));
        Some((point, format!("{}{other}", series.label)))
    };
    let lines = all.iter().filter_map(nearest).take(LINES_MAX).collect();
    (lines, load.map_or_else(String::new, |load| format!(", {load}")))
}

type Percentiles<'f> = &'f dyn Fn(&ServingSummary) -> Vec<u64>;

fn draw(
    scene: &mut Scene,
    lines: &[Line<'_, '_>],
    (name, of): (&str, Percentiles<'_>),
    (left, right): (f64, f64),
) {
    let all: Vec<Vec<u64>> = lines.iter().map(|(point, _)| of(point.serving)).collect();
    let (unit_ns, unit) = time_unit(all.iter().flatten().copied().max().unwrap_or(0));
    let values: Vec<f64> = all.iter().flatten().map(|ns| *ns as f64 / unit_ns).collect();
    let panel = Panel {
        left: left + TICKS_WIDTH - 20.0,
        top: TOP,
        right: right - 18.0,
        bottom: BOTTOM,
        x: Scale::spread(LINEAR_RATIO_MAX, &values),
        y: Scale::linear(0.0, 100.0),
    };
    panel.frame(scene, "", &[], true);
    panel.level(scene, 99.0);
    for (index, percentiles) in all.iter().enumerate() {
        let (stroke, _) = series_look(index, false);
        let step = 100.0 / percentiles.len().saturating_sub(1).max(1) as f64;
        let point = |(rank, ns): (usize, &u64)| (*ns as f64 / unit_ns, rank as f64 * step);
        let points: Vec<(f64, f64)> = percentiles.iter().enumerate().map(point).collect();
        panel.line(scene, &points, stroke);
    }
    let log = if panel.x.is_log() { ", log scale" } else { "" };
    let label = format!("{name} ({unit}){log}");
    scene.text(((panel.left + panel.right) / 2.0, HEIGHT - 38.0), &label, 13.0, Align::Middle, INK);
}
