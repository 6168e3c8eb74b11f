//! Integer weights, alias tables and draws of one layer.
//!
//! Logarithms and exponentials come from `libm` and only shape integer weights; what is drawn depends on integers
//! alone.

use rand::Rng;
use rand::distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;

use crate::rng::Xoshiro256PlusPlus;

/// Weight of an expert with the largest pull; others are in proportion, and never below 1.
const LARGEST_WEIGHT: f64 = 4_294_967_296.0;
/// Draws that may hit experts already taken before the rest is drawn from what is left, one by one.
const ALIAS_TRIES: u32 = 16;

/// A number with mean 0, variance 1 and nearly normal distribution: the sum of twelve uniform ones (Irwin and Hall,
/// 1927), which needs no logarithm.
pub(super) fn nearly_normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    let sum: u64 = (0..12).map(|_| rng.next_u64() >> 32).sum();
    sum as f64 / LARGEST_WEIGHT - 6.0
}

/// The experts of a layer in a random order, hottest first (Fisher and Yates, 1938).
pub(super) fn shuffled(experts: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<usize> {
    let mut order: Vec<usize> = (0..experts).collect();
    for last in (1..experts).rev() {
        order.swap(last, below(last as u64 + 1, rng));
    }
    order
}

/// A whole number below `limit`, by the high half of a product; biased by less than `limit / 2^64`.
pub(super) fn below(limit: u64, rng: &mut Xoshiro256PlusPlus) -> usize {
    let product = u128::from(rng.next_u64()) * u128::from(limit);
    usize::try_from(product >> 64).unwrap_or(usize::MAX)
}

/// True with the given probability in units of 2^-32.
pub(super) fn happens(probability: u64, rng: &mut Xoshiro256PlusPlus) -> bool {
    rng.next_u64() >> 32 < probability
}

/// A probability in units of 2^-32.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0 ..= 1")]
pub(super) fn probability(value: f64) -> u64 {
    (value * LARGEST_WEIGHT) as u64
}

/// Experts of one layer to draw from.
pub(super) struct Urn {
    weights: Vec<u64>,
    table: WeightedAliasIndex<u64>,
}

impl Urn {
    /// From the logarithm of each expert's pull; at least one expert.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 ..= 2^32 by construction")]
    pub(super) fn of(pulls: &[f64]) -> Self {
        let largest = pulls.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weight = |pull: &f64| ((libm::exp(pull - largest) * LARGEST_WEIGHT) as u64).max(1);
        let weights: Vec<u64> = pulls.iter().map(weight).collect();
        // At most 2^16 weights of 1 ..= 2^32 each: none of the table's conditions can fail.
        let table =
            WeightedAliasIndex::new(weights.clone()).expect("weights are positive and far from overflow");
        Self { weights, table }
    }

    /// Adds experts that are not in `taken` until it has `count`, each with probability in proportion to its weight
    /// among those that are left.
    pub(super) fn fill(&self, taken: &mut Vec<u16>, count: usize, rng: &mut Xoshiro256PlusPlus) {
        while taken.len() < count {
            let expert = (0..ALIAS_TRIES)
                .map(|_| to_id(self.table.sample(rng)))
                .find(|expert| !taken.contains(expert))
                .unwrap_or_else(|| self.draw_from_the_rest(taken, rng));
            taken.push(expert);
        }
    }

    fn draw_from_the_rest(&self, taken: &[u16], rng: &mut Xoshiro256PlusPlus) -> u16 {
        let rest = || {
            let experts = (0_u16..).zip(&self.weights);
            experts.filter(|(expert, _)| !taken.contains(expert)).map(|(expert, weight)| (expert, *weight))
        };
        let mut point = below(rest().map(|(_, weight)| weight).sum(), rng) as u64;
        for (expert, weight) in rest() {
            if point < weight {
                return expert;
            }
            point -= weight;
        }
        unreachable!("the point lies below the sum of the weights")
    }
}

fn to_id(index: usize) -> u16 {
    u16::try_from(index).expect("a layer has at most 65,535 experts")
}

/// Gate weights of `count` experts, largest first, in units of 1/65,535, with sum 65,535.
///
/// Each is in proportion to `1 + 2 u^2` with `u` uniform in 0..1, sorted. The means by rank are 0.35, 0.27, 0.21,
/// 0.17 for top-4; gpt-oss-20b on MMLU has 0.351, 0.264, 0.211, 0.174 (26,430 tokens).
pub(super) fn gate_weights(count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<u16> {
    let mut values: Vec<u64> = (0..count)
        .map(|_| {
            let uniform = rng.next_u64() >> 48;
            65_536 + 2 * ((uniform * uniform) >> 16)
        })
        .collect();
    values.sort_unstable_by(|one, two| two.cmp(one));
    let sum: u64 = values.iter().sum();
    let mut weights: Vec<u16> =
        values.iter().map(|value| u16::try_from(value * 65_535 / sum).unwrap_or(u16::MAX)).collect();
    let rest = u16::MAX - weights.iter().sum::<u16>();
    if let Some(largest) = weights.first_mut() {
        *largest += rest;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    fn rng() -> Xoshiro256PlusPlus {
        stream(1, Purpose::SyntheticRouting, 0, 0)
    }

    #[test]
    fn draws_in_proportion_and_never_twice() {
        let mut rng = rng();
        let urn = Urn::of(&[0.0, libm::log(3.0), f64::NEG_INFINITY]);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            let mut taken = Vec::new();
            urn.fill(&mut taken, 1, &mut rng);
            counts[usize::from(taken[0])] += 1;
        }
        // 2,500 expected; the standard deviation is 43.
        assert!((2_330..2_670).contains(&counts[0]) && counts[2] <= 1, "{counts:?}");
        let mut taken = vec![1];
        urn.fill(&mut taken, 3, &mut rng);
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2]);
    }

    #[test]
    fn gate_weights_descend_and_sum_to_one() {
        let mut rng = rng();
        for count in 1..=16 {
            let weights = gate_weights(count, &mut rng);
            assert!(weights.is_sorted_by(|one, two| one >= two));
            assert_eq!(weights.iter().map(|weight| u32::from(*weight)).sum::<u32>(), 65_535);
        }
    }

    #[test]
    fn nearly_normal_numbers_have_variance_one() {
        let mut rng = rng();
        let values: Vec<f64> = (0..20_000).map(|_| nearly_normal(&mut rng)).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    }

    #[test]
    fn shuffles_hold_every_expert_once() {
        let mut order = shuffled(100, &mut rng());
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
