//! Finds everything that is wrong with a scenario's keys and values, not only the first thing.

use toml::Value;

use crate::error::Error;

use super::Scenario;
use super::axes::Written;
use super::given::show;
use super::keys;
use super::places::Spots;
use super::tree::part;

/// Errors with the order of their places, so that they can be told in the order of the file.
pub(super) type Found = Vec<(usize, Error)>;

/// Keys of which a scenario gives one: two ways to say the same thing.
pub(super) struct Alternatives {
    pub(super) keys: &'static [&'static str],
    required_in: Option<&'static str>,
}

pub(super) const ALTERNATIVES: &[Alternatives] = &[
    Alternatives { keys: &["model.name", "model.config", "model.gguf"], required_in: Some("model") },
    Alternatives { keys: &["cache.capacity", "cache.slots_per_layer", "cache.experts"], required_in: None },
    Alternatives { keys: &["workload.trace", "workload.router"], required_in: None },
    Alternatives { keys: &["placement.dram_cache", "placement.page_cache"], required_in: None },
    Alternatives { keys: &["placement.n_cpu_moe", "placement.cpu_layers"], required_in: None },
];

/// Deserialises one table as a scenario. The error has the path of the value in question and the message.
pub(super) fn read(table: toml::Table) -> Result<Scenario, (String, String)> {
    serde_path_to_error::deserialize(table).map_err(|error: serde_path_to_error::Error<toml::de::Error>| {
        (error.path().to_string(), error.inner().message().to_owned())
    })
}

/// A table that holds `value` at a dotted key and nothing else.
fn alone(key: &str, value: Value) -> toml::Table {
    let (section, name) = keys::split(key);
    let table = toml::Table::from_iter([(name.to_owned(), value)]);
    if section.is_empty() {
        table
    } else {
        toml::Table::from_iter([(section.to_owned(), Value::Table(table))])
    }
}

/// Whether a known key may have this value; `path` is where the value was written.
pub(super) fn check_value(key: &str, value: &Value, path: &str, spots: &Spots) -> Option<(usize, Error)> {
    let (found_at, message) = read(alone(key, value.clone())).err()?;
    let within = found_at.strip_prefix(key).unwrap_or("");
    let spot = spots.nearest(&format!("{path}{within}"));
    Some((spot.order, Error::at(spot.value.clone(), format!("{key}{within}: {message}"))))
}

/// Checks every key and value of a scenario without its `[sweep]`.
pub(super) fn check_table(table: &toml::Table, spots: &Spots) -> Found {
    let mut found = Found::new();
    for (name, value) in table {
        let spot = spots.nearest(&part(name));
        let is_section = keys::is_section(name);
        match value {
            Value::Table(section) if is_section => check_section(name, section, spots, &mut found),
            _ if is_section => {
                let message = format!("{name}: found {}", show(value));
                found.push((
                    spot.order,
                    Error::at(spot.value.clone(), message).expected(format!("a section [{name}]")),
                ));
            }
            _ if keys::is_key(name) => found.extend(check_value(name, value, name, spots)),
            Value::Table(_) => found.push((spot.order, keys::unknown_section(spot.key.clone(), name))),
            _ => found.push((spot.order, keys::unknown_key(spot.key.clone(), "", name))),
        }
    }
    found
}

fn check_section(section: &str, table: &toml::Table, spots: &Spots, found: &mut Found) {
    for (name, value) in table {
        let path = format!("{section}.{}", part(name));
        // A quoted name with a dot in it is never a key, whatever it spells.
        if keys::is_key(&path) {
            found.extend(check_value(&path, value, &path, spots));
        } else {
            let spot = spots.nearest(&path);
            found.push((spot.order, keys::unknown_key(spot.key.clone(), section, name)));
        }
    }
}

/// Checks that of several ways to say one thing exactly one is used, and at least one where it must be said.
pub(super) fn check_alternatives(table: &toml::Table, axes: &[Written], spots: &Spots) -> Found {
    let mut found = Found::new();
    for group in ALTERNATIVES {
        let written = |key: &'static str| {
            let (section, name) = keys::split(key);
            let axis = axes.iter().find(|axis| axis.key == key).map(|axis| spots.nearest(&axis.path));
            axis.or_else(|| table.get(section)?.get(name).map(|_| spots.nearest(key))).map(|spot| (key, spot))
        };
        let mut given: Vec<_> = group.keys.iter().filter_map(|key| written(key)).collect();
        given.sort_by_key(|(_, spot)| spot.order);
        let among = group.keys.join(", ");
        match (given.as_slice(), group.required_in) {
            ([], Some(section)) => {
                let spot = spots.nearest(section);
                let error = Error::at(spot.value.clone(), format!("{section}: found nothing"));
                found.push((spot.order, error.expected(format!("one of {among}"))));
            }
            ([(first, _), .., (last, spot)], _) => {
                let error = Error::at(spot.key.clone(), format!("{last}: found beside {first}"));
                found.push((spot.order, error.expected(format!("only one of {among}"))));
            }
            _ => {}
        }
    }
    found
}

/// One error of all that were found, in the order of the file; `None` where nothing was.
pub(super) fn join(mut found: Found) -> Option<Error> {
    found.sort_by_key(|(order, _)| *order);
    Error::join(found.into_iter().map(|(_, error)| error))
}
