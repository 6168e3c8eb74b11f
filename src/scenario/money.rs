//! What a calculation of costs is given: amounts of money, the date of a price, power, and how long something is used.

use std::fmt;

use toml::Value;

use super::given::{FromGiven, refuse, show};
use super::numbers::{decimal, millionths};
use crate::error::{Error, Result};

/// The number before a unit, in millionths.
fn before(value: &Value, unit: &str) -> Option<u64> {
    let text = value.as_str()?.trim().strip_suffix(unit)?;
    millionths(text.trim())
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dollars {
    micro: u64,
}

impl Dollars {
    /// So many millionths of a dollar.
    pub fn from_micro(micro: u64) -> Self {
        Self { micro }
    }

    /// Millionths of a dollar.
    pub fn micro(self) -> u64 {
        self.micro
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} USD", decimal(self.micro))
    }
}

impl FromGiven for Dollars {
    fn from_given(value: &Value) -> Result<Self> {
        const EXPECTED: &str = "an amount like \"2.50 USD\"";
        before(value, "USD").map(Self::from_micro).ok_or_else(|| refuse(value, EXPECTED))
    }
}

/// Power in thousandths of a watt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wattage {
    milliwatts: u64,
}

impl Wattage {
    /// So many thousandths of a watt.
    pub fn from_milliwatts(milliwatts: u64) -> Self {
        Self { milliwatts }
    }

    /// Thousandths of a watt.
    pub fn milliwatts(self) -> u64 {
        self.milliwatts
    }
}

impl fmt::Display for Wattage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} W", decimal(self.milliwatts.saturating_mul(1000)))
    }
}

impl FromGiven for Wattage {
    fn from_given(value: &Value) -> Result<Self> {
        const EXPECTED: &str = "power like \"80 W\", of at most three decimals";
        let micro = before(value, "W").filter(|micro| micro % 1000 == 0);
        micro.map(|micro| Self::from_milliwatts(micro / 1000)).ok_or_else(|| refuse(value, EXPECTED))
    }
}

/// How long something is used, in whole hours above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime {
    hours: u64,
}

/// Units of a lifetime, longest first, in hours; the first spelling of each is the one that is shown.
const UNITS: [(&str, u64); 6] =
    [("years", 8760), ("year", 8760), ("days", 24), ("day", 24), ("hours", 1), ("h", 1)];

impl Lifetime {
    /// So many hours; `None` for zero.
    pub fn from_hours(hours: u64) -> Option<Self> {
        (hours > 0).then_some(Self { hours })
    }

    /// Hours.
    pub fn hours(self) -> u64 {
        self.hours
    }
}

impl fmt::Display for Lifetime {
    /// In the longest unit that comes out whole: `3 years`, `18 days`, `5 hours`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, hours)| self.hours.is_multiple_of(*hours));
        let (unit, hours) = whole.copied().unwrap_or(("hours", 1));
        let count = self.hours / hours;
        write!(f, "{count} {}", if count == 1 { unit.trim_end_matches('s') } else { unit })
    }
}

impl FromGiven for Lifetime {
    fn from_given(value: &Value) -> Result<Self> {
        const EXPECTED: &str = "a time above zero like \"3 years\", \"180 days\" or \"26280 h\"";
        let read = |(unit, hours): &(&str, u64)| {
            let hours = u128::from(before(value, unit)?) * u128::from(*hours);
            // Years of 365 days and parts of them, as long as whole hours come out.
            (hours % 1_000_000 == 0).then(|| u64::try_from(hours / 1_000_000).ok())?
        };
        match UNITS.iter().find_map(read).map(Self::from_hours) {
            Some(Some(lifetime)) => Ok(lifetime),
            Some(None) => Err(Error::new(format!("found zero, {}", show(value))).expected(EXPECTED)),
            None => Err(refuse(value, EXPECTED)),
        }
    }
}

/// The month or day of a price: `2026-11` or `2026-11-05`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceDate(String);

impl PriceDate {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PriceDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromGiven for PriceDate {
    fn from_given(value: &Value) -> Result<Self> {
        const EXPECTED: &str = "a month or day like \"2026-11\" or \"2026-11-05\"";
        let text = value.as_str().map(str::trim).ok_or_else(|| refuse(value, EXPECTED))?;
        let parts: Vec<&str> = text.split('-').collect();
        let number = |part: &str, digits: usize, range: std::ops::RangeInclusive<u32>| {
            let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            plain && part.parse().is_ok_and(|number| range.contains(&number))
        };
        let is_date = match parts.as_slice() {
            [year, month] => number(year, 4, 1970..=9999) && number(month, 2, 1..=12),
            [year, month, day] => {
                number(year, 4, 1970..=9999) && number(month, 2, 1..=12) && number(day, 2, 1..=31)
            }
            _ => false,
        };
        if is_date { Ok(Self(text.to_owned())) } else { Err(refuse(value, EXPECTED)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<T: FromGiven + fmt::Display>(text: &str) -> std::result::Result<String, String> {
        T::from_given(&Value::from(text)).map(|read| read.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn amounts_are_exact() {
        assert_eq!(shown::<Dollars>("2.50 USD").as_deref(), Ok("2.5 USD"));
        assert_eq!(shown::<Dollars>("0 USD").as_deref(), Ok("0 USD"));
        assert_eq!(shown::<Wattage>("80 W").as_deref(), Ok("80 W"));
        assert_eq!(shown::<Wattage>("0.375 W").as_deref(), Ok("0.375 W"));
        for bad in ["2.50", "-2.50 USD", "2.50 EUR", "1e3 USD", "USD"] {
            let message = format!("found {bad:?}, expected an amount like \"2.50 USD\"");
            assert_eq!(shown::<Dollars>(bad), Err(message));
        }
        assert!(shown::<Wattage>("0.0001 W").is_err() && shown::<Wattage>("80").is_err());
    }

    #[test]
    fn lifetimes_are_whole_hours() {
        for (text, shown_as) in [
            ("3 years", "3 years"),
            ("1 year", "1 year"),
            ("0.5 years", "4380 hours"),
            ("36 h", "36 hours"),
            ("180 days", "180 days"),
            ("48 hours", "2 days"),
        ] {
            assert_eq!(shown::<Lifetime>(text).as_deref(), Ok(shown_as), "{text}");
        }
        let expected = "expected a time above zero like \"3 years\", \"180 days\" or \"26280 h\"";
        assert_eq!(shown::<Lifetime>("0 h"), Err(format!("found zero, \"0 h\", {expected}")));
        for bad in ["3", "-3 years", "3 months", "0.5 h", "99999999999999 years"] {
            assert_eq!(shown::<Lifetime>(bad), Err(format!("found {bad:?}, {expected}")));
        }
    }

    #[test]
    fn dates_are_months_or_days() {
        for good in ["2026-11", "2026-11-05"] {
            assert_eq!(shown::<PriceDate>(good).as_deref(), Ok(good));
        }
        for bad in ["2026", "11-2026", "2026-13", "2026-11-32", "2026-1", "yesterday", "1234-01"] {
            let expected = "expected a month or day like \"2026-11\" or \"2026-11-05\"";
            assert_eq!(shown::<PriceDate>(bad), Err(format!("found {bad:?}, {expected}")));
        }
    }
}
