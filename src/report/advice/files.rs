//! Every file of a recommendation: the page, the data behind it, and its pictures.

use super::rejected::reason;
use super::start::settings_text;
use super::value::{column, exact};
use super::view::View;
use super::{advice_page, page::plain};
use crate::error::{Error, Result};
use crate::metrics::Row;
use crate::metrics::advice::{Advice, Metric};
use crate::report::csv_table::csv;
use crate::report::pictures::{advice_front, advice_memory, advice_rejected};
use crate::report::{NamedFile, ReportMeta};

/// `advice.md`, `advice.json`, `results.csv` of all simulated rows, `candidates.csv` of all candidates, and each picture as
/// `.svg` and `.png`.
///
/// # Errors
/// When a document cannot be encoded, which no recommendation causes.
pub fn advice_files(advice: &Advice) -> Result<Vec<NamedFile>> {
    let view = View::of(advice);
    let mut files = vec![
        ("advice.md".to_owned(), advice_page(advice).into_bytes()),
        ("advice.json".to_owned(), json(advice)?),
        ("results.csv".to_owned(), results(advice)?),
        ("candidates.csv".to_owned(), candidates(&view)?),
    ];
    files.extend(advice_front::files(&view)?);
    files.extend(advice_memory::files(&view)?);
    files.extend(advice_rejected::files(&view)?);
    Ok(files)
}

pub(super) fn json(advice: &Advice) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(advice)
        .map_err(|cause| Error::new(format!("cannot encode advice.json: {cause}")))?;
    text.push(b'\n');
    Ok(text)
}

/// Metrics that the table of a sweep may lack: those of the question, and what a configuration costs.
fn judged_by(advice: &Advice) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    let asked = advice.objectives.iter().copied().chain(advice.limits.iter().map(|limit| limit.metric));
    for metric in asked.chain([Metric::Price, Metric::Rent, Metric::Power, Metric::QualityLoss]) {
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    metrics
}

/// The rows as a sweep writes them, and after that what they were judged by.
pub(super) fn results(advice: &Advice) -> Result<Vec<u8>> {
    let meta = ReportMeta {
        title: advice.title.clone(),
        scenario_name: advice.file.clone(),
        axes: advice.dimensions.clone(),
        ..ReportMeta::default()
    };
    let table = csv(&meta, &advice.rows)?;
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_slice());
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut added: Vec<Metric> = Vec::new();
    for (line, record) in reader.records().enumerate() {
        let mut record = record.map_err(|cause| failed("results.csv", &cause.to_string()))?;
        match line.checked_sub(1).and_then(|at| advice.rows.get(at)) {
            None => {
                let known = |metric: &Metric| record.iter().any(|name| name == column(*metric));
                added = judged_by(advice).into_iter().filter(|metric| !known(metric)).collect();
                added.iter().for_each(|metric| record.push_field(&column(*metric)));
            }
            Some(row) => added.iter().for_each(|metric| record.push_field(&cell(*metric, row))),
        }
        writer.write_record(&record).map_err(|cause| failed("results.csv", &cause.to_string()))?;
    }
    writer.into_inner().map_err(|cause| failed("results.csv", &cause.to_string()))
}

fn cell(metric: Metric, row: &Row) -> String {
    metric.of(row).map_or_else(String::new, |value| exact(metric, value))
}

/// One line per candidate: its number, what it is, its fate and why, the best it could be, and its settings.
pub(super) fn candidates(view: &View<'_>) -> Result<Vec<u8>> {
    let advice = view.advice;
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut header = vec!["index".to_owned()];
    header.extend(advice.dimensions.iter().cloned());
    header.extend(["fate", "reason"].map(str::to_owned));
    header.extend(advice.objectives.iter().map(|metric| format!("bound_{}", column(*metric))));
    header.push("settings".to_owned());
    writer.write_record(&header).map_err(|cause| failed("candidates.csv", &cause.to_string()))?;
    for candidate in &advice.candidates {
        let choice =
            (0..advice.dimensions.len()).map(|at| candidate.choice.get(at).cloned().unwrap_or_default());
        let bounds = advice.objectives.iter().enumerate().map(|(at, metric)| {
            candidate.bound.get(at).map_or_else(String::new, |bound| exact(*metric, *bound))
        });
        let mut cells = vec![candidate.index.to_string()];
        cells.extend(choice);
        cells.extend([candidate.fate.name().to_owned(), plain(&reason(view, candidate))]);
        cells.extend(bounds);
        cells.push(settings_text(&candidate.settings));
        writer.write_record(&cells).map_err(|cause| failed("candidates.csv", &cause.to_string()))?;
    }
    writer.into_inner().map_err(|cause| failed("candidates.csv", &cause.to_string()))
}

fn failed(file: &str, cause: &str) -> Error {
    Error::new(format!("cannot encode {file}: {cause}"))
}
