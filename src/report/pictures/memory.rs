//! Who owns the bytes: stacked bars by owner, one panel per tier, for points spread evenly over the sweep.

use super::common::{Sheet, short_label};
use crate::metrics::Row;
use crate::report::draw::{
    Align, Entry, GREY, HEIGHT, INK, Ink, LIGHT, Scale, Scene, Stroke, Swatch, WIDTH, fitted, footnote,
    heading, hue, legend, legend_width, size_unit, width,
};
use crate::report::format::size;
use crate::report::series::Varying;
use crate::report::serving::{is_serving, ledger_settings};

pub(super) const NAME: &str = "memory";
pub(super) const TITLE: &str = "who owns which memory";

const BARS_MAX: usize = 12;
const TOP: f64 = 108.0;
const BOTTOM: f64 = HEIGHT - 70.0;
const LABEL_EM: f64 = 11.5;
const LABEL_WIDTH_MAX: f64 = 230.0;
/// A capacity beyond this many times the need is written above the panel, lest the bars shrink to nothing.
const CAPACITY_RATIO_MAX: u64 = 3;

/// One tier's panel in pixels.
struct Panel {
    tier: &'static str,
    left: f64,
    right: f64,
}

pub(super) fn scene(sheet: &Sheet<'_>) -> Scene {
    let bars = representative(sheet.rows);
    let labels = labels(sheet.rows, &bars);
    let note = "Thick ticks: what the machine has. Points in grey cannot run.";
    drawn((&sheet.title(TITLE), &sheet.subtitle, note), &bars, &labels)
        .unwrap_or_else(|| sheet.nothing(TITLE, "No point has a memory ledger."))
}

/// Bars with two lines of label each, under a title, a subtitle and a note; none where no row has a ledger.
pub(super) fn drawn(
    (title, subtitle, note): (&str, &str, &str),
    bars: &[&Row],
    labels: &[(String, String)],
) -> Option<Scene> {
    let tiers: Vec<&'static str> = ["vram", "dram", "nvme"]
        .into_iter()
        .filter(|tier| bars.iter().any(|row| owned(row, tier).next().is_some()))
        .collect();
    if tiers.is_empty() {
        return None;
    }
    let mut scene = Scene::default();
    heading(&mut scene, title, subtitle);
    footnote(&mut scene, note);
    let owners = owners(bars, &tiers);
    let entries: Vec<Entry> = owners
        .iter()
        .enumerate()
        .map(|(index, owner)| Entry { swatch: Swatch::Area(owner_ink(index)), text: (*owner).to_owned() })
        .collect();
    legend(&mut scene, &entries, TOP, HEIGHT - 24.0);
    let lines = labels.iter().flat_map(|(experts, setting)| [experts, setting]);
    let widest = lines.map(|line| width(line, LABEL_EM)).fold(0.0, f64::max).min(LABEL_WIDTH_MAX);
    let (left, right) = (24.0 + widest + 8.0, WIDTH - legend_width(&entries) - 10.0);
    let height = ((BOTTOM - TOP) / bars.len() as f64).min(44.0);
    for (index, (row, (experts, setting))) in bars.iter().zip(labels).enumerate() {
        let rgb = if row.summary().is_some() { INK } else { GREY };
        let y = TOP + height * (index as f64 + 0.5) + if setting.is_empty() { 4.0 } else { -2.0 };
        let text = fitted(setting, LABEL_EM, widest);
        scene.text((left - 8.0, y), experts, LABEL_EM, Align::End, rgb);
        scene.text((left - 8.0, y + 13.0), &text, LABEL_EM, Align::End, GREY);
    }
    let step = (right - left) / tiers.len() as f64;
    let bottom = TOP + height * bars.len() as f64;
    for (index, tier) in tiers.into_iter().enumerate() {
        let start = left + step * index as f64;
        let gap = if index == 0 { 0.0 } else { 18.0 };
        let panel = Panel { tier, left: start + gap, right: start + step };
        draw_panel(&mut scene, &panel, bars, &owners, (height, bottom));
    }
    Some(scene)
}

/// Points with different ledgers, evenly chosen, by position in the sweep; the first and the last are among them.
fn representative(rows: &[Row]) -> Vec<&Row> {
    let mut distinct: Vec<&Row> = Vec::new();
    for row in rows {
        let known = distinct.iter().any(|other| other.ledger == row.ledger && other.tiers == row.tiers);
        if !known && !row.ledger.is_empty() {
            distinct.push(row);
        }
    }
    if distinct.len() <= BARS_MAX {
        return distinct;
    }
    (0..BARS_MAX).map(|index| distinct[index * (distinct.len() - 1) / (BARS_MAX - 1)]).collect()
}

fn owned<'a>(row: &'a Row, tier: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
    row.ledger
        .iter()
        .filter(move |line| line.tier == tier && line.bytes > 0)
        .map(|line| (line.owner.as_str(), line.bytes))
}

fn owners<'a>(bars: &[&'a Row], tiers: &[&str]) -> Vec<&'a str> {
    let mut owners: Vec<&str> = Vec::new();
    for line in bars.iter().flat_map(|row| &row.ledger) {
        let counts = line.bytes > 0 && tiers.contains(&line.tier.as_str());
        if counts && !owners.contains(&line.owner.as_str()) {
            owners.push(&line.owner);
        }
    }
    owners
}

/// Eight hues, then the same paler.
fn owner_ink(index: usize) -> Ink {
    let alpha = [0.85, 0.45, 0.25][(index / 8).min(2)];
    Ink::tint(hue(index), alpha)
}

/// The expert VRAM of each bar, and its setting; the policy has no part in a ledger.
fn labels(rows: &[Row], bars: &[&Row]) -> Vec<(String, String)> {
    let varying = Varying::of(rows);
    let under_load = is_serving(rows).then(|| ledger_settings(rows));
    bars.iter()
        .map(|row| {
            let experts = format!("{} of experts", size(row.config.cache_capacity_bytes));
            let place = rows.iter().position(|other| other.index == row.index);
            let setting = under_load.as_ref().zip(place).map(|(settings, place)| settings[place].clone());
            (experts, short_label(&setting.unwrap_or_else(|| varying.setting(row))))
        })
        .collect()
}

fn draw_panel(
    scene: &mut Scene,
    panel: &Panel,
    bars: &[&Row],
    owners: &[&str],
    (height, bottom): (f64, f64),
) {
    let needs: Vec<u64> =
        bars.iter().map(|row| owned(row, panel.tier).map(|(_, bytes)| bytes).sum()).collect();
    let need_max = needs.iter().copied().max().unwrap_or(0).max(1);
    let capacity = |row: &Row| row.tier(panel.tier).map_or(0, |tier| tier.capacity_bytes);
    let capacity_max = bars.iter().map(|row| capacity(row)).max().unwrap_or(0);
    let drawn = capacity_max / CAPACITY_RATIO_MAX <= need_max;
    let axis_max = if drawn { need_max.max(capacity_max) } else { need_max };
    let (unit_bytes, unit) = size_unit(axis_max);
    let scale = Scale::from_zero(&[axis_max as f64 / unit_bytes]);
    let x = |bytes: f64| panel.left + (panel.right - panel.left) * scale.share(bytes / unit_bytes);
    let room = panel.right - panel.left;
    let head = format!("{} ({unit})", panel.tier.to_uppercase());
    scene.text((panel.left, TOP - 24.0), &head, 13.0, Align::Start, INK);
    let beyond = if drawn { String::new() } else { format!("the machine has {}", size(capacity_max)) };
    scene.text((panel.left, TOP - 9.0), &fitted(&beyond, 11.0, room), 11.0, Align::Start, GREY);
    let wanted = if room > 400.0 {
        7
    } else if room > 200.0 {
        4
    } else {
        2
    };
    for (value, text) in scale.ticks(wanted) {
        let at = x(value * unit_bytes);
        scene.line(&[(at, TOP), (at, bottom)], Stroke::solid(LIGHT, 1.0));
        scene.text((at, bottom + 17.0), &text, 12.0, Align::Middle, INK);
    }
    for (index, row) in bars.iter().enumerate() {
        let top = TOP + height * index as f64;
        let mut below = 0;
        for (owner, bytes) in owned(row, panel.tier) {
            let color = owners.iter().position(|known| *known == owner).unwrap_or(0);
            let (start, end) = (x(below as f64), x((below + bytes) as f64));
            scene.rect((start, top + height * 0.16), (end - start, height * 0.68), owner_ink(color));
            below += bytes;
        }
        if drawn && capacity(row) > 0 {
            let at = x(capacity(row) as f64);
            scene.line(&[(at, top + 1.0), (at, top + height - 1.0)], Stroke::solid(INK, 3.0));
        }
    }
    scene.line(&[(panel.left, TOP), (panel.left, bottom)], Stroke::solid(GREY, 1.0));
}
