//! Logs as JSON lines: Mooncake's and Bailian's, and others with the same keys.
//!
//! A line is `{"timestamp": 3052, "input_length": 7234, "output_length": 794, "hash_ids": [0, 28, ...]}` with the time in
//! milliseconds and a hash for each 512 tokens (Mooncake); with a `chat_id`, the time is in seconds and hashes stand for
//! 16 tokens (Bailian). Times under other names are in seconds, or in the unit that the name ends in. The first line
//! says which keys the log has.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::RequestLog;
use super::columns::Columns;
use super::draft::{Cell, Draft};
use super::time::Unit;
use crate::error::{Error, Result};
use crate::trace::import::Source;

const HASHES: &str = "hash_ids";
const MOONCAKE_HASH_TOKENS: u32 = 512;
const BAILIAN_HASH_TOKENS: u32 = 16;

type Record = Map<String, Value>;

/// What the first line says of the log.
struct Shape {
    names: Vec<String>,
    columns: Columns,
    hash_tokens: u32,
}

pub(super) fn read(source: &Source, hash_tokens: Option<u32>) -> Result<RequestLog> {
    let mut draft = Draft::new(source);
    let mut shape: Option<Shape> = None;
    for (line, text) in source.lines() {
        let record: Record = source.json_line(line, text?)?;
        let shape = match &mut shape {
            Some(shape) => shape,
            None => shape.insert(Shape::of(source, line, &record, hash_tokens, &mut draft)?),
        };
        let cell = |column: usize| {
            let name = shape.names[column].as_str();
            let missing = || Error::at(source.line(line), format!("column {name:?} is missing"));
            let text = match record.get(name).ok_or_else(missing)? {
                Value::String(text) => Cow::Borrowed(text.as_str()),
                other => Cow::Owned(other.to_string()),
            };
            Ok(Cell { source, line, name, text })
        };
        let hashes = hashes(source, line, &record)?;
        let prompt = cell(shape.columns.prompt)?;
        draft.push(&shape.columns, cell, &hashes)?;
        let tokens = shape.hash_tokens;
        // The last block may be a part of one.
        let most = prompt.text.parse::<u32>().unwrap_or(0).div_ceil(tokens);
        if hashes.len() > most as usize {
            let found = format!("{} hashes for {} tokens of prompt", hashes.len(), prompt.text);
            return Err(Error::at(source.line(line), found)
                .expected(format!("at most {most}, for {tokens} tokens each")));
        }
    }
    draft.finish(source, shape.map_or(0, |shape| shape.hash_tokens))
}

impl Shape {
    fn of(
        source: &Source,
        line: usize,
        record: &Record,
        hash_tokens: Option<u32>,
        draft: &mut Draft,
    ) -> Result<Self> {
        let bailian = record.contains_key("chat_id");
        let default = if bailian { BAILIAN_HASH_TOKENS } else { MOONCAKE_HASH_TOKENS };
        // Of all names without a unit, Mooncake's own is the one that is not in seconds.
        let mooncake = record.contains_key("timestamp") && !bailian;
        let unit = if mooncake { Unit::MILLISECONDS } else { Unit::SECONDS };
        let names: Vec<String> = record.keys().cloned().collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let columns = Columns::bind(&source.line(line), &known, unit)?;
        draft.note(columns.note(&source.name(), &known));
        Ok(Self { columns, hash_tokens: hash_tokens.unwrap_or(default), names })
    }
}

/// The hashes of a line; none where it has no such key.
fn hashes(source: &Source, line: usize, record: &Record) -> Result<Vec<u64>> {
    let wrong = |found: &Value| {
        let found = format!("column {HASHES:?}: found {found}");
        Error::at(source.line(line), found).expected("a list of whole numbers from 0")
    };
    match record.get(HASHES) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().map(|id| id.as_u64().ok_or_else(|| wrong(id))).collect(),
        Some(other) => Err(wrong(other)),
    }
}
