//! `results.json`: the meta data and the full rows, so that any figure of a report can be recomputed from it.

use serde::{Deserialize, Serialize};

use super::ReportMeta;
use crate::error::{Error, Place, Result};
use crate::metrics::Row;

#[derive(Serialize)]
struct Written<'a> {
    meta: &'a ReportMeta,
    rows: &'a [Row],
}

#[derive(Deserialize)]
struct Read {
    meta: ReportMeta,
    rows: Vec<Row>,
}

/// The report as indented JSON, fields in the order of the types, ending in a line feed.
///
/// # Errors
/// When the encoder fails, which these types do not cause.
pub fn json(meta: &ReportMeta, rows: &[Row]) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(&Written { meta, rows })
        .map_err(|cause| Error::new(format!("cannot encode results.json: {cause}")))?;
    text.push(b'\n');
    Ok(text)
}

/// Reads what [`json`] wrote; `place` names the file in errors.
///
/// # Errors
/// With line and column, when the text is not such a report.
pub fn parse_json(place: &Place, text: &[u8]) -> Result<(ReportMeta, Vec<Row>)> {
    let read: Read = serde_json::from_slice(text).map_err(|cause| {
        Error::at(place.clone().line(cause.line()).column(cause.column()), cause.to_string())
            .expected("a results.json of this program")
    })?;
    Ok((read.meta, read.rows))
}
