//! Cache policies compared on traces: text for a terminal, files, and a page.
//!
//! Curves and their [`Verdict`] come from `metrics`; here they become tables and sentences. Rates are shown in percent of the
//! lookups of the judged phase, differences of rates in percentage points, and shares of the distance from LRU to Belady in
//! percent.

mod csv;
mod page;
mod summary;
mod tables;
mod text;
mod warnings;
mod words;

pub use page::policies_page;
pub use text::curve_text;

use serde::Serialize;

use super::NamedFile;
use super::pictures::curve::{curve_layer_pictures, curve_pictures, file_stem};
use crate::error::{Error, Result};
use crate::metrics::{TraceCurves, Verdict};

/// Curves and what they show.
type Judged = (TraceCurves, Verdict);

#[derive(Serialize)]
struct Document<'a> {
    moesim: &'static str,
    traces: Vec<TraceDocument<'a>>,
}

#[derive(Serialize)]
struct TraceDocument<'a> {
    #[serde(flatten)]
    curves: &'a TraceCurves,
    verdict: &'a Verdict,
}

/// Everything as JSON in one line, ending in a line feed.
///
/// # Errors
/// When the encoder fails, which these types do not cause.
pub fn curve_json(all: &[Judged]) -> Result<Vec<u8>> {
    let traces = all.iter().map(|(curves, verdict)| TraceDocument { curves, verdict }).collect();
    let document = Document { moesim: env!("CARGO_PKG_VERSION"), traces };
    let mut text = serde_json::to_vec(&document)
        .map_err(|cause| Error::new(format!("cannot encode curves.json: {cause}")))?;
    text.push(b'\n');
    Ok(text)
}

/// All files of a comparison: `curves.csv`, `sequences.csv`, `lru_all_capacities.csv`, `curves.json`, `summary.md`, the pictures,
/// and `layers.csv` where asked for.
///
/// # Errors
/// When a document cannot be encoded or a picture cannot be drawn, which no count causes.
pub fn curve_files(all: &[Judged], per_layer: bool) -> Result<Vec<NamedFile>> {
    let mut pictures = Vec::new();
    for (curves, _) in all {
        pictures.push(pictures_of(curves, all.len() > 1, per_layer)?);
    }
    let names = |files: &Vec<NamedFile>| {
        let names = files.iter().map(|(name, _)| name.clone());
        names.filter(|name| name.ends_with(".svg")).collect::<Vec<_>>()
    };
    let drawn: Vec<Vec<String>> = pictures.iter().map(names).collect();
    let mut files = vec![
        ("curves.csv".to_owned(), csv::curves(all)?),
        ("sequences.csv".to_owned(), csv::sequences(all)?),
        ("lru_all_capacities.csv".to_owned(), csv::all_capacities(all)?),
        ("curves.json".to_owned(), curve_json(all)?),
        ("summary.md".to_owned(), summary::summary(all, &drawn).into_bytes()),
    ];
    if per_layer {
        files.push(("layers.csv".to_owned(), csv::layers(all)?));
    }
    files.extend(pictures.into_iter().flatten());
    Ok(files)
}

/// The pictures of one trace, its name before theirs where there are several.
fn pictures_of(curves: &TraceCurves, several: bool, per_layer: bool) -> Result<Vec<NamedFile>> {
    let mut files = curve_pictures(curves)?;
    if per_layer {
        files.extend(curve_layer_pictures(curves)?);
    }
    if several {
        for (name, _) in &mut files {
            *name = format!("{}-{name}", file_stem(&curves.name));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
