//! The compact table that a sweep prints: axes, hit rate, latency, rate, VRAM, status.

use super::format::{per_second, percent, ratio, size};
use super::meta::{ReportMeta, axis_value};
use super::series::fastest_of;
use super::serving;
use crate::metrics::{Quantiles, Row};

/// Rows shown before the table refers to `results.csv`.
const ROWS_MAX: usize = 40;
/// Longest cell, in characters; longer ones end in an ellipsis.
const CELL_CHARS_MAX: usize = 32;

/// Column titles of what follows the axes, where no row is under load.
const RESULT_TITLES: [&str; 5] = ["hit %", "TPOT ms p50 [min-max]", "tok/s", "VRAM", "status"];

/// The rows as an aligned table, every line ending in a line feed. Of more than 40 rows it shows the fastest real policy
/// at each setting and capacity, or the most load that each setting bears, as many as fit, and says how many points it
/// leaves out.
pub fn table(rows: &[Row]) -> String {
    let is_serving = serving::is_serving(rows);
    let best = match (rows.len() > ROWS_MAX, is_serving) {
        (false, _) => Vec::new(),
        (true, false) => fastest_of(rows),
        (true, true) => serving::shown(rows),
    };
    let is_choice = !best.is_empty();
    let chosen = if is_choice { best } else { rows.iter().collect() };
    let chosen: Vec<&Row> = chosen.into_iter().take(ROWS_MAX).collect();
    let keys = ReportMeta::default().axis_keys(rows);
    let short: Vec<&str> = keys.iter().map(|key| last_part(key, &keys)).collect();
    let (titles, cells) = results(&chosen, is_serving);
    let mut lines: Vec<Vec<String>> = vec![short.iter().copied().chain(titles).map(str::to_owned).collect()];
    for (row, cells) in chosen.iter().zip(cells) {
        let axes = keys.iter().map(|key| shortened(axis_value(row, key)));
        lines.push(axes.chain(cells).collect());
    }
    let mut text = aligned(&lines, keys.len());
    if rows.len() > chosen.len() {
        let what = match (is_choice, is_serving) {
            (false, _) => "",
            (true, false) => "the fastest policy at each setting and capacity; ",
            (true, true) => "the most load that each setting bears, and where it gives way; ",
        };
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

/// Titles and cells of what follows the axes.
pub(super) fn results(rows: &[&Row], is_serving: bool) -> (Vec<&'static str>, Vec<Vec<String>>) {
    if is_serving {
        return serving::results(rows);
    }
    (RESULT_TITLES.to_vec(), rows.iter().map(|row| result_cells(row).to_vec()).collect())
}

/// The cells under [`RESULT_TITLES`].
fn result_cells(row: &Row) -> [String; 5] {
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
