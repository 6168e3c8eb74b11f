//! Sweep axes: which keys take several values, and which.
//!
//! In `[sweep]` an axis is written `cache.policy = [...]`, `"cache.policy" = [...]` or under `[sweep.cache]`, as TOML
//! likes it; its values are a list or a range `{from, to, step}`.

use toml::Value;

use crate::error::Error;

use super::check::{Found, check_value};
use super::given::show;
use super::keys;
use super::places::{Spot, Spots};
use super::range;
use super::tree::part;

/// One value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisValue {
    /// The value as if it had been written at the axis's key.
    pub value: Value,
    /// The value as reports show it: text without quotes.
    pub text: String,
}

/// A key that takes several values, one for each point along this axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The dotted key, such as `cache.capacity`.
    pub key: String,
    /// Its values in order; never empty.
    pub values: Vec<AxisValue>,
    path: String,
    is_list: bool,
}

impl Axis {
    /// Where the axis is written.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where one of its values is written; the values of a range all are where the range is.
    pub(super) fn value_path(&self, index: usize) -> String {
        if self.is_list { format!("{}[{index}]", self.path) } else { self.path.clone() }
    }
}

/// An axis as written, before its values are known to be any good.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) key: String,
    pub(super) path: String,
    pub(super) value: Value,
}

/// Keys that hold for all points together.
const NOT_SWEPT: [&str; 4] = ["name", "description", "output.folder", "output.title"];

/// Splits `[sweep]` into axes, in the order in which they are written.
pub(super) fn split(sweep: toml::Table, spots: &Spots) -> Vec<Written> {
    let mut axes = Vec::new();
    collect("", keys::SWEEP, sweep, &mut axes);
    axes.sort_by_key(|axis| spots.nearest(&axis.path).order);
    axes
}

fn collect(key: &str, path: &str, table: toml::Table, axes: &mut Vec<Written>) {
    const RANGE_PARTS: [&str; 3] = ["from", "to", "step"];
    for (name, value) in table {
        let path = format!("{path}.{}", part(&name));
        let key = if key.is_empty() { name } else { format!("{key}.{name}") };
        let is_range = |table: &toml::Table| {
            keys::is_key(&key) || table.is_empty() || RANGE_PARTS.iter().any(|part| table.contains_key(*part))
        };
        match value {
            Value::Table(inner) if !is_range(&inner) => collect(&key, &path, inner, axes),
            value => axes.push(Written { key, path, value }),
        }
    }
}

/// Expands an axis and checks each of its values; a range with several bad values is told of once.
pub(super) fn expand(written: Written, spots: &Spots, found: &mut Found) -> Option<Axis> {
    let Written { key, path, value } = written;
    let spot = spots.nearest(&path);
    if !keys::is_key(&key) {
        found.push((spot.order, keys::unknown_axis(spot.key.clone(), &key)));
        return None;
    }
    if NOT_SWEPT.iter().any(|fixed| key == *fixed) {
        let message = format!("{key} names the sweep as a whole, so it cannot be swept");
        found.push((spot.order, Error::at(spot.key.clone(), message)));
        return None;
    }
    let is_list = value.is_array();
    let values = match listed(&key, &path, value, spots) {
        Ok(values) => values,
        Err(error) => {
            found.push(error);
            return None;
        }
    };
    let axis_value = |value: Value| {
        let text = value.as_str().map_or_else(|| show(&value), str::to_owned);
        AxisValue { value, text }
    };
    let values = values.into_iter().map(axis_value).collect();
    let axis = Axis { key, values, path, is_list };
    let mut wrong =
        axis.values.iter().enumerate().filter_map(|(index, value)| {
            check_value(&axis.key, &value.value, &axis.value_path(index), spots)
        });
    if is_list {
        found.extend(wrong);
    } else {
        found.extend(wrong.next());
    }
    Some(axis)
}

fn listed(key: &str, path: &str, value: Value, spots: &Spots) -> Result<Vec<Value>, (usize, Error)> {
    let refuse = |spot: &Spot, message: String| {
        (spot.order, Error::at(spot.value.clone(), format!("{}.{key}: {message}", keys::SWEEP)))
    };
    let spot = spots.nearest(path);
    match value {
        Value::Array(values) if values.is_empty() => {
            Err(refuse(spot, "found an empty list, expected at least one value".to_owned()))
        }
        Value::Array(values) => Ok(values),
        Value::Table(range) => {
            if let Some(name) = range.keys().find(|name| !["from", "to", "step"].contains(&name.as_str())) {
                let spot = spots.nearest(&format!("{path}.{}", part(name)));
                let error =
                    Error::at(spot.key.clone(), format!("{}.{key}: unknown key {name:?}", keys::SWEEP));
                return Err((spot.order, error.nearest(name, ["from", "to", "step"])));
            }
            range::values(&range).map_err(|error| {
                let path = error.part.map_or_else(|| path.to_owned(), |part| format!("{path}.{part}"));
                refuse(spots.nearest(&path), error.message)
            })
        }
        other => Err(refuse(
            spot,
            format!("found {}, expected a list of values or a range {{from, to, step}}", show(&other)),
        )),
    }
}
