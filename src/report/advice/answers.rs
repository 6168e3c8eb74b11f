//! What a configuration answers in, and whether that keeps the limits.

use super::page::{Page, Source};
use super::value::{counted, grouped, shown, title};
use super::view::{View, beyond, written};
use crate::metrics::advice::Metric;
use crate::metrics::{Quantiles, Row, ServingSummary, Summary};
use crate::report::format::span;
use crate::report::point::ranged;

pub(super) fn answers(page: &mut Page, view: &View<'_>, row: &Row) {
    let Some(summary) = row.summary() else { return };
    page.heading("It answers in");
    match summary.serving.as_deref() {
        Some(serving) => under_load(page, row, serving),
        None => replayed(page, row, summary),
    }
    for limit in &view.advice.limits {
        let (name, lead) = (title(limit.metric), format!("Limit {}", written(limit).replace('`', "")));
        let sources = [Source::Row(row.index), Source::Question];
        match limit.metric.of(row) {
            Some(value) if limit.allows(value) => {
                page.say(&lead, format!("kept, {name} is {}", shown(limit.metric, value)), &sources);
            }
            Some(value) => page.say(&lead, format!("broken, {}", beyond(limit, value)), &sources),
            None => page.say(&lead, format!("not known, the row has no {name}"), &sources),
        }
    }
}

/// Over sequences, since prompts differ more than configurations do.
fn replayed(page: &mut Page, row: &Row, summary: &Summary) {
    let source = [Source::Row(row.index)];
    for (name, quantiles) in [("TPOT", &summary.tpot_ns), ("TTFT", &summary.ttft_ns)] {
        if quantiles.count > 0 {
            page.say(name, ranged(quantiles), &source);
        }
    }
    if let Some(rate) = Metric::Throughput.of(row) {
        page.say("Rate", format!("{} while decoding", shown(Metric::Throughput, rate)), &source);
    }
}

fn under_load(page: &mut Page, row: &Row, serving: &ServingSummary) {
    let source = [Source::Row(row.index)];
    let latencies: [(&str, &Quantiles); 5] = [
        ("TTFT", &serving.ttft_ns),
        ("TPOT", &serving.tpot_ns),
        ("ITL", &serving.itl_ns),
        ("E2E latency", &serving.e2e_ns),
        ("Queueing time", &serving.queue_ns),
    ];
    for (name, quantiles) in latencies.into_iter().filter(|(_, quantiles)| quantiles.count > 0) {
        let over = if name == "ITL" { "token" } else { "request" };
        let text = format!(
            "p50 {}, p99 {} over {}",
            span(quantiles.p50),
            span(quantiles.p99),
            counted(usize::try_from(quantiles.count).unwrap_or(usize::MAX), over)
        );
        page.say(name, text, &source);
    }
    let rates = [Metric::Throughput, Metric::RequestRate];
    let rates: Vec<String> =
        rates.into_iter().filter_map(|metric| Some(shown(metric, metric.of(row)?))).collect();
    if !rates.is_empty() {
        page.say("Rate", rates.join(", "), &source);
    }
    let requests = &serving.requests;
    let mut text = format!("{} of {} finished", grouped(requests.finished), grouped(requests.arrived));
    if requests.rejected > 0 {
        text.push_str(&format!(", {} rejected", grouped(requests.rejected)));
    }
    page.say("Requests", text, &source);
}
