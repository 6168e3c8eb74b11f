//! How often each expert is chosen, and how uneven that is.

use crate::trace::Trace;
use crate::units::LayerIndex;

use super::walk::{Slots, index};

/// Selections of each expert of each layer: the profile that static placements and frequency-based policies start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popularity {
    /// Selections, at `layer * experts + expert`.
    pub counts: Vec<u64>,
    experts: usize,
}

impl Popularity {
    /// Counts the selections of the named sequences, prefill and decode together; a sequence named twice counts twice.
    /// Panics where a sequence is not in the trace.
    pub fn of(trace: &Trace, sequences: impl IntoIterator<Item = usize>) -> Self {
        let header = trace.header();
        let experts = header.experts as usize;
        let mut counts = vec![0; header.layers() * experts];
        let slots = Slots::of(trace);
        for sequence in sequences {
            let sequence = &trace.sequences()[sequence];
            for row in index(sequence.first_token)..index(sequence.first_token + sequence.tokens) {
                for layer in 0..header.layers() {
                    for expert in slots.row(row, layer) {
                        counts[layer * experts + usize::from(expert)] += 1;
                    }
                }
            }
        }
        Self { counts, experts }
    }

    /// From counts that were taken elsewhere, at `layer * experts + expert`; panics where the last layer is incomplete.
    pub fn from_counts(experts: usize, counts: Vec<u64>) -> Self {
        assert!(experts > 0 && counts.len().is_multiple_of(experts), "every layer has {experts} counts");
        Self { counts, experts }
    }

    /// The counts of one layer, by expert.
    pub fn layer(&self, layer: LayerIndex) -> &[u64] {
        &self.counts[usize::from(layer.0) * self.experts..][..self.experts]
    }

    /// The experts of one layer, most chosen first; equals by their number.
    pub fn hottest_first(&self, layer: LayerIndex) -> Vec<u16> {
        let counts = self.layer(layer);
        let mut experts: Vec<u16> = (0..=u16::MAX).take(self.experts).collect();
        experts.sort_by_key(|expert| std::cmp::Reverse(counts[usize::from(*expert)]));
        experts
    }
}

/// The counts of one layer, largest first, and what they say about its skew.
pub(super) struct Skew {
    descending: Vec<u64>,
}

impl Skew {
    pub(super) fn of(counts: &[u64]) -> Self {
        let mut descending = counts.to_vec();
        descending.sort_unstable_by(|one, two| two.cmp(one));
        Self { descending }
    }

    pub(super) fn selections(&self) -> u64 {
        self.descending.iter().sum()
    }

    /// Selections of the hottest `1 / parts` of the experts, rounded up to whole experts.
    pub(super) fn hottest(&self, parts: usize) -> u64 {
        self.descending.iter().take(self.descending.len().div_ceil(parts)).sum()
    }

    pub(super) fn unused(&self) -> u64 {
        self.descending.iter().filter(|count| **count == 0).count() as u64
    }

    /// Slope of the least-squares line of ln count on ln rank, sign turned, over the experts that were used. `None` for
    /// fewer than two of them.
    pub(super) fn zipf_slope(&self) -> Option<f64> {
        let points: Vec<(f64, f64)> = (1_u32..)
            .zip(self.descending.iter().take_while(|count| **count > 0))
            .map(|(rank, count)| (libm::log(f64::from(rank)), libm::log(*count as f64)))
            .collect();
        if points.len() < 2 {
            return None;
        }
        let n = points.len() as f64;
        let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / n;
        let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / n;
        let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let variance: f64 = points.iter().map(|(x, _)| (x - mean_x) * (x - mean_x)).sum();
        // Not a plain negation: an even layer has slope 0, not -0.
        Some(0.0 - covariance / variance)
    }

    /// Shannon entropy of the popularity over its largest possible value: 1 where all experts are equally popular.
    /// `None` without selections or with a single expert.
    pub(super) fn entropy(&self) -> Option<f64> {
        let total = self.selections();
        if total == 0 || self.descending.len() < 2 {
            return None;
        }
        let nats: f64 = self
            .descending
            .iter()
            .take_while(|count| **count > 0)
            .map(|count| {
                let share = *count as f64 / total as f64;
                share * libm::log(share)
            })
            .sum();
        Some(0.0 - nats / libm::log(self.descending.len() as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_of_known_counts() {
        // Ten experts: the hottest tenth is one of them, the hottest quarter three.
        let skew = Skew::of(&[1, 8, 0, 4, 2, 0, 0, 0, 0, 1]);
        assert_eq!(skew.selections(), 16);
        assert_eq!(skew.hottest(10), 8);
        assert_eq!(skew.hottest(4), 14);
        assert_eq!(skew.unused(), 5);
    }

    #[test]
    fn finds_the_slope_of_an_exact_power_law() {
        // 720720 / rank is whole for every rank up to 16 but 9 and 16, and within one part in 10^5 there.
        let counts: Vec<u64> = (1..=16).map(|rank| 720_720 / rank).collect();
        let slope = Skew::of(&counts).zipf_slope().unwrap();
        assert!((slope - 1.0).abs() < 1e-5, "{slope}");
        assert_eq!(Skew::of(&[5; 7]).zipf_slope(), Some(0.0));
        assert_eq!(Skew::of(&[5, 0]).zipf_slope(), None);
    }

    #[test]
    fn entropy_runs_from_one_expert_to_all() {
        assert_eq!(Skew::of(&[9, 0, 0, 0]).entropy(), Some(0.0));
        let even = Skew::of(&[3; 8]).entropy().unwrap();
        assert!((even - 1.0).abs() < 1e-12);
        let half = Skew::of(&[4, 4, 0, 0]).entropy().unwrap();
        assert!((half - 0.5).abs() < 1e-12);
        assert_eq!(Skew::of(&[0, 0]).entropy(), None);
        assert_eq!(Skew::of(&[4]).entropy(), None);
    }

    #[test]
    fn hottest_first_breaks_ties_by_number() {
        let popularity = Popularity::from_counts(4, vec![0, 0, 0, 0, 2, 5, 2, 7]);
        assert_eq!(popularity.hottest_first(LayerIndex(0)), [0, 1, 2, 3]);
        assert_eq!(popularity.hottest_first(LayerIndex(1)), [3, 1, 0, 2]);
    }
}
