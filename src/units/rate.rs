//! Rates: bytes per second and floating-point operations per second, both integer and never zero.

use std::fmt;
use std::num::NonZeroU64;

use super::time::three_figures;
use super::{Bytes, SimDuration};

const NS_PER_S: u128 = 1_000_000_000;
const PPM: u64 = 1_000_000;

/// A bandwidth in bytes per second. GB/s = 10^9 bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bandwidth(NonZeroU64);

/// A compute rate in floating-point operations per second; a multiply-add counts as two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlopRate(NonZeroU64);

/// `amount / rate` in nanoseconds, rounded up; saturates at 2^64 ns.
fn time_at(amount: u64, rate: NonZeroU64) -> SimDuration {
    let ns = (u128::from(amount) * NS_PER_S).div_ceil(u128::from(rate.get()));
    SimDuration::from_ns(u64::try_from(ns).unwrap_or(u64::MAX))
}

/// `rate * ppm / 10^6`, rounded down but never below 1.
fn scaled(rate: NonZeroU64, ppm: u64) -> NonZeroU64 {
    let value = u128::from(rate.get()) * u128::from(ppm) / u128::from(PPM);
    NonZeroU64::new(u64::try_from(value).unwrap_or(u64::MAX)).unwrap_or(NonZeroU64::MIN)
}

impl Bandwidth {
    /// A bandwidth of `rate` bytes per second; `None` for zero.
    pub fn from_bytes_per_s(rate: u64) -> Option<Self> {
        NonZeroU64::new(rate).map(Self)
    }

    /// Bytes per second.
    pub const fn bytes_per_s(self) -> u64 {
        self.0.get()
    }

    /// How long `size` takes at this bandwidth, rounded up to a nanosecond.
    pub fn time_for(self, size: Bytes) -> SimDuration {
        time_at(size.get(), self.0)
    }

    /// This bandwidth times an efficiency in parts per million.
    #[must_use]
    pub fn at_ppm(self, ppm: u64) -> Self {
        Self(scaled(self.0, ppm))
    }
}

impl FlopRate {
    /// A rate of `rate` operations per second; `None` for zero.
    pub fn from_flops_per_s(rate: u64) -> Option<Self> {
        NonZeroU64::new(rate).map(Self)
    }

    /// Operations per second.
    pub const fn flops_per_s(self) -> u64 {
        self.0.get()
    }

    /// How long `flops` operations take at this rate, rounded up to a nanosecond.
    pub fn time_for(self, flops: u64) -> SimDuration {
        time_at(flops, self.0)
    }

    /// This rate times an efficiency in parts per million.
    #[must_use]
    pub fn at_ppm(self, ppm: u64) -> Self {
        Self(scaled(self.0, ppm))
    }
}

fn show(f: &mut fmt::Formatter<'_>, rate: u64, units: [&str; 4]) -> fmt::Result {
    let value = rate as f64;
    let (scale, unit) = match rate {
        0..1_000_000_000 => (1e6, units[0]),
        1_000_000_000..1_000_000_000_000 => (1e9, units[1]),
        1_000_000_000_000..1_000_000_000_000_000 => (1e12, units[2]),
        _ => (1e15, units[3]),
    };
    write!(f, "{} {unit}", three_figures(value / scale))
}

impl fmt::Display for Bandwidth {
    /// Three significant figures in decimal units: `550 MB/s`, `26.0 GB/s`, `3.35 TB/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.0.get(), ["MB/s", "GB/s", "TB/s", "PB/s"])
    }
}

impl fmt::Display for FlopRate {
    /// Three significant figures: `165 TFLOP/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.0.get(), ["MFLOP/s", "GFLOP/s", "TFLOP/s", "PFLOP/s"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_times_round_up_and_survive_big_numbers() {
        let link = Bandwidth::from_bytes_per_s(26_000_000_000).unwrap();
        assert_eq!(link.time_for(Bytes::new(1)), SimDuration::from_ns(1));
        assert_eq!(link.time_for(Bytes::ZERO), SimDuration::ZERO);
        assert_eq!(link.time_for(Bytes::new(26_000_000_000)), SimDuration::from_ns(1_000_000_000));
        // 8 EiB at 1 B/s does not fit in 64-bit nanoseconds: it saturates instead of wrapping.
        let slow = Bandwidth::from_bytes_per_s(1).unwrap();
        assert_eq!(slow.time_for(Bytes::new(1 << 63)), SimDuration::from_ns(u64::MAX));
    }

    #[test]
    fn an_efficiency_never_makes_a_rate_zero() {
        let rate = Bandwidth::from_bytes_per_s(10).unwrap();
        assert_eq!(rate.at_ppm(500_000).bytes_per_s(), 5);
        assert_eq!(rate.at_ppm(0).bytes_per_s(), 1);
    }
}
