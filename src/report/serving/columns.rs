//! The columns of `results.csv` that only sweeps with a load have. TTFT and TPOT have their p50 and more among the
//! ordinary columns, and what is missing of them here.

use super::is_saturated;
use super::numbers::{GpuTime, met_percent};
use crate::metrics::{ExpertLoad, Quantiles, Row, ServingSummary, Summary};
use crate::report::cost::{dollars_per_million_tokens, joules_per_token};
use crate::report::format::{ms, per_second, percent, ratio};

/// A column's name and how a row's summary fills it.
type Column = (&'static str, fn(&Row, &ServingSummary) -> String);

/// Empty where nothing is known. Rates are over the span of the run, from the first arrival to the last pass; prompt and
/// output tokens are those of finished requests; times are over requests, `itl` over tokens.
pub(in crate::report) const COLUMNS: &[Column] = &[
    ("load", |_, s| s.load.clone()),
    ("asked_requests_per_s", |_, s| known(s.rate_millihertz, |rate| ratio(u128::from(rate), 1000, 3))),
    ("users", |_, s| known(s.users, |users| users.to_string())),
    ("replicas", |_, s| s.replicas.to_string()),
    ("gpus", |_, s| s.gpus.to_string()),
    ("requests_arrived", |_, s| s.requests.arrived.to_string()),
    ("requests_finished", |_, s| s.requests.finished.to_string()),
    ("requests_rejected", |_, s| s.requests.rejected.to_string()),
    ("requests_too_long", |_, s| s.requests.too_long.to_string()),
    ("requests_in_flight", |_, s| s.requests.in_flight.to_string()),
    ("saturated", |_, s| is_saturated(s).to_string()),
    ("span_s", |_, s| ratio(u128::from(s.span_ns), 1_000_000_000, 6)),
    ("requests_per_s", |_, s| per_second(s.requests.finished, s.span_ns, 4)),
    ("prompt_tokens_per_s", |_, s| per_second(s.tokens.prompt, s.span_ns, 3)),
    ("output_tokens_per_s", |_, s| per_second(s.tokens.output, s.span_ns, 3)),
    ("slo", |_, s| s.goodput.as_ref().map_or_else(String::new, |goodput| goodput.slo.clone())),
    ("goodput_requests_per_s", |_, s| {
        s.goodput.as_ref().map_or_else(String::new, |goodput| per_second(goodput.met, s.span_ns, 4))
    }),
    ("goodput_pct", |_, s| met_percent(s, 4)),
    ("ttft_ms_p90", |_, s| known_ms(&s.ttft_ns, s.ttft_ns.p90)),
    ("ttft_ms_p95", |_, s| known_ms(&s.ttft_ns, s.ttft_ns.p95)),
    ("ttft_ms_p99", |_, s| known_ms(&s.ttft_ns, s.ttft_ns.p99)),
    ("tpot_ms_p95", |_, s| known_ms(&s.tpot_ns, s.tpot_ns.p95)),
    ("tpot_ms_p99", |_, s| known_ms(&s.tpot_ns, s.tpot_ns.p99)),
    ("itl_ms_p50", |_, s| known_ms(&s.itl_ns, s.itl_ns.p50)),
    ("itl_ms_p90", |_, s| known_ms(&s.itl_ns, s.itl_ns.p90)),
    ("itl_ms_p95", |_, s| known_ms(&s.itl_ns, s.itl_ns.p95)),
    ("itl_ms_p99", |_, s| known_ms(&s.itl_ns, s.itl_ns.p99)),
    ("itl_ms_max", |_, s| known_ms(&s.itl_ns, s.itl_ns.max)),
    ("e2e_ms_p50", |_, s| known_ms(&s.e2e_ns, s.e2e_ns.p50)),
    ("e2e_ms_p90", |_, s| known_ms(&s.e2e_ns, s.e2e_ns.p90)),
    ("e2e_ms_p95", |_, s| known_ms(&s.e2e_ns, s.e2e_ns.p95)),
    ("e2e_ms_p99", |_, s| known_ms(&s.e2e_ns, s.e2e_ns.p99)),
    ("e2e_ms_max", |_, s| known_ms(&s.e2e_ns, s.e2e_ns.max)),
    ("queue_ms_p50", |_, s| known_ms(&s.queue_ns, s.queue_ns.p50)),
    ("queue_ms_p90", |_, s| known_ms(&s.queue_ns, s.queue_ns.p90)),
    ("queue_ms_p95", |_, s| known_ms(&s.queue_ns, s.queue_ns.p95)),
    ("queue_ms_p99", |_, s| known_ms(&s.queue_ns, s.queue_ns.p99)),
    ("queue_ms_max", |_, s| known_ms(&s.queue_ns, s.queue_ns.max)),
    ("passes", |_, s| s.passes.to_string()),
    ("batch_requests_mean", |_, s| mean(&s.batch)),
    ("batch_requests_max", |_, s| largest(&s.batch)),
    ("pass_tokens_mean", |_, s| mean(&s.pass_tokens)),
    ("pass_tokens_max", |_, s| largest(&s.pass_tokens)),
    ("pass_ms_p50", |_, s| known_ms(&s.pass_ns, s.pass_ns.p50)),
    ("pass_ms_p99", |_, s| known_ms(&s.pass_ns, s.pass_ns.p99)),
    ("preemptions", |_, s| s.kv.preemptions.to_string()),
    ("swapped_bytes", |_, s| s.kv.swapped_bytes.to_string()),
    ("recomputed_tokens", |_, s| s.tokens.recomputed.to_string()),
    ("prefix_hit_tokens", |_, s| s.tokens.prefix_hits.to_string()),
    ("kv_capacity_bytes", |_, s| s.kv.capacity_bytes.to_string()),
    ("kv_peak_bytes", |_, s| s.kv.peak_bytes.to_string()),
    ("kv_mean_bytes", |_, s| s.kv.mean_bytes.to_string()),
    ("kv_peak_pct", |_, s| percent(s.kv.peak_bytes, s.kv.capacity_bytes, 4)),
    ("kv_mean_pct", |_, s| percent(s.kv.mean_bytes, s.kv.capacity_bytes, 4)),
    ("hit_rate_prefill_pct", |row, _| hits(row, |s| (s.prefill.hits, s.prefill.lookups))),
    ("hit_rate_pct", |row, _| {
        hits(row, |s| (s.prefill.hits + s.decode.hits, s.prefill.lookups + s.decode.lookups))
    }),
    ("gpus_busy_pct", |_, s| gpus(s, |time| time.busy)),
    ("gpus_wait_pct", |_, s| gpus(s, |time| time.wait)),
    ("gpus_exchange_pct", |_, s| gpus(s, |time| time.exchange)),
    ("gpus_idle_pct", |_, s| gpus(s, |time| time.idle)),
    ("joules_per_output_token", |row, _| joules_per_token(row, 6)),
    ("dollars_per_million_output_tokens", |row, _| dollars_per_million_tokens(row, 6)),
    ("expert_load_max_per_mean", |_, s| load(s, |load| load.busiest_permille)),
    ("expert_load_variation", |_, s| load(s, |load| load.variation_permille)),
    ("gpu_load_max_per_mean", |_, s| load(s, |load| load.gpu_busiest_permille)),
    ("experts_distinct_per_event", |_, s| load(s, |load| load.distinct_permille)),
    ("experts_never_used", |_, s| {
        known(s.expert_load.experts, |_| s.expert_load.never_used_count.to_string())
    }),
];

/// Hits of lookups in percent.
fn hits(row: &Row, of: fn(&Summary) -> (u64, u64)) -> String {
    row.summary().map(of).map_or_else(String::new, |(hits, lookups)| percent(hits, lookups, 4))
}

/// Empty for zero.
fn known(value: u64, show: impl Fn(u64) -> String) -> String {
    if value == 0 { String::new() } else { show(value) }
}

fn known_ms(quantiles: &Quantiles, ns: u64) -> String {
    if quantiles.count == 0 { String::new() } else { ms(ns) }
}

fn mean(quantiles: &Quantiles) -> String {
    ratio(u128::from(quantiles.sum), u128::from(quantiles.count), 4)
}

fn largest(quantiles: &Quantiles) -> String {
    if quantiles.count == 0 { String::new() } else { quantiles.max.to_string() }
}

fn gpus(serving: &ServingSummary, part: fn(GpuTime) -> u128) -> String {
    let time = GpuTime::of(&serving.gpu_use);
    time.percent(part(time), 4)
}

/// Thousandths as a number; empty where there are no experts, or nothing of this kind.
fn load(serving: &ServingSummary, of: fn(&ExpertLoad) -> u64) -> String {
    known(of(&serving.expert_load), |permille| ratio(u128::from(permille), 1000, 3))
}
