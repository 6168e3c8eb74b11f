//! From one TOML value to one typed setting, or a message of what was found and what was expected.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error as _};
use toml::Value;

use crate::error::{Error, Result};
use crate::units::{Bandwidth, Bytes, SimDuration, UnitError};

/// A setting that can be read from one TOML value. Errors say `found ..., expected ...` and carry no place.
pub(super) trait FromGiven: Sized {
    fn from_given(value: &Value) -> Result<Self>;

    /// Reads it from a deserialiser; the error's text is the whole message.
    fn read<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(source)?;
        Self::from_given(&value).map_err(D::Error::custom)
    }
}

/// Deserialises a field of a section.
pub(super) fn given<'de, D: Deserializer<'de>, T: FromGiven>(
    source: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::read(source).map(Some)
}

/// A value as a person would write it on one line.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Table(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key} = {}", show(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// `found VALUE, expected WHAT`.
pub(super) fn refuse(value: &Value, expected: impl std::fmt::Display) -> Error {
    Error::new(format!("found {}", show(value))).expected(expected)
}

impl FromGiven for String {
    fn from_given(value: &Value) -> Result<Self> {
        match value {
            Value::String(text) if !text.trim().is_empty() => Ok(text.clone()),
            Value::String(_) => Err(Error::new("found an empty text")),
            _ => Err(refuse(value, "text in quotes")),
        }
    }
}

impl FromGiven for PathBuf {
    fn from_given(value: &Value) -> Result<Self> {
        match value {
            Value::String(_) => String::from_given(value).map(Self::from),
            _ => Err(refuse(value, "a path in quotes")),
        }
    }
}

impl FromGiven for bool {
    fn from_given(value: &Value) -> Result<Self> {
        value.as_bool().ok_or_else(|| refuse(value, "true or false"))
    }
}

impl FromGiven for u64 {
    fn from_given(value: &Value) -> Result<Self> {
        let number = value.as_integer().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| refuse(value, "a whole number of at least 0"))
    }
}

/// A positive whole number up to `largest`.
fn count(value: &Value, largest: u64) -> Result<u64> {
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    match number {
        Some(number) if (1..=largest).contains(&number) => Ok(number),
        Some(0) => Err(Error::new("found zero").expected("a whole number of at least 1")),
        Some(_) => Err(refuse(value, format!("a whole number of at most {largest}"))),
        None => Err(refuse(value, "a whole number of at least 1")),
    }
}

impl FromGiven for NonZeroU64 {
    fn from_given(value: &Value) -> Result<Self> {
        Self::try_from(count(value, u64::MAX)?).map_err(|_| Error::new("found zero"))
    }
}

impl FromGiven for NonZeroU32 {
    fn from_given(value: &Value) -> Result<Self> {
        let number = u32::try_from(count(value, u64::from(u32::MAX))?);
        number.ok().and_then(Self::new).ok_or_else(|| Error::new("found zero"))
    }
}

/// A quantity with a unit. A bare number is refused in the same words as a text without a unit.
fn quantity<T>(value: &Value) -> Result<T>
where
    T: std::str::FromStr<Err = UnitError>,
{
    let parsed = match value {
        Value::String(text) => text.parse(),
        Value::Integer(_) | Value::Float(_) => {
            let number = show(value);
            number.parse().map_err(|error: UnitError| {
                let found = error.found.replace(&format!("{number:?}"), &number);
                UnitError { found, ..error }
            })
        }
        _ => "".parse().map_err(|error: UnitError| UnitError { found: show(value), ..error }),
    };
    parsed.map_err(|error| Error::new(format!("found {}", error.found)).expected(error.expected))
}

/// A size that may be zero.
pub(super) fn any_size(value: &Value) -> Result<Bytes> {
    quantity(value)
}

impl FromGiven for Bytes {
    /// A size above zero: nothing a scenario sizes may be absent by having no bytes.
    fn from_given(value: &Value) -> Result<Self> {
        match any_size(value)? {
            Self::ZERO => {
                Err(Error::new(format!("found zero, {}", show(value))).expected("a size above zero"))
            }
            size => Ok(size),
        }
    }
}

impl FromGiven for Bandwidth {
    fn from_given(value: &Value) -> Result<Self> {
        quantity(value)
    }
}

impl FromGiven for SimDuration {
    fn from_given(value: &Value) -> Result<Self> {
        quantity(value)
    }
}

impl FromGiven for Vec<String> {
    fn from_given(value: &Value) -> Result<Self> {
        let items = value.as_array().ok_or_else(|| refuse(value, "a list of texts in quotes"))?;
        items.iter().map(String::from_given).collect()
    }
}
