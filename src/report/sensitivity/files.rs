//! Files: CSV, JSON, a page and the picture.

use std::fmt::Write as _;

use serde::Serialize;

use super::text::answer;
use super::words::{amount, by_words, changed, permille};
use crate::error::{Error, Result};
use crate::metrics::{Sensitivity, SensitivityBar, SensitivityEnd, Varied};
use crate::report::pictures::tornado;
use crate::report::{NamedFile, ReportMeta};

/// Name of every file, without its ending.
const NAME: &str = "sensitivity";

/// A study as JSON shows it.
#[derive(Serialize)]
pub struct SensitivityJson<'a> {
    #[serde(flatten)]
    found: &'a Sensitivity,
    unit: &'static str,
    answer: String,
}

/// The study with its sentence, to be encoded.
pub fn sensitivity_json(found: &Sensitivity) -> SensitivityJson<'_> {
    SensitivityJson { found, unit: unit(found), answer: answer(found) }
}

fn unit(found: &Sensitivity) -> &'static str {
    if found.metric.is_time() { "ns" } else { "millitokens/s" }
}

/// `sensitivity.csv`, `.json`, `.md`, and the picture as `.svg` and `.png`.
///
/// # Errors
/// When a document cannot be encoded, which no number causes.
pub fn sensitivity_files(meta: &ReportMeta, found: &Sensitivity) -> Result<Vec<NamedFile>> {
    let mut json = serde_json::to_vec_pretty(&sensitivity_json(found))
        .map_err(|cause| Error::new(format!("cannot encode {NAME}.json: {cause}")))?;
    json.push(b'\n');
    let mut files = vec![
        (format!("{NAME}.csv"), csv(found)?),
        (format!("{NAME}.json"), json),
        (format!("{NAME}.md"), page(meta, found).into_bytes()),
    ];
    files.extend(tornado::files(NAME, &meta.title, found)?);
    Ok(files)
}

const HEAD: [&str; 11] = [
    "parameter",
    "title",
    "as_it_is",
    "end",
    "by_permille",
    "setting",
    "metric",
    "unit",
    "value",
    "change_permille",
    "reason",
];

/// A line for each end of each bar; the point and the prompts as bars of their own.
fn csv(found: &Sensitivity) -> Result<Vec<u8>> {
    let failed = |cause: String| Error::new(format!("cannot encode {NAME}.csv: {cause}"));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(HEAD).map_err(|cause| failed(cause.to_string()))?;
    let base = found.base.unwrap_or(0);
    let mut write = |parameter: &str, title: &str, as_it_is: &str, end: [&str; 3], varied: &Varied| {
        let (value, change, reason) = match varied {
            Varied::Ran(value) => (value.to_string(), permille(base, *value).to_string(), String::new()),
            Varied::CannotRun(reasons) => (String::new(), String::new(), reasons.join("; ")),
        };
        let [end, by, setting] = end;
        let (metric, unit) = (found.metric.id(), unit(found));
        let record = [parameter, title, as_it_is, end, by, setting, metric, unit, &value, &change, &reason];
        writer.write_record(record).map_err(|cause| failed(cause.to_string()))
    };
    if let Some(base) = found.base {
        write("", "as it is", "", ["base", "0", ""], &Varied::Ran(base))?;
    }
    let by = found.by_permille.to_string();
    let less = format!("-{by}");
    for bar in &found.bars {
        for (end, (name, by)) in bar.ends().into_iter().zip([("less", &less), ("more", &by)]) {
            let (id, title) = (bar.parameter.id(), bar.parameter.title());
            write(id, title, &bar.setting, [name, by, &end.setting], &end.varied)?;
        }
    }
    if let Some(range) = found.prompts {
        for (name, (sequence, value)) in [("lowest", range.lowest), ("highest", range.highest)] {
            let setting = format!("sequence {sequence}");
            let title = "this prompt or another";
            write("prompt", title, "median", [name, "", &setting], &Varied::Ran(value))?;
        }
    }
    writer.into_inner().map_err(|cause| failed(cause.to_string()))
}

/// The page: the answer, the picture, the table.
fn page(meta: &ReportMeta, found: &Sensitivity) -> String {
    let mut text = format!("# {}: what the answer depends on\n\n{}\n\n", meta.title, answer(found));
    let Some(base) = found.base else {
        for reason in reasons(found) {
            let _ = writeln!(text, "- cannot run: {reason}");
        }
        return text;
    };
    let by = by_words(found.by_permille);
    let name = found.metric.title();
    let _ = writeln!(text, "![{name} by parameter]({NAME}.svg)\n");
    let _ = writeln!(text, "As it is: {name} {}.\n", amount(found.metric, base));
    let _ = writeln!(text, "| parameter | as it is | varied to | {name} at -{by} | {name} at +{by} |");
    text.push_str("| --- | --- | --- | ---: | ---: |\n");
    for bar in &found.bars {
        let _ = writeln!(text, "{}", row(bar, found, base));
    }
    if let Some(range) = found.prompts {
        let end = |(sequence, value): (u32, u64)| {
            format!("{} ({}, sequence {sequence})", amount(found.metric, value), changed(base, value))
        };
        let (low, high) = (end(range.lowest), end(range.highest));
        let _ = writeln!(
            text,
            "| this prompt or another | median | {} sequences | {low} | {high} |",
            range.sequences
        );
    }
    text.push('\n');
    if found.bars.iter().any(|bar| bar.is_fitted) {
        text.push_str(
            "Fitted: a recording cannot be made more or less skewed, so a synthetic router was fitted to it, and what turning \
             that router changes was applied to the recorded result.\n\n",
        );
    }
    found.notes.iter().for_each(|note| {
        let _ = writeln!(text, "Left out: {note}.\n");
    });
    meta.provenance.iter().chain(&meta.notes).for_each(|line| {
        let _ = writeln!(text, "- {line}");
    });
    text
}

fn row(bar: &SensitivityBar, found: &Sensitivity, base: u64) -> String {
    let end = |end: &SensitivityEnd| match &end.varied {
        Varied::Ran(value) => format!("{} ({})", amount(found.metric, *value), changed(base, *value)),
        Varied::CannotRun(reasons) => format!("cannot run: {}", reasons.join("; ").replace('|', "\\|")),
    };
    let fitted = if bar.is_fitted { " (fitted)" } else { "" };
    let (title, less, more) = (bar.parameter.title(), &bar.less, &bar.more);
    format!(
        "| {title}{fitted} | {} | {} to {} | {} | {} |",
        bar.setting,
        less.setting,
        more.setting,
        end(less),
        end(more)
    )
}

fn reasons(found: &Sensitivity) -> Vec<String> {
    match &found.row.outcome {
        crate::metrics::Outcome::CannotRun(reasons) => reasons.clone(),
        crate::metrics::Outcome::Done(_) => Vec::new(),
    }
}
