//! Reads a data file: `[[row]]` tables, strict, each number with a source of its own.
//!
//! Three shorthands exist so that the files stay readable, and none survives loading: a row's `source` and `fidelity`
//! stand for every number that does not give its own; a number may be bare (`memory = "24 GiB"`) where these suffice;
//! and where a source, or a part of it behind a semicolon, begins with `@name`, the text of that name in the file's
//! `[sources]` stands there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::error::{Error, Place, Result};

/// Keys that hold no number, in rows of any kind; they keep the shape they have.
const PLAIN_KEYS: [&str; 10] =
    ["id", "name", "aliases", "note", "unified", "part", "of", "date", "native", "kept"];

/// Keys that hold a number for each of several names, such as storage types.
const MAP_KEYS: [&str; 1] = ["cpu_dtype_efficiency"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    sources: BTreeMap<String, String>,
    row: Vec<Table>,
}

/// The rows of a data file; errors name `file` and the row.
pub fn parse<T: DeserializeOwned>(text: &str, file: &str) -> Result<Vec<T>> {
    let place = || Place::file(file);
    let file: File = toml::from_str(text).map_err(|error| Error::at(place(), error.message()))?;
    file.row
        .into_iter()
        .map(|mut row| {
            let id = row.get("id").and_then(Value::as_str).unwrap_or("without an id").to_owned();
            let fail = |message: &str| Error::at(place(), format!("row {id}: {message}"));
            expand_row(&mut row, &file.sources).map_err(|message| fail(&message))?;
            serde_path_to_error::deserialize(Value::Table(row))
                .map_err(|error| fail(&format!("{}: {}", error.path(), error.inner().message())))
        })
        .collect()
}

/// The keys of `Sourced`: a table with others, such as a mix with a type for `value` matrices, is itself a value.
fn is_number_key(key: &str) -> bool {
    matches!(key, "value" | "source" | "fidelity")
}

/// The rows of a file that is compiled in.
///
/// # Panics
/// Where the file is wrong, which is a mistake in this crate and which every test that looks a name up would show.
pub(super) fn parse_embedded<T: DeserializeOwned>(text: &str, file: &str) -> Vec<T> {
    match parse(text, file) {
        Ok(rows) => rows,
        Err(error) => panic!("embedded catalogue: {error}"),
    }
}

/// Gives every number of the row its own source and fidelity.
fn expand_row(row: &mut Table, sources: &BTreeMap<String, String>) -> std::result::Result<(), String> {
    let defaults = [("source", row.remove("source")), ("fidelity", row.remove("fidelity"))];
    for (key, value) in row.iter_mut().filter(|(key, _)| !PLAIN_KEYS.contains(&key.as_str())) {
        match value {
            Value::Table(map) if MAP_KEYS.contains(&key.as_str()) => {
                for (name, value) in map.iter_mut() {
                    expand_number(value, &defaults, sources)
                        .map_err(|message| format!("{key}.{name}: {message}"))?;
                }
            }
            number => {
                expand_number(number, &defaults, sources).map_err(|message| format!("{key}: {message}"))?;
            }
        }
    }
    Ok(())
}

/// Makes a table with `value`, `source` and `fidelity` of a number, the latter two from the row where it has none.
fn expand_number(
    value: &mut Value,
    defaults: &[(&str, Option<Value>); 2],
    sources: &BTreeMap<String, String>,
) -> std::result::Result<(), String> {
    let mut number = match &mut *value {
        Value::Table(table) if table.contains_key("value") && table.keys().all(|key| is_number_key(key)) => {
            std::mem::take(table)
        }
        bare => Table::from_iter([("value".to_owned(), bare.clone())]),
    };
    for (name, default) in defaults {
        if let (false, Some(default)) = (number.contains_key(*name), default) {
            number.insert((*name).to_owned(), default.clone());
        }
    }
    if let Some(Value::String(source)) = number.get_mut("source") {
        *source = expand_source(source, sources)?;
    }
    *value = Value::Table(number);
    Ok(())
}

/// Replaces a leading `@name`, and one behind `"; "`, by the text of that name.
fn expand_source(source: &str, sources: &BTreeMap<String, String>) -> std::result::Result<String, String> {
    if source.trim().is_empty() {
        return Err("empty source".to_owned());
    }
    let parts: std::result::Result<Vec<String>, String> =
        source.split("; ").map(|part| expand_part(part, sources)).collect();
    Ok(parts?.join("; "))
}

fn expand_part(part: &str, sources: &BTreeMap<String, String>) -> std::result::Result<String, String> {
    let Some(reference) = part.strip_prefix('@') else { return Ok(part.to_owned()) };
    let end = reference.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(reference.len());
    let (name, rest) = reference.split_at(end);
    match sources.get(name) {
        Some(text) => Ok(format!("{text}{rest}")),
        None => Err(format!("unknown source \"@{name}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Fidelity, Sourced};
    use crate::units::Bytes;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        id: String,
        memory: Sourced<Bytes>,
    }

    fn check(text: &str, message: &str) {
        let error = parse::<Part>(text, "parts.toml").unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn defaults_reach_every_number() {
        let text = "[sources]\nmaker = \"the maker's page\"\n[[row]]\nid = \"x\"\nsource = \"@maker, table 2\"\n\
                    fidelity = \"datasheet\"\nmemory = \"1 GiB\"\n[[row]]\nid = \"y\"\nsource = \"@maker\"\n\
                    memory = { value = \"2 GiB\", fidelity = \"measured\" }";
        let rows: Vec<Part> = parse(text, "parts.toml").unwrap();
        assert_eq!(rows[0].memory.source, "the maker's page, table 2");
        assert_eq!(rows[0].memory.fidelity, Fidelity::Datasheet);
        assert_eq!(rows[1].memory.source, "the maker's page");
        assert_eq!(rows[1].memory.fidelity, Fidelity::Measured);
        assert_eq!(rows[1].memory.value, Bytes::GIB.times(2));
    }

    #[test]
    fn errors_name_file_row_and_key() {
        check("[[row]]\nid = \"x\"\nmemory = \"1 GiB\"", "parts.toml: row x: memory: missing field `source`");
        check(
            "[[row]]\nid = \"x\"\nsource = \"a\"\nfidelity = \"guessed\"\nmemory = \"1 GiB\"",
            "row x: memory.fidelity: unknown variant `guessed`",
        );
        check(
            "[[row]]\nid = \"x\"\nsource = \"@no\"\nfidelity = \"derived\"\nmemory = \"1 GiB\"",
            "row x: memory: unknown source \"@no\"",
        );
        check(
            "[[row]]\nid = \"x\"\nsource = \" \"\nfidelity = \"derived\"\nmemory = \"1 GiB\"",
            "row x: memory: empty source",
        );
        check(
            "[[row]]\nid = \"x\"\nsource = \"a\"\nfidelity = \"derived\"\nmemroy = \"1 GiB\"",
            "unknown field `memroy`",
        );
        check(
            "[[row]]\nid = \"x\"\nsource = \"a\"\nfidelity = \"derived\"\nmemory = \"1 G\"",
            "memory.value: found unit \"G\"",
        );
    }
}
