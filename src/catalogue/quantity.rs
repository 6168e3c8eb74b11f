//! Quantities that only the catalogue writes: shares, watts, prices, memory transfer rates.
//!
//! Read from text with a unit, like those of `units`: `"72 %"`, `"450 W"`, `"1599 USD"`, `"5600 MT/s"`.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

use crate::units::UnitError;

/// A share of a nominal figure in parts per million. Mostly below the whole, but ten times it is allowed: integer kernels
/// outrun a CPU's floating-point peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u64);

impl Ratio {
    /// The whole.
    pub const ONE: Self = Self(1_000_000);

    /// A share of `ppm` parts per million; `None` above ten times the whole.
    pub const fn from_ppm(ppm: u64) -> Option<Self> {
        if ppm <= 10 * Self::ONE.0 { Some(Self(ppm)) } else { None }
    }

    /// Parts per million, as `Bandwidth::at_ppm` and `FlopRate::at_ppm` take them.
    pub const fn ppm(self) -> u64 {
        self.0
    }
}

/// `digits[.digits] unit`, scaled by 10^`decimals`; refuses what would need rounding.
fn read(text: &str, unit: &str, decimals: usize, example: &str) -> Result<u64, UnitError> {
    let refuse = || UnitError { found: format!("{text:?}"), expected: format!("a value like {example:?}") };
    let number = text.trim().strip_suffix(unit).ok_or_else(refuse)?.trim();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > decimals || !plain(whole) || !plain(fraction) {
        return Err(refuse());
    }
    format!("{whole}{fraction:0<decimals$}").parse().map_err(|_| refuse())
}

impl FromStr for Ratio {
    type Err = UnitError;
    /// `"72 %"`, with at most four decimals so that nothing is rounded.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let ppm = read(text, "%", 4, "72 %")?;
        Self::from_ppm(ppm)
            .ok_or_else(|| UnitError { found: format!("{text:?}"), expected: "at most 1000 %".to_owned() })
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:04}", self.0 % 10_000);
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{fraction} %", self.0 / 10_000)
    }
}

/// Whole numbers of one unit.
macro_rules! counted {
    ($(#[$doc:meta])* $name:ident, $unit:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl FromStr for $name {
            type Err = UnitError;
            fn from_str(text: &str) -> Result<Self, UnitError> {
                read(text, $unit, 0, $example).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0, $unit)
            }
        }
    };
}

counted!(
    /// Power in watts.
    Watts, "W", "450 W"
);
counted!(
    /// Memory transfers per second and channel, in millions.
    TransferRate, "MT/s", "5600 MT/s"
);

/// Numbers of one unit with up to so many decimals, kept in the smallest part of it.
macro_rules! fractional {
    ($(#[$doc:meta])* $name:ident, $(#[$get_doc:meta])* $get:ident, $unit:literal, $decimals:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            $(#[$get_doc])*
            pub const fn $get(self) -> u64 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = UnitError;
            fn from_str(text: &str) -> Result<Self, UnitError> {
                read(text, $unit, $decimals, $example).map(Self)
            }
        }

        impl fmt::Display for $name {
            /// As many decimals as it needs, none or at least two.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let scale = 10_u64.pow($decimals);
                let (whole, fraction) = (self.0 / scale, self.0 % scale);
                if fraction == 0 {
                    return write!(f, "{whole} {}", $unit);
                }
                let digits = format!("{fraction:0width$}", width = $decimals);
                write!(f, "{whole}.{:0<2} {}", digits.trim_end_matches('0'), $unit)
            }
        }
    };
}

fractional!(
    /// A price in US dollars, taxes excluded.
    Usd,
    /// Millionths of a dollar.
    micro, "USD", 6, "1599 USD"
);
fractional!(
    /// Power of something small, or of a whole machine.
    Power,
    /// Thousandths of a watt.
    milliwatts, "W", 3, "0.375 W"
);

macro_rules! deserialize_from_text {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                String::deserialize(source)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

deserialize_from_text!(Ratio, Watts, Power, Usd, TransferRate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_both_ways() {
        for (text, ppm) in
            [("72 %", 720_000), ("0 %", 0), ("100%", 1_000_000), ("0.0001 %", 1), ("88.25 %", 882_500)]
        {
            let ratio: Ratio = text.parse().unwrap();
            assert_eq!(ratio.ppm(), ppm, "{text}");
            assert_eq!(ratio.to_string().parse(), Ok(ratio), "{text}");
        }
        assert_eq!(Ratio(882_500).to_string(), "88.25 %");
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        for text in ["72", "1000.01 %", "0.00001 %", "-1 %", "%", ". %", "1e2 %", "18446744073709551615 %"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
        assert!("450".parse::<Watts>().is_err());
        assert!("4.5 W".parse::<Watts>().is_err());
        assert_eq!("450 W".parse(), Ok(Watts(450)));
        assert_eq!("5600 MT/s".parse(), Ok(TransferRate(5600)));
        assert!("-1 USD".parse::<Usd>().is_err());
        assert!("0.0000001 USD".parse::<Usd>().is_err());
    }

    #[test]
    fn money_and_power_are_exact_both_ways() {
        for (text, micro) in [("1599 USD", 1_599_000_000), ("2.50 USD", 2_500_000), ("0.1802 USD", 180_200)] {
            let price: Usd = text.parse().unwrap();
            assert_eq!((price.micro(), price.to_string().as_str()), (micro, text));
        }
        let power: Power = "0.375 W".parse().unwrap();
        assert_eq!((power.milliwatts(), power.to_string().as_str()), (375, "0.375 W"));
    }
}
