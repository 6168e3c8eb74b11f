//! Typed access to the keys of a config, with errors that say where.

use serde_json::{Map, Value};

use super::locate;
use crate::error::{Error, Place, Result};

/// Largest values that are read. No model comes near them, and within them no count overflows 64 bits.
pub(super) const LAYERS: u64 = 1 << 10;
pub(super) const WIDTH: u64 = 1 << 17;
pub(super) const INTER: u64 = 1 << 19;
pub(super) const HEADS: u64 = 1 << 12;
pub(super) const HEAD_DIM: u64 = 1 << 14;
pub(super) const EXPERTS: u64 = 1 << 12;
pub(super) const VOCAB: u64 = 1 << 24;
pub(super) const TOKENS: u64 = 1 << 40;

/// Where a config came from; `text` finds lines and columns.
pub(super) struct Source<'a> {
    pub(super) place: Place,
    pub(super) text: Option<&'a str>,
}

/// The keys of a language model, and those around them where it is one part of a larger model.
#[derive(Clone, Copy)]
pub(super) struct Config<'a> {
    map: &'a Map<String, Value>,
    outer: Option<&'a Map<String, Value>>,
    section: Option<&'a str>,
    source: &'a Source<'a>,
}

/// Sections that hold the language model of a multimodal one.
const TEXT_SECTIONS: [&str; 3] = ["text_config", "llm_config", "language_config"];

impl<'a> Config<'a> {
    pub(super) fn new(value: &'a Value, source: &'a Source<'a>) -> Result<Self> {
        let Some(map) = value.as_object() else {
            let found = format!("found {}", show(value));
            return Err(Error::at(source.place.clone(), found).expected("an object with the model's keys"));
        };
        let section = TEXT_SECTIONS.into_iter().find_map(|name| Some((name, map.get(name)?.as_object()?)));
        Ok(match section {
            Some((name, inner)) => Self { map: inner, outer: Some(map), section: Some(name), source },
            None => Self { map, outer: None, section: None, source },
        })
    }

    /// The model type: the language model's own, else that of the whole.
    pub(super) fn model_type(&self) -> Result<&'a str> {
        match (self.get("model_type"), self.outer.and_then(|outer| outer.get("model_type"))) {
            (None, Some(Value::String(text))) => Ok(text),
            _ => self.text("model_type"),
        }
    }

    /// A nested object, such as `linear_attn_config`.
    pub(super) fn section(&self, key: &'a str) -> Result<Self> {
        match self.get(key) {
            Some(Value::Object(map)) => {
                Ok(Self { map, outer: None, section: Some(key), source: self.source })
            }
            Some(other) => Err(self.wrong(key, other, "an object")),
            None => Err(self.missing(&[key], "an object")),
        }
    }

    /// The value of a key; `null` is no value.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The first of several spellings that has a value.
    pub(super) fn first<'k>(&self, keys: &[&'k str]) -> Option<&'k str> {
        keys.iter().copied().find(|key| self.get(key).is_some())
    }

    /// A whole number from `1` to `limit`, if there is one.
    pub(super) fn opt_size(&self, key: &str, limit: u64) -> Result<Option<u64>> {
        self.opt_number(key, 1, limit)
    }

    /// A whole number from `1` to `limit`.
    pub(super) fn size(&self, key: &str, limit: u64) -> Result<u64> {
        self.any_size(&[key], limit)
    }

    /// As [`Config::size`], under the first of several spellings.
    pub(super) fn any_size(&self, keys: &[&str], limit: u64) -> Result<u64> {
        let found = self.first(keys).map(|key| self.opt_size(key, limit)).transpose()?.flatten();
        found.ok_or_else(|| self.missing(keys, &format!("a whole number from 1 to {limit}")))
    }

    /// A whole number from `least` to `limit`, if there is one.
    pub(super) fn opt_number(&self, key: &str, least: u64, limit: u64) -> Result<Option<u64>> {
        self.get(key).map(|value| self.number_in(key, value, least, limit)).transpose()
    }

    fn number_in(&self, key: &str, value: &Value, least: u64, limit: u64) -> Result<u64> {
        value
            .as_u64()
            .filter(|number| (least..=limit).contains(number))
            .ok_or_else(|| self.wrong(key, value, &format!("a whole number from {least} to {limit}")))
    }

    /// A whole number for one layer, from a single number or a list with one for each layer.
    pub(super) fn layer_number(
        &self,
        key: &str,
        layer: usize,
        least: u64,
        limit: u64,
    ) -> Result<Option<u64>> {
        match self.get(key) {
            Some(Value::Array(items)) => {
                let Some(item) = items.get(layer) else {
                    return Err(self.wrong_length(key, items.len(), &format!("at least {}", layer + 1)));
                };
                self.number_in(key, item, least, limit).map(Some)
            }
            _ => self.opt_number(key, least, limit),
        }
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(key, other, "true or false")),
        }
    }

    /// A flag of the language model that some models keep outside of its section.
    pub(super) fn outer_flag(&self, key: &str, default: bool) -> Result<bool> {
        match (self.get(key), self.outer.and_then(|outer| outer.get(key))) {
            (None, Some(Value::Bool(flag))) => Ok(*flag),
            _ => self.flag(key, default),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<&'a str> {
        match self.get(key) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(key, other, "text")),
            None => Err(self.missing(&[key], "text")),
        }
    }

    /// A list, if there is one.
    pub(super) fn list(&self, key: &str) -> Result<Option<&'a [Value]>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(key, other, "a list")),
        }
    }

    /// A list with one entry for each layer, if there is one. Entries for modules that predict further tokens may
    /// follow; they are cut off.
    pub(super) fn layer_list(&self, key: &str, layers: usize) -> Result<Option<&'a [Value]>> {
        let Some(items) = self.list(key)? else { return Ok(None) };
        let modules = self.opt_number("num_nextn_predict_layers", 0, LAYERS)?.unwrap_or(0);
        let longest = layers + usize::try_from(modules).unwrap_or(0);
        match items.get(..layers) {
            Some(own) if items.len() == layers || items.len() == longest => Ok(Some(own)),
            _ => Err(self.wrong_length(key, items.len(), &format!("{layers}, one for each layer"))),
        }
    }

    /// A list of layer numbers below `layers`.
    pub(super) fn layer_ids(&self, key: &str, layers: usize) -> Result<Option<Vec<usize>>> {
        let Some(items) = self.list(key)? else { return Ok(None) };
        let limit = layers.saturating_sub(1) as u64;
        let ids = items.iter().map(|item| self.number_in(key, item, 0, limit));
        ids.map(|id| id.map(|id| usize::try_from(id).unwrap_or(usize::MAX))).collect::<Result<_>>().map(Some)
    }

    pub(super) fn error_at(&self, key: &str, message: String) -> Error {
        Error::at(self.place(key), message)
    }

    pub(super) fn wrong(&self, key: &str, found: &Value, expected: &str) -> Error {
        let message = format!("key {:?} is {}", self.full_name(key), show(found));
        self.error_at(key, message).expected(expected)
    }

    fn wrong_length(&self, key: &str, found: usize, expected: &str) -> Error {
        let message = format!("key {:?} is a list of {found}", self.full_name(key));
        self.error_at(key, message).expected(expected)
    }

    pub(super) fn missing(&self, keys: &[&str], expected: &str) -> Error {
        let names: Vec<String> = keys.iter().map(|key| format!("{:?}", self.full_name(key))).collect();
        let message = format!("key {} is missing", names.join(" or "));
        Error::at(self.source.place.clone(), message).expected(expected)
    }

    fn full_name(&self, key: &str) -> String {
        self.section.map_or_else(|| key.to_owned(), |section| format!("{section}.{key}"))
    }

    /// File, line and column of a key; of the file alone where the text is not at hand.
    fn place(&self, key: &str) -> Place {
        let place = self.source.place.clone();
        let path: Vec<&str> = self.section.into_iter().chain([key]).collect();
        match self.source.text.and_then(|text| locate::key(text, &path)) {
            Some((line, column)) => place.line(line).column(column),
            None => place,
        }
    }
}

/// A value as a message shows it, cut where it is long.
fn show(value: &Value) -> String {
    const LONGEST: usize = 40;
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        other => {
            let text = other.to_string();
            match text.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            }
        }
    }
}
