//! Overrides from the command line: `--set key=value`.
//!
//! A later override beats an earlier one and the file. One on a swept key takes the axis away; one on `sweep.KEY`
//! adds or replaces an axis; `sweep={}` takes all axes away. Of keys that say the same thing in two ways, such as
//! `model.name` and `model.gguf`, the override takes the place of the others.

use toml::Value;

use crate::error::{Error, Place, Result};

use super::axes::{self, Written};
use super::check::ALTERNATIVES;
use super::given::show;
use super::keys::{self, SWEEP};
use super::places::{Spot, Spots};
use super::tree::{option_value, part};

/// A scenario being put together.
pub(super) struct Draft {
    pub(super) table: toml::Table,
    pub(super) spots: Spots,
    pub(super) axes: Vec<Written>,
}

impl Draft {
    /// Applies one `key=value`; `order` is the rank of its spot.
    pub(super) fn set(&mut self, text: &str, order: usize) -> Result<()> {
        self.set_by(&format!("--set {text}"), text, order)
    }

    /// The same where another option of the command line says so, `--tp 4` for example, which errors then name.
    pub(super) fn set_by(&mut self, option: &str, text: &str, order: usize) -> Result<()> {
        let place = Place::option(option);
        let (key, value) = text
            .split_once('=')
            .map(|(key, value)| (key.trim(), option_value(value)))
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| Error::at(place.clone(), "found no key and value").expected("key=value"))?;
        let spot = Spot { order, key: place.clone(), value: place, is_option: true };
        match (key.strip_prefix("sweep."), value) {
            (Some(key), value) => self.set_axis(key, value, spot),
            (None, Value::Table(sweep)) if key == SWEEP => {
                for axis in std::mem::take(&mut self.axes) {
                    self.spots.remove(&axis.path);
                }
                self.spots.insert(SWEEP.to_owned(), spot);
                self.axes = axes::split(sweep, &self.spots);
            }
            (None, value) if key == SWEEP => {
                let error = Error::at(spot.value, format!("{SWEEP}: found {}", show(&value)));
                return Err(error.expected("a table of axes"));
            }
            (None, value) => self.put(key, value, spot),
        }
        Ok(())
    }

    /// Gives a key this value, whatever it had before: a value, an axis, or another key that says the same.
    pub(super) fn put(&mut self, key: &str, value: Value, spot: Spot) {
        self.forget_alternatives(key);
        if let Some(at) = self.axes.iter().position(|axis| axis.key == key) {
            self.axes.remove(at);
        }
        self.set_key(key, value, spot);
    }

    fn set_axis(&mut self, key: &str, value: Value, spot: Spot) {
        self.forget_alternatives(key);
        let at = self.axes.iter().position(|axis| axis.key == key);
        let path = match at {
            Some(at) => self.axes[at].path.clone(),
            None => format!("{SWEEP}.{}", part(key)),
        };
        self.spots.remove(&path);
        self.spots.insert(path.clone(), spot);
        let axis = Written { key: key.to_owned(), path, value };
        match at {
            Some(at) => self.axes[at] = axis,
            None => self.axes.push(axis),
        }
    }

    fn set_key(&mut self, key: &str, value: Value, spot: Spot) {
        let mut table = &mut self.table;
        let mut path = String::new();
        let mut names: Vec<&str> = key.split('.').collect();
        let last = names.pop().unwrap_or(key);
        for name in names {
            path = if path.is_empty() { part(name) } else { format!("{path}.{}", part(name)) };
            let inner = table.entry(name).or_insert_with(|| Value::Table(toml::Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(toml::Table::new());
                self.spots.remove(&path);
            }
            match inner {
                Value::Table(inner) => table = inner,
                _ => return,
            }
            // A section that only options have written is placed at the first of them.
            if !self.spots.contains(&path) {
                self.spots.insert(path.clone(), spot.clone());
            }
        }
        table.insert(last.to_owned(), value);
        let path = if path.is_empty() { part(last) } else { format!("{path}.{}", part(last)) };
        self.spots.remove(&path);
        self.spots.insert(path, spot);
    }

    /// Takes away the other keys that say what `key` says.
    fn forget_alternatives(&mut self, key: &str) {
        let groups = ALTERNATIVES.iter().filter(|group| group.keys.contains(&key));
        for other in groups.flat_map(|group| group.keys).filter(|other| **other != key) {
            self.axes.retain(|axis| axis.key != *other);
            let (section, name) = keys::split(other);
            if let Some(Value::Table(section)) = self.table.get_mut(section) {
                section.remove(name);
            }
        }
    }
}
