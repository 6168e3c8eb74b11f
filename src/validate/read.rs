//! Reads a series file strictly: unknown keys, missing ones and values that cannot be, all at once, each at its place.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::metrics::{Held, Statistic};
use crate::scenario::{self, Document, Setting};

use super::metric::{self, Metric};
use super::probe::{PROBES, Probe};
use super::quantity::{Kind, shown};
use super::series::{Fit, Given, Measured, Predictor, Series};

const SERIES_KEYS: [&str; 13] = [
    "id",
    "title",
    "source",
    "probe",
    "metric",
    "statistic",
    "band",
    "report_only",
    "notes",
    "x_label",
    "parameters_from",
    "fitted_with",
    "unit",
];
const FIT_KEYS: [&str; 3] = ["from", "to", "value"];
const ROW_KEYS: [&str; 6] = ["id", "set", "measured", "unit", "x", "group"];

/// Reads one part of the document after another and keeps what is wrong.
pub(super) struct Reader<'d> {
    pub(super) document: &'d Document,
    pub(super) errors: Vec<Error>,
}

impl Reader<'_> {
    pub(super) fn refuse(&mut self, path: &str, error: &Error) {
        let name = path.replace(['"'], "");
        for problem in error.to_string().lines() {
            self.errors.push(Error::at(self.document.value_place(path), format!("{name}: {problem}")));
        }
    }

    /// Keeps the value, or the error.
    pub(super) fn keep<T>(&mut self, path: &str, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.refuse(path, &error)).ok()
    }

    pub(super) fn check_keys(&mut self, path: &str, section: &str, table: &Table, known: &[&str]) {
        for name in table.keys().filter(|name| !known.contains(&name.as_str())) {
            let place = self.document.key_place(&join(path, name));
            let within = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
            let error = Error::at(place, format!("unknown key {name:?}{within}"));
            self.errors.push(error.nearest(name, known.iter().copied()));
        }
    }

    pub(super) fn text(&mut self, table: &Table, path: &str, key: &str) -> Option<String> {
        let value = table.get(key)?;
        let text = value.as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        let error = || Error::new(format!("found {}", shown(value))).expected("text in quotes");
        let text = text.filter(|text| !text.is_empty()).ok_or_else(error);
        self.keep(&join(path, key), text)
    }

    pub(super) fn required(&mut self, table: &Table, path: &str, key: &str) -> Option<String> {
        if !table.contains_key(key) {
            self.missing(path, key);
            return None;
        }
        self.text(table, path, key)
    }

    fn missing(&mut self, path: &str, key: &str) {
        let place = self.document.key_place(path);
        self.errors.push(Error::at(place, format!("{path}: found no key {key:?}")));
    }

    /// A section that must be a table.
    pub(super) fn table(&mut self, path: &str, value: Option<&Value>) -> Option<Table> {
        match value {
            Some(Value::Table(table)) => Some(table.clone()),
            Some(other) => {
                let error = Error::new(format!("found {}", shown(other))).expected("a table of keys");
                self.refuse(path, &error);
                None
            }
            None => None,
        }
    }

    fn choice<T: Copy>(&mut self, path: &str, found: &str, known: &[(&str, T)]) -> Option<T> {
        let choice = known.iter().find(|(name, _)| *name == found).map(|(_, choice)| *choice);
        self.keep(
            path,
            choice.ok_or_else(|| {
                Error::new(format!("found {found:?}")).nearest(found, known.iter().map(|(name, _)| *name))
            }),
        )
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { Document::part(name) } else { format!("{path}.{}", Document::part(name)) }
}

/// What `[series]` says.
struct Head {
    id: String,
    title: String,
    source: String,
    notes: String,
    x_label: String,
    predictor: Predictor,
    metric: &'static Metric,
    unit: Option<String>,
    held: Held,
    parameters_from: Option<String>,
    fitted_with: Option<String>,
}

/// Reads a document as a series; parameters of other series are not looked up.
pub(super) fn series(document: Document) -> Result<Series> {
    let mut reader = Reader { document: &document, errors: Vec::new() };
    let head = head(&mut reader);
    let body = head.as_ref().map(|head| body(&mut reader, head));
    if let Some(error) = Error::join(std::mem::take(&mut reader.errors)) {
        return Err(error.in_file_order());
    }
    let (Some(head), Some((shared, fits, rows, unit))) = (head, body) else {
        return Err(Error::at(document.value_place("series"), "found no series"));
    };
    Ok(Series {
        id: head.id,
        title: head.title,
        source: head.source,
        notes: head.notes,
        x_label: head.x_label,
        predictor: head.predictor,
        metric: head.metric,
        unit,
        held: head.held,
        parameters_from: head.parameters_from,
        fitted_with: head.fitted_with,
        shared,
        fits,
        foreign: Vec::new(),
        rows,
        document,
    })
}

fn head(reader: &mut Reader<'_>) -> Option<Head> {
    const PATH: &str = "series";
    let document = reader.document;
    let Some(table) = reader.table(PATH, document.table().get(PATH)) else {
        if reader.errors.is_empty() {
            let error = Error::at(document.value_place(""), "found no section [series]");
            reader.errors.push(error.expected("a series of measurements"));
        }
        return None;
    };
    reader.check_keys(PATH, PATH, &table, &SERIES_KEYS);
    let mut get = |key: &str| reader.required(&table, PATH, key);
    let (id, title, source, metric) = (get("id"), get("title"), get("source"), get("metric"));
    let known: Vec<(&str, Predictor)> = std::iter::once((Predictor::SIMULATION, Predictor::Simulation))
        .chain(PROBES.iter().map(|probe| (probe.name, Predictor::Formula(probe))))
        .collect();
    let probe = reader.text(&table, PATH, "probe").unwrap_or_else(|| Predictor::SIMULATION.to_owned());
    let predictor = reader.choice("series.probe", &probe, &known)?;
    let of_simulation = matches!(predictor, Predictor::Simulation);
    let metric = metric.and_then(|name| reader.keep("series.metric", metric::find(&name, of_simulation)));
    let unit = reader.text(&table, PATH, "unit");
    if let (Some(metric), Some(unit)) = (metric, &unit) {
        reader.keep("series.unit", metric.base(1.0, unit));
    }
    let held = held(reader, &table);
    let mut optional = |key: &str| reader.text(&table, PATH, key);
    let (notes, x_label) = (optional("notes").unwrap_or_default(), optional("x_label").unwrap_or_default());
    let parameters_from = optional("parameters_from");
    let fitted_with = optional("fitted_with");
    Some(Head {
        id: id?,
        title: title?,
        source: source?,
        notes,
        x_label,
        predictor,
        metric: metric?,
        unit,
        held: held?,
        parameters_from,
        fitted_with,
    })
}

fn held(reader: &mut Reader<'_>, table: &Table) -> Option<Held> {
    let report_only = reader.text(table, "series", "report_only");
    let statistic = reader.text(table, "series", "statistic");
    let known = Statistic::ALL.map(|statistic| (statistic.spelling(), statistic));
    let statistic = match &statistic {
        Some(found) => reader.choice("series.statistic", found, &known)?,
        None => Statistic::Mape,
    };
    match (table.get("band"), report_only) {
        (Some(_), Some(_)) => {
            let error = Error::new("found beside band").expected("one of band, report_only");
            reader.refuse("series.report_only", &error);
            None
        }
        (None, Some(reason)) => Some(Held::ReportOnly(reason)),
        (Some(band), None) => {
            let ppm = reader.keep("series.band", Kind::Share.read(band))?;
            Some(Held::Band { statistic, limit_pct: ppm / 1e4 })
        }
        // A reason that is not text has been refused already.
        (None, None) if table.contains_key("report_only") => None,
        (None, None) => {
            let place = reader.document.key_place("series");
            let error = Error::at(place, "series: found no key \"band\"");
            reader.errors.push(error.hint("and no \"report_only\" with the reason why there is none"));
            None
        }
    }
}

type Body = (Vec<(&'static str, f64)>, Vec<Fit>, Vec<Measured>, String);

fn body(reader: &mut Reader<'_>, head: &Head) -> Body {
    let document = reader.document;
    let whole = document.table();
    let parameters = match head.predictor {
        Predictor::Simulation => "scenario",
        Predictor::Formula(_) => "parameters",
    };
    reader.check_keys("", "", whole, &["series", parameters, "fit", "row"]);
    let shared = match (head.predictor, reader.table("parameters", whole.get(parameters))) {
        (Predictor::Formula(probe), Some(table)) => inputs(reader, probe, &table, "parameters"),
        (Predictor::Simulation, None) => {
            let error = Error::at(document.key_place("series"), "found no section [scenario]");
            reader.errors.push(error.expected("the scenario that the rows are points of"));
            Vec::new()
        }
        _ => Vec::new(),
    };
    let fits = fits(reader, head);
    let (rows, unit) = rows(reader, head);
    (shared, fits, rows, unit)
}

/// The inputs of a formula in a table of the document.
fn inputs(reader: &mut Reader<'_>, probe: &Probe, table: &Table, path: &str) -> Vec<(&'static str, f64)> {
    let mut found = Vec::new();
    for (key, value) in table {
        let path = join(path, key);
        let Some(input) = input(reader, probe, key, &path) else { continue };
        found.extend(reader.keep(&path, input.1.read(value)).map(|number| (input.0, number)));
    }
    found
}

/// The key and kind of an input of a formula.
fn input(reader: &mut Reader<'_>, probe: &Probe, key: &str, path: &str) -> Option<(&'static str, Kind)> {
    match probe.input(key) {
        Ok(input) => Some((input.key, input.kind)),
        Err(error) => {
            // The whole path would say the key twice.
            let place = reader.document.key_place(path);
            reader
                .errors
                .extend(error.problems().iter().map(|problem| Error::at(place.clone(), problem.to_string())));
            None
        }
    }
}

fn fits(reader: &mut Reader<'_>, head: &Head) -> Vec<Fit> {
    let document = reader.document;
    let Some(table) = reader.table("fit", document.table().get("fit")) else { return Vec::new() };
    if head.parameters_from.is_some() && !table.is_empty() {
        let error = Error::at(document.key_place("fit"), "found [fit] beside series.parameters_from");
        reader.errors.push(error.hint("which takes all fitted parameters from another series"));
    }
    table.iter().filter_map(|(key, value)| fit(reader, head, key, value)).collect()
}

fn fit(reader: &mut Reader<'_>, head: &Head, key: &str, value: &Value) -> Option<Fit> {
    let path = join("fit", key);
    let table = reader.table(&path, Some(value))?;
    if !FIT_KEYS.iter().any(|known| table.contains_key(*known)) {
        let error =
            Error::at(reader.document.key_place(&path), format!("found no bounds of {key:?} in [fit]"));
        reader.errors.push(error.expected("[fit.\"section.key\"] with from, to and value"));
        return None;
    }
    reader.check_keys(&path, &format!("fit.{key:?}"), &table, &FIT_KEYS);
    let missing: Vec<&str> = FIT_KEYS.into_iter().filter(|key| !table.contains_key(*key)).collect();
    missing.iter().for_each(|key| reader.missing(&path, key));
    let kind = match head.predictor {
        Predictor::Formula(probe) => input(reader, probe, key, &path)?.1,
        Predictor::Simulation => {
            let known = || scenario::keys().iter().map(|row| row.key);
            if !known().any(|known| known == key) {
                let error =
                    Error::at(reader.document.key_place(&path), format!("unknown key {key:?} in [fit]"));
                reader.errors.push(error.nearest(key, known()));
                return None;
            }
            let value = table.get("value")?;
            reader.keep(&join(&path, "value"), Kind::of(value))?
        }
    };
    let mut number = |key: &str| {
        let value = table.get(key)?;
        reader.keep(&join(&path, key), kind.read(value))
    };
    let (low, high, value) = (number("from"), number("to"), number("value"));
    let (low, high, value) = (low?, high?, value?);
    if low >= high {
        let error = Error::new(format!("found {}", kind.show(high)))
            .expected(format!("more than {}", kind.show(low)));
        reader.refuse(&join(&path, "to"), &error);
    } else if !(low..=high).contains(&value) {
        let within = format!("{} to {}", kind.show(low), kind.show(high));
        let error = Error::new(format!("found {}", kind.show(value))).expected(within);
        reader.refuse(&join(&path, "value"), &error);
    }
    Some(Fit { key: key.to_owned(), kind, low, high, value, path: join(&path, "value") })
}

fn rows(reader: &mut Reader<'_>, head: &Head) -> (Vec<Measured>, String) {
    let document = reader.document;
    let items = match document.table().get("row") {
        Some(Value::Array(items)) if !items.is_empty() => items.as_slice(),
        _ => {
            let error = Error::at(document.value_place("row"), "found no rows");
            reader.errors.push(error.expected("at least one [[row]] with id, measured and unit"));
            return (Vec::new(), String::new());
        }
    };
    let first = items[0].get("unit").and_then(Value::as_str).or(head.unit.as_deref()).unwrap_or_default();
    let unit = head.metric.shown_unit(first).to_owned();
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("row[{index}]");
        let Some(row) = row(reader, head, item, &path) else { continue };
        if !seen.insert(row.id.clone()) {
            let error = Error::new(format!("found {:?} twice", row.id)).expected("a name of its own");
            reader.refuse(&join(&path, "id"), &error);
        }
        rows.push(row);
    }
    (rows, unit)
}

fn row(reader: &mut Reader<'_>, head: &Head, item: &Value, path: &str) -> Option<Measured> {
    let table = reader.table(path, Some(item))?;
    reader.check_keys(path, "[row]", &table, &ROW_KEYS);
    let id = reader.required(&table, path, "id");
    let group = reader.text(&table, path, "group").unwrap_or_default();
    let x = table.get("x").and_then(|x| reader.keep(&join(path, "x"), Kind::Number.read(x)));
    let unit = match &head.unit {
        Some(unit) if !table.contains_key("unit") => Some(unit.clone()),
        _ => reader.required(&table, path, "unit"),
    };
    let measured = match table.get("measured") {
        None => {
            reader.missing(path, "measured");
            None
        }
        Some(value) => {
            let number = Kind::Number.read(value).and_then(|number| {
                let error = || Error::new(format!("found {number}")).expected("a number above zero");
                (number > 0.0).then_some(number).ok_or_else(error)
            });
            reader.keep(&join(path, "measured"), number)
        }
    };
    let base = measured
        .zip(unit)
        .and_then(|(number, unit)| reader.keep(&join(path, "unit"), head.metric.base(number, &unit)));
    let given = given(reader, head, &table, path);
    Some(Measured { id: id?, group, x, base: base?, given: given?, path: path.to_owned() })
}

fn given(reader: &mut Reader<'_>, head: &Head, table: &Table, path: &str) -> Option<Given> {
    let path = join(path, "set");
    let set = table.get("set").cloned().unwrap_or_else(|| Value::Table(Table::new()));
    match head.predictor {
        Predictor::Formula(probe) => {
            let set = reader.table(&path, Some(&set))?;
            Some(Given::Inputs(inputs(reader, probe, &set, &path)))
        }
        Predictor::Simulation => match Setting::all(reader.document, &path, &set) {
            Ok(settings) => Some(Given::Scenario(settings)),
            Err(error) => {
                reader.errors.push(error);
                None
            }
        },
    }
}
