//! The page where no configuration keeps all limits: what comes nearest, what it breaks, and which limits bind.

use super::choice::described;
use super::page::{Page, Sentence, Source};
use super::value::{shown, title};
use super::view::{View, beyond, written};
use crate::metrics::advice::{Fate, Relaxed};
use crate::report::format::listed;

pub(super) fn without(page: &mut Page, view: &View<'_>) {
    page.heading("No recommendation");
    page.say("", why_not(view), &[Source::Candidates]);
    if let Some(nearest) = view.advice.nearest {
        page.item("Nearest", near(view, nearest));
    }
    if view.advice.limits.is_empty() || view.advice.nearest.is_none() {
        return;
    }
    binding(page, view);
    for relaxed in &view.advice.relaxed {
        page.item("", given_up(view, relaxed));
    }
}

fn why_not(view: &View<'_>) -> &'static str {
    let all = &view.advice.candidates;
    let runs = |fate: &Fate| !matches!(fate, Fate::Refused(_) | Fate::CannotRun(_));
    match (all.is_empty(), all.iter().any(|one| runs(&one.fate))) {
        (true, _) => "There is no configuration to choose from",
        (false, false) => "No configuration can run at all",
        (false, true) => "No configuration keeps every limit",
    }
}

/// The nearest configuration and by how much it breaks which limit.
fn near(view: &View<'_>, index: u64) -> Vec<Sentence> {
    let mut told = vec![Sentence::new(described(view, index), &[view.source(index)])];
    let Some(row) = view.advice.row(index) else { return told };
    let sources = [view.source(index), Source::Question];
    for limit in &view.advice.limits {
        match limit.metric.of(row) {
            Some(value) if limit.allows(value) => {}
            Some(value) => {
                told.push(Sentence::new(
                    format!("It breaks {}: {}", written(limit), beyond(limit, value)),
                    &sources,
                ));
            }
            None => {
                let text = format!(
                    "Whether it keeps {} is not known: it has no {}",
                    written(limit),
                    title(limit.metric)
                );
                told.push(Sentence::new(text, &sources));
            }
        }
    }
    told
}

/// Which limits bind: those that, given up alone, leave an answer.
fn binding(page: &mut Page, view: &View<'_>) {
    let binds: Vec<usize> = view.advice.relaxed.iter().map(|one| one.limit).collect();
    let names = |positions: &[usize]| view.limits(positions).into_iter().map(written).collect::<Vec<_>>();
    let others: Vec<usize> = (0..view.advice.limits.len()).filter(|at| !binds.contains(at)).collect();
    let sources = [Source::Candidates, Source::Question];
    let mut told = Vec::new();
    told.push(match names(&binds).as_slice() {
        [] => Sentence::bare(
            "no limit alone: giving up any one of them leaves no answer, so several contradict",
        ),
        [one] => Sentence::new(format!("{one} alone: without it there is an answer"), &sources),
        several => {
            let text = format!("{}: each of them given up alone leaves an answer", listed(several));
            Sentence::new(text, &sources)
        }
    });
    if !binds.is_empty() && !others.is_empty() {
        let text = format!("Giving up {} alone would change nothing", listed(&names(&others)));
        told.push(Sentence::new(text, &sources));
    }
    page.item(if binds.len() > 1 { "The limits that bind" } else { "The limit that binds" }, told);
}

fn given_up(view: &View<'_>, relaxed: &Relaxed) -> Vec<Sentence> {
    let Some(limit) = view.advice.limits.get(relaxed.limit) else { return Vec::new() };
    let (index, metric) = (relaxed.index, limit.metric);
    let text = format!(
        "Without {}: {} keeps all the others; its {} is {}",
        written(limit),
        view.named(index),
        title(metric),
        shown(metric, relaxed.value)
    );
    vec![Sentence::new(text, &[view.source(index), Source::Question])]
}
