//! Scales: numbers to places along an axis, and where the ticks go.

/// A linear or logarithmic axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// Linear from `low` to `high`; an empty range becomes `low` to `low + 1`.
    pub(in crate::report) fn linear(low: f64, high: f64) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 }, log: false }
    }

    /// Linear from zero to just above the largest value.
    pub(in crate::report) fn from_zero(values: &[f64]) -> Self {
        Self::linear(0.0, largest(values) * 1.04)
    }

    /// Linear around the values, from zero unless they all lie in the upper half.
    pub(in crate::report) fn around(values: &[f64]) -> Self {
        let (low, high) = (smallest(values), largest(values));
        if values.is_empty() || low < high / 2.0 || low >= high {
            return Self::from_zero(values);
        }
        let margin = (high - low) * 0.06;
        Self::linear((low - margin).max(0.0), high + margin)
    }

    /// Logarithmic where the positive values span more than a factor of `ratio`, else from zero.
    pub(in crate::report) fn log_beyond(ratio: f64, values: &[f64]) -> Self {
        let low = values.iter().copied().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let high = largest(values);
        if low.is_finite() && values.iter().all(|value| *value > 0.0) && high > low * ratio {
            return Self { low: low / 1.15, high: high * 1.15, log: true };
        }
        Self::from_zero(values)
    }

    /// Logarithmic where the values are positive and span more than a factor of `ratio`, else around them.
    pub(in crate::report) fn spread(ratio: f64, values: &[f64]) -> Self {
        let scale = Self::log_beyond(ratio, values);
        if scale.log { scale } else { Self::around(values) }
    }

    /// Whether it is logarithmic.
    pub(in crate::report) fn is_log(self) -> bool {
        self.log
    }

    /// Whether the value lies on the axis.
    pub(in crate::report) fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Where a value lies: 0 at the low end, 1 at the high end, clamped.
    pub(in crate::report) fn share(self, value: f64) -> f64 {
        let share = if self.log {
            (libm::log10(value.max(self.low)) - libm::log10(self.low))
                / (libm::log10(self.high) - libm::log10(self.low))
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// Round values on the axis and their texts, about `wanted` of them.
    pub(in crate::report) fn ticks(self, wanted: u32) -> Vec<(f64, String)> {
        if self.log {
            return self.log_ticks();
        }
        let step = round_step((self.high - self.low) / f64::from(wanted.max(1)));
        let first = (self.low / step).ceil();
        (0..=wanted * 3)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|value| *value <= self.high + step * 1e-9)
            .map(|value| (value, decimal(value, decimals_of(step))))
            .collect()
    }

    /// 1, 2, 5 in every decade; only 1 where there are more than three.
    fn log_ticks(self) -> Vec<(f64, String)> {
        let digits: &[f64] = if self.high > self.low * 2000.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let mut ticks = Vec::new();
        let mut decade = round_decade(self.low);
        while decade <= self.high {
            let inside = digits.iter().map(|digit| digit * decade).filter(|value| self.contains(*value));
            ticks.extend(inside.map(|value| (value, decimal(value, decimals_of(decade)))));
            decade *= 10.0;
        }
        ticks
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn smallest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The largest power of ten at or below a positive value.
fn round_decade(value: f64) -> f64 {
    let mut decade = 1.0;
    while decade > value && decade > 1e-12 {
        decade /= 10.0;
    }
    while decade * 10.0 <= value {
        decade *= 10.0;
    }
    decade
}

/// The smallest of 1, 2, 5, 10 times a power of ten at or above a positive value.
fn round_step(value: f64) -> f64 {
    let decade = round_decade(value);
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * decade)
        .find(|step| *step >= value)
        .unwrap_or(decade * 10.0)
}

fn decimals_of(step: f64) -> usize {
    let mut scaled = step;
    let mut decimals = 0;
    while scaled < 0.999 && decimals < 9 {
        scaled *= 10.0;
        decimals += 1;
    }
    decimals
}

/// A number with fixed decimals.
fn decimal(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}")
}

/// The unit in which sizes up to `bytes` are drawn: bytes per unit, and its name.
pub(in crate::report) fn size_unit(bytes: u64) -> (f64, &'static str) {
    match bytes {
        0..0x4000_0000 => (1_048_576.0, "MiB"),
        0x4000_0000..0x200_0000_0000 => (1_073_741_824.0, "GiB"),
        _ => (1_099_511_627_776.0, "TiB"),
    }
}

/// The unit in which times up to `ns` are drawn: nanoseconds per unit, and its name.
pub(in crate::report) fn time_unit(ns: u64) -> (f64, &'static str) {
    match ns {
        0..1_000_000 => (1e3, "us"),
        1_000_000..10_000_000_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale) -> String {
        scale.ticks(6).into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round() {
        for (scale, expected) in [
            (Scale::linear(0.0, 100.0), "0 20 40 60 80 100"),
            (Scale::linear(0.0, 0.3), "0.00 0.05 0.10 0.15 0.20 0.25 0.30"),
            (Scale::linear(14.2, 14.9), "14.2 14.4 14.6 14.8"),
            (Scale::from_zero(&[]), "0.0 0.2 0.4 0.6 0.8 1.0"),
            (Scale::from_zero(&[3.0e9]), "0 1000000000 2000000000 3000000000"),
            (Scale::log_beyond(20.0, &[0.5, 30.0]), "0.5 1 2 5 10 20"),
            (Scale::log_beyond(20.0, &[1.0, 30_000.0]), "1 10 100 1000 10000"),
        ] {
            assert_eq!(texts(scale), expected, "{scale:?}");
        }
    }

    #[test]
    fn a_zero_among_the_values_keeps_the_scale_linear() {
        assert!(!Scale::log_beyond(20.0, &[0.0, 30.0]).is_log());
        assert!(Scale::log_beyond(20.0, &[1.0, 30.0]).is_log());
    }

    #[test]
    fn values_beyond_the_ends_are_clamped() {
        let scale = Scale::linear(10.0, 20.0);
        assert_eq!((scale.share(5.0), scale.share(15.0), scale.share(99.0)), (0.0, 0.5, 1.0));
    }
}
