//! Numbers that are no sizes: rates of requests and factors. Kept as whole numbers of a small unit, so that what was
//! written decides results exactly.

use std::fmt;

use toml::Value;

use super::given::{FromGiven, refuse, show};
use crate::error::{Error, Result};

/// A non-negative decimal number of at most six decimals, in millionths.
pub fn millionths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let written = !(whole.is_empty() && fraction.is_empty());
    if !written || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

/// Millionths as a decimal number without trailing zeros.
pub(super) fn decimal(millionths: u64) -> String {
    let (whole, fraction) = (millionths / 1_000_000, millionths % 1_000_000);
    if fraction == 0 {
        return whole.to_string();
    }
    format!("{whole}.{fraction:06}").trim_end_matches('0').to_owned()
}

/// Requests in a given time, above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    millihertz: u64,
}

impl Rate {
    /// So many thousandths of a request a second; `None` for zero.
    pub fn from_millihertz(millihertz: u64) -> Option<Self> {
        (millihertz > 0).then_some(Self { millihertz })
    }

    /// Thousandths of a request a second.
    pub fn millihertz(self) -> u64 {
        self.millihertz
    }

    /// Requests a second.
    pub fn per_s(self) -> f64 {
        self.millihertz as f64 / 1e3
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} /s", decimal(self.millihertz.saturating_mul(1000)))
    }
}

impl FromGiven for Rate {
    fn from_given(value: &Value) -> Result<Self> {
        const EXPECTED: &str = "a rate above zero like \"4 /s\", \"0.5 /s\" or \"240 /min\"";
        let Some(text) = value.as_str().map(str::trim) else { return Err(refuse(value, EXPECTED)) };
        let end = text.find('/').unwrap_or(text.len());
        let seconds = match text[end..].trim() {
            "/s" => 1,
            "/min" => 60,
            "/h" => 3600,
            _ => return Err(refuse(value, EXPECTED)),
        };
        let per = millionths(text[..end].trim()).ok_or_else(|| refuse(value, EXPECTED))?;
        match Self::from_millihertz(per / seconds / 1000) {
            Some(rate) => Ok(rate),
            None if per == 0 => Err(Error::new(format!("found zero, {}", show(value))).expected(EXPECTED)),
            None => Err(refuse(value, "a rate of at least \"0.001 /s\"")),
        }
    }
}

/// A factor or another number without a unit, zero or above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Factor {
    millionths: u64,
}

impl Factor {
    /// `part / whole`, rounded to millionths; `whole` must not be zero.
    pub fn from_ratio(part: u64, whole: u64) -> Self {
        let scaled = u128::from(part) * 1_000_000 / u128::from(whole.max(1));
        Self { millionths: u64::try_from(scaled).unwrap_or(u64::MAX).max(1) }
    }

    /// As a number.
    pub fn value(self) -> f64 {
        self.millionths as f64 / 1e6
    }

    /// In millionths.
    pub fn ppm(self) -> u64 {
        self.millionths
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.millionths))
    }
}

impl FromGiven for Factor {
    fn from_given(value: &Value) -> Result<Self> {
        const EXPECTED: &str = "a number like 2.5, of at most six decimals";
        let text = match value {
            Value::Integer(_) | Value::Float(_) => show(value),
            Value::String(text) => text.trim().to_owned(),
            _ => return Err(refuse(value, EXPECTED)),
        };
        let millionths = millionths(&text).ok_or_else(|| refuse(value, EXPECTED))?;
        Ok(Self { millionths })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> std::result::Result<String, String> {
        Rate::from_given(&Value::from(text)).map(|rate| rate.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn rates_carry_a_time() {
        assert_eq!(rate("4 /s").as_deref(), Ok("4 /s"));
        assert_eq!(rate("240/min").as_deref(), Ok("4 /s"));
        assert_eq!(rate("0.25 /s").as_deref(), Ok("0.25 /s"));
        let expected = "expected a rate above zero like \"4 /s\", \"0.5 /s\" or \"240 /min\"";
        assert_eq!(rate("0 /s"), Err(format!("found zero, \"0 /s\", {expected}")));
        for bad in ["4", "NaN /s", "-1 /s", "inf /s", "1e3 /s", "/s"] {
            assert_eq!(rate(bad), Err(format!("found {bad:?}, {expected}")));
        }
        assert_eq!(
            rate("0.0001 /s"),
            Err("found \"0.0001 /s\", expected a rate of at least \"0.001 /s\"".to_owned())
        );
    }

    #[test]
    fn factors_are_exact() {
        let factor = |value: Value| Factor::from_given(&value).map(|factor| factor.ppm()).ok();
        assert_eq!(factor(Value::from(2.5)), Some(2_500_000));
        assert_eq!(factor(Value::from(3)), Some(3_000_000));
        assert_eq!(factor(Value::from(f64::NAN)), None);
        assert_eq!(factor(Value::from(-1)), None);
    }
}
