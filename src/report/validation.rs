//! A validation as text, CSV and pictures.

use std::fmt::Write as _;

use super::pictures::validation as pictures;
use super::text_table::aligned;
use super::{NamedFile, labelled};
use crate::error::{Error, Result};
use crate::metrics::{Held, ValidationRow, ValidationSeries};

/// A number to four significant figures.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let decimals = (0..4).find(|decimals| size >= 10_f64.powi(3 - decimals)).unwrap_or(4);
    format!("{value:.*}", usize::try_from(decimals).unwrap_or(0))
}

/// An `x`, without decimals that it does not have.
pub(super) fn place(x: Option<f64>) -> String {
    x.map_or_else(String::new, |x| x.to_string())
}

pub(super) fn signed(pct: f64) -> String {
    match format!("{pct:+.1} %").as_str() {
        "-0.0 %" => "+0.0 %".to_owned(),
        text => text.to_owned(),
    }
}

pub(super) fn percent(pct: f64) -> String {
    format!("{pct:.1} %")
}

/// What the series is held to.
pub(super) fn held(series: &ValidationSeries) -> String {
    match &series.held {
        Held::Band { statistic, limit_pct } => format!("{} <= {limit_pct} %", statistic.title()),
        Held::ReportOnly(_) => "nothing".to_owned(),
    }
}

/// Whether it keeps to it.
pub(super) fn verdict(series: &ValidationSeries) -> &'static str {
    match (&series.held, series.in_band) {
        (Held::ReportOnly(_), _) => "not held to a band",
        (_, true) => "within",
        (_, false) => "OUTSIDE",
    }
}

/// How many parameters were fitted to the series' own rows, or whose they are.
pub(super) fn fitted(series: &ValidationSeries) -> String {
    match &series.parameters_from {
        Some(other) => format!("0, as {other}"),
        None => series.fitted.len().to_string(),
    }
}

/// Every series with its rows, then one line for each.
pub fn validation_text(all: &[ValidationSeries]) -> String {
    let mut text = String::new();
    for series in all {
        one(&mut text, series);
        text.push('\n');
    }
    text.push_str(&summary(all));
    text
}

/// The table of all series alone.
pub fn validation_table(all: &[ValidationSeries]) -> String {
    summary(all)
}

fn one(text: &mut String, series: &ValidationSeries) {
    let _ = writeln!(text, "{}: {}", series.id, series.title);
    text.push_str(&rows(series));
    let errors = &series.errors;
    let fitted: Vec<String> = series
        .fitted
        .iter()
        .map(|fit| format!("{} = {} (looked for within {} to {})", fit.key, fit.value, fit.low, fit.high))
        .collect();
    let fitted = match &series.parameters_from {
        Some(other) => format!("nothing to these rows; the parameters are those of {other}"),
        None if fitted.is_empty() => "nothing".to_owned(),
        None => fitted.join("\n"),
    };
    let bias = match errors.bias_pct {
        pct if pct >= 0.05 => "predictions are too large",
        pct if pct <= -0.05 => "predictions are too small",
        _ => "none",
    };
    let held = match &series.held {
        Held::Band { .. } => format!("{}: {}", held(series), verdict(series)),
        Held::ReportOnly(reason) => format!("nothing, because {reason}"),
    };
    text.push_str(&labelled(&[
        ("fitted", fitted),
        (
            "errors",
            format!(
                "MAPE {}, median {}, worst {} ({})",
                percent(errors.mape_pct),
                percent(errors.median_pct),
                percent(errors.worst_pct),
                errors.worst_row
            ),
        ),
        ("bias", format!("{}: {bias}", signed(errors.bias_pct))),
        ("held to", held),
    ]));
}

fn rows(series: &ValidationSeries) -> String {
    let (has_group, has_x) =
        (series.rows.iter().any(|row| !row.group.is_empty()), series.rows.iter().any(|row| row.x.is_some()));
    let line = |row: &ValidationRow| {
        let mut cells = vec![row.id.clone()];
        cells.extend(has_group.then(|| row.group.clone()));
        cells.extend(has_x.then(|| place(row.x)));
        cells.extend([
            number(row.measured),
            number(row.predicted),
            row.unit.clone(),
            signed(row.error_pct()),
        ]);
        cells
    };
    let mut head = vec!["row"];
    head.extend(has_group.then_some("group"));
    head.extend(has_x.then_some("x"));
    head.extend(["measured", "predicted", "unit", "error"]);
    let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    lines.extend(series.rows.iter().map(line));
    // The errors, in the last column, line up by their signs.
    let widest = lines.iter().filter_map(|line| line.last()).map(String::len).max().unwrap_or(0);
    lines.iter_mut().filter_map(|line| line.last_mut()).for_each(|cell| *cell = format!("{cell:>widest$}"));
    aligned(&lines, 1 + usize::from(has_group))
}

/// One line for each series.
pub(super) fn summary_cells(all: &[ValidationSeries]) -> Vec<Vec<String>> {
    let head = ["series", "rows", "fitted", "MAPE", "median", "worst", "bias", "held to", "verdict"];
    let line = |series: &ValidationSeries| {
        vec![
            series.id.clone(),
            series.rows.len().to_string(),
            fitted(series),
            percent(series.errors.mape_pct),
            percent(series.errors.median_pct),
            percent(series.errors.worst_pct),
            signed(series.errors.bias_pct),
            held(series),
            verdict(series).to_owned(),
        ]
    };
    std::iter::once(head.map(str::to_owned).to_vec()).chain(all.iter().map(line)).collect()
}

fn summary(all: &[ValidationSeries]) -> String {
    let mut text = aligned(&summary_cells(all), 1);
    let outside = all.iter().filter(|series| !series.in_band).count();
    let _ = match outside {
        0 => writeln!(text, "every series is within its band"),
        count => writeln!(text, "{count} of {} series outside of the band", all.len()),
    };
    text
}

/// All rows of all series as comma-separated values.
///
/// # Errors
/// When the encoder fails, which writing to memory does not.
pub fn validation_csv(all: &[ValidationSeries]) -> Result<Vec<u8>> {
    let failed = |cause: String| Error::new(format!("cannot encode validation.csv: {cause}"));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let head = ["series", "row", "group", "x", "metric", "measured", "predicted", "unit", "error_pct"];
    writer.write_record(head).map_err(|cause| failed(cause.to_string()))?;
    for series in all {
        for row in &series.rows {
            let record = [
                series.id.clone(),
                row.id.clone(),
                row.group.clone(),
                place(row.x),
                series.metric.clone(),
                format!("{:.6}", row.measured),
                format!("{:.6}", row.predicted),
                row.unit.clone(),
                format!("{:.4}", row.error_pct()),
            ];
            writer.write_record(record).map_err(|cause| failed(cause.to_string()))?;
        }
    }
    writer.into_inner().map_err(|cause| failed(cause.to_string()))
}

/// `validation.csv`, and each picture as `.svg` and `.png`.
///
/// # Errors
/// When a document cannot be encoded, which no row causes.
pub fn validation_files(all: &[ValidationSeries]) -> Result<Vec<NamedFile>> {
    let mut files = vec![("validation.csv".to_owned(), validation_csv(all)?)];
    files.extend(pictures::render(all)?);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_figures() {
        for (value, text) in [
            (12_345.6, "12346"),
            (1_809.9, "1810"),
            (194.0, "194.0"),
            (18.543, "18.54"),
            (1.34, "1.340"),
            (0.31, "0.3100"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
