//! One run under load in words: what came and what became of it, what users waited for, and how the machine was used.

use std::fmt::Write;

use super::limit::{kv_use, limit_text};
use super::load::{Load, Served, is_saturated};
use super::numbers::{GpuTime, judged, met_percent, rate, times};
use crate::metrics::{ExpertLoad, GpuUse, Quantiles, Row, ServingSummary};
use crate::report::cost;
use crate::report::format::{counted, percent, ratio, size, span};
use crate::report::text_table::aligned;

/// GPUs that get a line of their own; of more, the busiest and the idlest do.
const GPUS_MAX: usize = 8;
/// Experts that are named.
const NAMED_MAX: usize = 6;

/// The run, from its load to its notes; `hits` says what the expert cache did and `devices` what links carried.
pub(in crate::report) fn describe(text: &mut String, row: &Row, hits: &str, devices: &str) {
    let Some(served) = Served::of(row) else { return };
    let serving = served.serving;
    load(text, serving);
    text.push('\n');
    latencies(text, serving);
    text.push('\n');
    passes(text, serving);
    text.push_str(hits);
    experts(text, &serving.expert_load);
    text.push('\n');
    gpus(text, &serving.gpu_use);
    text.push_str(devices.trim_start_matches('\n'));
    cost::describe(text, row);
    for note in &serving.notes {
        let _ = writeln!(text, "note     {note}");
    }
    if let Some(limit) = limit_text(&served) {
        let _ = writeln!(text, "\nHeld back by: {limit}.");
    }
}

fn load(text: &mut String, serving: &ServingSummary) {
    let requests = &serving.requests;
    let plural = |count: u64, noun: &str| counted(usize::try_from(count).unwrap_or(usize::MAX), noun);
    let (replicas, gpus) = (plural(serving.replicas, "replica"), plural(serving.gpus, "GPU"));
    let _ = writeln!(text, "\nload     {}; {replicas} on {gpus}", serving.load);
    let _ = write!(text, "requests {} arrived, {} finished", requests.arrived, requests.finished);
    if requests.rejected > 0 {
        let _ = write!(text, ", {} rejected", requests.rejected);
    }
    if requests.too_long > 0 {
        let _ = write!(text, " ({} too long for the KV cache)", requests.too_long);
    }
    if requests.in_flight > 0 {
        let _ = write!(text, ", {} in flight", requests.in_flight);
    }
    let _ = writeln!(text, " after {}", span(serving.span_ns));
    let ns = serving.span_ns;
    if ns > 0 {
        let _ = writeln!(
            text,
            "rate     {} requests/s, {} prompt tokens/s, {} output tokens/s{}",
            rate(requests.finished, ns),
            rate(serving.tokens.prompt, ns),
            rate(serving.tokens.output, ns),
            if is_saturated(serving) { "; saturated" } else { "" }
        );
    }
    if let Some(goodput) = &serving.goodput {
        let (met, all, share) = (goodput.met, judged(serving), met_percent(serving, 1));
        let _ = write!(text, "slo      {}: kept by {met} of {all}", goodput.slo);
        if all > 0 && ns > 0 {
            let _ = write!(text, " ({share} %), goodput {} requests/s", rate(met, ns));
        }
        text.push('\n');
    }
}

/// A table of quantiles, without what nothing is known of.
fn latencies(text: &mut String, serving: &ServingSummary) {
    let title = ["", "p50", "p90", "p95", "p99", "max"].map(str::to_owned).to_vec();
    let rows = [
        ("TTFT", &serving.ttft_ns),
        ("TPOT", &serving.tpot_ns),
        ("ITL", &serving.itl_ns),
        ("E2E", &serving.e2e_ns),
        ("queue", &serving.queue_ns),
    ];
    let known = rows.into_iter().filter(|(_, quantiles)| quantiles.count > 0);
    let line = |(name, q): (&str, &Quantiles)| -> Vec<String> {
        let spans = [q.p50, q.p90, q.p95, q.p99, q.max].map(span);
        [format!("{name:<8}")].into_iter().chain(spans).collect()
    };
    let mut lines = vec![title];
    lines.extend(known.map(line));
    // The last column of a table is text where others end in one; here it is a number like the others.
    lines.iter_mut().for_each(|line| line.push(String::new()));
    if lines.len() > 1 {
        text.push_str(&aligned(&lines, 1));
    }
}

fn passes(text: &mut String, serving: &ServingSummary) {
    let mean = |q: &Quantiles| ratio(u128::from(q.sum), u128::from(q.count), 1);
    let (batch, tokens) = (&serving.batch, &serving.pass_tokens);
    let _ = write!(text, "passes   {}", serving.passes);
    if batch.count > 0 {
        let _ = write!(text, "; {} requests in the mean, {} at most", mean(batch), batch.max);
    }
    if tokens.count > 0 {
        let _ = write!(text, "; {} tokens, {} at most", mean(tokens), tokens.max);
    }
    if serving.pass_ns.count > 0 {
        let _ = write!(text, "; {} (p99 {})", span(serving.pass_ns.p50), span(serving.pass_ns.p99));
    }
    text.push('\n');
    if serving.kv.capacity_bytes > 0 {
        let _ = write!(text, "kv       {}", kv_use(serving));
        if serving.tokens.recomputed > 0 {
            let _ = write!(text, ", {} tokens computed again", serving.tokens.recomputed);
        }
        if serving.kv.swapped_bytes > 0 {
            let _ = write!(text, ", {} swapped", size(serving.kv.swapped_bytes));
        }
        text.push('\n');
    }
    let (hits, computed) = (serving.tokens.prefix_hits, serving.tokens.prefilled);
    if hits > 0 {
        let share = percent(hits, hits + computed, 1);
        let _ = writeln!(text, "prefix   {hits} prompt tokens found in the KV cache ({share} %)");
    }
}

/// `busiest 3.10 times the mean of its layer, ...`; nothing where there are no experts.
fn experts(text: &mut String, load: &ExpertLoad) {
    if let Some(evenness) = evenness(load) {
        let _ = writeln!(text, "experts  {evenness}");
    }
    if !load.never_used.is_empty() {
        let named = load.never_used.iter().take(NAMED_MAX);
        let named: Vec<String> =
            named.map(|(layer, expert)| format!("layer {layer} expert {expert}")).collect();
        let more = if load.never_used_count > NAMED_MAX as u64 { ", ..." } else { "" };
        let _ = writeln!(text, "unused   {}{more}", named.join(", "));
    }
}

/// How evenly tokens fall on experts and GPUs; none where there are no experts.
pub(super) fn evenness(load: &ExpertLoad) -> Option<String> {
    if load.experts == 0 {
        return None;
    }
    let mut parts = vec![
        format!("the busiest of a layer has {} times the mean expert's tokens", times(load.busiest_permille)),
        format!("variation {}", ratio(u128::from(load.variation_permille), 1000, 2)),
        format!("{} of {} never used", load.never_used_count, load.experts),
    ];
    if load.distinct_permille > 0 {
        let distinct = ratio(u128::from(load.distinct_permille), 1000, 1);
        parts.push(format!("{distinct} different ones in a layer's pass"));
    }
    if load.gpu_busiest_permille > 0 {
        parts.push(format!(
            "the busiest GPU of an exchange has {} times the mean GPU's tokens",
            times(load.gpu_busiest_permille)
        ));
    }
    Some(parts.join(", "))
}

fn gpus(text: &mut String, gpus: &[GpuUse]) {
    let line = |text: &mut String, name: &str, gpus: &[GpuUse]| {
        let parts = GpuTime::of(gpus).parts();
        if !parts.is_empty() {
            let _ = writeln!(text, "{name:<8} {parts}");
        }
    };
    let named = |gpu: &GpuUse| format!("gpu {}", gpu.name);
    if gpus.len() <= GPUS_MAX {
        for gpu in gpus {
            line(text, &named(gpu), std::slice::from_ref(gpu));
        }
        return;
    }
    line(text, &format!("{} GPUs", gpus.len()), gpus);
    let busiest = gpus.iter().rev().max_by_key(|gpu| gpu.busy_ns);
    let idlest = gpus.iter().rev().max_by_key(|gpu| gpu.idle_ns);
    for gpu in
        busiest.into_iter().chain(idlest.filter(|idle| busiest.is_some_and(|gpu| gpu.name != idle.name)))
    {
        line(text, &named(gpu), std::slice::from_ref(gpu));
    }
}

/// The load in words where it has a number, else as the workload says it.
pub(super) fn load_words(serving: &ServingSummary) -> String {
    Load::of(serving).map_or_else(|| serving.load.clone(), |load| load.to_string())
}
