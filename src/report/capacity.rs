//! The answer to a question of capacity, in words and as a table.

use std::fmt::Write;

use super::format::{counted, span};
use super::serving::figures;
use crate::metrics::{Capacity, CapacityProbe, LimitFound, Outcome};

/// A rate of thousandths of a request a second, with three digits.
fn rate(millihertz: u64) -> String {
    figures(u128::from(millihertz), 1000)
}

/// The limit that a run is farthest over, by ratio.
fn worst(probe: &CapacityProbe) -> Option<&LimitFound> {
    let over = probe.limits.iter().filter(|limit| !limit.is_kept());
    over.max_by_key(|limit| u128::from(limit.found_ns) * 1_000_000 / u128::from(limit.at_most_ns.max(1)))
}

/// The answer in sentences and, below, every rate that was tried.
pub fn capacity_text(capacity: &Capacity) -> String {
    let mut text = String::new();
    match capacity.sustained_millihertz.and_then(|rate| capacity.probe(rate)) {
        Some(probe) => {
            let _ = writeln!(
                text,
                "Sustains {} requests/s within {}.",
                rate(probe.rate_millihertz),
                capacity.slo
            );
            for limit in &probe.limits {
                let _ = writeln!(text, "  at that rate  {:<24} {}", limit.limit, span(limit.found_ns));
            }
            if let Some(serving) = probe.row.summary().and_then(|summary| summary.serving.as_deref()) {
                let tokens = serving.output_tokens_per_s().unwrap_or(0.0);
                let gpus = counted(usize::try_from(serving.gpus).unwrap_or(usize::MAX), "GPU");
                let batch = serving.batch.mean();
                let _ = writeln!(
                    text,
                    "  {gpus}, {tokens:.0} output tokens/s, {batch} requests in a pass on average"
                );
            }
        }
        None => {
            let _ = writeln!(text, "Sustains no rate that was tried within {}.", capacity.slo);
        }
    }
    if let Some(refused) = capacity.refused_millihertz.and_then(|rate| capacity.probe(rate)) {
        let at = rate(refused.rate_millihertz);
        let _ = match (&refused.row.outcome, worst(refused)) {
            (Outcome::CannotRun(reasons), _) => {
                writeln!(text, "At {at} requests/s it cannot run: {}.", reasons.join("; "))
            }
            (_, Some(limit)) => {
                writeln!(text, "At {at} requests/s {} breaks: {}.", limit.limit, span(limit.found_ns))
            }
            (_, None) => {
                writeln!(text, "At {at} requests/s {} requests are turned away.", refused.rejected)
            }
        };
    }
    if let Some(limit) = capacity.limit {
        let _ = writeln!(text, "The limit is {}.", limit.words());
    }
    text.push('\n');
    table(&mut text, capacity);
    text
}

fn table(text: &mut String, capacity: &Capacity) {
    let names: Vec<&str> = capacity.probes.first().map_or_else(Vec::new, |probe| {
        probe.limits.iter().map(|limit| limit.limit.split(' ').next().unwrap_or_default()).collect()
    });
    let _ = write!(text, "{:>12}", "requests/s");
    for name in &names {
        let _ = write!(text, "  {name:>10}");
    }
    let _ = writeln!(text, "  {:>8}  sustained", "rejected");
    for probe in &capacity.probes {
        let _ = write!(text, "{:>12}", rate(probe.rate_millihertz));
        for limit in &probe.limits {
            let _ = write!(text, "  {:>10}", span(limit.found_ns));
        }
        let answer = if probe.is_sustained() { "yes" } else { "no" };
        let _ = writeln!(text, "  {:>8}  {answer}", probe.rejected);
    }
}
