//! What an allocator of GPU memory lost, and what compaction cost: lines of one run, columns and a table of a sweep.

use std::fmt::Write;

use super::format::{counted, ms, percent, ratio, size, span};
use crate::metrics::{AllocatorSummary, Outcome, Row, Summary};

/// A column's name and how a row's allocator fills it.
type Column = (&'static str, fn(&Summary, &AllocatorSummary) -> String);

/// The columns of `results.csv` that only sweeps have in which an allocator is simulated.
pub(super) const COLUMNS: &[Column] = &[
    ("allocator", |_, a| a.kind.clone()),
    ("allocator_capacity_bytes", |_, a| a.capacity_bytes.to_string()),
    ("allocated_peak_bytes", |_, a| a.allocated_peak_bytes.to_string()),
    ("reserved_peak_bytes", |_, a| a.reserved_peak_bytes.to_string()),
    ("fragmentation_pct_mean", |_, a| ratio(u128::from(a.fragmentation_mean_ppm), 10_000, 4)),
    ("fragmentation_pct_max", |_, a| ratio(u128::from(a.fragmentation_max_ppm), 10_000, 4)),
    ("segments_max", |_, a| a.segments_max.to_string()),
    ("allocations", |_, a| a.allocations.to_string()),
    ("flushes", |_, a| a.flushes.to_string()),
    ("compactions", |_, a| a.compactions.to_string()),
    ("compactions_forced", |_, a| a.compactions_forced.to_string()),
    ("compaction_moved_bytes", |_, a| a.moved_bytes.to_string()),
    ("compaction_ms", |_, a| ms(a.compaction_ns)),
    ("compaction_ms_max", |_, a| ms(a.compaction_ns_max)),
    ("compaction_ms_per_token", |s, _| {
        ratio(u128::from(s.decode_time.compaction_ns), u128::from(s.decode.tokens) * 1_000_000, 6)
    }),
    ("latency_without_compaction_ms_p99", |_, a| ms(a.latency_without_ns.p99)),
    ("compaction_p99_effect_ms", |_, a| ms(a.p99_effect_ns())),
];

/// A row's summary with its allocator, where one was simulated.
pub(super) fn allocated(row: &Row) -> Option<(&Summary, &AllocatorSummary)> {
    let summary = row.summary()?;
    Some((summary, summary.allocator.as_deref()?))
}

/// Whether any row's allocator was simulated.
pub(super) fn is_allocating(rows: &[Row]) -> bool {
    rows.iter().any(|row| allocated(row).is_some())
}

/// One run's allocator in lines.
pub(super) fn describe(text: &mut String, allocator: &AllocatorSummary) {
    let AllocatorSummary { kind, allocated_peak_bytes, reserved_peak_bytes, capacity_bytes, .. } = allocator;
    let _ = writeln!(
        text,
        "\nmemory   {kind} allocator: at most {} allocated, {} reserved of {}",
        size(*allocated_peak_bytes),
        size(*reserved_peak_bytes),
        size(*capacity_bytes)
    );
    let _ = write!(
        text,
        "lost     {} % of what is reserved on average, {} % at most",
        ratio(u128::from(allocator.fragmentation_mean_ppm), 10_000, 2),
        ratio(u128::from(allocator.fragmentation_max_ppm), 10_000, 2)
    );
    let _ = writeln!(text, "; caches flushed {} times", allocator.flushes);
    if allocator.compactions == 0 {
        return;
    }
    let each = |total: u64| total / allocator.compactions;
    let _ = write!(text, "compact  {} times", allocator.compactions);
    if allocator.compactions_forced > 0 {
        let _ = write!(text, " ({} forced)", allocator.compactions_forced);
    }
    let _ = writeln!(
        text,
        ", {} moved in {} on average, {} at most; p99 of the latency {} instead of {}",
        size(each(allocator.moved_bytes)),
        span(each(allocator.compaction_ns)),
        span(allocator.compaction_ns_max),
        span(allocator.latency_ns.p99),
        span(allocator.latency_without_ns.p99)
    );
}

/// Titles and one line of cells for each row; no titles where no allocator was simulated.
pub(super) fn table(rows: &[&Row]) -> (Vec<&'static str>, Vec<(u64, Vec<String>)>) {
    let lines: Vec<(u64, Vec<String>)> = rows
        .iter()
        .filter_map(|row| Some((row.index, allocated(row)?.1)))
        .map(|(index, allocator)| (index, cells(allocator)))
        .collect();
    let titles = [
        "allocator",
        "allocated peak",
        "reserved peak",
        "lost %",
        "lost % max",
        "flushes",
        "compactions",
        "compaction ms max",
        "p99 ms",
        "p99 ms without compaction",
    ];
    (if lines.is_empty() { Vec::new() } else { titles.to_vec() }, lines)
}

fn cells(allocator: &AllocatorSummary) -> Vec<String> {
    let millis = |ns: u64| ratio(u128::from(ns), 1_000_000, 3);
    vec![
        allocator.kind.clone(),
        size(allocator.allocated_peak_bytes),
        size(allocator.reserved_peak_bytes),
        ratio(u128::from(allocator.fragmentation_mean_ppm), 10_000, 2),
        ratio(u128::from(allocator.fragmentation_max_ppm), 10_000, 2),
        allocator.flushes.to_string(),
        allocator.compactions.to_string(),
        millis(allocator.compaction_ns_max),
        millis(allocator.latency_ns.p99),
        millis(allocator.latency_without_ns.p99),
    ]
}

/// What an answer says of fragmentation: how much is lost, what runs out of memory though bytes are free, and the most
/// that compaction adds to the latency.
pub(super) fn answer(rows: &[Row]) -> Vec<String> {
    let mut sentences = Vec::new();
    let all = || rows.iter().filter_map(|row| Some((row, allocated(row)?.1)));
    if let Some((row, worst)) =
        all().max_by_key(|(row, a)| (a.fragmentation_max_ppm, std::cmp::Reverse(row.index)))
    {
        sentences.push(format!(
            "**Fragmentation:** up to {} % of reserved GPU memory is lost (point {}, {}): {} reserved for {}.",
            ratio(u128::from(worst.fragmentation_max_ppm), 10_000, 1),
            row.index,
            worst.kind,
            size(worst.reserved_peak_bytes),
            size(worst.allocated_peak_bytes)
        ));
    }
    let ended = |row: &&Row| match &row.outcome {
        Outcome::Done(_) => false,
        Outcome::CannotRun(reasons) => reasons.iter().any(|reason| reason.starts_with("out of memory")),
    };
    let points: Vec<String> = rows.iter().filter(ended).map(|row| row.index.to_string()).collect();
    if !points.is_empty() {
        let shown = points.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let more = if points.len() > 8 { ", ..." } else { "" };
        sentences.push(format!(
            "**Out of memory:** {} fit by the ledger and run out of memory in the allocator (points {shown}{more}).",
            counted(points.len(), "point")
        ));
    }
    let compacted = all().filter(|(_, allocator)| allocator.compactions > 0);
    if let Some((row, most)) =
        compacted.max_by_key(|(row, a)| (a.p99_effect_ns(), std::cmp::Reverse(row.index)))
    {
        let (with, without) = (most.latency_ns.p99, most.latency_without_ns.p99);
        let longest = all().map(|(_, allocator)| allocator.compaction_ns_max).max().unwrap_or(0);
        let effect = match most.p99_effect_ns() {
            0 => "too rare to reach the p99 of the latency".to_owned(),
            ns => format!(
                "adds at most {} to the p99 of the latency (point {}: {} instead of {}, {} % more)",
                span(ns),
                row.index,
                span(with),
                span(without),
                percent(ns, without, 1)
            ),
        };
        sentences.push(format!("**Compaction:** {effect}; the longest pause is {}.", span(longest)));
    }
    sentences
}
