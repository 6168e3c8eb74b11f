//! What users wait for along the load, or along whatever number varies: TTFT above, TPOT below, each with its median and
//! its 99th percentile, and where they give way.

use super::common::{Sheet, short_label};
use super::serving_panel::{Panel, TICKS_WIDTH};
use crate::metrics::{Quantiles, ServingSummary};
use crate::report::draw::{
    Align, Entry, HEIGHT, INK, Ink, Marker, SHADE, Scale, Scene, Stroke, Swatch, WIDTH, fitted, footnote,
    heading, hue, legend, legend_width, series_look, time_unit,
};
use crate::report::serving::{Knee, LoadSeries, Served, Swept, is_saturated, knee, swept};

pub(super) const NAME: &str = "serving_latency";
pub(super) const TITLE: &str = "latency under load";

/// Series drawn; each has two lines.
const SERIES_MAX: usize = 8;
/// A larger ratio between the slowest and the fastest point makes an axis logarithmic.
const LINEAR_RATIO_MAX: f64 = 20.0;
const TOP: f64 = 104.0;
const GAP: f64 = 34.0;
const BOTTOM: f64 = HEIGHT - 76.0;
const SATURATED: Ink = Ink::tint(SHADE, 0.22);

/// One kind of waiting.
#[derive(Clone, Copy)]
struct Measure {
    name: &'static str,
    of: fn(&ServingSummary) -> &Quantiles,
}

const MEASURES: [Measure; 2] = [
    Measure { name: "time to first token", of: |serving| &serving.ttft_ns },
    Measure { name: "time per output token", of: |serving| &serving.tpot_ns },
];

/// `None` where nothing numeric varies.
pub(super) fn scene(sheet: &Sheet<'_>) -> Option<Scene> {
    let swept = swept(sheet.rows)?;
    let drawn = &swept.series[..swept.series.len().min(SERIES_MAX)];
    let knees: Vec<Option<Knee<'_, '_>>> =
        drawn.iter().map(|(series, _)| knee(series).filter(|_| swept.by_load)).collect();
    let mut scene = Scene::default();
    heading(&mut scene, &sheet.title(&format!("latency against {}", swept.name)), &sheet.subtitle);
    footnote(&mut scene, &note(&knees));
    let entries = entries(&swept, drawn);
    let right = (WIDTH - legend_width(&entries)).min(WIDTH - 32.0);
    legend(&mut scene, &entries, TOP, HEIGHT - 24.0);
    let x: Vec<f64> = drawn.iter().flat_map(|(_, values)| values).copied().collect();
    let height = (BOTTOM - TOP - GAP) / 2.0;
    for (index, measure) in MEASURES.into_iter().enumerate() {
        let top = TOP + (height + GAP) * index as f64;
        let heights: Vec<f64> = drawn
            .iter()
            .flat_map(|(series, _)| &series.points)
            .map(|point| (measure.of)(point.serving))
            .filter(|quantiles| quantiles.count > 0)
            .flat_map(|quantiles| [quantiles.p50 as f64, quantiles.p99 as f64])
            .collect();
        let most = heights.iter().copied().fold(0.0, f64::max);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "was an integer")]
        let (unit_ns, unit) = time_unit(most as u64);
        let scaled: Vec<f64> = heights.iter().map(|ns| ns / unit_ns).collect();
        let panel = Panel {
            left: 24.0 + TICKS_WIDTH,
            top,
            right,
            bottom: top + height,
            x: Scale::spread(50.0, &x),
            y: Scale::log_beyond(LINEAR_RATIO_MAX, &scaled),
        };
        panel.frame(&mut scene, &format!("{} ({unit})", measure.name), &[], index > 0);
        saturated(&mut scene, &panel, drawn);
        for (at, (series, values)) in drawn.iter().enumerate() {
            curve(&mut scene, &panel, (series, values), (measure, unit_ns), at);
        }
        mark(&mut scene, &panel, &knees, (measure, unit_ns), index == 0);
    }
    let middle = (24.0 + TICKS_WIDTH + right) / 2.0;
    scene.text((middle, HEIGHT - 34.0), &fitted(&swept.label, 13.0, right), 13.0, Align::Middle, INK);
    Some(scene)
}

fn note(knees: &[Option<Knee<'_, '_>>]) -> String {
    let slo = knees.iter().flatten().find(|knee| knee.by_slo).and_then(|knee| {
        let goodput = knee.least.serving.goodput.as_ref()?;
        Some(format!("Knee: the most load at which 90 % of requests keep {}.", goodput.slo))
    });
    let twice = "Knee: the most load at which p99 of TTFT and TPOT is within twice that of the least load.";
    match (slo, knees.iter().any(Option::is_some)) {
        (Some(slo), _) => slo,
        (None, true) => twice.to_owned(),
        (None, false) => String::new(),
    }
}

/// The colour of each series where there are several, and what the lines are.
fn entries(swept: &Swept<'_>, drawn: &[(LoadSeries<'_>, Vec<f64>)]) -> Vec<Entry> {
    let line =
        |stroke, marker, text: &str| Entry { swatch: Swatch::Line(stroke, marker), text: text.to_owned() };
    let rgb = if drawn.len() > 1 { INK } else { hue(0) };
    let mut entries = Vec::new();
    if drawn.len() > 1 {
        for (index, (series, _)) in drawn.iter().enumerate() {
            let (stroke, marker) = series_look(index, false);
            entries.push(line(stroke, Some(marker), &short_label(&series.label)));
        }
    }
    let left_out = swept.series.len() - drawn.len();
    if left_out > 0 {
        entries.push(Entry { swatch: Swatch::None, text: format!("and {left_out} more, not drawn") });
    }
    entries.push(line(Stroke::solid(rgb, 2.0), None, "p99 over requests"));
    entries.push(line(Stroke::dashed(rgb, 1.6, 5.0, 3.0), None, "median"));
    if saturated_from(drawn).is_some() {
        entries.push(Entry { swatch: Swatch::Area(SATURATED), text: "saturated".to_owned() });
    }
    if drawn.len() > 1 && swept.by_load {
        let swatch = Swatch::Mark(Marker::Cross, Ink::solid(INK));
        entries.push(Entry { swatch, text: "knee".to_owned() });
    }
    entries
}

fn curve(
    scene: &mut Scene,
    panel: &Panel,
    (series, values): (&LoadSeries<'_>, &[f64]),
    (measure, unit_ns): (Measure, f64),
    index: usize,
) {
    let (look, marker) = series_look(index, false);
    let known = || {
        let quantiles = series.points.iter().map(|point| (measure.of)(point.serving));
        values.iter().zip(quantiles).filter(|(_, quantiles)| quantiles.count > 0)
    };
    let p99: Vec<(f64, f64)> = known().map(|(x, q)| (*x, q.p99 as f64 / unit_ns)).collect();
    let p50: Vec<(f64, f64)> = known().map(|(x, q)| (*x, q.p50 as f64 / unit_ns)).collect();
    panel.line(scene, &p50, Stroke { dash: Some((5.0, 3.0)), width: 1.6, ..look });
    panel.line(scene, &p99, look);
    for (x, y) in &p99 {
        marker.draw(scene, panel.at(*x, *y), 4.0, look.ink.rgb);
    }
    for (x, y) in &p50 {
        scene.disc(panel.at(*x, *y), 2.5, look.ink);
    }
}

/// The value from which on a lone series is saturated.
fn saturated_from(drawn: &[(LoadSeries<'_>, Vec<f64>)]) -> Option<f64> {
    let [(series, values)] = drawn else { return None };
    let calm = series.points.iter().rposition(|point| !is_saturated(point.serving));
    values.get(calm.map_or(0, |last| last + 1)).copied()
}

fn saturated(scene: &mut Scene, panel: &Panel, drawn: &[(LoadSeries<'_>, Vec<f64>)]) {
    let Some(from) = saturated_from(drawn) else { return };
    let (left, _) = panel.at(from, 0.0);
    let left = left.min(panel.right - 4.0);
    scene.rect((left, panel.top), (panel.right - left, panel.bottom - panel.top), SATURATED);
}

/// A line at a lone series' knee with words above the first panel; a cross at each of several.
fn mark(
    scene: &mut Scene,
    panel: &Panel,
    knees: &[Option<Knee<'_, '_>>],
    (measure, unit_ns): (Measure, f64),
    with_words: bool,
) {
    let held = |knee: &Option<Knee<'_, '_>>| -> Option<(f64, f64, String)> {
        let point: &Served<'_> = knee.as_ref()?.held?;
        let load = point.load?;
        Some((load.value(), (measure.of)(point.serving).p99 as f64 / unit_ns, load.to_string()))
    };
    if let [only] = knees {
        let Some((x, _, load)) = held(only) else { return };
        let (at, _) = panel.at(x, 0.0);
        scene.line(&[(at, panel.top), (at, panel.bottom)], Stroke::dashed(INK, 1.5, 4.0, 3.0));
        if with_words {
            let text = format!("knee: {load}");
            scene.text((panel.right, panel.top - 8.0), &text, 12.0, Align::End, INK);
        }
        return;
    }
    for (x, y, _) in knees.iter().filter_map(held) {
        Marker::Cross.draw(scene, panel.at(x, y), 7.0, INK);
    }
}
