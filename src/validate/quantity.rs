//! Parameters as numbers that a fit can move, and as text with a unit that a file can hold.
//!
//! The number of a quantity counts whole nanoseconds, bytes, bytes per second, FLOP per second or parts per million, as
//! everywhere else; what is shown has four significant figures, and a fit ends on a shown value.

use toml::Value;

use crate::catalogue::{Entry, Kernel};
use crate::error::{Error, Result};
use crate::scenario::Percent;
use crate::units::{Bandwidth, Bytes, FlopRate, SimDuration, UnitError};

/// What a parameter measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    Size,
    Rate,
    Flops,
    Share,
    /// A bare number: a count, or a ratio.
    Number,
    /// True or false, as 1 or 0.
    Flag,
    /// A kernel of the catalogue, as its place there.
    Kernel,
}

/// Significant figures of shown values.
const FIGURES: usize = 4;
/// Significant figures of uncertainties.
const ROUGH: usize = 3;
/// Significant figures of values that are computed with.
const EXACT: usize = 12;

/// A value as a person would write it, for messages.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

fn refused(error: &UnitError) -> Error {
    Error::new(format!("found {}", error.found)).expected(error.expected.clone())
}

/// The place of a kernel of this name in the catalogue.
fn kernel(name: &str) -> Result<f64> {
    let found = Kernel::find(name).and_then(|row| Kernel::all().iter().position(|other| other.id == row.id));
    let unknown = || Error::new(format!("unknown kernel {name:?}")).nearest(name, Kernel::names());
    found.map(|place| place as f64).ok_or_else(unknown)
}

/// The kernel at a place in the catalogue.
fn kernel_name(place: f64) -> &'static str {
    (0_u32..)
        .zip(Kernel::all())
        .find(|(at, _)| f64::from(*at) == place)
        .map_or("", |(_, row)| row.id.as_str())
}

impl Kind {
    const WITH_UNIT: [Self; 5] = [Self::Time, Self::Size, Self::Rate, Self::Flops, Self::Share];

    /// The number of a written value. The error has no place.
    pub(super) fn read(self, value: &Value) -> Result<f64> {
        let text = match (self, value) {
            (Self::Number, Value::Integer(number)) => return Ok(*number as f64),
            (Self::Number, Value::Float(number)) if number.is_finite() => return Ok(*number),
            (Self::Number, _) => {
                return Err(Error::new(format!("found {}", shown(value))).expected("a number"));
            }
            (Self::Flag, Value::Boolean(flag)) => return Ok(f64::from(u8::from(*flag))),
            (Self::Flag, _) => {
                return Err(Error::new(format!("found {}", shown(value))).expected("true or false"));
            }
            (Self::Kernel, Value::String(name)) => return kernel(name),
            (_, Value::String(text)) => text.clone(),
            (_, other) => shown(other),
        };
        let base = match self {
            Self::Time => text.parse().map(SimDuration::as_ns).map_err(|error| refused(&error)),
            Self::Size => text.parse().map(Bytes::get).map_err(|error| refused(&error)),
            Self::Rate => text.parse().map(Bandwidth::bytes_per_s).map_err(|error| refused(&error)),
            Self::Flops => text.parse().map(FlopRate::flops_per_s).map_err(|error| refused(&error)),
            Self::Share => text.parse().map(Percent::ppm),
            Self::Kernel => return kernel(&text),
            Self::Number | Self::Flag => Ok(0),
        };
        base.map(|base| base as f64)
    }

    /// What a value is by its unit.
    pub(super) fn of(value: &Value) -> Result<Self> {
        if matches!(value, Value::Integer(_) | Value::Float(_)) {
            return Ok(Self::Number);
        }
        Self::WITH_UNIT.into_iter().find(|kind| kind.read(value).is_ok()).ok_or_else(|| {
            Error::new(format!("found {}", shown(value)))
                .expected("a quantity like \"12.5 us\", \"26 GB/s\", \"8 GiB\", \"165 TFLOP/s\" or \"55 %\"")
        })
    }

    /// A number of this kind as a TOML value, as exactly as its base unit allows.
    pub(super) fn value(self, number: f64) -> Value {
        match self {
            Self::Number if number.fract() == 0.0 && number.abs() < 1e15 => {
                // A whole number below 2^53.
                #[allow(clippy::cast_possible_truncation)]
                let whole = number as i64;
                Value::Integer(whole)
            }
            Self::Number => Value::Float(number),
            Self::Flag => Value::Boolean(number != 0.0),
            Self::Kernel => Value::String(kernel_name(number).to_owned()),
            _ => Value::String(self.with_unit(number, EXACT)),
        }
    }

    /// The number that is shown: to four figures, in whole base units.
    pub(super) fn rounded(self, number: f64) -> f64 {
        let shown = self.show(number);
        match self {
            Self::Number => shown.parse().unwrap_or(number),
            Self::Flag | Self::Kernel => number,
            _ => self.read(&Value::String(shown)).unwrap_or(number),
        }
    }

    /// A number of this kind with its unit, to four figures.
    pub(super) fn show(self, number: f64) -> String {
        self.with_unit(number, FIGURES)
    }

    /// A number of this kind with its unit, as roughly as an uncertainty is known.
    pub(super) fn show_roughly(self, number: f64) -> String {
        self.with_unit(number, ROUGH)
    }

    fn with_unit(self, number: f64, wanted: usize) -> String {
        let units: &[(&str, f64)] = match self {
            Self::Time => &[("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1.0)],
            Self::Size => &[("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0), ("B", 1.0)],
            Self::Rate => &[("TB/s", 1e12), ("GB/s", 1e9), ("MB/s", 1e6), ("KB/s", 1e3), ("B/s", 1.0)],
            Self::Flops => &[("PFLOP/s", 1e15), ("TFLOP/s", 1e12), ("GFLOP/s", 1e9), ("MFLOP/s", 1e6)],
            Self::Share => return format!("{} %", figures(number / 1e4, wanted, 4)),
            Self::Number => return figures(number, wanted, 9),
            Self::Flag => return (number != 0.0).to_string(),
            Self::Kernel => return kernel_name(number).to_owned(),
        };
        let fits = units.iter().find(|(_, size)| number >= *size);
        let (unit, size) = fits.or(units.last()).copied().unwrap_or(("", 1.0));
        // No decimals below one base unit.
        let decimals = (0..18).take_while(|place| 10_f64.powi(*place) < size).count();
        format!("{} {unit}", figures(number / size, wanted, decimals))
    }
}

/// A number to so many significant figures and at most so many decimals, without trailing zeros.
fn figures(number: f64, wanted: usize, decimals_max: usize) -> String {
    let size = number.abs();
    let before = (0..16).take_while(|place| size >= 10_f64.powi(*place)).count();
    let after = (1..16).take_while(|place| size > 0.0 && size < 10_f64.powi(-*place)).count();
    let decimals = (wanted + after).saturating_sub(before).min(decimals_max);
    let text = format!("{number:.decimals$}");
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        Some(_) => text.trim_end_matches('0').to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_known_by_their_units() {
        for (text, kind, number) in [
            ("11.3 ms", Kind::Time, 11.3e6),
            ("0 ms", Kind::Time, 0.0),
            ("26 GB/s", Kind::Rate, 26e9),
            ("8 MiB", Kind::Size, 8_388_608.0),
            ("55 %", Kind::Share, 550_000.0),
            ("165 TFLOP/s", Kind::Flops, 165e12),
        ] {
            let value = Value::from(text);
            assert_eq!(Kind::of(&value), Ok(kind), "{text}");
            assert_eq!(kind.read(&value), Ok(number), "{text}");
            assert_eq!(kind.show(number), if number == 0.0 { "0 ns" } else { text }, "{text}");
        }
        assert_eq!(Kind::of(&Value::from(3)), Ok(Kind::Number));
        let error = Kind::Kernel.read(&Value::from("l40s-moe-bf17")).unwrap_err().to_string();
        assert_eq!(error, "unknown kernel \"l40s-moe-bf17\", did you mean \"l40s-moe-bf16\"?");
        let place = Kind::Kernel.read(&Value::from("l40s-moe-bf16")).unwrap();
        assert_eq!(Kind::Kernel.value(place), Value::from("l40s-moe-bf16"));
        let error = Kind::of(&Value::from("8 bananas")).unwrap_err().to_string();
        assert!(error.starts_with("found \"8 bananas\", expected a quantity like"), "{error}");
    }

    #[test]
    fn four_figures_are_shown_and_read_back() {
        for (kind, number, text) in [
            (Kind::Time, 11_283_417.0, "11.28 ms"),
            (Kind::Time, 1_234.0, "1.234 us"),
            (Kind::Time, 12.0, "12 ns"),
            (Kind::Rate, 28_543_210_987.0, "28.54 GB/s"),
            (Kind::Size, 5_000_000.0, "4.768 MiB"),
            (Kind::Share, 553_333.0, "55.33 %"),
            (Kind::Share, 1.0, "0.0001 %"),
            (Kind::Flops, 1e15, "1 PFLOP/s"),
            (Kind::Number, 0.012_345_67, "0.01235"),
            (Kind::Number, 120.0, "120"),
        ] {
            assert_eq!(kind.show(number), text);
            assert_eq!(kind.show(kind.rounded(number)), text);
            let again = kind.read(&kind.value(number)).unwrap();
            assert!((again - number).abs() <= number * 1e-11 + 0.5, "{text}: {again}");
        }
    }
}
