//! Sizes in integer bytes. GB = 10^9, GiB = 2^30.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use super::time::three_figures;

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);
    /// One MiB, 2^20 bytes.
    pub const MIB: Self = Self(1 << 20);
    /// One GiB, 2^30 bytes.
    pub const GIB: Self = Self(1 << 30);

    /// A size of `bytes` bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `self - other`, or zero where `other` is larger.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The size `count` times over; panics on overflow of 2^64 bytes.
    pub const fn times(self, count: u64) -> Self {
        Self(self.0 * count)
    }

    /// `self` added `count` times over, or the most that 64 bits hold.
    pub const fn saturating_times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// `self` scaled by `parts / whole`, rounded down; `whole` must not be zero.
    pub fn fraction(self, parts: u64, whole: u64) -> Self {
        let scaled = u128::from(self.0) * u128::from(parts) / u128::from(whole);
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

impl Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Bytes {
    type Output = Self;
    /// Panics where `other` is larger: bytes that were never reserved cannot be released.
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl SubAssign for Bytes {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Bytes {
    /// Three significant figures in binary units: `512 B`, `47.5 MiB`, `26.1 GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{} {}", three_figures(value), UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_in_binary_units() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (49_766_400, "47.5 MiB"),
            (28 << 30, "28.0 GiB"),
        ] {
            assert_eq!(Bytes::new(bytes).to_string(), text);
        }
    }

    #[test]
    fn fractions_do_not_overflow() {
        let huge = Bytes::new(u64::MAX);
        assert_eq!(huge.fraction(1, 1), huge);
        assert_eq!(Bytes::new(10).fraction(1, 3), Bytes::new(3));
    }
}
