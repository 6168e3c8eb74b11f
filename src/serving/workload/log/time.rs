//! Times of arrival as text: decimal numbers in some unit, and dates. Exact to the nanosecond, without floating point.

use std::fmt;

/// How a column's times are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    name: &'static str,
    /// Nanoseconds are numbers times this power of ten.
    power: i32,
    /// Dates may stand there too, since the column's name states no unit.
    dates: bool,
}

/// Units by the suffix of a column's name, and their power of ten in nanoseconds.
const UNITS: &[(&str, i32)] = &[("s", 9), ("sec", 9), ("seconds", 9), ("ms", 6), ("us", 3), ("ns", 0)];

impl Unit {
    /// Seconds, or dates.
    pub(super) const SECONDS: Self = Self { name: "s", power: 9, dates: true };
    /// Milliseconds, or dates.
    pub(super) const MILLISECONDS: Self = Self { name: "ms", power: 6, dates: true };

    /// The unit that a suffix names.
    pub(super) fn of_suffix(suffix: &str) -> Option<Self> {
        let (name, power) = UNITS.iter().find(|(name, _)| *name == suffix)?;
        Some(Self { name, power: *power, dates: false })
    }

    /// What a cell is expected to be.
    pub(super) fn expected(self) -> String {
        let date = if self.dates { ", or a date such as 2023-11-16 18:15:46.6805900" } else { "" };
        format!("a time of 0 or more in {}{date}", self.name)
    }

    /// Nanoseconds since 0, or since 1970 for dates.
    pub(super) fn parse(self, text: &str) -> Option<u64> {
        if self.dates && text.contains(':') { date(text) } else { decimal(text, self.power) }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        f.write_str(if self.dates { " or dates" } else { "" })
    }
}

/// A decimal number times 10^`power`, to the nearest whole one; `None` for anything else, minus included.
fn decimal(text: &str, power: i32) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.len() + fraction.len();
    let plain = [whole, fraction].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    // 38 digits are what 128 bits hold.
    if !plain || digits == 0 || digits > 38 {
        return None;
    }
    let number: u128 = format!("{whole}{fraction}").parse().ok()?;
    let power = power.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let ten = 10_u128.checked_pow(power.unsigned_abs());
    let scaled = match ten {
        _ if number == 0 => Some(0),
        Some(ten) if power >= 0 => number.checked_mul(ten),
        Some(ten) => Some(number / ten + u128::from(number % ten >= ten.div_ceil(2))),
        None if power < 0 => Some(0),
        None => None,
    };
    u64::try_from(scaled?).ok()
}

/// `2023-11-16 18:15:46.6805900`, with `T` between date and time where one likes, and with `Z` or `+00:00` at the end.
/// Without a zone it is taken as UTC. Digits beyond the ninth are dropped.
fn date(text: &str) -> Option<u64> {
    let (day, clock) = text.split_once(['T', ' '])?;
    let [year, month, day] = numbers(day, '-', [4, 2, 2])?;
    let (clock, zone_minutes) = zone(clock)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let longest = *lengths.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if year < 1970 || !(1..=longest).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: i64 = format!("{:0<9}", &fraction[..fraction.len().min(9)]).parse().ok()?;
    let days_before = lengths.iter().take(usize::try_from(month).ok()? - 1).sum::<i64>() + day - 1;
    // Leap days before the year, from those of the Gregorian calendar up to 1969.
    let leap_days = |years: i64| years / 4 - years / 100 + years / 400;
    let days = 365 * (year - 1970) + leap_days(year - 1) - leap_days(1969) + days_before;
    let seconds = ((days * 24 + hour) * 60 + minute - zone_minutes) * 60 + second;
    u64::try_from(seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)?).ok()
}

/// A clock without its zone, and the zone's minutes before UTC.
fn zone(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else { return Some((clock, 0)) };
    let [hours, minutes] = numbers(&clock[at + 1..], ':', [2, 2])?;
    let sign = if clock[at..].starts_with('+') { 1 } else { -1 };
    (hours < 24 && minutes < 60).then_some((&clock[..at], sign * (hours * 60 + minutes)))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Numbers of fixed widths with separators between them, and nothing else.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for (number, width) in found.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_exact() {
        for (text, power, expected) in [
            ("0", 9, Some(0)),
            ("61.114", 9, Some(61_114_000_000)),
            ("3052", 6, Some(3_052_000_000)),
            ("0.5", 0, Some(1)),
            ("0.4999", 0, Some(0)),
            ("1e-05", 9, Some(10_000)),
            ("1.7001585466805900E9", 9, Some(1_700_158_546_680_590_000)),
            (".5", 9, Some(500_000_000)),
            ("5.", 9, Some(5_000_000_000)),
            ("0.00000000000000000000000000000000000001", 9, None),
            ("1e-60", 9, Some(0)),
            ("0e99", 9, Some(0)),
            ("1e99", 9, None),
            ("20000000000", 9, None),
            ("-1", 9, None),
            ("NaN", 9, None),
            ("inf", 9, None),
            ("", 9, None),
            (".", 9, None),
            ("1e", 9, None),
            ("1_000", 9, None),
            ("0x10", 9, None),
        ] {
            assert_eq!(decimal(text, power), expected, "{text}");
        }
    }

    #[test]
    fn dates_are_exact() {
        // From `date -u -d ... +%s%N`.
        for (text, expected) in [
            ("1970-01-01 00:00:00", Some(0)),
            ("2023-11-16 18:15:46.6805900", Some(1_700_158_546_680_590_000)),
            ("2024-05-10 00:00:00.009930+00:00", Some(1_715_299_200_009_930_000)),
            ("2024-02-29T23:59:59.999999999Z", Some(1_709_251_199_999_999_999)),
            ("2024-02-29T23:59:59.9999999999Z", Some(1_709_251_199_999_999_999)),
            ("2000-03-01 00:00:00", Some(951_868_800_000_000_000)),
            ("2100-03-01 00:00:00", Some(4_107_542_400_000_000_000)),
            ("2024-01-01 02:00:00+02:00", Some(1_704_067_200_000_000_000)),
            ("2023-12-31 22:30:00-01:30", Some(1_704_067_200_000_000_000)),
            ("2023-02-29 00:00:00", None),
            ("2023-13-01 00:00:00", None),
            ("2023-00-01 00:00:00", None),
            ("2023-11-16 24:00:00", None),
            ("2023-11-16 18:15:46.", None),
            ("2023-11-16 18:15:46.6x", None),
            ("2023-11-16 18:15", None),
            ("2023-11-16", None),
            ("1969-12-31 23:59:59", None),
            ("9999-01-01 00:00:00", None),
            ("23-11-16 18:15:46", None),
            ("2023-11-16 +8:15:46", None),
        ] {
            assert_eq!(date(text), expected, "{text}");
        }
    }

    proptest! {
        /// Writing a number of nanoseconds in a unit and reading it back gives the same number.
        #[test]
        fn what_is_written_is_read(ns in any::<u64>()) {
            prop_assert_eq!(decimal(&ns.to_string(), 0), Some(ns));
            let seconds = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
            prop_assert_eq!(decimal(&seconds, 9), Some(ns));
            prop_assert_eq!(decimal(&format!("{seconds}e3"), 6), Some(ns));
            let milliseconds = format!("{}.{:06}", ns / 1_000_000, ns % 1_000_000);
            prop_assert_eq!(decimal(&milliseconds, 6), Some(ns));
        }

        /// The day after a day comes 24 hours later: against a slow count from 1970.
        #[test]
        fn days_follow_each_other(days in 0_u64..60_000) {
            let (mut year, mut left) = (1970, days);
            while left >= 365 + u64::from(is_leap(year)) {
                left -= 365 + u64::from(is_leap(year));
                year += 1;
            }
            let mut month = 1;
            for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                if left < length {
                    break;
                }
                left -= length;
                month += 1;
            }
            let text = format!("{year:04}-{month:02}-{:02} 00:00:01", left + 1);
            prop_assert_eq!(date(&text), Some((days * 86_400 + 1) * 1_000_000_000));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.:TZeE é]{0,30}") {
            let _ = Unit::SECONDS.parse(&text);
            let _ = Unit::of_suffix("ms").map(|unit| unit.parse(&text));
        }
    }
}
