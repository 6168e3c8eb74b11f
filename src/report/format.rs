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
    fn the_largest_values_do_not_overflow() {
        assert_eq!(percent(u64::MAX, u64::MAX, 4), "100.0000");
        assert_eq!(per_second(u64::MAX, 1, 3), "18446744073709551615000000000.000");
        assert_eq!(ms(u64::MAX), "18446744073709.551615");
    }
}
