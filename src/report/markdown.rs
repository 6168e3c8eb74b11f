//! `summary.md`: the answer in words, the best points, what cannot run and why, and the pictures.

use std::fmt::Write as _;

use super::answer::answer;
use super::bottleneck::Bound;
use super::format::{counted, percent, ratio};
use super::meta::{ReportMeta, axis_value};
use super::pictures;
use super::series::fastest_of;
use super::serving;
use super::text_table::{self, last_part};
use crate::metrics::{Outcome, Quality, Row, Summary, percent_words};

/// Rows of the table.
const ROWS_MAX: usize = 40;
/// Distinct reasons listed.
const REASONS_MAX: usize = 20;
/// Points listed per reason.
const POINTS_MAX: usize = 8;

/// The summary as Markdown.
pub fn markdown(meta: &ReportMeta, rows: &[Row]) -> String {
    let mut text = format!("# {}\n\n", escaped(&meta.title));
    swept(&mut text, meta, rows);
    text.push_str("\n## Answer\n\n");
    for sentence in answer(rows) {
        let _ = writeln!(text, "- {}", soft_escaped(&sentence));
    }
    results(&mut text, meta, rows);
    quality(&mut text, rows);
    refused(&mut text, rows);
    text.push_str("\n## Pictures\n");
    for (name, title) in pictures::names(meta, rows) {
        let _ = write!(text, "\n### {title}\n\n[![{title}]({name}.svg)]({name}.svg)\n");
    }
    if !meta.notes.is_empty() {
        text.push_str("\n## Notes\n\n");
        meta.notes.iter().for_each(|note| text.push_str(&format!("- {}\n", escaped(note))));
    }
    if !meta.provenance.is_empty() {
        text.push_str("\n## Provenance\n\n");
        meta.provenance.iter().for_each(|fact| text.push_str(&format!("- {}\n", escaped(fact))));
    }
    text
}

fn swept(text: &mut String, meta: &ReportMeta, rows: &[Row]) {
    let refused = rows.iter().filter(|row| row.summary().is_none()).count();
    let points = counted(rows.len(), "point");
    let name = escaped(&meta.scenario_name);
    let _ = writeln!(text, "Scenario {name}: {points}, of which {refused} cannot run.\n");
    for key in meta.axis_keys(rows) {
        let mut values: Vec<&str> = Vec::new();
        for row in rows {
            let value = axis_value(row, &key);
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let listed: Vec<String> = values.iter().take(ROWS_MAX).map(|value| escaped(value)).collect();
        let more = if values.len() > ROWS_MAX { ", ..." } else { "" };
        let _ = writeln!(text, "- {} ({}): {}{more}", escaped(&key), values.len(), listed.join(", "));
    }
}

/// All rows where they are few, else the fastest real policy at each setting and capacity, or the most load that each
/// setting bears.
fn results(text: &mut String, meta: &ReportMeta, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    let is_serving = serving::is_serving(rows);
    let (heading, shown) = match (rows.len() <= ROWS_MAX, is_serving) {
        (true, _) => ("All points", rows.iter().collect()),
        (false, false) => ("Fastest policy per setting and capacity", fastest_of(rows)),
        (false, true) => ("Most load that each setting bears, and where it gives way", serving::shown(rows)),
    };
    let shown: Vec<&Row> = shown.into_iter().take(ROWS_MAX).collect();
    let keys = meta.axis_keys(rows);
    let (titles, cells) = text_table::results(&shown, is_serving);
    let numbers = titles.len() - 1;
    let titles: Vec<String> = ["point"]
        .into_iter()
        .chain(keys.iter().map(|key| last_part(key, &keys)))
        .chain(titles)
        .map(escaped)
        .collect();
    let _ = write!(text, "\n## {heading}\n\n| {} |\n|", titles.join(" | "));
    (0..=keys.len()).for_each(|_| text.push_str("---|"));
    (0..numbers).for_each(|_| text.push_str("---:|"));
    text.push_str("---|\n");
    for (row, cells) in shown.iter().zip(cells) {
        let axes = keys.iter().map(|key| axis_value(row, key).to_owned());
        let cells = [row.index.to_string()].into_iter().chain(axes).chain(cells);
        let cells: Vec<String> = cells.map(|cell| escaped(&cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    if shown.len() < rows.len() {
        let left_out = counted(rows.len() - shown.len(), "more point");
        let _ = writeln!(text, "\n{left_out} in [results.csv](results.csv).");
    }
    if is_serving {
        under_load(text, &shown);
        return;
    }
    text.push_str(
        "\nTPOT is the mean time per output token of a sequence; p50, min and max are over sequences.\n",
    );
    time_shares(text, &shown);
}

/// What the points are expected to lose of their models' scores, each combination of reasons once, and where that is
/// published.
fn quality(text: &mut String, rows: &[Row]) {
    let mut groups: Vec<(&Quality, Vec<u64>)> = Vec::new();
    for row in rows.iter().filter(|row| !row.quality.parts.is_empty()) {
        match groups.iter_mut().find(|(known, _)| **known == row.quality) {
            Some((_, points)) => points.push(row.index),
            None => groups.push((&row.quality, vec![row.index])),
        }
    }
    if groups.is_empty() {
        return;
    }
    text.push_str(
        "\n## Quality\n\nEstimates from publications, not measured here: shares of the score of the model as published. \
         Models and recipes differ by more than these figures do.\n\n| points | loss | because of | known | source |\n\
         |---|---:|---|---|---|\n",
    );
    for (quality, points) in groups.iter().take(ROWS_MAX) {
        let listed: Vec<String> = points.iter().take(POINTS_MAX).map(u64::to_string).collect();
        let more = if points.len() > POINTS_MAX { ", ..." } else { "" };
        let listed = format!("{}{more}", listed.join(", "));
        for part in &quality.parts {
            let loss = part.loss_ppm.map_or_else(|| "unknown".to_owned(), percent_words);
            let cells = [&listed, &loss, &part.what, &part.fidelity, &part.source].map(|cell| escaped(cell));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    }
    if groups.len() > ROWS_MAX {
        let left_out = counted(groups.len() - ROWS_MAX, "more combination");
        let _ = writeln!(text, "\n{left_out} in [results.json](results.json).");
    }
}

/// What the table of a serving sweep means, and how its points use their machines.
fn under_load(text: &mut String, shown: &[&Row]) {
    text.push_str(
        "\nRates are over the span of the run. TTFT is from arrival to the first token, TPOT the mean time per output \
         token after it; percentiles are over requests. A point is saturated where a queue was full, or a tenth of \
         all requests were waiting when the last one came.\n",
    );
    let ran: Vec<&Row> = shown.iter().copied().filter(|row| serving::served(row).is_some()).collect();
    let (titles, lines) = serving::machine(&ran);
    if titles.is_empty() {
        return;
    }
    let titles: Vec<String> = titles.into_iter().map(escaped).collect();
    let _ = write!(text, "\n## How the machine is used\n\n| point | {} |\n|---|", titles.join(" | "));
    text.push_str(&"---:|".repeat(titles.len()));
    text.push('\n');
    for (row, cells) in ran.iter().zip(lines) {
        let _ = writeln!(text, "| {} | {} |", row.index, cells.join(" | "));
    }
    text.push_str(
        "\nShares of time are of all GPUs; waiting is for copies, drives or the CPU within a pass.\n",
    );
}

/// Time shares of the points that decoded, without those that are zero everywhere.
fn time_shares(text: &mut String, shown: &[&Row]) {
    let decoded = |summary: &&Summary| summary.decode_time.total_ns() > 0;
    let ran: Vec<(u64, &Summary)> =
        shown.iter().filter_map(|row| Some((row.index, row.summary().filter(decoded)?))).collect();
    if ran.is_empty() {
        return;
    }
    let takes = |bound: &Bound| ran.iter().any(|(_, summary)| bound.share_ns(&summary.decode_time) > 0);
    let bounds: Vec<Bound> = Bound::ALL.into_iter().filter(takes).collect();
    let devices: Vec<&str> = ["gpu", "h2d", "d2h", "nvme", "cpu", "dram"]
        .into_iter()
        .filter(|name| ran.iter().any(|(_, summary)| summary.link(name).is_some_and(|link| link.jobs > 0)))
        .collect();
    let titles = bounds.iter().map(|bound| format!("{} ms", bound.label()));
    let titles: Vec<String> = titles.chain(devices.iter().map(|name| format!("{name} busy %"))).collect();
    let _ = write!(text, "\n## Where the time goes\n\n| point | {} |\n|---|", titles.join(" | "));
    text.push_str(&"---:|".repeat(titles.len()));
    text.push('\n');
    for (index, summary) in &ran {
        let tokens = u128::from(summary.decode.tokens) * 1_000_000;
        let share = |bound: &Bound| ratio(u128::from(bound.share_ns(&summary.decode_time)), tokens, 3);
        let busy = |name: &&str| {
            let books = summary.link(name).map(|link| percent(link.busy_ns, link.busy_ns + link.idle_ns, 1));
            books.unwrap_or_else(|| "-".to_owned())
        };
        let cells: Vec<String> = bounds.iter().map(share).chain(devices.iter().map(busy)).collect();
        let _ = writeln!(text, "| {index} | {} |", cells.join(" | "));
    }
    text.push_str("\nMilliseconds per decoded token over all sequences; busy is a share of the whole run, prompts included.\n");
}

/// Points that cannot run, grouped by reason, in the order in which a reason first appears.
fn refused(text: &mut String, rows: &[Row]) {
    let mut groups: Vec<(&str, Vec<u64>)> = Vec::new();
    for row in rows {
        let Outcome::CannotRun(reasons) = &row.outcome else { continue };
        for reason in reasons {
            match groups.iter_mut().find(|(known, _)| known == reason) {
                Some((_, points)) => points.push(row.index),
                None => groups.push((reason, vec![row.index])),
            }
        }
    }
    if groups.is_empty() {
        return;
    }
    text.push_str("\n## Cannot run\n\n");
    for (reason, points) in groups.iter().take(REASONS_MAX) {
        let listed: Vec<String> = points.iter().take(POINTS_MAX).map(u64::to_string).collect();
        let more = if points.len() > POINTS_MAX { ", ..." } else { "" };
        let count = counted(points.len(), "point");
        let _ = writeln!(text, "- {count} ({}{more}): {}", listed.join(", "), escaped(reason));
    }
    if groups.len() > REASONS_MAX {
        let left_out = counted(groups.len() - REASONS_MAX, "more reason");
        let _ = writeln!(text, "- {left_out} in [results.csv](results.csv)");
    }
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '\n' | '\r' | '\t' => safe.push(' '),
            '|' | '*' | '_' | '`' | '[' | ']' | '#' | '\\' | '~' => safe.extend(['\\', c]),
            _ => safe.push(c),
        }
    }
    safe
}

/// As [`escaped`], but bold stays bold.
fn soft_escaped(sentence: &str) -> String {
    match sentence.strip_prefix("**").and_then(|rest| rest.split_once("**")) {
        Some((lead, rest)) => format!("**{}**{}", escaped(lead), escaped(rest)),
        None => escaped(sentence),
    }
}
