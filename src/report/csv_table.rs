//! `results.csv`: one line per row, integers exact, rates with fixed decimals, an empty cell where nothing is known.

use super::cost;
use super::format::{ms, per_second, percent, ratio};
use super::meta::{ReportMeta, axis_value};
use super::serving;
use crate::error::{Error, Result};
use crate::metrics::{LinkUse, Outcome, Quantiles, Row, Summary};

/// A column's name and how a row or its summary fills it.
type Column<T> = (&'static str, fn(&T) -> String);

/// What the point is, needs and costs in quality; filled for every row. The loss is an estimate from publications and is
/// empty where one is unknown.
const CONFIG: &[Column<Row>] = &[
    ("model", |row| row.config.model.clone()),
    ("quant", |row| row.config.quant.clone()),
    ("gpu", |row| row.config.gpu.clone()),
    ("engine", |row| row.config.engine.clone()),
    ("backing", |row| row.config.backing.clone()),
    ("policy", |row| row.config.policy.clone()),
    ("oracle", |row| row.config.policy_is_oracle.to_string()),
    ("cache_scope", |row| row.config.cache_scope.clone()),
    ("replay", |row| row.config.replay.clone()),
    ("prefetch", |row| row.config.prefetch.clone()),
    ("cache_capacity_bytes", |row| row.config.cache_capacity_bytes.to_string()),
    ("cache_share_pct", |row| percent(row.config.cache_capacity_bytes, row.config.experts_total_bytes, 4)),
    ("vram_needed_bytes", |row| needed(row, "vram")),
    ("vram_capacity_bytes", |row| {
        row.tier("vram").map_or_else(String::new, |t| t.capacity_bytes.to_string())
    }),
    ("dram_needed_bytes", |row| needed(row, "dram")),
    ("nvme_needed_bytes", |row| needed(row, "nvme")),
    ("quality_loss_pct", |row| {
        row.quality.loss_ppm().map_or_else(String::new, |loss| percent(loss, 1_000_000, 4))
    }),
    ("quality_fidelity", |row| row.quality.fidelity().unwrap_or_default().to_owned()),
    ("status", |row| if row.summary().is_some() { "ok" } else { "cannot-run" }.to_owned()),
    ("reason", |row| match &row.outcome {
        Outcome::Done(_) => String::new(),
        Outcome::CannotRun(reasons) => reasons.join("; "),
    }),
];

/// What the point measured; empty where it could not run, and where it has no such device. Utilisation and bytes are
/// those of the whole run, prompts included; all other columns say their phase or are of decode.
const RESULTS: &[Column<Summary>] = &[
    ("decode_tokens_per_s", |s| per_second(s.decode.tokens, s.decode_time.total_ns(), 3)),
    ("tpot_ms_min", |s| known_ms(tpot(s), tpot(s).min)),
    ("tpot_ms_p10", |s| known_ms(tpot(s), tpot(s).p10)),
    ("tpot_ms_p50", |s| known_ms(tpot(s), tpot(s).p50)),
    ("tpot_ms_p90", |s| known_ms(tpot(s), tpot(s).p90)),
    ("tpot_ms_max", |s| known_ms(tpot(s), tpot(s).max)),
    ("tpot_sequences", |s| tpot(s).count.to_string()),
    ("token_latency_ms_p50", |s| known_ms(&s.token_latency_ns, s.token_latency_ns.p50)),
    ("token_latency_ms_p90", |s| known_ms(&s.token_latency_ns, s.token_latency_ns.p90)),
    ("token_latency_ms_p99", |s| known_ms(&s.token_latency_ns, s.token_latency_ns.p99)),
    ("ttft_ms_min", |s| known_ms(ttft(s), ttft(s).min)),
    ("ttft_ms_p50", |s| known_ms(ttft(s), ttft(s).p50)),
    ("ttft_ms_max", |s| known_ms(ttft(s), ttft(s).max)),
    ("hit_rate_decode_pct", |s| percent(s.decode.hits, s.decode.lookups, 4)),
    ("hit_rate_when_needed_pct", |s| percent(s.decode.hits_when_needed, s.decode.lookups, 4)),
    ("hit_rate_weight_pct", |s| percent(s.decode.weight_hit, s.decode.weight_total, 4)),
    ("hit_rate_dram_pct", |s| percent(s.decode.dram_hits, s.decode.dram_lookups, 4)),
    ("miss_bytes_per_token", |s| ratio(u128::from(s.decode.miss_bytes), u128::from(s.decode.tokens), 1)),
    ("fetched_experts_per_token", |s| per_decoded(s, s.decode.fetched)),
    ("on_cpu_experts_per_token", |s| per_decoded(s, s.decode.on_cpu)),
    ("degraded_experts_per_token", |s| per_decoded(s, s.decode.degraded)),
    ("skipped_experts_per_token", |s| per_decoded(s, s.decode.skipped)),
    ("substituted_experts_per_token", |s| per_decoded(s, s.decode.substituted)),
    ("degraded_weight_pct", |s| percent(s.decode.weight_degraded, s.decode.weight_total, 4)),
    ("skipped_weight_pct", |s| percent(s.decode.weight_skipped, s.decode.weight_total, 4)),
    ("substituted_weight_pct", |s| percent(s.decode.weight_substituted, s.decode.weight_total, 4)),
    ("prefetch_issued_per_token", |s| prefetched(s, s.prefetch.issued)),
    ("prefetch_used_per_token", |s| prefetched(s, s.prefetch.used)),
    ("prefetch_late_per_token", |s| prefetched(s, s.prefetch.late)),
    ("prefetch_wasted_bytes_per_token", |s| prefetched(s, s.prefetch.wasted_bytes)),
    ("h2d_bytes", |s| link(s, "h2d", |l| l.bytes.to_string())),
    ("nvme_bytes", |s| link(s, "nvme", |l| l.bytes.to_string())),
    ("gpu_bytes_per_token", |s| link_per_token(s, "gpu")),
    ("h2d_bytes_per_token", |s| link_per_token(s, "h2d")),
    ("d2h_bytes_per_token", |s| link_per_token(s, "d2h")),
    ("nvme_bytes_per_token", |s| link_per_token(s, "nvme")),
    ("cpu_bytes_per_token", |s| link_per_token(s, "cpu")),
    ("dram_bytes_per_token", |s| link_per_token(s, "dram")),
    ("gpu_utilisation_pct", |s| link(s, "gpu", busy)),
    ("h2d_utilisation_pct", |s| link(s, "h2d", busy)),
    ("d2h_utilisation_pct", |s| link(s, "d2h", busy)),
    ("nvme_utilisation_pct", |s| link(s, "nvme", busy)),
    ("cpu_utilisation_pct", |s| link(s, "cpu", busy)),
    ("dram_utilisation_pct", |s| link(s, "dram", busy)),
    ("gpu_compute_ms_per_token", |s| per_token_ms(s, s.decode_time.gpu_compute_ns)),
    ("wait_h2d_ms_per_token", |s| waited(s, "h2d", s.decode_time.wait_h2d_ns)),
    ("wait_nvme_ms_per_token", |s| waited(s, "nvme", s.decode_time.wait_nvme_ns)),
    ("wait_cpu_ms_per_token", |s| waited(s, "cpu", s.decode_time.wait_cpu_ns)),
    ("overhead_ms_per_token", |s| per_token_ms(s, s.decode_time.overhead_ns)),
    ("overshoot_bytes_max", |s| s.overshoot_bytes_max.to_string()),
];

/// Under load that of requests, so that these columns and those of [`serving::COLUMNS`] are of one population.
fn tpot(summary: &Summary) -> &Quantiles {
    summary.serving.as_deref().map_or(&summary.tpot_ns, |serving| &serving.tpot_ns)
}

fn ttft(summary: &Summary) -> &Quantiles {
    summary.serving.as_deref().map_or(&summary.ttft_ns, |serving| &serving.ttft_ns)
}

fn needed(row: &Row, tier: &str) -> String {
    row.tier(tier).map_or_else(String::new, |t| t.needed_bytes.to_string())
}

fn known_ms(quantiles: &Quantiles, ns: u64) -> String {
    if quantiles.count == 0 { String::new() } else { ms(ns) }
}

fn link(summary: &Summary, name: &str, show: fn(&LinkUse) -> String) -> String {
    summary.link(name).map_or_else(String::new, show)
}

fn link_per_token(summary: &Summary, name: &str) -> String {
    let tokens = u128::from(summary.tokens());
    summary.link(name).map_or_else(String::new, |link| ratio(u128::from(link.bytes), tokens, 1))
}

/// Experts of decode lookups for each decoded token.
fn per_decoded(summary: &Summary, experts: u64) -> String {
    ratio(u128::from(experts), u128::from(summary.decode.tokens), 4)
}

/// Experts or bytes for each token of the run; empty where nothing was ever to be fetched ahead.
fn prefetched(summary: &Summary, count: u64) -> String {
    if summary.prefetch.predicted == 0 {
        return String::new();
    }
    ratio(u128::from(count), u128::from(summary.tokens()), 4)
}

/// Empty where there is no such device and nothing waited for it.
fn waited(summary: &Summary, name: &str, ns: u64) -> String {
    if summary.link(name).is_none() && ns == 0 {
        return String::new();
    }
    per_token_ms(summary, ns)
}

fn busy(link: &LinkUse) -> String {
    percent(link.busy_ns, link.busy_ns + link.idle_ns, 4)
}

fn per_token_ms(summary: &Summary, ns: u64) -> String {
    ratio(u128::from(ns), u128::from(summary.decode.tokens) * 1_000_000, 6)
}

/// The header: `index`, one column per axis key, then the fixed columns. An axis whose key is also the name of a fixed
/// column gets the prefix `axis.`, so that no name stands twice. Columns of load stand only in a serving sweep; those of
/// costs are last.
fn header(keys: &[String], is_serving: bool) -> Vec<String> {
    let mut fixed: Vec<&str> =
        CONFIG.iter().map(|(name, _)| *name).chain(RESULTS.iter().map(|(name, _)| *name)).collect();
    if is_serving {
        fixed.extend(serving::COLUMNS.iter().map(|(name, _)| *name));
    }
    fixed.extend(cost::COLUMNS.iter().map(|(name, _)| *name));
    let axis = |key: &String| {
        let taken = key == "index" || fixed.contains(&key.as_str());
        if taken { format!("axis.{key}") } else { key.clone() }
    };
    let mut names = vec!["index".to_owned()];
    names.extend(keys.iter().map(axis));
    names.extend(fixed.iter().map(|name| (*name).to_owned()));
    names
}

fn cells(keys: &[String], row: &Row, is_serving: bool) -> Vec<String> {
    let mut cells = vec![row.index.to_string()];
    cells.extend(keys.iter().map(|key| axis_value(row, key).to_owned()));
    cells.extend(CONFIG.iter().map(|(_, fill)| fill(row)));
    cells.extend(RESULTS.iter().map(|(_, fill)| row.summary().map_or_else(String::new, fill)));
    if is_serving {
        let under_load = serving::served(row);
        cells.extend(
            serving::COLUMNS
                .iter()
                .map(|(_, fill)| under_load.map_or_else(String::new, |serving| fill(row, serving))),
        );
    }
    cells.extend(cost::COLUMNS.iter().map(|(_, fill)| fill(row)));
    cells
}

/// The rows as comma-separated values (RFC 4180 quoting, lines ending in a line feed).
///
/// # Errors
/// When the encoder fails, which writing to memory does not.
pub fn csv(meta: &ReportMeta, rows: &[Row]) -> Result<Vec<u8>> {
    let keys = meta.axis_keys(rows);
    let is_serving = serving::is_serving(rows);
    let failed = |cause: String| Error::new(format!("cannot encode results.csv: {cause}"));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(header(&keys, is_serving)).map_err(|cause| failed(cause.to_string()))?;
    for row in rows {
        writer.write_record(cells(&keys, row, is_serving)).map_err(|cause| failed(cause.to_string()))?;
    }
    writer.into_inner().map_err(|cause| failed(cause.to_string()))
}
