//! One point in words: the answer first, then what hit, where the time went, what every device carried, and what holds
//! it back.

use std::fmt::Write;

use super::bottleneck::{Bound, bottleneck, shares};
use super::cost;
use super::format::{per_second, percent, ratio, size, span};
use super::serving;
use crate::metrics::{AccessCounts, Outcome, PrefetchCounts, Quantiles, Row, SequenceSummary, Summary};

/// A point as text for a terminal.
pub fn point(row: &Row) -> String {
    let mut text = described(row);
    let alone = row.summary().filter(|summary| summary.serving.is_none());
    if let Some(bottleneck) = alone.and_then(bottleneck) {
        let _ = writeln!(text, "\nBottleneck: {bottleneck}. `moesim explain` says what would relieve it.");
    }
    text
}

/// The same without its last sentence.
pub(super) fn described(row: &Row) -> String {
    let config = &row.config;
    let mut text = String::new();
    let (capacity, total) = (size(config.cache_capacity_bytes), size(config.experts_total_bytes));
    let _ = writeln!(text, "{} {} on {}, engine {}", config.model, config.quant, config.gpu, config.engine);
    // Where VRAM is the home of what the GPU computes, the others are those of layers on the CPU.
    let rest = match (config.backing.as_str(), config.cache_capacity_bytes < config.experts_total_bytes) {
        ("vram", true) => "the rest computed by the CPU".to_owned(),
        ("vram", false) => "none elsewhere".to_owned(),
        (backing, _) => format!("{} cache, the rest in {backing}", config.policy),
    };
    let _ = writeln!(text, "experts: {capacity} of {total} in VRAM, {rest}");
    for tier in &row.tiers {
        let (needed, has) = (size(tier.needed_bytes), size(tier.capacity_bytes));
        let _ = writeln!(text, "{:<8} {needed} of {has}", tier.tier);
    }
    if let Some(quality) = row.quality.line() {
        let _ = writeln!(text, "quality  {quality}");
    }
    match &row.outcome {
        Outcome::Done(summary) if summary.serving.is_some() => {
            let (mut hits, mut carried) = (String::new(), String::new());
            experts(&mut hits, summary);
            devices(&mut carried, summary);
            serving::describe(&mut text, row, &hits, &carried);
        }
        Outcome::Done(summary) => {
            describe(&mut text, summary);
            cost::describe(&mut text, row);
        }
        Outcome::CannotRun(reasons) => {
            for reason in reasons {
                let _ = writeln!(text, "cannot run: {reason}");
            }
        }
    }
    text
}

fn describe(text: &mut String, summary: &Summary) {
    text.push('\n');
    let (tokens, ns) = (summary.decode.tokens, summary.decode_time.total_ns());
    if ns > 0 {
        let (rate, tpot) = (per_second(tokens, ns, 1), ranged(&summary.tpot_ns));
        let _ = writeln!(text, "decode   {rate} tokens/s, TPOT {tpot}");
    }
    if summary.ttft_ns.count > 0 {
        let _ = writeln!(text, "prompt   TTFT {}", ranged(&summary.ttft_ns));
    }
    experts(text, summary);
    time(text, summary);
    devices(text, summary);
}

/// What the expert cache and prefetching did.
fn experts(text: &mut String, summary: &Summary) {
    hits(text, "decode", &summary.decode, &hit_range(&summary.sequences));
    hits(text, "prefill", &summary.prefill, "");
    misses(text, &summary.decode);
    prefetches(text, &summary.prefetch, summary.tokens());
}

/// `9.90 ms (7.71 ms to 13.9 ms over 5 sequences)`: the median and the range.
pub(super) fn ranged(over_sequences: &Quantiles) -> String {
    let Quantiles { min, p50, max, count, .. } = *over_sequences;
    if count < 2 {
        return format!("{} (one sequence)", span(p50));
    }
    format!("{} ({} to {} over {count} sequences)", span(p50), span(min), span(max))
}

/// Lowest and highest hit rate of a sequence, where there are several.
fn hit_range(sequences: &[SequenceSummary]) -> String {
    let rates = || sequences.iter().filter(|one| one.decode_lookups > 0);
    let rate =
        |one: &&SequenceSummary| u128::from(one.decode_hits) * 1_000_000 / u128::from(one.decode_lookups);
    match (rates().min_by_key(rate), rates().max_by_key(rate)) {
        (Some(least), Some(most)) if rates().count() > 1 => {
            let shown = |one: &SequenceSummary| percent(one.decode_hits, one.decode_lookups, 1);
            format!(" ({} % to {} % over sequences)", shown(least), shown(most))
        }
        _ => String::new(),
    }
}

fn hits(text: &mut String, phase: &str, counts: &AccessCounts, range: &str) {
    if counts.lookups == 0 {
        return;
    }
    let rate = percent(counts.hits, counts.lookups, 1);
    let _ = write!(text, "{phase:<8} {rate} % of {} lookups hit{range}", counts.lookups);
    if counts.hits_when_needed != counts.hits {
        let when_needed = percent(counts.hits_when_needed, counts.lookups, 1);
        let _ = write!(text, ", {when_needed} % when needed");
    }
    if counts.weight_total > 0 {
        let _ = write!(text, ", {} % of the gate weight", percent(counts.weight_hit, counts.weight_total, 1));
    }
    text.push('\n');
}

/// What became of decode lookups that missed, where that was not always a fetch.
fn misses(text: &mut String, counts: &AccessCounts) {
    let fates = [
        ("fetched", counts.fetched, None),
        ("on the CPU", counts.on_cpu, None),
        ("degraded", counts.degraded, Some(counts.weight_degraded)),
        ("skipped", counts.skipped, Some(counts.weight_skipped)),
        ("substituted", counts.substituted, Some(counts.weight_substituted)),
    ];
    let shown: Vec<String> = fates
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(fate, count, weight)| {
            let each = ratio(u128::from(count), u128::from(counts.tokens), 1);
            let lost = weight
                .filter(|_| counts.weight_total > 0)
                .map(|weight| format!(" ({} % of the gate weight)", percent(weight, counts.weight_total, 2)));
            format!("{each} {fate}{}", lost.unwrap_or_default())
        })
        .collect();
    if counts.tokens > 0 && !shown.is_empty() {
        let _ = writeln!(text, "misses   {} per token", shown.join(", "));
    }
    if counts.dram_lookups > 0 {
        let rate = percent(counts.dram_hits, counts.dram_lookups, 1);
        let _ = writeln!(text, "dram     {rate} % of {} lookups in host memory hit", counts.dram_lookups);
    }
}

fn prefetches(text: &mut String, counts: &PrefetchCounts, tokens: u64) {
    if counts.predicted == 0 || tokens == 0 {
        return;
    }
    let each = |count: u64| ratio(u128::from(count), u128::from(tokens), 1);
    let useful = percent(counts.used, counts.issued, 1);
    let _ = writeln!(
        text,
        "prefetch {} experts per token issued, {} used{}, of which {} late; {} per token in vain",
        each(counts.issued),
        each(counts.used),
        if useful.is_empty() { useful } else { format!(" ({useful} %)") },
        each(counts.late),
        size(counts.wasted_bytes / tokens)
    );
}

fn time(text: &mut String, summary: &Summary) {
    let (shares, _) = shares(summary);
    let decodes = summary.decode_time.total_ns() > 0;
    let tokens = if decodes { summary.decode.tokens } else { summary.prefill.tokens };
    let total = shares.total_ns();
    if total == 0 || tokens == 0 {
        return;
    }
    let _ = writeln!(text, "\nper {} token", if decodes { "decoded" } else { "prompt" });
    for bound in Bound::ALL {
        let ns = bound.share_ns(shares);
        let waits = !matches!(bound, Bound::Gpu | Bound::Overheads);
        if waits && ns == 0 {
            continue;
        }
        let share = percent(ns, total, 1);
        let _ = writeln!(text, "  {:<16} {:>8}  {share:>5} %", bound.label(), span(ns / tokens));
    }
}

/// Every device that did anything, over the whole run.
fn devices(text: &mut String, summary: &Summary) {
    text.push('\n');
    let tokens = summary.tokens();
    for link in summary.links.iter().filter(|link| link.jobs > 0) {
        let busy = percent(link.busy_ns, link.busy_ns + link.idle_ns, 1);
        let _ = write!(text, "{:<8} busy {busy} %, {}", link.name, size(link.bytes));
        if let Some(each) = link.bytes.checked_div(tokens) {
            let _ = write!(text, ", {} per token", size(each));
        }
        text.push('\n');
    }
}
