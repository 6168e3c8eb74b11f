//! How many slots lookups need to hit under LRU.

use super::curve_labels::thinned;
use super::curve_sheet::CurveSheet;
use crate::report::draw::{Axis, Chart, Entry, GREY, INK, Ink, Plot, Scale, Scene, Stroke, Swatch, hue};

pub(super) const NAME: &str = "reuse";
const TITLE: &str = "slots that lookups need under LRU";

/// Bars across the axis.
const BINS: f64 = 48.0;
/// The bar of first lookups: its ends as multiples of all experts.
const FIRST: (f64, f64) = (1.3, 1.6);
const LINE: Stroke = Stroke::solid(INK, 2.2);

pub(super) fn scene(sheet: &CurveSheet<'_>) -> Scene {
    let of = sheet.of;
    let why = match () {
        () if sheet.lookups() == 0 => "The trace has no lookups.",
        () if of.lru_needs.is_empty() => "One pass does not tell what lookups need.",
        () => "",
    };
    if !why.is_empty() {
        return sheet.empty(TITLE, why);
    }
    let served: Vec<u64> = of.lru_needs.iter().map(|served| of.judged(*served)).collect();
    let least = served.iter().position(|served| *served > 0).unwrap_or(1).max(1) as f64;
    let all = (of.all_experts().max(1)) as f64;
    let (cycle, text) = sheet.cycle();
    let low = least.min(cycle.max(1.0)) / 1.6;
    // Limits a little beyond the numbers that are given.
    let scale = Scale::log_beyond(1.0, &[low, all * FIRST.1 / 1.12]);
    let percent = |count: u64| count as f64 * 100.0 / sheet.lookups() as f64;
    let first = percent(of.judged(of.compulsory));
    let chart = Chart {
        title: sheet.title(&format!("{TITLE}, {}", sheet.phase())),
        subtitle: sheet.subtitle(),
        x: axis(scale, all),
        y: Axis::new(format!("share of lookups in {} (%)", sheet.phase()), Scale::linear(0.0, 100.0)),
        legend: legend(first, &of.belady_needs),
        line_at: (cycle > 0.0 && scale.contains(cycle)).then_some((cycle, text)),
        note: "Slots: experts asked for since the last lookup of the same one, itself included. A bar covers a range of \
               slots; ranges grow in proportion."
            .to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    for (from, to) in bins(low, all) {
        let count: u64 = served.iter().take(to).skip(from).sum();
        let edges = (from as f64 - 0.5, to as f64 - 0.5);
        bar(&mut scene, &plot, edges, percent(count), Ink::tint(hue(0), 0.75));
    }
    bar(&mut scene, &plot, (all * FIRST.0, all * FIRST.1), first, Ink::tint(hue(1), 0.75));
    let belady: Vec<u64> = of.belady_needs.iter().map(|served| of.judged(*served)).collect();
    cumulative(&mut scene, &plot, &belady, percent, bound());
    cumulative(&mut scene, &plot, &served, percent, LINE);
    scene
}

fn bound() -> Stroke {
    Stroke::dashed(GREY, 1.6, 7.0, 4.0)
}

/// Slots on a logarithmic axis, with first lookups beyond its last number.
fn axis(scale: Scale, all: f64) -> Axis {
    let mut axis =
        Axis::new("slots needed, log scale; at the right: first lookups, which always miss", scale);
    axis.ticks = scale.ticks(8).into_iter().filter(|(slots, _)| *slots < all * 0.8).collect();
    axis.ticks.push((all, format!("{all:.0}")));
    axis.ticks.push((all * (FIRST.0 + FIRST.1) / 2.0, "first".to_owned()));
    axis
}

fn legend(first: f64, belady: &[crate::metrics::PhaseCounts]) -> Vec<Entry> {
    let area = |index: usize, text: String| Entry { swatch: Swatch::Area(Ink::tint(hue(index), 0.75)), text };
    let line = |stroke, text: &str| Entry { swatch: Swatch::Line(stroke, None), text: text.to_owned() };
    let mut legend = vec![
        area(0, "lookups by slots needed".to_owned()),
        area(1, format!("first lookups, {first:.2} %")),
        line(LINE, "all so far: hit rate of lru"),
    ];
    if !belady.is_empty() {
        legend.push(line(bound(), "hit rate of belady (bound)"));
    }
    legend
}

/// Ranges of slots, from the first to before the second, each as many times as large as the last and none empty.
fn bins(low: f64, all: f64) -> Vec<(usize, usize)> {
    let ratio = libm::pow(all * 1.01 / low, 1.0 / BINS);
    let mut bins = Vec::new();
    let mut from = 1;
    let mut edge = low;
    while (from as f64) <= all {
        edge *= ratio.max(1.001);
        // At most all experts.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let to = edge.min(all).floor() as usize + 1;
        if to > from {
            bins.push((from, to));
            from = to;
        }
    }
    bins
}

fn bar(scene: &mut Scene, plot: &Plot, (from, to): (f64, f64), share: f64, ink: Ink) {
    let (left, foot) = plot.at(from, 0.0);
    let (right, top) = plot.at(to, share);
    scene.rect((left + 0.4, top), (right - left - 0.8, foot - top), ink);
}

fn cumulative(scene: &mut Scene, plot: &Plot, served: &[u64], percent: impl Fn(u64) -> f64, stroke: Stroke) {
    let mut sum = 0;
    let points = served.iter().enumerate().map(|(slots, served)| {
        sum += served;
        (slots as f64, percent(sum))
    });
    let places: Vec<(f64, f64)> = points.skip(1).map(|(slots, share)| plot.at(slots, share)).collect();
    let inside: Vec<(f64, f64)> = places.into_iter().filter(|(x, _)| *x > plot.left).collect();
    scene.line(&thinned(&inside), stroke);
}
