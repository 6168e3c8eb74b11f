//! Quantities as people write them: `"8 GiB"`, `"26 GB/s"`, `"12.5 us"`.
//!
//! A bare number and a bare prefix (`"8G"`) are refused, since one means GB to some and GiB to others. Decimal
//! fractions are read exactly; what does not come out whole is rounded to the nearest byte, or up to the next
//! nanosecond.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

use super::{Bandwidth, Bytes, FlopRate, SimDuration};

/// Why a quantity was refused. Displays as `found ..., expected ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    /// What stood there.
    pub found: String,
    /// What would have been accepted, with an example.
    pub expected: String,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {}, expected {}", self.found, self.expected)
    }
}

impl std::error::Error for UnitError {}

/// A kind of quantity: its units, largest meaning first for messages, and how it is called.
struct Kind {
    what: &'static str,
    example: &'static str,
    units: &'static [(&'static str, u64)],
}

const SIZE: Kind = Kind {
    what: "a size",
    example: "\"8 GiB\"",
    units: &[
        ("B", 1),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ],
};

const BANDWIDTH: Kind = Kind {
    what: "a bandwidth",
    example: "\"26 GB/s\"",
    units: &[
        ("B/s", 1),
        ("KB/s", 1_000),
        ("MB/s", 1_000_000),
        ("GB/s", 1_000_000_000),
        ("TB/s", 1_000_000_000_000),
        ("KiB/s", 1 << 10),
        ("MiB/s", 1 << 20),
        ("GiB/s", 1 << 30),
        ("TiB/s", 1 << 40),
    ],
};

const TIME: Kind = Kind {
    what: "a time",
    example: "\"12.5 us\"",
    units: &[("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)],
};

const FLOPS: Kind = Kind {
    what: "a compute rate",
    example: "\"165 TFLOP/s\"",
    units: &[
        ("MFLOP/s", 1_000_000),
        ("GFLOP/s", 1_000_000_000),
        ("TFLOP/s", 1_000_000_000_000),
        ("PFLOP/s", 1_000_000_000_000_000),
    ],
};

enum Rounding {
    Nearest,
    Up,
}

fn refuse(kind: &Kind, found: String) -> UnitError {
    let units: Vec<&str> = kind.units.iter().map(|(name, _)| *name).collect();
    UnitError { found, expected: format!("{} like {} ({})", kind.what, kind.example, units.join(", ")) }
}

/// `digits[.digits] unit` as a whole number of base units.
fn parse(text: &str, kind: &Kind, rounding: &Rounding) -> Result<u64, UnitError> {
    let trimmed = text.trim();
    let split =
        trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(trimmed.len());
    let (number, unit) = (trimmed[..split].replace('_', ""), trimmed[split..].trim());
    if trimmed.starts_with('-') {
        return Err(refuse(kind, format!("a negative value, {text:?}")));
    }
    if number.is_empty() {
        return Err(refuse(kind, format!("{text:?}, which does not begin with a number")));
    }
    if unit.is_empty() {
        return Err(refuse(kind, format!("{text:?} without a unit")));
    }
    let Some(factor) = kind.units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor) else {
        return Err(refuse(kind, format!("unit {unit:?} in {text:?}")));
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let bad_number = || refuse(kind, format!("{text:?}, whose number cannot be read"));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 {
        return Err(bad_number());
    }
    let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| bad_number())?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let scaled = digits.checked_mul(u128::from(factor)).ok_or_else(bad_number)?;
    let value = match rounding {
        Rounding::Nearest => (scaled + scale / 2) / scale,
        Rounding::Up => scaled.div_ceil(scale),
    };
    u64::try_from(value).map_err(|_| refuse(kind, format!("{text:?}, which is too large")))
}

/// As [`parse`], and zero is refused by name.
fn parse_rate(text: &str, kind: &Kind) -> Result<u64, UnitError> {
    match parse(text, kind, &Rounding::Nearest)? {
        0 => Err(refuse(kind, format!("zero, {text:?}"))),
        value => Ok(value),
    }
}

impl FromStr for Bytes {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &SIZE, &Rounding::Nearest).map(Self::new)
    }
}

impl FromStr for SimDuration {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &TIME, &Rounding::Up).map(Self::from_ns)
    }
}

impl FromStr for Bandwidth {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let rate = parse_rate(text, &BANDWIDTH)?;
        Self::from_bytes_per_s(rate).ok_or_else(|| refuse(&BANDWIDTH, format!("zero, {text:?}")))
    }
}

impl FromStr for FlopRate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let rate = parse_rate(text, &FLOPS)?;
        Self::from_flops_per_s(rate).ok_or_else(|| refuse(&FLOPS, format!("zero, {text:?}")))
    }
}

/// Parts per million resolve four decimals of a percentage.
const PERCENT_DECIMALS_MAX: usize = 4;
/// More digits than any percentage needs; keeps the arithmetic within 64 bits.
const PERCENT_DIGITS_MAX: usize = 9;

/// A percentage like `25 %` or `12.5%` as parts per million, exactly.
///
/// # Errors
/// A negative number, a missing `%`, and more than four decimals.
pub fn parse_ppm(text: &str) -> Result<u64, UnitError> {
    let refuse = |found: String| UnitError { found, expected: "a percentage like \"25 %\"".to_owned() };
    if text.trim().starts_with('-') {
        return Err(refuse(format!("a negative value, {text:?}")));
    }
    let number = text.trim().strip_suffix('%').ok_or_else(|| refuse(format!("{text:?} without %")))?.trim();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > PERCENT_DECIMALS_MAX {
        return Err(refuse(format!("{text:?}, which is finer than 0.0001 %")));
    }
    let digits = format!("{whole}{fraction:0<PERCENT_DECIMALS_MAX$}");
    let readable = !whole.is_empty()
        && whole.len() <= PERCENT_DIGITS_MAX
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(ppm) if readable => Ok(ppm),
        _ => Err(refuse(format!("{text:?}, whose number cannot be read"))),
    }
}

/// Catalogue rows and scenarios hold quantities as text with a unit.
macro_rules! deserialize_from_text {
    ($($unit:ty),*) => {$(
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                String::deserialize(source)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

deserialize_from_text!(Bytes, SimDuration, Bandwidth, FlopRate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_exactly() {
        for (text, bytes) in [
            ("8 GiB", 8 << 30),
            ("8GB", 8_000_000_000),
            ("0.5 KiB", 512),
            ("4000 MiB", 4_194_304_000),
            ("1_024 B", 1024),
            ("0.3 B", 0),
        ] {
            assert_eq!(text.parse::<Bytes>(), Ok(Bytes::new(bytes)), "{text}");
        }
    }

    #[test]
    fn reads_rates_and_times() {
        assert_eq!("26 GB/s".parse::<Bandwidth>().map(Bandwidth::bytes_per_s), Ok(26_000_000_000));
        assert_eq!("82.6 TFLOP/s".parse::<FlopRate>().map(FlopRate::flops_per_s), Ok(82_600_000_000_000));
        assert_eq!("12.5 us".parse(), Ok(SimDuration::from_ns(12_500)));
        assert_eq!("0.1 ns".parse(), Ok(SimDuration::from_ns(1)));
    }

    #[test]
    fn refuses_what_is_ambiguous_and_says_what_it_wants() {
        for (text, message) in [
            (
                "8",
                "found \"8\" without a unit, expected a size like \"8 GiB\" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)",
            ),
            (
                "8G",
                "found unit \"G\" in \"8G\", expected a size like \"8 GiB\" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)",
            ),
            (
                "-1 GiB",
                "found a negative value, \"-1 GiB\", expected a size like \"8 GiB\" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)",
            ),
        ] {
            assert_eq!(text.parse::<Bytes>().map_err(|e| e.to_string()), Err(message.to_owned()));
        }
        assert!("0 GB/s".parse::<Bandwidth>().is_err());
        assert!("1.2.3 GB".parse::<Bytes>().is_err());
        assert!("99999999999 TiB".parse::<Bytes>().is_err());
    }
}
