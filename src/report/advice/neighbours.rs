//! The configurations beside the one the page speaks of: what is cheaper, what is faster, and what each gives up.

use super::choice::differing;
use super::page::{Page, Sentence, Source, capital};
use super::value::{shown, title};
use super::view::{View, beyond, written};
use crate::metrics::advice::{Metric, Neighbour};

pub(super) fn neighbours(page: &mut Page, view: &View<'_>, subject: u64) {
    let advice = view.advice;
    if advice.recommended.is_none() && advice.cheaper.is_none() && advice.faster.is_none() {
        return;
    }
    page.heading("Cheaper and faster");
    // Where prices are not known, the cheaper neighbour is the smaller one.
    let cheaper = match advice.cheaper.as_ref().map_or(view.cost, |one| one.metric) {
        Metric::Price | Metric::Rent => "Cheaper",
        _ => "Smaller",
    };
    for (lead, neighbour) in [(cheaper, &advice.cheaper), ("Faster", &advice.faster)] {
        match neighbour {
            Some(neighbour) => page.item(lead, told(view, neighbour, subject)),
            None => page.say(lead, "none of those that were simulated", &[Source::Candidates]),
        }
    }
}

fn told(view: &View<'_>, neighbour: &Neighbour, subject: u64) -> Vec<Sentence> {
    let index = neighbour.index;
    let sources = [view.source(index), view.source(subject)];
    let changes = differing(view, index, subject);
    let changes = if changes.is_empty() { String::new() } else { format!(", {changes}") };
    let mut told = vec![Sentence::new(format!("number {index}{changes}"), &sources)];
    let mut metrics = vec![neighbour.metric];
    metrics.extend([view.cost, view.time, Metric::Throughput]);
    let mut compared: Vec<Metric> = Vec::new();
    for metric in metrics {
        if !compared.contains(&metric) {
            compared.push(metric);
        }
    }
    let compared: Vec<String> =
        compared.into_iter().filter_map(|one| compare(view, one, index, subject)).collect();
    if !compared.is_empty() {
        told.push(Sentence::new(capital(&compared.join("; ")), &sources));
    }
    let row = view.advice.row(index);
    for limit in view.limits(&neighbour.breaks) {
        let how = row.and_then(|row| limit.metric.of(row)).map(|value| format!(": {}", beyond(limit, value)));
        let text = format!("It breaks {}{}", written(limit), how.unwrap_or_default());
        told.push(Sentence::new(text, &[view.source(index), Source::Question]));
    }
    if neighbour.breaks.is_empty() {
        told.push(Sentence::bare("It keeps every limit"));
    }
    told
}

/// `price 1,199 USD instead of 1,499 USD (300 USD less)`; none where one of both is not known.
fn compare(view: &View<'_>, metric: Metric, index: u64, subject: u64) -> Option<String> {
    let of = |index| view.advice.row(index).and_then(|row| metric.of(row));
    let (is, was) = (of(index)?, of(subject)?);
    let name = title(metric);
    let more = if is > was { "more" } else { "less" };
    Some(match is.abs_diff(was) {
        0 => format!("{name} {} as before", shown(metric, is)),
        by => format!(
            "{name} {} instead of {} ({} {more})",
            shown(metric, is),
            shown(metric, was),
            shown(metric, by)
        ),
    })
}
