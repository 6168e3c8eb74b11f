//! Memory of models, stored and laid out in several ways: text for a terminal, files, and a page.
//!
//! Sizes are in GB of 10^9 bytes, as checkpoints and parameter counts are; memory of GPUs, which is sold in GiB, is given in
//! both.

mod compare;
mod csv;
mod one;
mod page;
mod words;

pub use page::footprint_text;
pub(super) use words::decimal;

use serde::Serialize;

use super::NamedFile;
use super::draw::files;
use super::pictures::footprint as picture;
use crate::error::{Error, Result};
use crate::metrics::Footprint;

#[derive(Serialize)]
struct Document<'a> {
    moesim: &'static str,
    footprints: &'a [Footprint],
}

/// Everything as indented JSON, ending in a line feed.
///
/// # Errors
/// When the encoder fails, which these types do not cause.
pub fn footprint_json(all: &[Footprint]) -> Result<Vec<u8>> {
    let document = Document { moesim: env!("CARGO_PKG_VERSION"), footprints: all };
    let mut text = serde_json::to_vec_pretty(&document)
        .map_err(|cause| Error::new(format!("cannot encode memory.json: {cause}")))?;
    text.push(b'\n');
    Ok(text)
}

/// `memory.csv`, `memory.json`, `memory.md`, `memory.svg` and `memory.png`; `compares` lays all side by side.
///
/// # Errors
/// When a document cannot be encoded or the picture cannot be drawn, which no size causes.
pub fn footprint_files(all: &[Footprint], compares: bool) -> Result<Vec<NamedFile>> {
    let mut documents = vec![
        ("memory.csv".to_owned(), csv::csv(all)?),
        ("memory.json".to_owned(), footprint_json(all)?),
        ("memory.md".to_owned(), page::footprint_page(all, compares).into_bytes()),
    ];
    documents.extend(files("memory", &picture::scene(all))?);
    Ok(documents)
}
