//! The VRAM of a GPU over one run, as stacked areas: what the ledger says of everything fixed, then what the KV cache
//! holds and what experts take at each time, and what is left.

use super::common::Sheet;
use super::serving_over_time::which;
use super::serving_panel::{Panel, TICKS_WIDTH, steps};
use crate::metrics::{Row, ServingSlice};
use crate::report::draw::{
    Align, Entry, HEIGHT, INK, Ink, SHADE, Scale, Scene, Stroke, Swatch, WIDTH, footnote, heading, hue,
    legend, legend_width, size_unit, time_unit,
};
use crate::report::serving::{Served, showcase};

pub(super) const NAME: &str = "serving_vram";
pub(super) const TITLE: &str = "who owns the VRAM of a GPU over one run";

const TOP: f64 = 104.0;
const BOTTOM: f64 = HEIGHT - 78.0;
const FREE: Ink = Ink::tint(SHADE, 0.18);
/// Owners in the ledger whose bytes change over time.
const EXPERTS: [&str; 2] = ["expert cache", "routed experts"];
const KV: &str = "kv cache";
/// Owners in the ledger that are not weights.
const OTHERS: [&str; 6] =
    ["workspace", "framework", "framework context", "reserve", "expert buffer", "prefetch buffer"];

/// One layer of the stack.
struct Layer {
    name: String,
    ink: Ink,
    /// Bytes in each slice.
    bytes: Vec<f64>,
}

fn booked(row: &Row, is: impl Fn(&str) -> bool) -> f64 {
    let lines = row.ledger.iter().filter(|line| line.tier == "vram" && is(&line.owner));
    lines.map(|line| line.bytes).sum::<u64>() as f64
}

/// From below: weights, workspace and the like, experts, and the KV cache. The ledger is that of one GPU; bytes over time
/// are those of all, so that their mean over GPUs stands beside it.
fn layers(shown: &Served<'_>) -> Vec<Layer> {
    let (row, serving) = (shown.row, shown.serving);
    let slices = &serving.slices;
    let gpus = serving.gpus.max(1) as f64;
    let is_experts = |owner: &str| EXPERTS.contains(&owner);
    let is_other = |owner: &str| OTHERS.contains(&owner);
    let is_weights = |owner: &str| !is_experts(owner) && !is_other(owner) && owner != KV;
    let always = |bytes: f64| vec![bytes; slices.len()];
    let over_time = |of: fn(&ServingSlice) -> u64| -> Vec<f64> {
        slices.iter().map(|slice| of(slice) as f64 / gpus).collect()
    };
    let experts = match slices.iter().any(|slice| slice.expert_bytes > 0) {
        true => over_time(|slice| slice.expert_bytes),
        false => always(booked(row, is_experts)),
    };
    let layer = |name: &str, color: usize, bytes| Layer {
        name: name.to_owned(),
        ink: Ink::tint(hue(color), 0.75),
        bytes,
    };
    let all = vec![
        layer("weights without routed experts", 0, always(booked(row, is_weights))),
        layer("workspace, engine, reserve", 6, always(booked(row, is_other))),
        layer("routed experts", 2, experts),
        layer("KV cache in use", 1, over_time(|slice| slice.kv_bytes)),
    ];
    all.into_iter().filter(|layer| layer.bytes.iter().any(|bytes| *bytes > 0.0)).collect()
}

/// `None` where no run has slices.
pub(super) fn scene(sheet: &Sheet<'_>) -> Option<Scene> {
    let shown = showcase(sheet.rows)?;
    let slices = &shown.serving.slices;
    let (first, last) = (slices.first()?, slices.last()?);
    let capacity = shown.row.tier("vram").map_or(0, |tier| tier.capacity_bytes) as f64;
    let layers = layers(&shown);
    let total = |at: usize| layers.iter().map(|layer| layer.bytes[at]).sum::<f64>();
    let most = (0..slices.len()).map(total).fold(capacity, f64::max);
    if layers.is_empty() || most <= 0.0 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of bytes")]
    let (unit_bytes, bytes) = size_unit(most as u64);
    let (unit_ns, time) = time_unit(last.begin_ns + last.span_ns);
    let mut scene = Scene::default();
    let which = format!("{} · {}", which(sheet, &shown), sheet.subtitle);
    heading(&mut scene, &sheet.title("VRAM of a GPU over time"), &which);
    let mean = if shown.serving.gpus > 1 { " KV cache and experts: mean of all GPUs." } else { "" };
    footnote(&mut scene, &format!("Weights and what else is fixed are those of the memory ledger.{mean}"));
    let entries = entries(&layers, capacity > 0.0);
    legend(&mut scene, &entries, TOP, HEIGHT - 24.0);
    let panel = Panel {
        left: 24.0 + TICKS_WIDTH,
        top: TOP,
        right: WIDTH - legend_width(&entries),
        bottom: BOTTOM,
        x: Scale::linear(first.begin_ns as f64 / unit_ns, (last.begin_ns + last.span_ns) as f64 / unit_ns),
        y: Scale::from_zero(&[most / unit_bytes]),
    };
    panel.frame(&mut scene, &format!("VRAM ({bytes})"), &[], true);
    stack(&mut scene, &panel, (slices, unit_ns), (&layers, unit_bytes), capacity);
    let middle = (panel.left + panel.right) / 2.0;
    scene.text((middle, HEIGHT - 38.0), &format!("time ({time})"), 13.0, Align::Middle, INK);
    Some(scene)
}

/// In the order of the stack, from above.
fn entries(layers: &[Layer], has_capacity: bool) -> Vec<Entry> {
    let area = |ink, text: &str| Entry { swatch: Swatch::Area(ink), text: text.to_owned() };
    let mut entries = Vec::new();
    if has_capacity {
        let line = Swatch::Line(Stroke::solid(INK, 2.0), None);
        entries.push(Entry { swatch: line, text: "what the GPU has".to_owned() });
        entries.push(area(FREE, "free, or kept for the KV cache"));
    }
    entries.extend(layers.iter().rev().map(|layer| area(layer.ink, &layer.name)));
    entries
}

fn stack(
    scene: &mut Scene,
    panel: &Panel,
    (slices, unit_ns): (&[ServingSlice], f64),
    (layers, unit_bytes): (&[Layer], f64),
    capacity: f64,
) {
    let edge = |heights: &[f64]| {
        steps(slices.iter().zip(heights).map(|(slice, bytes)| {
            let end = slice.begin_ns + slice.span_ns;
            (slice.begin_ns as f64 / unit_ns, end as f64 / unit_ns, bytes / unit_bytes)
        }))
    };
    let mut below = vec![0.0; slices.len()];
    for layer in layers {
        let above: Vec<f64> = below.iter().zip(&layer.bytes).map(|(low, bytes)| low + bytes).collect();
        panel.area(scene, &edge(&below), &edge(&above), layer.ink);
        below = above;
    }
    if capacity > 0.0 {
        let top: Vec<f64> = below.iter().map(|low| low.max(capacity)).collect();
        panel.area(scene, &edge(&below), &edge(&top), FREE);
        panel.line(scene, &edge(&vec![capacity; slices.len()]), Stroke::solid(INK, 2.0));
    }
}
