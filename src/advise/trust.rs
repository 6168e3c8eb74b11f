//! How far predictions with an engine profile were off where somebody measured.

use crate::catalogue::{EngineProfile, Entry};
use crate::error::Result;
use crate::metrics::advice::{Trust, TrustSeries};
use crate::plan::Inputs;
use crate::validate::{Series, shipped_files, validate};

/// Predictions of the shipped series that run with the profile, beside what was measured; `None` where there are no series
/// in the current folder.
///
/// # Errors
/// As [`validate`].
pub(super) fn trust(engine: &str, inputs: &Inputs) -> Result<Option<Trust>> {
    // The series lie beside the program's source; a program that was installed elsewhere has none.
    let Ok(files) = shipped_files() else { return Ok(None) };
    let engine = EngineProfile::find(engine).map_or(engine, |row| row.id.as_str());
    let has_profile = |series: &Series| {
        series.engine().is_some_and(|name| EngineProfile::find(&name).is_some_and(|row| row.id == engine))
    };
    let own: Vec<Series> = Series::load_all(&files)?.into_iter().filter(has_profile).collect();
    let judged = validate(&own, inputs)?;
    let series = judged.into_iter().map(|series| TrustSeries {
        rows: series.rows.len(),
        fitted: series.fitted.len(),
        id: series.id,
        title: series.title,
        source: series.source,
        errors: series.errors,
    });
    Ok(Some(Trust { engine: engine.to_owned(), series: series.collect() }))
}
