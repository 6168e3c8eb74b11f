//! The recommendation in a sentence, why it is this one, and the steps that led to it where it was sought in steps.

use super::choice::described;
use super::page::{Page, Sentence, Source, plain};
use super::value::{counted, shown, title};
use super::view::View;
use crate::metrics::advice::Stage;

pub(super) fn recommended(page: &mut Page, view: &View<'_>) {
    let Some(index) = view.advice.recommended else { return };
    page.heading("Recommendation");
    page.say("", format!("Take {}", described(view, index)), &[view.source(index)]);
    page.item("Why", vec![why(view, index)]);
}

/// What it has the least of, among all that nothing is better than.
fn why(view: &View<'_>, index: u64) -> Sentence {
    let (advice, prefer) = (view.advice, view.advice.prefer);
    let of = |index| advice.row(index).and_then(|row| prefer.of(row));
    let others: Vec<u64> = advice.front().map(|one| one.index).filter(|other| *other != index).collect();
    let sources = [view.source(index), Source::Candidates];
    let Some(value) = of(index) else {
        return Sentence::bare("Nothing that keeps the limits is better in everything");
    };
    let (name, number) = (title(prefer), shown(prefer, value));
    if others.is_empty() {
        let text =
            format!("Nothing else that keeps the limits is better in anything; its {name} is {number}");
        return Sentence::new(text, &sources);
    }
    let least = if prefer.more_is_better() { "most" } else { "least" };
    let better =
        |other: &u64| of(*other).is_some_and(|theirs| prefer.badness(theirs) < prefer.badness(value));
    let count = counted(others.len() + 1, "configuration");
    let place = if others.iter().any(better) {
        format!("it is one of {count} that nothing is better than in everything; its {name} is {number}")
    } else {
        format!("of {count} that nothing is better than in everything, it has the {least} {name}, {number}")
    };
    Sentence::new(place, &sources)
}

/// The steps, each with what it leads to and why it is not enough.
pub(super) fn stages(page: &mut Page, view: &View<'_>) {
    if view.advice.stages.is_empty() {
        return;
    }
    page.heading("Step by step");
    for (at, stage) in view.advice.stages.iter().enumerate() {
        let lead = format!("Step {}, {}", at + 1, plain(&stage.name));
        page.item(&lead, step(view, stage));
    }
}

fn step(view: &View<'_>, stage: &Stage) -> Vec<Sentence> {
    let Some(index) = stage.index else {
        let short: Vec<String> = stage.short.iter().map(|reason| plain(reason)).collect();
        let none =
            if short.is_empty() { "no configuration of this kind".to_owned() } else { short.join("; ") };
        return vec![Sentence::new(none, &[Source::Candidates, Source::Data])];
    };
    let numbers: Vec<String> = [view.time, view.cost]
        .into_iter()
        .filter_map(|metric| Some(format!("{} {}", title(metric), view.number(metric, index)?)))
        .collect();
    let numbers = if numbers.is_empty() { String::new() } else { format!(": {}", numbers.join(", ")) };
    let best = Sentence::new(format!("{}{numbers}", view.named(index)), &[view.source(index)]);
    let short: Vec<String> = stage.short.iter().map(|reason| plain(reason)).collect();
    let verdict = if short.is_empty() {
        Sentence::bare("That is enough")
    } else {
        let text = format!("It is not enough: {}", short.join("; "));
        Sentence::new(text, &[view.source(index), Source::Data])
    };
    vec![best, verdict]
}
