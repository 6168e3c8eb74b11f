//! What models take in a GPU's memory: a stacked bar for each way to store each, owners as colours.

use crate::metrics::Footprint;
use crate::report::draw::{
    Align, Entry, GREY, HEIGHT, INK, Ink, LIGHT, Scale, Scene, Stroke, Swatch, WIDTH, fitted, footnote,
    heading, hue, legend, legend_width, width,
};
use crate::report::footprint::decimal;
use crate::report::format::counted;

const BARS_MAX: usize = 24;
const TOP: f64 = 92.0;
const BOTTOM: f64 = HEIGHT - 84.0;
const LABEL_EM: f64 = 11.5;
const LABEL_WIDTH_MAX: f64 = 250.0;
const BAR_HEIGHT_MAX: f64 = 96.0;
const GB: f64 = 1e9;
/// Owners with a smaller share of every bar are drawn as one.
pub(super) const SHARE_MIN_PERMILLE: u64 = 4;
pub(super) const OTHERS: &str = "all else";

/// Colour and cover of the owners that models have in common, so that one picture reads like the other.
pub(super) const LOOKS: [(&str, usize, f64); 14] = [
    ("routed experts", 0, 0.85),
    ("expert cache", 4, 0.85),
    ("expert buffer", 4, 0.5),
    ("low-bit copies", 4, 0.3),
    ("shared experts", 0, 0.4),
    ("dense ffn", 2, 0.85),
    ("attention", 1, 0.85),
    ("embeddings", 5, 0.9),
    ("lm head", 5, 0.45),
    ("kv cache", 3, 0.85),
    ("activations (residual)", 6, 0.5),
    ("activations (experts)", 6, 0.85),
    ("workspace", 2, 0.4),
    ("framework", 7, 0.55),
];

pub(super) fn ink(owner: &str) -> Ink {
    let look = LOOKS.iter().find(|(known, ..)| *known == owner);
    look.map_or(Ink::tint(GREY, 0.5), |(_, index, alpha)| Ink::tint(hue(*index), *alpha))
}

/// The bytes of a footprint by owner, small ones of all bars together.
fn parts<'a>(one: &'a Footprint, shown: &[&'a str]) -> Vec<(&'a str, u64)> {
    let lines = one.ledger.iter().filter(|line| line.tier == "vram");
    let mut parts: Vec<(&str, u64)> = Vec::new();
    let mut others = 0;
    for line in lines {
        match shown.iter().find(|owner| **owner == line.owner) {
            Some(owner) => parts.push((owner, line.bytes)),
            None => others += line.bytes,
        }
    }
    parts.push((OTHERS, others));
    parts
}

/// Owners that are seen in at least one bar, in the order of the ledgers.
fn shown(bars: &[Footprint]) -> Vec<&str> {
    let widest = bars.iter().map(Footprint::vram_bytes).max().unwrap_or(0);
    let mut owners: Vec<&str> = Vec::new();
    for (owner, ..) in LOOKS {
        let largest = bars.iter().map(|one| one.owned("vram", owner)).max().unwrap_or(0);
        if u128::from(largest) * 1000 > u128::from(widest) * u128::from(SHARE_MIN_PERMILLE) {
            owners.push(owner);
        }
    }
    owners
}

/// The picture. Nothing to draw becomes a frame that says so.
pub(in crate::report) fn scene(all: &[Footprint]) -> Scene {
    let bars = &all[..all.len().min(BARS_MAX)];
    let mut scene = Scene::default();
    let Some(first) = bars.first() else {
        heading(&mut scene, TITLE, "");
        scene.text((500.0, 330.0), "No model.", 16.0, Align::Middle, GREY);
        return scene;
    };
    heading(&mut scene, TITLE, &subtitle(all, first));
    footnote(&mut scene, &note(all));
    let owners = shown(bars);
    let mut entries: Vec<Entry> = owners
        .iter()
        .map(|owner| Entry { swatch: Swatch::Area(ink(owner)), text: (*owner).to_owned() })
        .collect();
    entries.push(Entry { swatch: Swatch::Area(ink(OTHERS)), text: OTHERS.to_owned() });
    if bars.iter().any(|one| one.experts > 0) {
        entries.push(Entry { swatch: Swatch::Line(ACTIVE, None), text: "weights of one token".to_owned() });
    }
    if first.fits().is_some() {
        entries
            .push(Entry { swatch: Swatch::Line(CAPACITY, None), text: format!("memory of {}", first.gpu) });
    }
    legend(&mut scene, &entries, TOP, HEIGHT - 24.0);
    draw(&mut scene, bars, &owners, legend_width(&entries));
    scene
}

const TITLE: &str = "Memory of models: who owns which bytes of a GPU";
const ACTIVE: Stroke = Stroke::solid(INK, 2.0);
pub(super) const CAPACITY: Stroke = Stroke::dashed(INK, 2.0, 5.0, 3.0);

fn subtitle(all: &[Footprint], first: &Footprint) -> String {
    let gpus = match first.degrees.gpus() {
        1 => "one GPU".to_owned(),
        gpus => format!("each of {gpus} GPUs"),
    };
    let sequences = counted(usize::try_from(first.batch).unwrap_or(usize::MAX), "sequence");
    let mut parts = vec![gpus, format!("{sequences} of {} tokens", first.context_tokens)];
    if first.is_simplified {
        parts.push("counted as introductory texts do".to_owned());
    }
    if all.len() > BARS_MAX {
        parts.push(format!("{} of {} shown", BARS_MAX, all.len()));
    }
    parts.join(" \u{b7} ")
}

fn note(all: &[Footprint]) -> String {
    let experts = "Black lines: weights that one token uses. They set its time, not the memory: all experts must lie somewhere.";
    let experts = if all.iter().any(|one| one.experts > 0) { experts } else { "" };
    format!("GB = 10^9 bytes. {experts}").trim_end().to_owned()
}

fn draw(scene: &mut Scene, bars: &[Footprint], owners: &[&str], legend_width: f64) {
    let models = bars.iter().map(|one| width(&one.model, LABEL_EM)).fold(0.0, f64::max);
    let schemes = bars.iter().map(|one| width(&one.quant, LABEL_EM)).fold(0.0, f64::max);
    let labels = (models + 12.0 + schemes).min(LABEL_WIDTH_MAX);
    let (left, right) = (24.0 + labels + 8.0, WIDTH - legend_width - 12.0);
    let height = ((BOTTOM - TOP) / bars.len() as f64).min(BAR_HEIGHT_MAX);
    let bottom = TOP + height * bars.len() as f64;
    let needs = bars.iter().map(Footprint::vram_bytes);
    let capacities = bars.iter().map(|one| one.tier("vram").map_or(0, |tier| tier.capacity_bytes));
    let largest = needs.chain(capacities).max().unwrap_or(0) as f64 / GB;
    // Room for the total that is written behind the longest bar.
    let scale = Scale::linear(0.0, largest * (1.0 + 66.0 / (right - left)));
    let x = |bytes: f64| left + (right - left) * scale.share(bytes / GB);
    for (value, text) in scale.ticks(7) {
        let at = x(value * GB);
        scene.line(&[(at, TOP), (at, bottom)], Stroke::solid(LIGHT, 1.0));
        scene.text((at, bottom + 17.0), &text, 12.0, Align::Middle, INK);
    }
    scene.text(((left + right) / 2.0, bottom + 38.0), "GPU memory (GB)", 13.0, Align::Middle, INK);
    let mut above = "";
    for (index, one) in bars.iter().enumerate() {
        let top = TOP + height * index as f64;
        let middle = top + height * 0.44 + 4.0;
        let ink = label_ink(one);
        scene.text((left - 8.0, middle), &fitted(&one.quant, LABEL_EM, schemes), LABEL_EM, Align::End, ink);
        if one.model != above {
            let text = fitted(&one.model, LABEL_EM, labels - schemes - 10.0);
            scene.text((24.0, middle), &text, LABEL_EM, Align::Start, INK);
            above = &one.model;
            if index > 0 {
                scene.line(&[(24.0, top), (right, top)], Stroke::solid(LIGHT, 1.5));
            }
        }
        bar(scene, one, owners, (top, height), &x);
    }
    scene.line(&[(left, TOP), (left, bottom)], Stroke::solid(GREY, 1.0));
}

/// Grey where it does not fit.
fn label_ink(one: &Footprint) -> (u8, u8, u8) {
    if one.fits() == Some(false) { GREY } else { INK }
}

fn bar(
    scene: &mut Scene,
    one: &Footprint,
    owners: &[&str],
    (top, height): (f64, f64),
    x: &dyn Fn(f64) -> f64,
) {
    let mut below = 0;
    for (owner, bytes) in parts(one, owners) {
        let (start, end) = (x(below as f64), x((below + bytes) as f64));
        scene.rect((start, top + height * 0.14), (end - start, height * 0.6), ink(owner));
        below += bytes;
    }
    let capacity = one.tier("vram").map(|tier| tier.capacity_bytes).filter(|bytes| *bytes > 0);
    let line_at = capacity.map(|bytes| x(bytes as f64));
    let total = decimal(one.vram_bytes());
    let behind = x(below as f64) + 5.0;
    // The line of the GPU's memory would cross a total that is just below it.
    let crossed = line_at.filter(|line| (behind - 3.0..behind + width(&total, 11.0)).contains(line));
    let at = crossed.map_or(behind, |line| line + 6.0);
    scene.text((at, top + height * 0.44 + 4.0), &total, 11.0, Align::Start, label_ink(one));
    if one.experts > 0 && one.degrees.gpus() == 1 {
        let y = top + height * 0.84;
        scene.line(&[(x(0.0), y), (x(one.active_bytes() as f64), y)], ACTIVE);
    }
    if let Some(at) = line_at {
        scene.line(&[(at, top + 1.0), (at, top + height - 1.0)], CAPACITY);
    }
}
