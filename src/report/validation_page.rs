//! The page on validation: what was compared, what was fitted, how far off it is, and what is bad and why.

use std::fmt::Write as _;

use super::NamedFile;
use super::format::counted;
use super::pictures::validation as pictures;
use super::validation::{fitted, held, number, percent, place, signed, summary_cells, verdict};
use crate::error::Result;
use crate::metrics::{Held, ValidationSeries};

/// More rows than this are left to the picture and the CSV file.
const ROWS_MAX: usize = 60;

/// The page as Markdown; pictures are looked for in the folder `pictures` beside it.
pub fn validation_page(all: &[ValidationSeries]) -> String {
    let mut text = String::from("# Validation\n\n");
    text.push_str(
        "Predictions beside measurements that others published. `moesim validate --docs docs/validation.md` writes this\n\
         page from `scenarios/validation/`; `moesim validate` prints the same figures and fails where a series leaves its\n\
         band. Errors are relative to the measurement. A parameter under *fitted* was fitted to the rows of its series,\n\
         within the bounds given, by `moesim calibrate`; everything else is a fact of the catalogue or of the source.\n\n",
    );
    overview(&mut text, all);
    let _ = write!(text, "\n![Predicted against measured](pictures/{}.svg)\n", pictures::ALL);
    for series in all {
        section(&mut text, series);
    }
    text
}

/// The pictures of the page, as SVG.
///
/// # Errors
/// When a picture cannot be drawn, which no row causes.
pub fn validation_page_pictures(all: &[ValidationSeries]) -> Result<Vec<NamedFile>> {
    let mut files = pictures::render(all)?;
    files.retain(|(name, _)| name.ends_with(".svg"));
    Ok(files)
}

fn row(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.iter().map(|cell| escaped(cell)).collect::<Vec<_>>().join(" | "));
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace("<=", "\u{2264}")
}

fn overview(text: &mut String, all: &[ValidationSeries]) {
    let cells = summary_cells(all);
    for (index, line) in cells.iter().enumerate() {
        row(text, line);
        if index == 0 {
            let rule: Vec<String> = line.iter().map(|_| "---".to_owned()).collect();
            row(text, &rule);
        }
    }
}

fn section(text: &mut String, series: &ValidationSeries) {
    let _ = write!(text, "\n## {}\n\n{}. ", series.id, series.title);
    let _ = writeln!(text, "Source: {}", linked(&series.source));
    let _ = writeln!(
        text,
        "\nCompared: `{}` of {}, predicted by `{}`. Held to: {} ({}).\n",
        series.metric,
        counted(series.rows.len(), "row"),
        series.probe,
        escaped(&held(series)),
        verdict(series)
    );
    if let Held::ReportOnly(reason) = &series.held {
        let _ = writeln!(text, "Not held to a band: {reason}\n");
    }
    let errors = &series.errors;
    let _ = writeln!(
        text,
        "MAPE {}, median {}, worst {} (`{}`), bias {}; fitted parameters: {}.",
        percent(errors.mape_pct),
        percent(errors.median_pct),
        percent(errors.worst_pct),
        errors.worst_row,
        signed(errors.bias_pct),
        fitted(series)
    );
    if !series.fitted.is_empty() {
        text.push_str("\n| fitted | value | from | to |\n| --- | --- | --- | --- |\n");
        for fit in &series.fitted {
            row(text, &[format!("`{}`", fit.key), fit.value.clone(), fit.low.clone(), fit.high.clone()]);
        }
    }
    if !series.notes.is_empty() {
        let _ = write!(text, "\n{}\n", series.notes);
    }
    let _ = write!(text, "\n![{}](pictures/{}.svg)\n", series.id, pictures::name(&series.id));
    if series.rows.len() <= ROWS_MAX {
        measurements(text, series);
    }
}

fn measurements(text: &mut String, series: &ValidationSeries) {
    let x = if series.x_label.is_empty() { "x" } else { &series.x_label };
    let unit = series.unit();
    let _ = write!(text, "\n<details><summary>{}</summary>\n\n", counted(series.rows.len(), "row"));
    row(
        text,
        &["row", "group", x, &format!("measured ({unit})"), &format!("predicted ({unit})"), "error"]
            .map(str::to_owned),
    );
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for measured in &series.rows {
        row(
            text,
            &[
                measured.id.clone(),
                measured.group.clone(),
                place(measured.x),
                number(measured.measured),
                number(measured.predicted),
                signed(measured.error_pct()),
            ],
        );
    }
    text.push_str("\n</details>\n");
}

/// An address as a link, with whatever follows it as text.
pub(super) fn linked(source: &str) -> String {
    match source.split_once(' ') {
        Some((address, rest)) if address.starts_with("http") => format!("<{address}> {rest}"),
        None if source.starts_with("http") => format!("<{source}>"),
        _ => source.to_owned(),
    }
}
