//! Memory of a table of deployments: stacked bars of exact counting, thinner ones below as texts count, and marks at what
//! texts quote.

use super::deployments::{drawn, label, labels_end};
use super::footprint::{CAPACITY, LOOKS, OTHERS, SHARE_MIN_PERMILLE, ink};
use crate::metrics::{Deployment, DeploymentRow, LedgerLine, Quote};
use crate::report::draw::{
    Align, Entry, GREY, HEIGHT, INK, Ink, LIGHT, Marker, Scale, Scene, Stroke, Swatch, WIDTH, footnote,
    heading, legend, legend_width, width,
};
use crate::report::footprint::decimal;

const TOP: f64 = 88.0;
const BOTTOM: f64 = HEIGHT - 84.0;
const ROW_HEIGHT_MAX: f64 = 92.0;
const VALUE_EM: f64 = 11.0;
const GB: f64 = 1e9;
/// Room for the sums behind the longest bar.
const VALUES: f64 = 70.0;
/// Quoted figures that bars begin with, so that their end in the bar has a meaning.
const IN_ALL: &str = "vram";
const PARTS: [&str; 4] = ["weights", "experts", "expert_cache", "expert_buffer"];
const CLASS: Stroke = Stroke::solid(INK, 2.0);

/// Bars of one row: upper and height, as shares of its room, and how they are covered.
struct Band {
    top: f64,
    height: f64,
}

const EXACT: Band = Band { top: 0.12, height: 0.40 };
const TEXTS: Band = Band { top: 0.56, height: 0.20 };
/// Where nothing is counted as texts do.
const ALONE: Band = Band { top: 0.16, height: 0.54 };

fn owned(lines: &[LedgerLine], owner: &str) -> u64 {
    lines.iter().filter(|line| line.tier == "vram" && line.owner == owner).map(|line| line.bytes).sum()
}

fn ledgers(row: &DeploymentRow) -> impl Iterator<Item = &[LedgerLine]> {
    let simplified = row.simplified.as_ref().map(|count| count.ledger.as_slice());
    std::iter::once(row.row.ledger.as_slice()).chain(simplified)
}

fn total(lines: &[LedgerLine]) -> u64 {
    lines.iter().filter(|line| line.tier == "vram").map(|line| line.bytes).sum()
}

/// Owners that are seen in at least one bar, in the order of the bars.
fn shown(rows: &[DeploymentRow]) -> Vec<&'static str> {
    let all = || rows.iter().flat_map(ledgers);
    let widest = all().map(total).max().unwrap_or(0);
    let is_seen = |owner: &str| {
        let largest = all().map(|lines| owned(lines, owner)).max().unwrap_or(0);
        u128::from(largest) * 1000 > u128::from(widest) * u128::from(SHARE_MIN_PERMILLE)
    };
    LOOKS.iter().map(|(owner, ..)| *owner).filter(|owner| is_seen(owner)).collect()
}

fn capacity(row: &DeploymentRow) -> u64 {
    row.row.tier("vram").map_or(0, |tier| tier.capacity_bytes)
}

/// The picture.
pub(super) fn scene(one: &Deployment) -> Scene {
    let rows = &one.rows[..drawn(one)];
    let mut scene = Scene::default();
    heading(&mut scene, &format!("{}: memory of a GPU", one.title), &one.question);
    footnote(
        &mut scene,
        &format!("GB = 10^9 bytes. Grey: does not fit as counted. moesim deployments {}", one.file),
    );
    let owners = shown(rows);
    let entries = entries(rows, &owners);
    legend(&mut scene, &entries, TOP, HEIGHT - 24.0);
    let (left, right) = (labels_end(one), WIDTH - legend_width(&entries) - 12.0);
    let height = ((BOTTOM - TOP) / rows.len().max(1) as f64).min(ROW_HEIGHT_MAX);
    let bottom = TOP + height * rows.len() as f64;
    let needs = rows.iter().flat_map(ledgers).map(total);
    let drawn_capacities = rows.iter().map(capacity);
    let largest = needs.chain(drawn_capacities).max().unwrap_or(0) as f64 / GB;
    let scale = Scale::linear(0.0, largest * (1.0 + VALUES / (right - left)));
    let x = |bytes: f64| left + (right - left) * scale.share(bytes / GB);
    for (value, text) in scale.ticks(7) {
        let at = x(value * GB);
        scene.line(&[(at, TOP), (at, bottom)], Stroke::solid(LIGHT, 1.0));
        scene.text((at, bottom + 17.0), &text, 12.0, Align::Middle, INK);
    }
    scene.text(((left + right) / 2.0, bottom + 38.0), "GPU memory (GB)", 13.0, Align::Middle, INK);
    for (index, row) in rows.iter().enumerate() {
        let top = TOP + height * index as f64;
        label(&mut scene, one, index, (left, top + height * 0.4 + 4.0));
        draw(&mut scene, row, &owners, (top, height), &x);
    }
    scene.line(&[(left, TOP), (left, bottom)], Stroke::solid(GREY, 1.0));
    scene
}

fn entries(rows: &[DeploymentRow], owners: &[&str]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = owners
        .iter()
        .chain([&OTHERS])
        .map(|owner| Entry { swatch: Swatch::Area(ink(owner)), text: (*owner).to_owned() })
        .collect();
    let entry = |swatch, text: &str| Entry { swatch, text: text.to_owned() };
    entries.push(entry(Swatch::Line(CAPACITY, None), "memory of the GPU"));
    let quotes = || rows.iter().flat_map(|row| &row.quotes);
    if rows.iter().any(|row| row.simplified.is_some()) {
        entries.push(entry(Swatch::None, "upper bars: counted exactly"));
        entries.push(entry(Swatch::None, "lower bars: as texts count"));
    }
    if quotes().any(|quote| quote.metric == IN_ALL) {
        entries.push(entry(Swatch::Mark(Marker::Diamond, Ink::solid(INK)), "quoted, in all"));
    }
    if quotes().any(|quote| PARTS.contains(&quote.metric.as_str())) {
        entries
            .push(entry(Swatch::Mark(Marker::TriangleDown, Ink::solid(INK)), "quoted, experts or weights"));
    }
    if quotes().any(|quote| quote.metric == Quote::CARD) {
        entries.push(entry(Swatch::Line(CLASS, Some(Marker::Plus)), "cards quoted"));
    }
    entries
}

fn draw(
    scene: &mut Scene,
    row: &DeploymentRow,
    owners: &[&str],
    (top, height): (f64, f64),
    x: &dyn Fn(f64) -> f64,
) {
    let line_at = (capacity(row) > 0).then(|| x(capacity(row) as f64));
    let simplified = row.simplified.as_ref();
    let exact_band = if simplified.is_some() { EXACT } else { ALONE };
    let bars = [
        Some((row.row.ledger.as_slice(), exact_band, row.row.summary().is_some())),
        simplified.map(|count| (count.ledger.as_slice(), TEXTS, count.fits())),
    ];
    for (lines, band, fits) in bars.into_iter().flatten() {
        let (upper, tall) = (top + height * band.top, height * band.height);
        let mut below = 0;
        let sum = total(lines);
        let named: Vec<(&str, u64)> = owners.iter().map(|owner| (*owner, owned(lines, owner))).collect();
        let rest = sum - named.iter().map(|(_, bytes)| bytes).sum::<u64>();
        for (owner, bytes) in named.into_iter().chain([(OTHERS, rest)]) {
            let (start, end) = (x(below as f64), x((below + bytes) as f64));
            scene.rect((start, upper), (end - start, tall), ink(owner));
            below += bytes;
        }
        let text = decimal(sum);
        let behind = x(sum as f64) + 6.0;
        // The line of the GPU's memory would cross a sum that is just below it.
        let crossed = line_at.filter(|line| (behind - 4.0..behind + width(&text, VALUE_EM)).contains(line));
        let at = crossed.map_or(behind, |line| line + 6.0);
        let color = if fits { INK } else { GREY };
        scene.text((at, upper + tall / 2.0 + 4.0), &text, VALUE_EM, Align::Start, color);
    }
    if let Some(at) = line_at {
        scene.line(&[(at, top + 1.0), (at, top + height - 1.0)], CAPACITY);
    }
    let y = top + height * 0.86;
    for quote in &row.quotes {
        mark(scene, quote, y, x);
    }
}

fn mark(scene: &mut Scene, quote: &Quote, y: f64, x: &dyn Fn(f64) -> f64) {
    let at = x(quote.from_bytes as f64);
    match quote.metric.as_str() {
        IN_ALL => Marker::Diamond.draw(scene, (at, y), 4.0, INK),
        Quote::CARD => {
            // One size of cards is where the line of the GPU's memory is.
            let one = quote.to_bytes == Some(quote.from_bytes);
            let (at, end) = match quote.to_bytes {
                _ if one => (at - 7.0, at + 7.0),
                Some(to) => (at, x(to as f64)),
                None => (at, at + 60.0),
            };
            scene.line(&[(at, y), (end, y)], CLASS);
            let ends = if quote.to_bytes.is_some() { vec![at, end] } else { vec![at] };
            for end in ends {
                scene.line(&[(end, y - 4.0), (end, y + 4.0)], CLASS);
            }
        }
        metric if PARTS.contains(&metric) => Marker::TriangleDown.draw(scene, (at, y), 4.0, INK),
        _ => {}
    }
}
