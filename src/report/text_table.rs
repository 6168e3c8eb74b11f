//! The compact table that a sweep prints: axes, hit rate, latency, rate, VRAM, status.

use super::format::{per_second, percent, ratio, size};
use super::meta::{ReportMeta, axis_value};
use super::series::fastest_of;
use crate::metrics::{Quantiles, Row};

/// Rows shown before the table refers to `results.csv`.
const ROWS_MAX: usize = 40;
/// Longest cell, in characters; longer ones end in an ellipsis.
const CELL_CHARS_MAX: usize = 32;

/// Column titles of what follows the axes.
pub(super) const RESULT_TITLES: [&str; 5] = ["hit %", "TPOT ms p50 [min-max]", "tok/s", "VRAM", "status"];

/// The rows as an aligned table, every line ending in a line feed. Of more than 40 rows it shows the fastest real policy
/// at each setting and capacity, as many as fit, and says how many points it leaves out.
pub fn table(rows: &[Row]) -> String {
    let fastest = if rows.len() > ROWS_MAX { fastest_of(rows) } else { Vec::new() };
    let is_choice = !fastest.is_empty();
    let chosen = if is_choice { fastest } else { rows.iter().collect() };
    let chosen: Vec<&Row> = chosen.into_iter().take(ROWS_MAX).collect();
    let keys = ReportMeta::default().axis_keys(rows);
    let short: Vec<&str> = keys.iter().map(|key| last_part(key, &keys)).collect();
    let mut lines: Vec<Vec<String>> =
        vec![short.iter().copied().chain(RESULT_TITLES).map(str::to_owned).collect()];
    for row in &chosen {
        let axes = keys.iter().map(|key| shortened(axis_value(row, key)));
        lines.push(axes.chain(result_cells(row)).collect());
    }
    let mut text = aligned(&lines, keys.len());
    if rows.len() > chosen.len() {
        let what = if is_choice { "the fastest policy at each setting and capacity; " } else { "" };
        text.push_str(&format!("{what}{} more points in results.csv\n", rows.len() - chosen.len()));
    }
    text
}

/// `cache.policy` as `policy`, unless another key ends alike.
pub(super) fn last_part<'a>(key: &'a str, keys: &[String]) -> &'a str {
    let tail = |key: &'a str| key.rsplit('.').next().unwrap_or(key);
    let alike = keys.iter().filter(|other| other.rsplit('.').next() == Some(tail(key))).count();
    if alike > 1 { key } else { tail(key) }
}

/// The cells under [`RESULT_TITLES`].
pub(super) fn result_cells(row: &Row) -> [String; 5] {
    let vram = row.tier("vram").map_or_else(String::new, |tier| size(tier.needed_bytes));
    let Some(summary) = row.summary() else {
        return ["-".to_owned(), "-".to_owned(), "-".to_owned(), vram, "cannot run".to_owned()];
    };
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        or_dash(percent(summary.decode.hits, summary.decode.lookups, 2)),
        latency(&summary.tpot_ns),
        or_dash(per_second(summary.decode.tokens, summary.decode_time.total_ns(), 2)),
        vram,
        "ok".to_owned(),
    ]
}

fn latency(tpot: &Quantiles) -> String {
    let ms = |ns: u64| ratio(u128::from(ns), 1_000_000, 2);
    match tpot.count {
        0 => "-".to_owned(),
        _ => format!("{} [{}-{}]", ms(tpot.p50), ms(tpot.min), ms(tpot.max)),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= CELL_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CELL_CHARS_MAX - 3).chain("...".chars()).collect()
}

/// Pads columns to their widest cell; the first `left` and the last align left, the others right.
pub(super) fn aligned(lines: &[Vec<String>], left: usize) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        let padded = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < left || column + 1 == columns {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
