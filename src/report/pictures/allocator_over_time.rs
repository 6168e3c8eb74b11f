//! GPU memory over time: what is reserved against what is allocated, and when blocks were moved together, in one panel for
//! each point of the sweep.

use super::common::{Sheet, short_label};
use super::serving_panel::{Panel, TICKS_WIDTH, steps};
use crate::metrics::{AllocatorSlice, AllocatorSummary, Row};
use crate::report::allocator::allocated;
use crate::report::draw::{
    Align, Entry, GREY, HEIGHT, INK, Ink, Marker, Scale, Scene, Stroke, Swatch, WIDTH, fitted, footnote,
    heading, hue, legend, legend_width, size_unit, time_unit,
};
use crate::report::format::ratio;
use crate::report::meta::{ReportMeta, axis_value};
use crate::report::text_table::last_part;

pub(super) const NAME: &str = "allocator_over_time";
pub(super) const TITLE: &str = "GPU memory reserved and allocated over time";

const PANELS_MAX: usize = 6;
const TOP: f64 = 100.0;
const BOTTOM: f64 = HEIGHT - 74.0;
/// Above a panel, for its name; below it, for its ticks.
const GAP: f64 = 44.0;

/// `None` where no allocator was simulated.
pub(super) fn scene(sheet: &Sheet<'_>) -> Option<Scene> {
    let all: Vec<(&Row, &AllocatorSummary)> = sheet
        .rows
        .iter()
        .filter_map(|row| Some((row, allocated(row)?.1)))
        .filter(|(_, allocator)| !allocator.slices.is_empty())
        .collect();
    let shown = spread(&all);
    let peak = shown.iter().map(|(_, allocator)| allocator.reserved_peak_bytes).max()?;
    let (unit_bytes, unit) = size_unit(peak);
    let keys: Vec<String> = ReportMeta::default().axis_keys(sheet.rows);
    let mut scene = Scene::default();
    heading(&mut scene, &sheet.title(TITLE), &sheet.subtitle);
    let left_out = match all.len() - shown.len() {
        0 => String::new(),
        more => format!(" {more} more points are not drawn."),
    };
    let about = |key: &str, text: &'static str| {
        if keys.iter().any(|known| known == key) { text } else { "" }
    };
    let segments = about("allocator.expandable_segments", " Segments are fixed or growing.");
    let passes = about("allocator.compact_every", " Compacted every so many passes.");
    footnote(
        &mut scene,
        &format!("Means over the passes of each slice, as they end.{segments}{passes}{left_out}"),
    );
    let entries = entries(&shown);
    legend(&mut scene, &entries, TOP - 16.0, HEIGHT - 24.0);
    let right = WIDTH - legend_width(&entries) - 16.0;
    let columns = if shown.len() > 3 { 2 } else { 1 };
    let lines = shown.len().div_ceil(columns);
    let (width, height) = ((right - 24.0) / columns as f64, (BOTTOM - TOP + GAP) / lines as f64);
    let (from, to) = bounds(&shown, unit_bytes);
    let end = |allocator: &AllocatorSummary| {
        allocator.slices.last().map_or(0, |slice| slice.begin_ns + slice.span_ns)
    };
    let longest = shown.iter().map(|(_, allocator)| end(allocator)).max().unwrap_or(0);
    let (unit_ns, unit_time) = time_unit(longest);
    for (index, (row, allocator)) in shown.iter().enumerate() {
        let corner = (24.0 + width * (index % columns) as f64, TOP + height * (index / columns) as f64);
        let panel = Panel {
            left: corner.0 + TICKS_WIDTH - 14.0,
            top: corner.1,
            right: corner.0 + width - 12.0,
            bottom: corner.1 + height - GAP,
            x: Scale::linear(0.0, end(allocator) as f64 / unit_ns),
            y: Scale::linear(from, to),
        };
        panel.frame(&mut scene, &name(row, allocator, &keys, panel.right - panel.left), &[], true);
        draw(&mut scene, &panel, allocator, (unit_ns, unit_bytes));
    }
    scene.text((WIDTH / 2.0, HEIGHT - 34.0), &format!("time ({unit_time})"), 13.0, Align::Middle, INK);
    scene.text_upwards((18.0, (TOP + BOTTOM) / 2.0), &format!("GPU memory ({unit})"), 13.0, INK);
    Some(scene)
}

/// As many points as there are panels, spread over all of them.
fn spread<'a>(all: &[(&'a Row, &'a AllocatorSummary)]) -> Vec<(&'a Row, &'a AllocatorSummary)> {
    let count = all.len().min(PANELS_MAX);
    (0..count).map(|index| all[index * (all.len() - 1) / (count - 1).max(1)]).collect()
}

/// From a little below the least that was allocated, so that what is lost can be seen, to a little above the capacity.
fn bounds(shown: &[(&Row, &AllocatorSummary)], unit: f64) -> (f64, f64) {
    let slices = || shown.iter().flat_map(|(_, allocator)| &allocator.slices);
    let least = slices().map(|slice| slice.allocated_bytes).min().unwrap_or(0) as f64 / unit;
    let most = shown.iter().map(|(_, allocator)| allocator.capacity_bytes).max().unwrap_or(0) as f64 / unit;
    let room = (most - least).max(most * 0.02);
    ((least - room * 0.1).max(0.0), most + room * 0.06)
}

/// The point, what varies, and how much is lost. Keys of the allocator are told in words, and of others those whose values
/// have no unit.
fn name(row: &Row, allocator: &AllocatorSummary, keys: &[String], room: f64) -> String {
    let told = |key: &String| match (key.as_str(), axis_value(row, key)) {
        ("allocator.expandable_segments", "true") => "growing".to_owned(),
        ("allocator.expandable_segments", _) => "fixed".to_owned(),
        ("allocator.compact_every", "0") => "no compaction".to_owned(),
        ("allocator.compact_every", passes) => format!("every {passes}"),
        ("allocator.kind", kind) => kind.to_owned(),
        (_, value) if value.contains(' ') => value.to_owned(),
        (_, value) => short_label(&format!("{} {value}", last_part(key, keys))),
    };
    let values: Vec<String> = keys.iter().map(told).collect();
    let setting = if values.is_empty() { allocator.kind.clone() } else { values.join(", ") };
    let lost = ratio(u128::from(allocator.fragmentation_mean_ppm), 10_000, 1);
    fitted(&format!("{}: {setting}; {lost} % lost", row.index), 13.0, room)
}

fn entries(shown: &[(&Row, &AllocatorSummary)]) -> Vec<Entry> {
    let line = |stroke, text: &str| Entry { swatch: Swatch::Line(stroke, None), text: text.to_owned() };
    let mut entries = vec![
        line(reserved_stroke(), "reserved"),
        line(allocated_stroke(), "allocated"),
        Entry { swatch: Swatch::Area(lost_ink()), text: "lost".to_owned() },
        line(Stroke::dashed(GREY, 1.2, 4.0, 3.0), "capacity"),
    ];
    if shown.iter().any(|(_, allocator)| allocator.compactions > 0) {
        let swatch = Swatch::Mark(Marker::Cross, Ink::solid(INK));
        entries.push(Entry { swatch, text: "compaction".to_owned() });
    }
    entries
}

fn reserved_stroke() -> Stroke {
    Stroke::solid(hue(1), 1.8)
}

fn allocated_stroke() -> Stroke {
    Stroke::solid(hue(0), 1.8)
}

fn lost_ink() -> Ink {
    Ink::tint(hue(1), 0.25)
}

fn draw(scene: &mut Scene, panel: &Panel, allocator: &AllocatorSummary, (unit_ns, unit): (f64, f64)) {
    let line = |level: fn(&AllocatorSlice) -> u64| {
        steps(allocator.slices.iter().map(|slice| {
            let begin = slice.begin_ns as f64 / unit_ns;
            let end = (slice.begin_ns + slice.span_ns) as f64 / unit_ns;
            (begin, end, level(slice) as f64 / unit)
        }))
    };
    let (reserved, allocated) = (line(|slice| slice.reserved_bytes), line(|slice| slice.allocated_bytes));
    panel.area(scene, &allocated, &reserved, lost_ink());
    panel.level(scene, allocator.capacity_bytes as f64 / unit);
    panel.line(scene, &allocated, allocated_stroke());
    panel.line(scene, &reserved, reserved_stroke());
    for slice in allocator.slices.iter().filter(|slice| slice.compactions > 0) {
        let middle = (slice.begin_ns + slice.span_ns / 2) as f64 / unit_ns;
        let (x, _) = panel.at(middle, 0.0);
        Marker::Cross.draw(scene, (x, panel.bottom - 7.0), 3.0, INK);
    }
}
