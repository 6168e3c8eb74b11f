//! One run over time: requests running and waiting, tokens a second, and the hit rate of experts, in panels that share
//! their time.

use super::common::Sheet;
use super::serving_panel::{Panel, TICKS_WIDTH, steps};
use crate::metrics::ServingSlice;
use crate::report::draw::{
    Align, Entry, HEIGHT, INK, Ink, Marker, Scale, Scene, Stroke, Swatch, WIDTH, footnote, heading, hue,
    time_unit,
};
use crate::report::serving::{Served, is_saturated, settings, showcase};

pub(super) const NAME: &str = "serving_over_time";
pub(super) const TITLE: &str = "one run over time";

const TOP: f64 = 100.0;
const BOTTOM: f64 = HEIGHT - 74.0;
/// Above a panel, for its name.
const GAP: f64 = 34.0;

/// A line of a panel: what it shows, its colour, and its value in a slice; none where there is nothing to tell.
type Series = (&'static str, usize, fn(&ServingSlice) -> Option<f64>);

const REQUESTS: &[Series] = &[
    ("running", 0, |slice| Some(slice.running_permille as f64 / 1000.0)),
    ("waiting", 1, |slice| Some(slice.waiting_permille as f64 / 1000.0)),
];
const OUTPUT: &[Series] = &[("", 2, |slice| per_s(slice.generated, slice))];
const PROMPT: &[Series] = &[("", 3, |slice| per_s(slice.prefilled, slice))];
const HITS: &[Series] =
    &[("", 6, |slice| (slice.lookups > 0).then(|| slice.hits as f64 * 100.0 / slice.lookups as f64))];

fn per_s(count: u64, slice: &ServingSlice) -> Option<f64> {
    (slice.span_ns > 0).then(|| count as f64 / (slice.span_ns as f64 / 1e9))
}

/// Which run a picture shows: `point 3, lru, 4 requests/s, not saturated`; the load alone where there is
/// one point.
pub(super) fn which(sheet: &Sheet<'_>, shown: &Served<'_>) -> String {
    let load = shown.load.map_or_else(|| shown.serving.load.clone(), |load| load.to_string());
    if sheet.rows.len() == 1 {
        return load;
    }
    let place = sheet.rows.iter().position(|row| row.index == shown.row.index);
    let setting = place.and_then(|place| settings(sheet.rows).into_iter().nth(place)).unwrap_or_default();
    // Users who wait for their answers saturate nothing.
    let why = match (shown.serving.users > 0, is_saturated(shown.serving)) {
        (true, _) => "",
        (false, true) => "saturated",
        (false, false) => "not saturated",
    };
    let parts = [format!("point {}", shown.row.index), setting, load, why.to_owned()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// `None` where no run has slices.
pub(super) fn scene(sheet: &Sheet<'_>) -> Option<Scene> {
    let shown = showcase(sheet.rows)?;
    let slices = &shown.serving.slices;
    let (first, last) = (slices.first()?, slices.last()?);
    let mut panels = vec![("requests", REQUESTS), ("output tokens/s", OUTPUT), ("prompt tokens/s", PROMPT)];
    if slices.iter().any(|slice| slice.lookups > 0) {
        panels.push(("experts found in GPU memory (% of lookups)", HITS));
    }
    let (unit_ns, unit) = time_unit(last.begin_ns + last.span_ns);
    let x = Scale::linear(first.begin_ns as f64 / unit_ns, (last.begin_ns + last.span_ns) as f64 / unit_ns);
    let mut scene = Scene::default();
    let which = format!("{} · {}", which(sheet, &shown), sheet.subtitle);
    heading(&mut scene, &sheet.title("requests and tokens over time"), &which);
    let lost: u64 = slices.iter().map(|slice| slice.preemptions).sum();
    let crosses = if lost > 0 { " Crosses: requests were preempted." } else { "" };
    footnote(&mut scene, &format!("Every slice has its sum or mean.{crosses}"));
    let step = (BOTTOM - TOP + GAP) / panels.len() as f64;
    let count = panels.len();
    for (index, (name, lines)) in panels.into_iter().enumerate() {
        let top = TOP + step * index as f64;
        let bottom = top + step - GAP;
        let values = lines.iter().flat_map(|(_, _, value)| slices.iter().filter_map(value));
        let y = match name {
            "requests" | "output tokens/s" | "prompt tokens/s" => {
                Scale::from_zero(&values.collect::<Vec<_>>())
            }
            _ => Scale::linear(0.0, 100.0),
        };
        let panel = Panel { left: 24.0 + TICKS_WIDTH, top, right: WIDTH - 32.0, bottom, x, y };
        panel.frame(&mut scene, name, &entries(lines, lost), index + 1 == count);
        draw(&mut scene, &panel, slices, lines, unit_ns);
    }
    scene.text((WIDTH / 2.0, HEIGHT - 34.0), &format!("time ({unit})"), 13.0, Align::Middle, INK);
    Some(scene)
}

/// What the lines of a panel are, where there are several.
fn entries(lines: &[Series], lost: u64) -> Vec<Entry> {
    if lines.len() < 2 {
        return Vec::new();
    }
    let entry = |(name, color, _): &Series| Entry {
        swatch: Swatch::Line(Stroke::solid(hue(*color), 2.0), None),
        text: (*name).to_owned(),
    };
    let mut entries: Vec<Entry> = lines.iter().map(entry).collect();
    entries.extend((lost > 0).then(|| Entry {
        swatch: Swatch::Mark(Marker::Cross, Ink::solid(INK)),
        text: format!("{lost} preempted"),
    }));
    entries
}

fn draw(scene: &mut Scene, panel: &Panel, slices: &[ServingSlice], lines: &[Series], unit_ns: f64) {
    let ends = |slice: &ServingSlice| {
        (slice.begin_ns as f64 / unit_ns, (slice.begin_ns + slice.span_ns) as f64 / unit_ns)
    };
    for (_, color, value) in lines {
        // A slice without a value is a gap.
        for run in slices.chunk_by(|a, b| value(a).is_some() == value(b).is_some()) {
            let known = run.iter().filter_map(|slice| Some((ends(slice).0, ends(slice).1, value(slice)?)));
            panel.line(scene, &steps(known), Stroke::solid(hue(*color), 1.6));
        }
    }
    if lines.len() > 1 {
        for slice in slices.iter().filter(|slice| slice.preemptions > 0) {
            let (begin, end) = ends(slice);
            let (x, _) = panel.at((begin + end) / 2.0, 0.0);
            Marker::Cross.draw(scene, (x, panel.top + 7.0), 3.5, INK);
        }
    }
}
