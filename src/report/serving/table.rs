//! Tables of a serving sweep: the load that each point bears, and how it uses its machine.

use super::load::{Served, is_saturated, knee, load_series};
use super::numbers::{GpuTime, figures, met_percent, rate, times};
use super::served;
use crate::metrics::{Quantiles, Row, ServingSummary};
use crate::report::cost::{dollars_per_million_tokens, joules_per_token};
use crate::report::format::{percent, ratio};

/// A column's title and how a row under load fills it.
type Column = (&'static str, fn(&Served<'_>) -> String);

const RESULTS: [Column; 9] = [
    ("req/s", |s| rate(s.serving.requests.finished, s.serving.span_ns)),
    ("out tok/s", |s| rate(s.serving.tokens.output, s.serving.span_ns)),
    ("TTFT ms p50", |s| milliseconds(&s.serving.ttft_ns, s.serving.ttft_ns.p50)),
    ("TTFT ms p99", |s| milliseconds(&s.serving.ttft_ns, s.serving.ttft_ns.p99)),
    ("TPOT ms p50", |s| milliseconds(&s.serving.tpot_ns, s.serving.tpot_ns.p50)),
    ("TPOT ms p99", |s| milliseconds(&s.serving.tpot_ns, s.serving.tpot_ns.p99)),
    ("in SLO %", |s| met_percent(s.serving, 1)),
    ("KV peak %", |s| percent(s.serving.kv.peak_bytes, s.serving.kv.capacity_bytes, 1)),
    ("hit %", |s| {
        let (prefill, decode) = (&s.summary.prefill, &s.summary.decode);
        percent(prefill.hits + decode.hits, prefill.lookups + decode.lookups, 2)
    }),
];

const MACHINE: [Column; 12] = [
    ("GPUs busy %", |s| gpus(s.serving, |time| time.busy)),
    ("waiting %", |s| gpus(s.serving, |time| time.wait)),
    ("exchanges %", |s| gpus(s.serving, |time| time.exchange)),
    ("idle %", |s| gpus(s.serving, |time| time.idle)),
    ("requests per pass", |s| mean(&s.serving.batch)),
    ("tokens per pass", |s| mean(&s.serving.pass_tokens)),
    ("KV mean %", |s| percent(s.serving.kv.mean_bytes, s.serving.kv.capacity_bytes, 1)),
    ("preemptions", |s| s.serving.kv.preemptions.to_string()),
    ("busiest expert / mean", |s| times(s.serving.expert_load.busiest_permille)),
    ("busiest GPU / mean", |s| times(s.serving.expert_load.gpu_busiest_permille)),
    ("J per token", |s| joules_per_token(s.row, 3)),
    ("$ per M tokens", |s| dollars_per_million_tokens(s.row, 3)),
];

/// Titles and, for each row, cells: the load borne, what users wait for, and the status. Columns without any value are
/// left out.
pub(in crate::report) fn results(rows: &[&Row]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let (mut titles, mut lines) = filled(rows, &RESULTS);
    titles.push("status");
    for (line, row) in lines.iter_mut().zip(rows) {
        line.push(status(row));
    }
    (titles, lines)
}

/// Titles and cells of how the rows use their machines.
pub(in crate::report) fn machine(rows: &[&Row]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    filled(rows, &MACHINE)
}

fn filled(rows: &[&Row], columns: &[Column]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let cells = |column: &Column| -> Vec<String> {
        rows.iter().map(|row| Served::of(row).map(|served| (column.1)(&served)).unwrap_or_default()).collect()
    };
    let all: Vec<(&'static str, Vec<String>)> =
        columns.iter().map(|column| (column.0, cells(column))).collect();
    let kept = || all.iter().filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
    let or_dash = |cell: &String| if cell.is_empty() { "-".to_owned() } else { cell.clone() };
    let lines = (0..rows.len()).map(|at| kept().map(|(_, cells)| or_dash(&cells[at])).collect()).collect();
    (kept().map(|(title, _)| *title).collect(), lines)
}

fn status(row: &Row) -> String {
    let Some(serving) = served(row) else {
        return if row.summary().is_some() { "no load" } else { "cannot run" }.to_owned();
    };
    let saturated = is_saturated(serving).then(|| "saturated".to_owned());
    let rejected = serving.requests.rejected;
    let rejected = (rejected > 0).then(|| format!("{rejected} rejected"));
    let parts: Vec<String> = saturated.into_iter().chain(rejected).collect();
    if parts.is_empty() { "ok".to_owned() } else { parts.join(", ") }
}

fn milliseconds(quantiles: &Quantiles, ns: u64) -> String {
    if quantiles.count == 0 { String::new() } else { figures(u128::from(ns), 1_000_000) }
}

fn mean(quantiles: &Quantiles) -> String {
    ratio(u128::from(quantiles.sum), u128::from(quantiles.count), 1)
}

fn gpus(serving: &ServingSummary, part: fn(GpuTime) -> u128) -> String {
    let time = GpuTime::of(&serving.gpu_use);
    time.percent(part(time), 1)
}

/// Of too many rows, the most load that each setting bears, and where it gives way.
pub(in crate::report) fn shown(rows: &[Row]) -> Vec<&Row> {
    let mut shown: Vec<&Row> = Vec::new();
    for series in load_series(rows) {
        match knee(&series) {
            Some(knee) => shown.extend([knee.held, knee.broken].into_iter().flatten().map(|point| point.row)),
            None => shown.extend(series.points.last().map(|point| point.row)),
        }
    }
    shown
}
