//! Percentages as exact parts per million.

use std::fmt;
use std::str::FromStr;

use toml::Value;

use crate::error::Error;
use crate::units::{Bytes, UnitError, parse_ppm};

use super::given::{FromGiven, refuse};

const PPM_PER_PERCENT: u64 = 10_000;
/// Parts per million resolve four decimals of a percentage.
const DECIMALS_MAX: usize = 4;

/// A percentage, exact to 0.0001 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u64);

impl Percent {
    /// The whole, 100 %.
    pub const WHOLE: Self = Self(100 * PPM_PER_PERCENT);

    /// A percentage of `ppm` parts per million.
    pub const fn from_ppm(ppm: u64) -> Self {
        Self(ppm)
    }

    /// Parts per million: 250,000 for 25 %.
    pub const fn ppm(self) -> u64 {
        self.0
    }

    /// This share of `size`, rounded down to a byte.
    pub fn of(self, size: Bytes) -> Bytes {
        size.fraction(self.0, Self::WHOLE.0)
    }
}

impl FromStr for Percent {
    type Err = Error;

    /// Reads `25 %` and `12.5%`. Refuses a negative number, a missing `%` and more than four decimals.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused =
            |error: UnitError| Error::new(format!("found {}", error.found)).expected(error.expected);
        parse_ppm(text).map(Self).map_err(refused)
    }
}

impl fmt::Display for Percent {
    /// As few decimals as the value needs: `25 %`, `12.5 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / PPM_PER_PERCENT, self.0 % PPM_PER_PERCENT);
        let decimals = format!("{fraction:0DECIMALS_MAX$}");
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{whole} %"),
            decimals => write!(f, "{whole}.{decimals} %"),
        }
    }
}

impl FromGiven for Percent {
    /// Above zero, at most the whole.
    fn from_given(value: &Value) -> Result<Self, Error> {
        let share: Self = match value {
            Value::String(text) => text.parse()?,
            _ => return Err(refuse(value, "a percentage like \"25 %\"")),
        };
        if share.0 == 0 || share > Self::WHOLE {
            return Err(refuse(value, "a percentage above 0 % and up to 100 %"));
        }
        Ok(share)
    }
}

impl FromGiven for Vec<Percent> {
    fn from_given(value: &Value) -> Result<Self, Error> {
        match value.as_array() {
            Some(items) if !items.is_empty() => items.iter().map(Percent::from_given).collect(),
            _ => Err(refuse(value, "a list like [\"90 %\", \"80 %\"]")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows_exactly() {
        for (text, ppm, shown) in [
            ("25 %", 250_000, "25 %"),
            ("12.5%", 125_000, "12.5 %"),
            ("0.0001 %", 1, "0.0001 %"),
            ("100.0 %", 1_000_000, "100 %"),
            ("0 %", 0, "0 %"),
        ] {
            let percent: Percent = text.parse().unwrap();
            assert_eq!((percent.ppm(), percent.to_string()), (ppm, shown.to_owned()), "{text}");
        }
        assert_eq!("33.3333 %".parse::<Percent>().unwrap().of(Bytes::new(3_000_000)), Bytes::new(999_999));
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        for (text, found) in [
            ("25", "\"25\" without %"),
            ("-5 %", "a negative value, \"-5 %\""),
            ("0.00001 %", "\"0.00001 %\", which is finer than 0.0001 %"),
            ("1e2 %", "\"1e2 %\", whose number cannot be read"),
            ("+5 %", "\"+5 %\", whose number cannot be read"),
            ("%", "\"%\", whose number cannot be read"),
            ("99999999999 %", "\"99999999999 %\", whose number cannot be read"),
        ] {
            let message = format!("found {found}, expected a percentage like \"25 %\"");
            assert_eq!(text.parse::<Percent>().map_err(|e| e.to_string()), Err(message));
        }
    }
}
