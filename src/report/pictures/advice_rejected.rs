//! What became of all candidates: one bar, cut by their fates, and below it each fate with its count.

use crate::error::Result;
use crate::metrics::advice::Fate;
use crate::report::NamedFile;
use crate::report::advice::{Group, View, groups};
use crate::report::draw::{
    self, Align, GREY, INK, Ink, Scene, Stroke, WIDTH, fitted, footnote, heading, hue, width,
};
use crate::report::format::{counted, percent};

pub(in crate::report) const NAME: &str = "advice_rejected";
pub(in crate::report) const TITLE: &str = "what became of every configuration";

const LEFT: f64 = 24.0;
const RIGHT: f64 = WIDTH - 24.0;
const BAR: (f64, f64) = (86.0, 56.0);
const LINES_FROM: f64 = 178.0;
const LINE: f64 = 32.0;
const LINES_MAX: usize = 13;
const EM: f64 = 14.0;

/// Both files of the picture.
///
/// # Errors
/// When a backend fails, which no recommendation causes.
pub(in crate::report) fn files(view: &View<'_>) -> Result<Vec<NamedFile>> {
    draw::files(NAME, &scene(view))
}

/// A fate as it is drawn: its words, its count and its colour.
struct Part {
    words: String,
    count: usize,
    ink: Ink,
}

/// The front stands first, since it is what everything else was rejected for.
fn parts(view: &View<'_>) -> Vec<Part> {
    let mut all = groups(view);
    let is_front = |fate: Option<&Fate>| fate == Some(&Fate::Front);
    all.sort_by_key(|group| !is_front(group.members.first().map(|one| &one.fate)));
    let front = all.first().is_some_and(|group| is_front(group.members.first().map(|one| &one.fate)));
    let ink = |at: usize| match at {
        0 if front => Ink::tint(hue(2), 0.85),
        at => {
            // The green of the front is no other fate's.
            let hues = [0, 1, 3, 4, 5, 6, 7];
            let at = at - usize::from(front);
            Ink::tint(hue(hues[at % hues.len()]), [0.75, 0.4][(at / hues.len()).min(1)])
        }
    };
    let part = |(at, group): (usize, Group<'_>)| Part {
        words: group.words,
        count: group.members.len(),
        ink: ink(at),
    };
    let mut parts: Vec<Part> = all.into_iter().enumerate().map(part).collect();
    if parts.len() > LINES_MAX {
        let rest = parts.split_off(LINES_MAX - 1);
        let count = rest.iter().map(|part| part.count).sum();
        let words = format!("in {}", counted(rest.len(), "more group"));
        parts.push(Part { words, count, ink: Ink::tint(GREY, 0.4) });
    }
    parts
}

pub(super) fn scene(view: &View<'_>) -> Scene {
    let mut scene = Scene::default();
    let parts = parts(view);
    let total: usize = parts.iter().map(|part| part.count).sum();
    heading(&mut scene, &format!("{}: {TITLE}", view.advice.title), &counted(total, "configuration"));
    if total == 0 {
        scene.text((500.0, 330.0), "There was no configuration to choose from.", 16.0, Align::Middle, GREY);
        return scene;
    }
    footnote(&mut scene, "Each is counted once, by what settled it. candidates.csv has them one by one.");
    let digits = parts.iter().map(|part| width(&part.count.to_string(), EM)).fold(0.0, f64::max);
    let (count_at, share_at) = (LEFT + 34.0 + digits, LEFT + 34.0 + digits + 76.0);
    let mut before = 0;
    for (part, line) in parts.iter().zip(0..) {
        let at = |count: usize| LEFT + (RIGHT - LEFT) * count as f64 / total as f64;
        let (from, to) = (at(before), at(before + part.count));
        scene.rect((from, BAR.0), (to - from, BAR.1), part.ink);
        let count = part.count.to_string();
        if width(&count, EM) + 8.0 < to - from {
            let middle = ((from + to) / 2.0, BAR.0 + BAR.1 / 2.0 + 5.0);
            scene.text(middle, &count, EM, Align::Middle, INK);
        }
        scene.line(&[(to, BAR.0), (to, BAR.0 + BAR.1)], Stroke::solid((255, 255, 255), 1.0));
        before += part.count;
        let y = LINES_FROM + LINE * f64::from(line);
        scene.rect((LEFT, y - 12.0), (22.0, 14.0), part.ink);
        scene.text((count_at, y), &count, EM, Align::End, INK);
        let share = percent(part.count as u64, total as u64, 1);
        scene.text((share_at, y), &format!("{share} %"), EM, Align::End, GREY);
        let words = fitted(&part.words, EM, RIGHT - share_at - 16.0);
        scene.text((share_at + 16.0, y), &words, EM, Align::Start, INK);
    }
    scene
}
