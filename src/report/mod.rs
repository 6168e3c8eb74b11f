//! Rows to bytes: CSV, JSON, Markdown, pictures.
//!
//! Every report is a pure function of a [`ReportMeta`] and the rows of a sweep. The same input gives the same bytes on
//! any machine: numbers are rounded by integer arithmetic, pictures are set in one embedded font, and nothing asks for
//! the time, the host or the environment. [`folder::write`] is the only place that touches a file system.
//!
//! Left out on purpose: no report computes a result. What is not in a row is not shown.

mod advice;
mod allocator;
mod answer;
mod bottleneck;
mod capacity;
mod cost;
mod csv_table;
mod curve;
mod deployments;
mod draw;
mod effects;
mod explanation;
pub mod folder;
mod footprint;
mod format;
mod json;
mod labelled;
mod launch;
mod markdown;
mod meta;
mod numeric_axis;
mod pictures;
mod point;
mod sensitivity;
mod series;
mod serving;
mod text_table;
mod timeline;
pub mod trace_pictures;
pub mod trace_text;
mod validation;
mod validation_page;

pub use advice::{advice_files, advice_page, advice_text};
pub use answer::answer_text;
pub use capacity::capacity_text;
pub use csv_table::csv;
pub use curve::{curve_files, curve_json, curve_text, policies_page};
pub use deployments::{
    deployments_files, deployments_json, deployments_page, deployments_page_pictures, deployments_text,
};
pub use effects::{effects_files, effects_page, effects_page_pictures, effects_text};
pub use explanation::{explanation, explanation_json};
pub use footprint::{footprint_files, footprint_json, footprint_text};
pub use json::{json, parse_json};
pub use labelled::labelled;
pub use launch::launch_text;
pub use markdown::markdown;
pub use meta::ReportMeta;
pub use pictures::curve::curve_page_pictures;
pub use point::point;
pub use sensitivity::{SensitivityJson, sensitivity_files, sensitivity_json, sensitivity_text};
pub use text_table::table;
pub use timeline::timeline;
pub use validation::{validation_csv, validation_files, validation_table, validation_text};
pub use validation_page::{validation_page, validation_page_pictures};

use crate::error::Result;
use crate::metrics::Row;

/// A file's name and its content.
pub type NamedFile = (String, Vec<u8>);

/// Every report of a sweep: `results.csv`, `results.json`, `summary.md`, and each picture as `.svg` and `.png`.
///
/// # Errors
/// When a document cannot be encoded, which no row causes.
pub fn render_all(meta: &ReportMeta, rows: &[Row]) -> Result<Vec<NamedFile>> {
    let mut files = vec![
        ("results.csv".to_owned(), csv(meta, rows)?),
        ("results.json".to_owned(), json(meta, rows)?),
        ("summary.md".to_owned(), markdown(meta, rows).into_bytes()),
    ];
    files.extend(pictures::render(meta, rows)?);
    Ok(files)
}
