//! Numbers to text by integer arithmetic, so that every machine rounds alike.

use crate::units::{Bytes, SimDuration};

/// `numerator / denominator` with a fixed number of decimals, half rounded up; empty for a zero denominator.
pub(super) fn ratio(numerator: u128, denominator: u128, decimals: u32) -> String {
    if denominator == 0 {
        return String::new();
    }
    let scale = 10_u128.pow(decimals);
    let scaled = (numerator * scale + denominator / 2) / denominator;
    if decimals == 0 {
        return scaled.to_string();
    }
    let width = decimals as usize;
    format!("{}.{:0width$}", scaled / scale, scaled % scale)
}

/// Milliseconds to the nanosecond: `3.210000`.
pub(super) fn ms(ns: u64) -> String {
    ratio(u128::from(ns), 1_000_000, 6)
}

/// `part` of `whole` in percent; empty for a zero whole.
pub(super) fn percent(part: u64, whole: u64, decimals: u32) -> String {
    ratio(u128::from(part) * 100, u128::from(whole), decimals)
}

/// `count` per second over `ns`; empty for no time.
pub(super) fn per_second(count: u64, ns: u64, decimals: u32) -> String {
    ratio(u128::from(count) * 1_000_000_000, u128::from(ns), decimals)
}

/// A size for reading: `26.1 GiB`.
pub(super) fn size(bytes: u64) -> String {
    Bytes::new(bytes).to_string()
}

/// A span for reading: `3.21 ms`.
pub(super) fn span(ns: u64) -> String {
    SimDuration::from_ns(ns).to_string()
}

/// `1 point`, `2 points`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Parts per million as a percentage with as few decimals as it needs, at most two: `5 %`, `12.5 %`.
pub(super) fn share(ppm: u64) -> String {
    let text = ratio(u128::from(ppm), 10_000, 2);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A rate between 0 and 1 in percent, without the sign: `55.8`.
pub(super) fn rate(rate: f64, decimals: usize) -> String {
    fixed(rate * 100.0, decimals)
}

/// A number with so many decimals; never a negative zero.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.starts_with('-') && text.chars().all(|c| "-0.".contains(c));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

/// A difference with its sign: `+1.6`, `-0.3`, `0.0`.
pub(super) fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    let is_positive = !text.starts_with('-') && text.chars().any(|c| ('1'..='9').contains(&c));
    if is_positive { format!("+{text}") } else { text }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_up_and_pads() {
        for (numerator, denominator, decimals, text) in [
            (1, 3, 4, "0.3333"),
            (2, 3, 4, "0.6667"),
            (1, 2, 0, "1"),
            (5, 1000, 2, "0.01"),
            (7, 7, 2, "1.00"),
            (1, 0, 2, ""),
        ] {
            assert_eq!(ratio(numerator, denominator, decimals), text, "{numerator}/{denominator}");
        }
    }

    #[test]
    fn shares_and_differences_are_short() {
        let shares = [50_000, 249_999, 125_000, 1_000_000, 31_250, 0].map(share);
        assert_eq!(shares, ["5 %", "25 %", "12.5 %", "100 %", "3.13 %", "0 %"]);
        assert_eq!([1.25, -0.34, 0.04, -0.04].map(|value| signed(value, 1)), ["+1.2", "-0.3", "0.0", "0.0"]);
        assert_eq!([rate(0.558, 1), rate(1.0, 0), fixed(-0.4, 0)], ["55.8", "100", "0"]);
        let items = ["a", "b", "c"].map(str::to_owned);
        assert_eq!([listed(&items), listed(&items[..2]), listed(&[])], ["a, b and c", "a and b", ""]);
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        assert_eq!(percent(u64::MAX, u64::MAX, 4), "100.0000");
        assert_eq!(per_second(u64::MAX, 1, 3), "18446744073709551615000000000.000");
        assert_eq!(ms(u64::MAX), "18446744073709.551615");
    }
}
