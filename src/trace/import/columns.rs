//! numpy archives with `ids [tokens, layers, k]`, `offsets [sequences + 1]`, and where known `weights` in the shape of
//! the ids (16-bit units of 1/65,535, or floats) and `prompt_len [sequences]`.
//!
//! All rows are decode. Categories come from `NAME.sequences.json` beside `NAME.npz`, a list of `{"category": ...}`.

use std::path::PathBuf;

use serde::Deserialize;

use super::dense::{Dense, experts_of};
use super::gather::quantise;
use super::npy::{Values, is_npz, names, read_npz};
use super::{ImportOptions, Imported, Source};
use crate::error::{Error, Result};
use crate::trace::builder::{Phase, TraceBuilder};
use crate::trace::data::TraceHeader;

pub(super) fn detect(source: &Source) -> bool {
    is_npz(source) && {
        let names = names(source);
        ["ids", "offsets"].iter().all(|name| names.iter().any(|known| known == name))
    }
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let known = names(source);
    let has = |name: &str| known.iter().any(|known| known == name);
    let ids = Dense::from_array(source, read_npz(source, "ids")?)?;
    let weights = if has("weights") { Some(weights(source, ids.ids.len())?) } else { None };
    let offsets = offsets(source, ids.tokens)?;
    let sequences = offsets.len() - 1;
    let lengths =
        if has("prompt_len") { integers(source, "prompt_len", sequences)? } else { vec![0; sequences] };
    let mut notes = vec!["the file holds decode tokens only".to_owned()];
    let categories = categories(source, sequences, &mut notes)?;
    let arrays = [ids];
    let experts = experts_of(&arrays, options, &mut notes);
    let [ids] = &arrays;
    let header = TraceHeader {
        layer_ids: (0..).take(ids.layers).collect(),
        experts,
        top_k: u32::try_from(ids.top_k).unwrap_or(u32::MAX),
        source: format!("numpy columns, {}", source.name()),
        notes,
        ..TraceHeader::default()
    };
    let at_file = |error: Error| Error::at(source.place(), error.to_string());
    let new = if weights.is_some() { TraceBuilder::with_weights } else { TraceBuilder::new };
    let mut builder = new(header).map_err(at_file)?;
    let width = ids.layers * ids.top_k;
    for (sequence, bounds) in offsets.windows(2).enumerate() {
        if bounds[0] == bounds[1] {
            builder.note(format!("sequence {sequence} of the file holds no tokens: left out"));
            continue;
        }
        let Ok(prompt_length) = u64::try_from(lengths[sequence]) else {
            let found = format!("prompt_len[{sequence}] is {}", lengths[sequence]);
            return Err(Error::at(source.place(), found).expected("0 or more"));
        };
        builder.begin_sequence(categories.get(sequence).map_or("", String::as_str), prompt_length)?;
        for token in bounds[0]..bounds[1] {
            let of_token = weights.as_ref().map(|weights| &weights[token * width..(token + 1) * width]);
            builder
                .push_at(Phase::Decode, ids.row(token), of_token, &crate::error::Place::none())
                .map_err(|error| Error::at(source.place(), format!("ids[{token}]: {error}")))?;
        }
    }
    Ok(builder.finish()?.into())
}

fn integers(source: &Source, name: &str, expected: usize) -> Result<Vec<i64>> {
    let array = read_npz(source, name)?;
    let found = format!("array {name:?} has shape {:?}", array.shape);
    match array.values.into_integers() {
        Some(values) if values.len() == expected => Ok(values),
        _ => Err(Error::at(source.place(), found).expected(format!("{expected} integers"))),
    }
}

fn offsets(source: &Source, tokens: usize) -> Result<Vec<usize>> {
    let array = read_npz(source, "offsets")?;
    let offsets: Option<Vec<usize>> = array
        .values
        .into_integers()
        .and_then(|values| values.iter().map(|value| usize::try_from(*value).ok()).collect());
    let valid = |offsets: &Vec<usize>| {
        offsets.is_sorted()
            && offsets.first() == Some(&0)
            && offsets.last() == Some(&tokens)
            && offsets.len() > 1
    };
    offsets.filter(valid).ok_or_else(|| {
        Error::at(source.place(), "array \"offsets\" does not cut the tokens into sequences")
            .expected(format!("ascending numbers from 0 to {tokens}"))
    })
}

fn weights(source: &Source, expected: usize) -> Result<Vec<u16>> {
    let array = read_npz(source, "weights")?;
    let wrong = |what: String| Error::at(source.place(), format!("array \"weights\" {what}"));
    let weights = match array.values {
        Values::U16(weights) => weights,
        Values::Floats(weights) => {
            if let Some(outside) = weights.iter().find(|weight| !(0.0..=1.001).contains(*weight)) {
                return Err(wrong(format!("holds {outside}")).expected("weights from 0 to 1"));
            }
            weights.into_iter().map(quantise).collect()
        }
        Values::Integers(_) => {
            return Err(wrong("holds integers".to_owned()).expected("16-bit units or floats"));
        }
    };
    if weights.len() == expected {
        Ok(weights)
    } else {
        Err(wrong(format!("holds {} weights", weights.len())).expected(expected))
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    category: String,
}

/// The categories from the file beside, or none.
fn categories(source: &Source, sequences: usize, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let beside: PathBuf = source.path().with_extension("sequences.json");
    if !beside.is_file() {
        return Ok(Vec::new());
    }
    let file = Source::open(&beside)?;
    let rows: Vec<Row> = file.json()?;
    if rows.len() != sequences {
        let found = format!("describes {} sequences", rows.len());
        return Err(Error::at(file.place(), found).expected(format!("{sequences}, as in {}", source.name())));
    }
    notes.push(format!("categories from {}", file.name()));
    Ok(rows.into_iter().map(|row| row.category).collect())
}
