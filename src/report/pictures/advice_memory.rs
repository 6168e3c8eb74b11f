//! Memory by tier of a recommendation and of the configurations beside it.

use super::memory;
use crate::error::Result;
use crate::metrics::Row;
use crate::report::NamedFile;
use crate::report::advice::View;
use crate::report::draw::{self, Align, GREY, INK, Scene, WIDTH, fitted, heading, width};

pub(in crate::report) const NAME: &str = "advice_memory";
pub(in crate::report) const TITLE: &str = "memory of the recommended configuration and of its neighbours";

const LINES_FROM: f64 = 330.0;
const LINE: f64 = 24.0;
const EM: f64 = 13.0;

/// Both files of the picture.
///
/// # Errors
/// When a backend fails, which no recommendation causes.
pub(in crate::report) fn files(view: &View<'_>) -> Result<Vec<NamedFile>> {
    draw::files(NAME, &scene(view))
}

pub(super) fn scene(view: &View<'_>) -> Scene {
    let advice = view.advice;
    let subject = if advice.recommended.is_some() { "recommended" } else { "nearest" };
    let neighbours = [("cheaper", &advice.cheaper), ("faster", &advice.faster)];
    let shown = neighbours.into_iter().filter_map(|(name, one)| Some((name, one.as_ref()?.index)));
    let shown = advice.subject().map(|index| (subject, index)).into_iter().chain(shown);
    let bars: Vec<(&str, &Row)> =
        shown.filter_map(|(name, index)| Some((name, advice.row(index)?))).collect();
    let labels: Vec<(String, String)> =
        bars.iter().map(|(name, row)| (format!("{name}, number {}", row.index), String::new())).collect();
    let rows: Vec<&Row> = bars.iter().map(|(_, row)| *row).collect();
    let title = format!("{}: {}", advice.title, "who owns which memory");
    let note = "Thick ticks: what the machine has; VRAM is that of one GPU.";
    let drawn = memory::drawn((&title, "the configuration and those beside it", note), &rows, &labels);
    let Some(mut scene) = drawn else {
        let mut scene = Scene::default();
        heading(&mut scene, &title, "");
        scene.text((500.0, 330.0), "No configuration was simulated.", 16.0, Align::Middle, GREY);
        return scene;
    };
    // What each is takes a line of its own, since there is no room for it beside its bar.
    let start = 24.0 + labels.iter().map(|(name, _)| width(name, EM)).fold(0.0, f64::max) + 12.0;
    for (((name, _), row), line) in labels.iter().zip(&rows).zip(0..) {
        let y = LINES_FROM + LINE * f64::from(line);
        scene.text((24.0, y), name, EM, Align::Start, INK);
        let label = fitted(&view.label(row.index), EM, WIDTH - 24.0 - start);
        scene.text((start, y), &label, EM, Align::Start, GREY);
    }
    scene
}
