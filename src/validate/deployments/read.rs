//! Reads a file of deployments strictly, as series files are read.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{DeploymentFile, Quoted, RowText, SCENARIO, metric};
use crate::error::{Error, Result};
use crate::metrics::Quote;
use crate::scenario::{Document, Setting};
use crate::units::{Bytes, UnitError};
use crate::validate::quantity::{Kind, shown};
use crate::validate::read::{Reader, join};

const HEAD: &str = "deployment";
const ROWS: &str = "row";
const HEAD_KEYS: [&str; 5] = ["id", "title", "question", "look_at", "simplified_tokens"];
const ROW_KEYS: [&str; 5] = ["id", "title", "set", "quoted", "why"];
const QUOTE_KEYS: [&str; 4] = ["metric", "value", "text", "within"];
/// Bytes of what the memory of a card is sold by, though it is called GB.
const CARD_UNIT: u64 = 1 << 30;

/// Reads a document as a table of deployments.
pub(super) fn deployment(document: Document) -> Result<DeploymentFile> {
    let mut reader = Reader { document: &document, errors: Vec::new() };
    reader.check_keys("", "", document.table(), &[HEAD, SCENARIO, ROWS]);
    if !document.table().contains_key(SCENARIO) {
        let error = Error::at(document.value_place(""), format!("found no section [{SCENARIO}]"));
        reader.errors.push(error.expected("what the rows share"));
    }
    let head = head(&mut reader);
    let rows = rows(&mut reader);
    if let Some(error) = Error::join(std::mem::take(&mut reader.errors)) {
        return Err(error.in_file_order());
    }
    let Some(Head { id, title, question, look_at, simplified_tokens }) = head else {
        return Err(Error::at(document.value_place(HEAD), "found no deployments"));
    };
    Ok(DeploymentFile { id, title, question, look_at, simplified_tokens, rows, document })
}

struct Head {
    id: String,
    title: String,
    question: String,
    look_at: String,
    simplified_tokens: Option<u32>,
}

fn head(reader: &mut Reader<'_>) -> Option<Head> {
    let Some(table) = reader.table(HEAD, reader.document.table().get(HEAD)) else {
        if reader.errors.is_empty() {
            let error = Error::at(reader.document.value_place(""), format!("found no section [{HEAD}]"));
            reader.errors.push(error.expected("the question of the table, and what to look at"));
        }
        return None;
    };
    reader.check_keys(HEAD, HEAD, &table, &HEAD_KEYS);
    let mut required = |key: &str| reader.required(&table, HEAD, key);
    let (id, title) = (required("id"), required("title"));
    let (question, look_at) = (required("question"), required("look_at"));
    let simplified_tokens = table.get("simplified_tokens").and_then(|value| {
        let tokens = value.as_integer().and_then(|number| u32::try_from(number).ok());
        let error = || Error::new(format!("found {}", shown(value))).expected("a whole number of at least 1");
        let tokens = tokens.filter(|tokens| *tokens > 0).ok_or_else(error);
        reader.keep(&join(HEAD, "simplified_tokens"), tokens)
    });
    Some(Head { id: id?, title: title?, question: question?, look_at: look_at?, simplified_tokens })
}

fn rows(reader: &mut Reader<'_>) -> Vec<RowText> {
    let document = reader.document;
    let items = match document.table().get(ROWS) {
        Some(Value::Array(items)) if !items.is_empty() => items.as_slice(),
        _ => {
            let error = Error::at(document.value_place(ROWS), "found no rows");
            reader.errors.push(error.expected("at least one [[row]] with id, title and why"));
            return Vec::new();
        }
    };
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{ROWS}[{index}]");
        let Some(row) = row(reader, item, &path) else { continue };
        if !seen.insert(row.id.clone()) {
            let error = Error::new(format!("found {:?} twice", row.id)).expected("a name of its own");
            reader.refuse(&join(&path, "id"), &error);
        }
        rows.push(row);
    }
    rows
}

fn row(reader: &mut Reader<'_>, item: &Value, path: &str) -> Option<RowText> {
    let table = reader.table(path, Some(item))?;
    reader.check_keys(path, "[row]", &table, &ROW_KEYS);
    let mut required = |key: &str| reader.required(&table, path, key);
    let (id, title, why) = (required("id"), required("title"), required("why"));
    let set = table.get("set").cloned().unwrap_or_else(|| Value::Table(Table::new()));
    let settings = Setting::all(reader.document, &join(path, "set"), &set);
    let settings = settings.map_err(|error| reader.errors.push(error)).ok();
    let quotes = quotes(reader, table.get("quoted"), &join(path, "quoted"));
    Some(RowText { id: id?, title: title?, settings: settings?, quotes, why: why? })
}

/// One table, or a list of them; none where nothing is quoted.
fn quotes(reader: &mut Reader<'_>, written: Option<&Value>, path: &str) -> Vec<Quoted> {
    let items: Vec<(&Value, String)> = match written {
        None => Vec::new(),
        Some(Value::Array(items)) => {
            items.iter().enumerate().map(|(index, item)| (item, format!("{path}[{index}]"))).collect()
        }
        Some(item) => vec![(item, path.to_owned())],
    };
    items.into_iter().filter_map(|(item, path)| quoted(reader, item, &path)).collect()
}

fn quoted(reader: &mut Reader<'_>, item: &Value, path: &str) -> Option<Quoted> {
    let table = reader.table(path, Some(item))?;
    reader.check_keys(path, "quoted", &table, &QUOTE_KEYS);
    let metric = reader.required(&table, path, "metric");
    let metric = metric.and_then(|name| reader.keep(&join(path, "metric"), metric::find(&name)));
    let value = reader.required(&table, path, "value");
    let says = reader.text(&table, path, "text").unwrap_or_default();
    let within = table.get("within").map(|within| {
        // Parts per million of a share, which are whole and far below 2^53.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        reader.keep(&join(path, "within"), Kind::Share.read(within).map(|ppm| ppm as u64))
    });
    let (metric, value) = (metric?, value?);
    let is_card = metric.name == Quote::CARD;
    if is_card && within.is_some() {
        let error = Error::new("found beside a class of cards").expected("no such key");
        reader.refuse(&join(path, "within"), &error);
    }
    let figure = if is_card { cards(&value) } else { figure(&value) };
    let (from_bytes, to_bytes) = reader.keep(&join(path, "value"), figure)?;
    let within_ppm = match within {
        None => None,
        Some(ppm) => Some(ppm?),
    };
    Some(Quoted { metric, value, from_bytes, to_bytes, says, within_ppm })
}

/// `74.5 GB` in bytes, from and to.
fn figure(text: &str) -> Result<(u64, Option<u64>)> {
    let refused = |error: UnitError| Error::new(format!("found {}", error.found)).expected(error.expected);
    let bytes: Bytes = text.parse().map_err(refused)?;
    let error = || Error::new(format!("found {text:?}")).expected("a size above zero");
    (bytes > Bytes::ZERO).then(|| (bytes.get(), Some(bytes.get()))).ok_or_else(error)
}

/// `24 GB`, `4-8 GB` or `80+ GB` in bytes of cards.
fn cards(text: &str) -> Result<(u64, Option<u64>)> {
    let error = || {
        Error::new(format!("found {text:?}"))
            .expected("cards as they are sold, like \"24 GB\", \"4-8 GB\" or \"80+ GB\"")
    };
    let sizes = text.strip_suffix("GB").map(str::trim).ok_or_else(error)?;
    let (from, to) = match (sizes.split_once('-'), sizes.strip_suffix('+')) {
        (Some((from, to)), _) => (from, Some(to)),
        (None, Some(from)) => (from, None),
        (None, None) => (sizes, Some(sizes)),
    };
    let bytes = |size: &str| {
        let size = size.trim().parse::<u32>().ok().filter(|size| *size > 0);
        size.map(|size| u64::from(size) * CARD_UNIT).ok_or_else(error)
    };
    let (from, to) = (bytes(from)?, to.map(bytes).transpose()?);
    if to.is_some_and(|to| to < from) {
        return Err(error());
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_cards_are_gibibytes() {
        let gib = |count: u64| count << 30;
        for (text, cards_of) in [
            ("24 GB", Some((gib(24), Some(gib(24))))),
            ("4-8 GB", Some((gib(4), Some(gib(8))))),
            ("80+ GB", Some((gib(80), None))),
            ("8-4 GB", None),
            ("4-8", None),
            ("0 GB", None),
            ("4 - 8GB", Some((gib(4), Some(gib(8))))),
        ] {
            assert_eq!(cards(text).ok(), cards_of, "{text}");
        }
    }
}
