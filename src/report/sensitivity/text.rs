//! The table and the sentences.

use std::fmt::Write as _;

use super::words::{amount, by_words, changed, notable, permille};
use crate::metrics::{PromptRange, Sensitivity, SensitivityBar, SensitivityEnd, SensitivityMetric, Varied};
use crate::report::format::{listed, ratio};
use crate::report::point::described;
use crate::report::text_table::aligned;

/// Below this many thousandths of swing nothing is said to matter.
const NOTABLE_PERMILLE: u64 = 5;

/// The point, a line for each parameter, and what the answer depends on.
pub fn sensitivity_text(found: &Sensitivity) -> String {
    let mut text = described(&found.row);
    let Some(base) = found.base else { return text };
    let (shown, hidden) = notable(found);
    let by = by_words(found.by_permille);
    let mut lines = vec![head(found.metric, &by)];
    let as_it_is = ["(as it is)", "", "", &amount(found.metric, base), ""].map(str::to_owned);
    lines.push(as_it_is.to_vec());
    lines.extend(shown.iter().map(|bar| line(bar, found.metric, base)));
    lines.extend(found.prompts.map(|range| prompt_line(range, found.metric, base)));
    text.push('\n');
    text.push_str(&aligned(&lines, 2));
    if !hidden.is_empty() {
        let names: Vec<String> = hidden.iter().map(|bar| bar.parameter.title().to_owned()).collect();
        let _ = writeln!(text, "No effect within 0.1 %: {}.", listed(&names));
    }
    if shown.iter().any(|bar| bar.is_fitted) {
        let _ = writeln!(
            text,
            "(fitted): of a synthetic router fitted to the trace, as a relative change of the recorded one's result."
        );
    }
    for reason in cannot(&shown, &by) {
        let _ = writeln!(text, "{reason}");
    }
    for note in &found.notes {
        let _ = writeln!(text, "Left out: {note}.");
    }
    let _ = writeln!(text, "\n{}", answer(found));
    text
}

fn head(metric: SensitivityMetric, by: &str) -> Vec<String> {
    let value = |sign: &str| format!("{} at {sign}{by}", metric.title());
    vec!["parameter".to_owned(), "as it is".to_owned(), "varied to".to_owned(), value("-"), value("+")]
}

fn titled(bar: &SensitivityBar) -> String {
    format!("{}{}", bar.parameter.title(), if bar.is_fitted { " (fitted)" } else { "" })
}

fn line(bar: &SensitivityBar, metric: SensitivityMetric, base: u64) -> Vec<String> {
    let end = |end: &SensitivityEnd| match end.varied.value() {
        Some(value) => format!("{} ({})", amount(metric, value), changed(base, value)),
        None => "cannot run".to_owned(),
    };
    let varied = format!("{} to {}", bar.less.setting, bar.more.setting);
    vec![titled(bar), bar.setting.clone(), varied, end(&bar.less), end(&bar.more)]
}

fn prompt_line(range: PromptRange, metric: SensitivityMetric, base: u64) -> Vec<String> {
    let end = |(sequence, value): (u32, u64)| {
        format!("{} ({}, #{sequence})", amount(metric, value), changed(base, value))
    };
    let (name, all) = ("this prompt or another".to_owned(), format!("{} sequences", range.sequences));
    vec![name, "median".to_owned(), all, end(range.lowest), end(range.highest)]
}

/// Variations that cannot run, a line each.
fn cannot(shown: &[&SensitivityBar], by: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for bar in shown {
        for (end, sign) in bar.ends().into_iter().zip(["-", "+"]) {
            if let Varied::CannotRun(reasons) = &end.varied {
                let title = bar.parameter.title();
                lines.push(format!("{title} at {sign}{by} cannot run: {}.", reasons.join("; ")));
            }
        }
    }
    lines
}

/// What a change of the metric is called: `12 % longer`, `8 % less`.
fn change(metric: SensitivityMetric, base: u64, value: u64) -> String {
    let permille = permille(base, value);
    let size = permille.unsigned_abs();
    let decimals = u32::from(size < 100);
    let word = match (metric.is_time(), permille < 0) {
        (true, true) => "shorter",
        (true, false) => "longer",
        (false, true) => "less",
        (false, false) => "more",
    };
    // A change to many times the value is said as such.
    if permille >= 1000 {
        let times = ratio(u128::from(value), u128::from(base), 1);
        return format!("{times} times as {}", if metric.is_time() { "long" } else { "much" });
    }
    if permille == 0 {
        "no different".to_owned()
    } else {
        format!("{} % {word}", ratio(u128::from(size), 10, decimals))
    }
}

/// `-20 % makes TPOT 12 % longer, +20 % 8.0 % shorter`.
fn ends(bar: &SensitivityBar, found: &Sensitivity, base: u64) -> String {
    let by = by_words(found.by_permille);
    let (metric, name) = (found.metric, found.metric.title());
    let value = |end: &SensitivityEnd| end.varied.value();
    match (value(&bar.less), value(&bar.more)) {
        (Some(less), Some(more)) => {
            format!("-{by} makes {name} {}, +{by} {}", change(metric, base, less), change(metric, base, more))
        }
        (None, Some(more)) => format!("-{by} cannot run, +{by} makes {name} {}", change(metric, base, more)),
        (Some(less), None) => format!("-{by} makes {name} {}, +{by} cannot run", change(metric, base, less)),
        (None, None) => format!("neither -{by} nor +{by} can run"),
    }
}

/// What the answer depends on, in sentences.
pub(super) fn answer(found: &Sensitivity) -> String {
    let Some(base) = found.base else { return "The point cannot run.".to_owned() };
    let (shown, _) = notable(found);
    let part = |bar: &SensitivityBar| u128::from(bar.swing(base)) * 1000 / u128::from(base.max(1));
    let strong = |bar: &&&SensitivityBar| part(bar) >= u128::from(NOTABLE_PERMILLE);
    let mut text = match shown.first().filter(strong) {
        Some(most) => format!("The answer depends most on {}: {}.", called(most), ends(most, found, base)),
        None => format!(
            "Nothing that was varied by {} changes {} by half a percent.",
            by_words(found.by_permille),
            found.metric.title()
        ),
    };
    if let Some(next) = shown.get(1).filter(strong) {
        let _ = write!(text, " Next: {} ({}).", called(next), ends(next, found, base));
    }
    let stuck = shown.iter().skip(2).filter(|bar| !bar.runs());
    for bar in stuck {
        let _ = write!(text, " Beware of {}: {}.", called(bar), ends(bar, found, base));
    }
    if let Some(range) = found.prompts {
        let most = shown.first().map_or(0, |bar| part(bar));
        let spread = u128::from(range.highest.1 - range.lowest.1) * 1000 / u128::from(base.max(1));
        let (low, high) = (amount(found.metric, range.lowest.1), amount(found.metric, range.highest.1));
        let than = if spread > most {
            "More than on any of these it depends on the prompt"
        } else {
            "Between prompts"
        };
        let _ = write!(text, " {than}: {low} to {high} over {} sequences.", range.sequences);
    }
    text
}

/// A parameter in a sentence.
fn called(bar: &SensitivityBar) -> String {
    let title = bar.parameter.title();
    if bar.is_fitted { format!("{title} (of a fitted router)") } else { title.to_owned() }
}
