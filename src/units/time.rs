//! Simulated time: an instant and a span, both in integer nanoseconds.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

/// An instant of simulated time, in nanoseconds since the simulation began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(u64);

/// A span of simulated time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(u64);

impl SimTime {
    /// The beginning of every simulation.
    pub const ZERO: Self = Self(0);

    /// The instant `ns` nanoseconds after the beginning.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the beginning.
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// The span from `earlier` to `self`; zero where `earlier` is later.
    pub const fn since(self, earlier: Self) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `ns` nanoseconds.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds in the span.
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// The span `count` times over; panics on overflow of 2^64 ns (584 years).
    pub const fn times(self, count: u64) -> Self {
        Self(self.0 * count)
    }
}

impl Add<SimDuration> for SimTime {
    type Output = Self;
    fn add(self, span: SimDuration) -> Self {
        Self(self.0 + span.0)
    }
}

impl Add for SimDuration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for SimDuration {
    type Output = Self;
    /// Panics where `other` is longer: a negative span is a bug, never a value.
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for SimDuration {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for SimDuration {
    /// Three significant figures in the unit that suits: `850 ns`, `12.5 us`, `3.21 ms`, `1.50 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0 as f64;
        match self.0 {
            0..1_000 => write!(f, "{} ns", self.0),
            1_000..1_000_000 => write!(f, "{} us", three_figures(ns / 1e3)),
            1_000_000..1_000_000_000 => write!(f, "{} ms", three_figures(ns / 1e6)),
            _ => write!(f, "{} s", three_figures(ns / 1e9)),
        }
    }
}

/// A positive number to three significant figures, without an exponent.
pub(super) fn three_figures(value: f64) -> String {
    let decimals = if value >= 100.0 { 0 } else { usize::from(value < 10.0) + 1 };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_in_the_unit_that_suits() {
        for (ns, text) in [
            (0, "0 ns"),
            (850, "850 ns"),
            (12_500, "12.5 us"),
            (3_210_000, "3.21 ms"),
            (1_500_000_000, "1.50 s"),
        ] {
            assert_eq!(SimDuration::from_ns(ns).to_string(), text);
        }
    }

    #[test]
    fn since_never_goes_negative() {
        let (early, late) = (SimTime::from_ns(5), SimTime::from_ns(9));
        assert_eq!(late.since(early), SimDuration::from_ns(4));
        assert_eq!(early.since(late), SimDuration::ZERO);
    }
}
