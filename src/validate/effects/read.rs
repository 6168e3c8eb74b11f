//! Reads an effect file strictly, as series files are read.

use toml::{Table, Value};

use super::reading::{self, Reading};
use super::{EffectFile, XAxis};
use crate::error::{Error, Result};
use crate::scenario::{Document, ScenarioFile};
use crate::validate::quantity::shown;
use crate::validate::read::{Reader, join};

const PATH: &str = "effect";
const SCENARIO: &str = "scenario";
const KEYS: [&str; 10] =
    ["id", "title", "says", "source", "shows", "x", "x_label", "y", "group", "group_label"];

/// Reads a document as an effect.
pub(super) fn effect(document: &Document) -> Result<EffectFile> {
    let mut reader = Reader { document, errors: Vec::new() };
    reader.check_keys("", "", document.table(), &[PATH, SCENARIO]);
    let grid = document.grid(SCENARIO).map_err(|error| reader.errors.push(error)).ok();
    let read = head(&mut reader, grid);
    match (Error::join(reader.errors), read) {
        (None, Some(effect)) => Ok(effect),
        (Some(error), _) => Err(error.in_file_order()),
        (None, None) => Err(Error::at(document.value_place(PATH), "found no effect")),
    }
}

fn head(reader: &mut Reader<'_>, grid: Option<ScenarioFile>) -> Option<EffectFile> {
    let Some(table) = reader.table(PATH, reader.document.table().get(PATH)) else {
        if reader.errors.is_empty() {
            let error = Error::at(reader.document.value_place(""), "found no section [effect]");
            reader.errors.push(error.expected("what measurements say, and the axes of the picture"));
        }
        return None;
    };
    reader.check_keys(PATH, PATH, &table, &KEYS);
    let mut required = |key: &str| reader.required(&table, PATH, key);
    let (id, title, says, source) = (required("id"), required("title"), required("says"), required("source"));
    let (shows, x) = (required("shows"), required("x"));
    let mut optional = |key: &str| reader.text(&table, PATH, key);
    let (x_label, group, group_label) = (optional("x_label"), optional("group"), optional("group_label"));
    let readings = readings(reader, &table);
    let grid = grid?;
    let x = x_axis(reader, &x?, &grid, &readings)?;
    check_axes(reader, &x, group.as_deref(), &grid);
    Some(EffectFile {
        id: id?,
        title: title?,
        says: says?,
        source: source?,
        shows: shows?,
        x,
        x_label,
        group,
        group_label,
        readings,
        grid,
        path: reader.document.path().to_owned(),
    })
}

/// The metrics of `y`: one, or a list of them.
fn readings(reader: &mut Reader<'_>, table: &Table) -> Vec<&'static Reading> {
    let path = join(PATH, "y");
    let names: Vec<(&Value, String)> = match table.get("y") {
        Some(Value::Array(items)) => {
            items.iter().enumerate().map(|(index, item)| (item, format!("{path}[{index}]"))).collect()
        }
        Some(value) => vec![(value, path.clone())],
        None => Vec::new(),
    };
    if names.is_empty() {
        let place = reader.document.key_place(&path);
        reader.errors.push(Error::at(place, format!("{path}: found no metric")).expected("one, or a list"));
    }
    let read = |(value, path): (&Value, String)| {
        let text = value.as_str().ok_or_else(|| {
            Error::new(format!("found {}", shown(value))).expected("a metric in quotes, or a list of them")
        });
        reader.keep(&path, text.and_then(reading::find))
    };
    names.into_iter().filter_map(read).collect()
}

fn x_axis(reader: &mut Reader<'_>, x: &str, grid: &ScenarioFile, readings: &[&Reading]) -> Option<XAxis> {
    let path = join(PATH, "x");
    match x {
        XAxis::SEQUENCE => {
            let other = readings.iter().find(|reading| !reading.is_of_sequences());
            let error = other.map(|reading| {
                Error::new(format!("found \"sequence\" beside {}", reading.name))
                    .expected("metrics that a single sequence has: tpot_ms, hit_rate, bytes_per_token")
            });
            reader.keep(&path, error.map_or(Ok(XAxis::Sequence), Err))
        }
        XAxis::EXPERT_SIZE => Some(XAxis::ExpertSize),
        key => {
            let known = || grid.axes().iter().map(|axis| axis.key.as_str());
            let is_axis = known().any(|axis| axis == key);
            let derived = [XAxis::SEQUENCE, XAxis::EXPERT_SIZE];
            let error = || Error::new(format!("found {key:?}")).nearest(key, known().chain(derived));
            reader.keep(&path, is_axis.then(|| XAxis::Key(key.to_owned())).ok_or_else(error))
        }
    }
}

/// Every axis of the sweep is one of the picture's, or the picture would hold several numbers at one place.
fn check_axes(reader: &mut Reader<'_>, x: &XAxis, group: Option<&str>, grid: &ScenarioFile) {
    let known = || grid.axes().iter().map(|axis| axis.key.as_str());
    let path = join(PATH, "group");
    if let Some(group) = group.filter(|group| !known().any(|axis| axis == *group)) {
        let error = Error::new(format!("found {group:?}")).nearest(group, known());
        reader.refuse(&path, &error);
        return;
    }
    let is_shown = |axis: &str| group == Some(axis) || *x == XAxis::Key(axis.to_owned());
    for axis in known().filter(|axis| *x != XAxis::ExpertSize && !is_shown(axis)) {
        let place = reader.document.key_place(&path);
        let error = Error::at(place, format!("the axis {axis:?} is neither effect.x nor effect.group"));
        reader.errors.push(error);
    }
}
