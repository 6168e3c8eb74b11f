//! The tornado: a bar for each parameter from what less of it gives to what more of it gives, the widest on top, around
//! the line of the point as it is.

use crate::error::Result;
use crate::metrics::{PromptRange, Sensitivity, SensitivityBar, SensitivityEnd};
use crate::report::NamedFile;
use crate::report::draw::{
    self, Align, GREY, HEIGHT, INK, Ink, LIGHT, Rgb, Scale, Scene, Stroke, WIDTH, fitted, footnote, heading,
    hue, time_unit, width,
};
use crate::report::format::counted;
use crate::report::sensitivity::{amount, by_words, changed, notable};

const TOP: f64 = 112.0;
const BOTTOM: f64 = HEIGHT - 82.0;
const NAME_EM: f64 = 12.5;
const VALUE_EM: f64 = 11.0;
/// Room for the names of parameters, and what each is, at the left.
const NAMES: f64 = 285.0;
/// Room for the values beside the outermost bars.
const VALUES: f64 = 122.0;
/// Most bars; more could not be read.
const BARS_MAX: usize = 18;
const BAR_HEIGHT_MAX: f64 = 26.0;
/// A bar that is more than half of the base, and so many times as long as the next one, is cut, at so many times the next
/// one's length.
const CUT_BEYOND: f64 = 4.0;
const CUT_AT: f64 = 1.6;

/// One end as it is drawn.
struct End {
    /// Metric and words beside it; none where it cannot run.
    value: Option<f64>,
    words: String,
    ink: Rgb,
}

/// One bar as it is drawn.
struct Bar {
    name: String,
    setting: String,
    ends: [End; 2],
}

/// The picture as SVG and PNG.
pub(in crate::report) fn files(name: &str, title: &str, found: &Sensitivity) -> Result<Vec<NamedFile>> {
    draw::files(name, &scene(title, found))
}

fn less_ink() -> Rgb {
    hue(1)
}

fn more_ink() -> Rgb {
    hue(0)
}

fn scene(title: &str, found: &Sensitivity) -> Scene {
    let mut scene = Scene::default();
    let by = by_words(found.by_permille);
    let metric = found.metric.title();
    let heading_of = |what: &str| format!("{title}: {what}");
    let config = &found.row.config;
    let axes = found.row.axes.iter().map(|(key, value)| format!("{key} {value}"));
    let mut parts =
        vec![config.model.clone(), config.quant.clone(), config.gpu.clone(), config.engine.clone()];
    parts.extend(axes);
    heading(&mut scene, &heading_of(&format!("what {metric} depends on")), &parts.join(" \u{b7} "));
    let Some(base) = found.base else {
        scene.text((WIDTH / 2.0, HEIGHT / 2.0), "The point cannot run.", 16.0, Align::Middle, GREY);
        return scene;
    };
    let (shown, hidden) = notable(found);
    let mut bars: Vec<Bar> = shown.iter().take(BARS_MAX).map(|bar| drawn(bar, found, base)).collect();
    if let Some(range) = found.prompts {
        let at = shown.iter().take_while(|bar| bar.swing(base) > range.highest.1 - range.lowest.1).count();
        bars.insert(at.min(bars.len()), prompt(range, found, base));
    }
    footnote(&mut scene, &note(shown.len().saturating_sub(BARS_MAX), &hidden));
    if bars.is_empty() {
        let text = format!("Nothing that was varied by {by} changes {metric}.");
        scene.text((WIDTH / 2.0, HEIGHT / 2.0), &text, 16.0, Align::Middle, GREY);
        return scene;
    }
    let frame = Frame::new(found, base, &bars);
    frame.axis(&mut scene, found);
    for (index, bar) in bars.iter().enumerate() {
        frame.bar(&mut scene, bar, index);
    }
    frame.base_line(&mut scene, found, base);
    legend(&mut scene, &by, found.prompts.is_some());
    scene
}

/// What is not drawn.
fn note(more: usize, hidden: &[&SensitivityBar]) -> String {
    let mut text = String::new();
    if more > 0 {
        text.push_str(&format!("{} more not drawn. ", counted(more, "parameter")));
    }
    if !hidden.is_empty() {
        let names: Vec<&str> = hidden.iter().map(|bar| bar.parameter.title()).collect();
        text.push_str(&format!("No effect: {}.", names.join(", ")));
    }
    text
}

fn drawn(bar: &SensitivityBar, found: &Sensitivity, base: u64) -> Bar {
    let end = |end: &SensitivityEnd, ink: Rgb| {
        let value = end.varied.value();
        let words = match value {
            Some(value) => format!("{} ({})", amount(found.metric, value), changed(base, value)),
            None => "cannot run".to_owned(),
        };
        End { value: value.map(|value| value as f64), words, ink }
    };
    let fitted = if bar.is_fitted { " (fitted router)" } else { "" };
    Bar {
        name: format!("{}{fitted}", bar.parameter.title()),
        setting: format!("{} to {}", bar.less.setting, bar.more.setting),
        ends: [end(&bar.less, less_ink()), end(&bar.more, more_ink())],
    }
}

fn prompt(range: PromptRange, found: &Sensitivity, base: u64) -> Bar {
    let end = |(sequence, value): (u32, u64)| End {
        value: Some(value as f64),
        words: format!("{} ({}, #{sequence})", amount(found.metric, value), changed(base, value)),
        ink: GREY,
    };
    Bar {
        name: "this prompt or another".to_owned(),
        setting: format!("{} sequences of the trace", range.sequences),
        ends: [end(range.lowest), end(range.highest)],
    }
}

/// Where bars lie.
struct Frame {
    left: f64,
    right: f64,
    step: f64,
    height: f64,
    count: usize,
    base: f64,
    /// Units of the axis: nanoseconds, or thousandths of a token a second.
    unit: f64,
    unit_name: &'static str,
    scale: Scale,
}

/// How far from the base the axis goes at most: a bar that dwarfs all others, and the base's own half, is cut, so that
/// the others can be read.
fn cut(bars: &[Bar], base: f64) -> f64 {
    let reach = |bar: &Bar| {
        let values = bar.ends.iter().filter_map(|end| end.value);
        values.map(|value| (value - base).abs()).fold(0.0, f64::max)
    };
    let mut all: Vec<f64> = bars.iter().map(reach).collect();
    all.sort_by(|one, other| other.total_cmp(one));
    match all.as_slice() {
        [first, second, ..] if *second > 0.0 && *first > (CUT_BEYOND * second).max(base / 2.0) => {
            CUT_AT * second
        }
        _ => f64::INFINITY,
    }
}

impl Frame {
    fn new(found: &Sensitivity, base: u64, bars: &[Bar]) -> Self {
        let base = base as f64;
        let cut = cut(bars, base);
        let ends = bars.iter().flat_map(|bar| &bar.ends).filter_map(|end| end.value);
        let within = ends.map(|value| value.clamp(base - cut, base + cut));
        let (low, high) = within.fold((base, base), |(low, high), value| (low.min(value), high.max(value)));
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time that was measured"
        )]
        let (unit, unit_name) =
            if found.metric.is_time() { time_unit(high as u64) } else { (1e3, "tokens/s") };
        let step = ((BOTTOM - TOP) / bars.len() as f64).min(BAR_HEIGHT_MAX * 1.7);
        Self {
            left: NAMES + VALUES,
            right: WIDTH - VALUES - 14.0,
            step,
            height: (step * 0.62).min(BAR_HEIGHT_MAX),
            count: bars.len(),
            base,
            unit,
            unit_name,
            scale: Scale::linear(low / unit, high / unit * (1.0 + 1e-9)),
        }
    }

    fn x(&self, value: f64) -> f64 {
        self.left + self.scale.share(value / self.unit) * (self.right - self.left)
    }

    fn bottom(&self) -> f64 {
        TOP + self.step * self.count as f64
    }

    fn axis(&self, scene: &mut Scene, found: &Sensitivity) {
        let bottom = self.bottom();
        for (value, text) in self.scale.ticks(6) {
            let x = self.x(value * self.unit);
            scene.line(&[(x, TOP), (x, bottom)], Stroke::solid(LIGHT, 1.0));
            scene.text((x, bottom + 17.0), &text, 12.0, Align::Middle, INK);
        }
        scene.line(&[(self.left, bottom), (self.right, bottom)], Stroke::solid(GREY, 1.0));
        let label = format!("{} ({})", found.metric.title(), self.unit_name);
        scene.text(((self.left + self.right) / 2.0, bottom + 38.0), &label, 13.0, Align::Middle, INK);
    }

    fn bar(&self, scene: &mut Scene, bar: &Bar, index: usize) {
        let top = TOP + self.step * index as f64 + (self.step - self.height) / 2.0;
        let middle = top + self.height / 2.0;
        let room = NAMES - 30.0;
        let lines = self.step >= 27.0;
        let name_at = if lines { middle - 1.5 } else { middle + 4.0 };
        scene.text((24.0, name_at), &fitted(&bar.name, NAME_EM, room), NAME_EM, Align::Start, INK);
        if lines {
            scene.text((24.0, middle + 11.5), &fitted(&bar.setting, 10.5, room), 10.5, Align::Start, GREY);
        }
        let base = self.x(self.base);
        let mut ends: Vec<(f64, &End)> = bar.ends.iter().filter_map(|end| Some((end.value?, end))).collect();
        // Of two on one side the shorter one is drawn over the longer.
        ends.sort_by(|(one, _), (other, _)| (other - self.base).abs().total_cmp(&(one - self.base).abs()));
        for (value, end) in ends {
            let x = self.x(value);
            scene.rect((x.min(base), top), ((x - base).abs(), self.height), Ink::solid(end.ink));
            if !self.scale.contains(value / self.unit) {
                self.break_mark(scene, x + if x > base { -16.0 } else { 16.0 }, top);
            }
        }
        self.labels(scene, bar, middle + 4.0);
    }

    /// Two slanted gaps: the bar goes on beyond the axis.
    fn break_mark(&self, scene: &mut Scene, x: f64, top: f64) {
        for at in [x - 4.0, x + 4.0] {
            let line = [(at - 3.0, top + self.height + 2.0), (at + 3.0, top - 2.0)];
            scene.line(&line, Stroke::solid((255, 255, 255), 3.0));
        }
    }

    /// What is left of the bar and what is right of it.
    fn labels(&self, scene: &mut Scene, bar: &Bar, y: f64) {
        let [first, second] = &bar.ends;
        let place = |end: &End| end.value.unwrap_or(self.base);
        let (mut low, mut high) = (first, second);
        // Where one end has no place, it is the side that the other leaves free.
        let swap = match (first.value, second.value) {
            (Some(_), Some(_)) => place(first) > place(second),
            (Some(value), None) => value > self.base,
            (None, Some(value)) => value < self.base,
            (None, None) => false,
        };
        if swap {
            (low, high) = (second, first);
        }
        let left = self.x(place(low).min(self.base));
        let right = self.x(place(high).max(self.base));
        scene.text((left - 5.0, y), &low.words, VALUE_EM, Align::End, low.ink);
        scene.text((right + 5.0, y), &high.words, VALUE_EM, Align::Start, high.ink);
    }

    fn base_line(&self, scene: &mut Scene, found: &Sensitivity, base: u64) {
        let x = self.x(self.base);
        scene.line(&[(x, TOP - 8.0), (x, self.bottom())], Stroke::dashed(INK, 1.5, 5.0, 3.0));
        let text = format!("as it is: {}", amount(found.metric, base));
        let half = width(&text, 12.0) / 2.0;
        let middle = x.clamp(24.0 + half, WIDTH - 24.0 - half);
        scene.text((middle, TOP - 14.0), &text, 12.0, Align::Middle, INK);
    }
}

fn legend(scene: &mut Scene, by: &str, has_prompts: bool) {
    let mut x = 24.0;
    let mut entry = |text: &str, ink: Rgb| {
        scene.rect((x, 73.0), (22.0, 11.0), Ink::tint(ink, 0.85));
        scene.text((x + 28.0, 83.0), text, 12.0, Align::Start, INK);
        x += 28.0 + width(text, 12.0) + 26.0;
    };
    entry(&format!("{by} less of it"), less_ink());
    entry(&format!("{by} more of it"), more_ink());
    if has_prompts {
        entry("fastest and slowest prompt", GREY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(less: Option<f64>, more: Option<f64>) -> Bar {
        let end = |value| End { value, words: String::new(), ink: INK };
        Bar { name: String::new(), setting: String::new(), ends: [end(less), end(more)] }
    }

    #[test]
    fn one_bar_that_dwarfs_all_others_is_cut() {
        for (bars, expected) in [
            (vec![], f64::INFINITY),
            (vec![bar(Some(900.0), None)], f64::INFINITY),
            (vec![bar(Some(130.0), Some(90.0)), bar(Some(110.0), Some(95.0))], f64::INFINITY),
            (vec![bar(Some(900.0), Some(100.0)), bar(Some(110.0), Some(80.0))], 20.0 * CUT_AT),
            (vec![bar(Some(120.0), Some(85.0)), bar(Some(101.0), Some(99.0))], f64::INFINITY),
            (vec![bar(Some(900.0), Some(100.0)), bar(None, Some(100.0))], f64::INFINITY),
        ] {
            let found = cut(&bars, 100.0);
            assert!(
                (found - expected).abs() < 1e-9 || found.total_cmp(&expected).is_eq(),
                "{found} {expected}"
            );
        }
    }
}
