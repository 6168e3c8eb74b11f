//! Exact quantiles of integers by the nearest-rank rule, so that a reported value is always one that occurred.

use serde::{Deserialize, Serialize};

/// The quantiles that reports show, of one quantity whose unit the field's name says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Number of values.
    pub count: u64,
    /// Sum of the values.
    pub sum: u64,
    /// Smallest value.
    pub min: u64,
    /// 10th percentile.
    pub p10: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest value.
    pub max: u64,
}

impl Quantiles {
    /// Of the values given, in any order; all zero for none.
    pub fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let (Some(min), Some(max)) = (values.first().copied(), values.last().copied()) else {
            return Self::default();
        };
        Self {
            count: values.len() as u64,
            sum: values.iter().sum(),
            min,
            p10: quantile(&values, 10),
            p50: quantile(&values, 50),
            p90: quantile(&values, 90),
            p95: quantile(&values, 95),
            p99: quantile(&values, 99),
            max,
        }
    }
}

impl Quantiles {
    /// Of values that each occurred a number of times, in any order.
    pub fn weighted(mut values: Vec<(u64, u64)>) -> Self {
        values.retain(|(_, times)| *times > 0);
        values.sort_unstable();
        let (Some(min), Some(max)) = (values.first(), values.last()) else { return Self::default() };
        let count: u64 = values.iter().map(|(_, times)| times).sum();
        let at = |percent: u64| {
            let rank = (count * percent).div_ceil(100).max(1);
            let mut before = 0;
            let found = values.iter().find(|(_, times)| {
                before += times;
                before >= rank
            });
            found.unwrap_or(max).0
        };
        Self {
            count,
            sum: values.iter().map(|(value, times)| value * times).sum(),
            min: min.0,
            p10: at(10),
            p50: at(50),
            p90: at(90),
            p95: at(95),
            p99: at(99),
            max: max.0,
        }
    }

    /// Mean, rounded down; zero for no values.
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count).unwrap_or(0)
    }
}

/// The nearest-rank percentile: the smallest value with at least `percent` of the values at or below it.
/// `sorted` ascends; zero for no values.
pub fn quantile(sorted: &[u64], percent: u64) -> u64 {
    let rank = (sorted.len() as u64 * percent).div_ceil(100).max(1);
    let index = usize::try_from(rank - 1).unwrap_or(usize::MAX);
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_stands_for_as_many_values() {
        let pairs = [(9_u64, 3_u64), (2, 1), (9, 0), (4, 5), (2, 2)];
        let all = pairs.iter().flat_map(|(value, times)| (0..*times).map(|_| *value));
        assert_eq!(Quantiles::weighted(pairs.to_vec()), Quantiles::of(all.collect()));
        assert_eq!(Quantiles::weighted(vec![(3, 0)]), Quantiles::default());
    }

    #[test]
    fn takes_values_that_occurred() {
        let values: Vec<u64> = (1..=10).rev().collect();
        let found = Quantiles::of(values);
        assert_eq!((found.min, found.p10, found.p50, found.p90, found.p99, found.max), (1, 1, 5, 9, 10, 10));
        assert_eq!(Quantiles::of(vec![7]).p10, 7);
        assert_eq!(Quantiles::of(vec![]), Quantiles::default());
    }
}
