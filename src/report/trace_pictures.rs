//! Pictures of a trace: how unevenly its router uses the experts.

use super::NamedFile;
use super::draw::{
    Axis, Chart, Curve, Entry, GREY, HeatMap, Ink, Labels, Marker, Scale, Scene, Stroke, Swatch, files, hue,
};
use super::format::counted;
use crate::error::{Error, Result};

/// Colours of the heat map end at this multiple of the uniform share.
const HEAT_MAX: f64 = 4.0;

/// Popularity curves as `popularity.svg` and `popularity.png`: each layer's share of selections against the rank of the
/// expert, and their mean. `counts` holds selections, layer by layer.
///
/// # Errors
/// When `counts` has not one entry per layer and expert.
pub fn popularity(title: &str, counts: &[u64], layers: usize, experts: usize) -> Result<Vec<NamedFile>> {
    check(counts, layers, experts)?;
    let ranked: Vec<Vec<f64>> = counts.chunks(experts.max(1)).filter_map(ranked_percent).collect();
    if ranked.is_empty() {
        return files("popularity", &empty(title, layers, experts));
    }
    let mean: Vec<f64> = (0..experts)
        .map(|rank| ranked.iter().map(|layer| layer[rank]).sum::<f64>() / ranked.len() as f64)
        .collect();
    let uniform = 100.0 / experts as f64;
    let thin = Stroke { ink: Ink::tint(GREY, 0.3), ..Stroke::solid(GREY, 1.0) };
    let thick = Stroke::solid(hue(0), 3.0);
    let level = Stroke::dashed(hue(1), 1.5, 6.0, 4.0);
    let heights: Vec<f64> = ranked.iter().flatten().copied().collect();
    let entry = |stroke, text: &str| Entry { swatch: Swatch::Line(stroke, None), text: text.to_owned() };
    let mut x = Axis::new("expert by rank within its layer (1 = most used)", ranks(experts));
    x.ticks = rank_ticks(experts);
    let chart = Chart {
        title: title.to_owned(),
        subtitle: described(counts, layers, experts),
        x,
        y: Axis::new("share of the layer's selections (%)", Scale::from_zero(&heights)),
        legend: vec![entry(thick, "mean of layers"), entry(thin, "one layer"), entry(level, "uniform")],
        line_at: None,
        note: "A steeper curve means that a cache of few experts serves more.".to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    let curve = |shares: &[f64], stroke| {
        let points = shares.iter().zip(1..).map(|(share, rank)| (f64::from(rank), *share)).collect();
        let marker = (experts == 1).then_some(Marker::Circle);
        Curve { points, band: Vec::new(), stroke, marker }
    };
    ranked.iter().for_each(|shares| curve(shares, thin).draw(&mut scene, &plot));
    curve(&vec![uniform; experts], level).draw(&mut scene, &plot);
    curve(&mean, thick).draw(&mut scene, &plot);
    files("popularity", &scene)
}

/// A layer x expert heat map as `heat_map.svg` and `heat_map.png`: selections relative to a uniform router.
///
/// # Errors
/// When `counts` has not one entry per layer and expert.
pub fn heat_map(title: &str, counts: &[u64], layers: usize, experts: usize) -> Result<Vec<NamedFile>> {
    check(counts, layers, experts)?;
    let relative = |layer: &[u64]| -> Vec<f64> {
        let uniform = layer.iter().sum::<u64>() as f64 / experts as f64;
        layer.iter().map(|count| if uniform > 0.0 { *count as f64 / uniform } else { 0.0 }).collect()
    };
    let map = HeatMap {
        title: title.to_owned(),
        subtitle: described(counts, layers, experts),
        x_label: "expert".to_owned(),
        y_label: "MoE layer, counted from 0".to_owned(),
        value_label: "selections relative to a uniform router".to_owned(),
        note: format!("Colours end at {HEAT_MAX} times the uniform share."),
        columns: experts,
        values: counts.chunks(experts.max(1)).flat_map(relative).collect(),
        scale: Scale::linear(0.0, HEAT_MAX),
        diverging: false,
        labels: Labels::default(),
    };
    files("heat_map", &map.scene())
}

fn check(counts: &[u64], layers: usize, experts: usize) -> Result<()> {
    if Some(counts.len()) == layers.checked_mul(experts) {
        return Ok(());
    }
    let message = format!("{} for {layers} layers of {experts} experts", counted(counts.len(), "count"));
    Err(Error::new(message).expected("one per layer and expert"))
}

fn described(counts: &[u64], layers: usize, experts: usize) -> String {
    let selections: u128 = counts.iter().map(|count| u128::from(*count)).sum();
    format!(
        "{} of {} \u{b7} {selections} selections",
        counted(layers, "MoE layer"),
        counted(experts, "expert")
    )
}

/// A layer's shares in percent, largest first; `None` for a layer that selected nothing.
fn ranked_percent(layer: &[u64]) -> Option<Vec<f64>> {
    let total = layer.iter().sum::<u64>();
    let mut sorted = layer.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    (total > 0).then(|| sorted.into_iter().map(|count| count as f64 * 100.0 / total as f64).collect())
}

fn ranks(experts: usize) -> Scale {
    if experts == 1 { Scale::linear(0.0, 2.0) } else { Scale::linear(1.0, experts as f64) }
}

/// The first rank and about eight round ones.
fn rank_ticks(experts: usize) -> Vec<(f64, String)> {
    let step =
        [1, 2, 4, 8, 16, 32, 64, 128, 256].into_iter().find(|step| experts <= step * 10).unwrap_or(512);
    std::iter::once(1)
        .chain((step..=experts).step_by(step).filter(|rank| *rank > 1))
        .map(|rank| (rank as f64, rank.to_string()))
        .collect()
}

fn empty(title: &str, layers: usize, experts: usize) -> Scene {
    HeatMap {
        title: title.to_owned(),
        subtitle: described(&[], layers, experts),
        x_label: String::new(),
        y_label: String::new(),
        value_label: String::new(),
        note: String::new(),
        columns: 0,
        values: Vec::new(),
        scale: Scale::linear(0.0, 1.0),
        diverging: false,
        labels: Labels::default(),
    }
    .scene()
}
