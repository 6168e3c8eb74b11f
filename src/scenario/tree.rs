//! TOML text as values and the places where they stand.
//!
//! Syntax errors and duplicate keys end here; whether a key means anything is not asked.

use std::path::Path;

use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Place, Result};

use super::places::{Spot, Spots};

/// Turns byte offsets into lines and columns.
struct Lines<'t> {
    text: &'t str,
    file: &'t Path,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str, file: &'t Path) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, file, starts }
    }

    /// The place of a byte offset, columns counted in characters; a byte order mark is not one.
    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let column = self
            .text
            .get(start..offset)
            .map_or(0, |before| before.trim_start_matches('\u{feff}').chars().count());
        Place::file(self.file).line(line).column(column + 1)
    }
}

/// A name as one part of a path; quoted where it could be taken for more than one.
pub(super) fn part(name: &str) -> String {
    let is_bare = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { format!("{name:?}") }
}

/// Reads a document. The error names the first thing that is not TOML.
pub(super) fn parse(text: &str, file: &Path) -> Result<(toml::Table, Spots)> {
    let lines = Lines::new(text, file);
    let document = DeTable::parse(text).map_err(|error| {
        let place = error.span().map_or(Place::file(file), |span| lines.place(span.start));
        match error.span().and_then(|span| text.get(span)) {
            Some(key) if error.message() == "duplicate key" => {
                Error::at(place, format!("duplicate key {key:?}"))
            }
            _ => Error::at(place, error.message()),
        }
    })?;
    let mut reader = Reader { lines, spots: Spots::new(file) };
    let table = reader.table("", document.get_ref())?;
    Ok((table, reader.spots))
}

struct Reader<'t> {
    lines: Lines<'t>,
    spots: Spots,
}

impl Reader<'_> {
    fn table(&mut self, path: &str, table: &DeTable<'_>) -> Result<toml::Table> {
        let mut entries = toml::Table::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let path = if path.is_empty() { part(name) } else { format!("{path}.{}", part(name)) };
            let spot = self.spot(key.span().start, value.span().start);
            let read = self.value(&path, value.get_ref(), &spot)?;
            self.spots.insert(path, spot);
            entries.insert(name.to_owned(), read);
        }
        Ok(entries)
    }

    fn spot(&self, key: usize, value: usize) -> Spot {
        Spot { order: value, key: self.lines.place(key), value: self.lines.place(value), is_option: false }
    }

    fn value(&mut self, path: &str, value: &DeValue<'_>, spot: &Spot) -> Result<Value> {
        Ok(match value {
            DeValue::Array(items) => {
                let mut read = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    let spot = self.spot(item.span().start, item.span().start);
                    read.push(self.value(&path, item.get_ref(), &spot)?);
                    self.spots.insert(path, spot);
                }
                Value::Array(read)
            }
            DeValue::Table(table) => Value::Table(self.table(path, table)?),
            scalar => scalar_value(scalar)
                .map_err(|found| Error::at(spot.value.clone(), format!("{path}: {found}")))?,
        })
    }
}

/// A value that holds no others; `Err` says why no key could take it.
fn scalar_value(value: &DeValue<'_>) -> std::result::Result<Value, String> {
    match value {
        DeValue::String(text) => Ok(Value::from(text.as_ref())),
        DeValue::Boolean(flag) => Ok(Value::from(*flag)),
        DeValue::Datetime(time) => Err(format!("found a date, {time}, which no key takes")),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::from)
            .map_err(|_| format!("found {number}, expected a whole number of at most {}", i64::MAX)),
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .map(Value::from)
            .map_err(|_| format!("found {}, whose number cannot be read", number.as_str())),
        DeValue::Array(_) | DeValue::Table(_) => Err("found a list or table".to_owned()),
    }
}

/// Reads what follows `--set key=`: a TOML value, else the text as it stands.
///
/// Numbers with a fraction and dates are text too, since no key holds them and names may look like them.
pub(super) fn option_value(text: &str) -> Value {
    DeValue::parse(text)
        .ok()
        .and_then(|value| owned(value.get_ref()))
        .unwrap_or_else(|| Value::from(text.trim()))
}

fn owned(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::Float(_) | DeValue::Datetime(_) => None,
        DeValue::Array(items) => {
            items.iter().map(|item| owned(item.get_ref())).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        DeValue::Table(entries) => entries
            .iter()
            .map(|(key, value)| Some((key.get_ref().to_string(), owned(value.get_ref())?)))
            .collect::<Option<toml::Table>>()
            .map(Value::Table),
        scalar => scalar_value(scalar).ok(),
    }
}
