//! One point in words: the answer first, then where the time went, what hit, and what the links carried.

use std::fmt::Write;

use crate::metrics::{AccessCounts, Outcome, Row, Summary, TimeShares};
use crate::units::{Bytes, SimDuration};

/// A point as text for a terminal.
pub fn point(row: &Row) -> String {
    let config = &row.config;
    let mut text = String::new();
    let capacity = Bytes::new(config.cache_capacity_bytes);
    let total = Bytes::new(config.experts_total_bytes);
    let _ = writeln!(text, "{} {} on {}, engine {}", config.model, config.quant, config.gpu, config.engine);
    let _ = writeln!(
        text,
        "experts: {capacity} of {total} in VRAM, {} cache, the rest in {}",
        config.policy, config.backing
    );
    for tier in &row.tiers {
        let (needed, has) = (Bytes::new(tier.needed_bytes), Bytes::new(tier.capacity_bytes));
        let _ = writeln!(text, "{:<8} {needed} of {has}", tier.tier);
    }
    match &row.outcome {
        Outcome::Done(summary) => describe(&mut text, summary),
        Outcome::CannotRun(reasons) => {
            for reason in reasons {
                let _ = writeln!(text, "cannot run: {reason}");
            }
        }
    }
    text
}

fn describe(text: &mut String, summary: &Summary) {
    let time = |ns: u64| SimDuration::from_ns(ns);
    if let Some(rate) = summary.decode_tokens_per_s() {
        let tpot = &summary.tpot_ns;
        let _ = writeln!(
            text,
            "\ndecode   {rate:.1} tokens/s, TPOT {} ({} to {} over {} sequences)",
            time(tpot.p50),
            time(tpot.p10),
            time(tpot.p90),
            tpot.count
        );
    }
    if summary.ttft_ns.count > 0 {
        let ttft = &summary.ttft_ns;
        let _ = writeln!(text, "prompt   TTFT {} ({} to {})", time(ttft.p50), time(ttft.p10), time(ttft.p90));
    }
    hits(text, "decode", &summary.decode);
    hits(text, "prefill", &summary.prefill);
    shares(text, &summary.decode_time, summary.decode.tokens);
    text.push('\n');
    for link in &summary.links {
        let busy = link.busy_ns as f64 / summary.span_ns.max(1) as f64 * 100.0;
        let _ = writeln!(text, "{:<8} busy {busy:.1} %, {}", link.name, Bytes::new(link.bytes));
    }
}

fn hits(text: &mut String, phase: &str, counts: &AccessCounts) {
    let Some(rate) = counts.hit_rate() else { return };
    let _ = write!(text, "{phase:<8} {:.1} % of {} lookups hit", rate * 100.0, counts.lookups);
    if counts.weight_total > 0 {
        let share = counts.weight_hit as f64 / counts.weight_total as f64 * 100.0;
        let _ = write!(text, ", {share:.1} % of the gate weight");
    }
    text.push('\n');
}

fn shares(text: &mut String, shares: &TimeShares, tokens: u64) {
    let total = shares.total_ns();
    if total == 0 || tokens == 0 {
        return;
    }
    let _ = writeln!(text, "\nper decoded token");
    for (name, ns) in [
        ("GPU compute", shares.gpu_compute_ns),
        ("waiting for H2D", shares.wait_h2d_ns),
        ("waiting for NVMe", shares.wait_nvme_ns),
        ("overheads", shares.overhead_ns),
    ] {
        let per_token = SimDuration::from_ns(ns / tokens);
        let _ = writeln!(
            text,
            "  {name:<16} {:>8}  {:>5.1} %",
            per_token.to_string(),
            ns as f64 / total as f64 * 100.0
        );
    }
}
