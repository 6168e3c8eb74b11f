//! Integer weights, alias tables and draws of one layer, noise on them, and evening out what was drawn.
//!
//! Logarithms and exponentials come from `libm` and only shape integer weights; what is drawn depends on integers
//! alone.

use rand::Rng;
use rand::distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;

use crate::rng::{Xoshiro256PlusPlus, below, index_below};

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
        order.swap(last, index_below(last + 1, rng));
    }
    order
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

/// Levels of noise, one for each value of a byte.
const NOISE_LEVELS: usize = 256;
/// A random word holds as many levels as bytes.
const NOISE_DRAWS_PER_WORD: usize = 8;

/// Normal noise in nats as factors on weights.
///
/// A level is one of 256 equally likely ones, the midpoints of the normal distribution's 256 quantiles, scaled so that
/// their standard deviation is the one asked for: a byte of a random word for each expert and token, and no exponential.
/// The largest is 2.9 standard deviations.
pub(super) struct Noise {
    /// In units of the largest over 2^31, at least 1.
    factors: Vec<u64>,
}

impl Noise {
    /// With a standard deviation of at most 4 nats; `None` for none.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ..= 2^31 by construction")]
    pub(super) fn of(deviation: f64) -> Option<Self> {
        if deviation <= 0.0 {
            return None;
        }
        let middle = |level: usize| normal_quantile((level as f64 + 0.5) / NOISE_LEVELS as f64);
        let levels: Vec<f64> = (0..NOISE_LEVELS).map(middle).collect();
        let unit = libm::sqrt(levels.iter().map(|level| level * level).sum::<f64>() / NOISE_LEVELS as f64);
        let largest = levels.last().copied().unwrap_or(0.0);
        let factor = |level: &f64| libm::exp(deviation * (level - largest) / unit) * (LARGEST_WEIGHT / 2.0);
        Some(Self { factors: levels.iter().map(|level| (factor(level) as u64).max(1)).collect() })
    }
}

/// Where the standard normal distribution reaches `share`, by bisection to within 2^-50 or so; -8 to 8.
fn normal_quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..54 {
        let middle: f64 = f64::midpoint(low, high);
        if (1.0 + libm::erf(middle * std::f64::consts::FRAC_1_SQRT_2)) / 2.0 < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Counts of `total` that are nearer to their mean: each keeps `1 - balance` of its distance, and they are rounded so that
/// the sum stays, the largest fractions up, then the largest counts, then the first.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ..= the largest count")]
pub(super) fn evened(counts: &[u64], balance: f64) -> Vec<u64> {
    let total: u64 = counts.iter().sum();
    let mean = total as f64 / counts.len() as f64;
    let wanted: Vec<f64> =
        counts.iter().map(|count| (mean + (1.0 - balance) * (*count as f64 - mean)).max(0.0)).collect();
    let mut whole: Vec<u64> = wanted.iter().map(|count| *count as u64).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    let fraction = |expert: usize| wanted[expert] - whole[expert] as f64;
    order.sort_by(|one, other| {
        fraction(*other)
            .total_cmp(&fraction(*one))
            .then(counts[*other].cmp(&counts[*one]))
            .then(one.cmp(other))
    });
    let rounded: u64 = whole.iter().sum();
    let missing = usize::try_from(total.saturating_sub(rounded)).unwrap_or(usize::MAX);
    order.iter().cycle().take(missing).for_each(|expert| whole[*expert] += 1);
    whole
}

/// Hands selections of one layer's experts above their `target` to experts below theirs. `ids` holds `top_k` different
/// experts for each token, and so it does afterwards.
///
/// An expert gives away selections that follow one another, from a random one on and round at the end, and an expert that
/// takes them takes as many in a row as it can. So within a stretch of the trace one expert stands in for another, and
/// what repeats from token to token, and what a sequence is partial to, is mostly kept.
pub(super) fn hand_over(ids: &mut [u16], top_k: usize, target: &[u64], rng: &mut Xoshiro256PlusPlus) {
    let mut places = vec![Vec::new(); target.len()];
    for (slot, expert) in ids.iter().enumerate() {
        places[usize::from(*expert)].push(slot);
    }
    let room = |(expert, places): (usize, &Vec<usize>)| {
        let room = usize::try_from(target[expert]).unwrap_or(usize::MAX).saturating_sub(places.len());
        (expert, room)
    };
    let mut takers: Vec<(usize, usize)> =
        places.iter().enumerate().map(room).filter(|(_, room)| *room > 0).collect();
    for (expert, places) in places.iter_mut().enumerate() {
        let keep = usize::try_from(target[expert]).unwrap_or(usize::MAX);
        if places.len() <= keep {
            continue;
        }
        let start = index_below(places.len(), rng);
        places.rotate_left(start);
        while let Some((taker, room)) = takers.last_mut().filter(|_| places.len() > keep) {
            let mut wanted = (*room).min(places.len() - keep);
            *room -= wanted;
            let (taker, is_full) = (to_id(*taker), *room == 0);
            places.retain(|slot| {
                let token = slot / top_k * top_k;
                let gives = wanted > 0 && !ids[token..token + top_k].contains(&taker);
                if gives {
                    ids[*slot] = taker;
                    wanted -= 1;
                }
                !gives
            });
            // Of two experts, more tokens have the one chosen more often and not the other than the other way round, and
            // a giver is chosen more often than a taker until both are done: enough places are found.
            debug_assert_eq!(wanted, 0);
            if is_full {
                takers.pop();
            }
        }
    }
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

    /// The same where the logarithm of every pull is moved by `noise` of this token alone. `weights` is room to work in.
    pub(super) fn fill_noisy(
        &self,
        noise: &Noise,
        taken: &mut Vec<u16>,
        count: usize,
        weights: &mut Vec<u64>,
        rng: &mut Xoshiro256PlusPlus,
    ) {
        if taken.len() >= count {
            return;
        }
        weights.clear();
        for eight in self.weights.chunks(NOISE_DRAWS_PER_WORD) {
            let levels = rng.next_u64().to_le_bytes();
            // 2^32 times 2^31 at most; 2^16 such weights fit in 64 bits once 15 of theirs are gone.
            let moved =
                |(weight, level): (&u64, u8)| ((weight * noise.factors[usize::from(level)]) >> 15).max(1);
            weights.extend(eight.iter().zip(levels).map(moved));
        }
        taken.iter().for_each(|expert| weights[usize::from(*expert)] = 0);
        let mut left: u64 = weights.iter().sum();
        while taken.len() < count {
            let mut point = below(left, rng);
            let expert = weights.iter().position(|weight| match point.checked_sub(*weight) {
                Some(beyond) => {
                    point = beyond;
                    false
                }
                None => true,
            });
            let expert = expert.expect("the point lies below the sum of the weights");
            left -= std::mem::take(&mut weights[expert]);
            taken.push(to_id(expert));
        }
    }

    fn draw_from_the_rest(&self, taken: &[u16], rng: &mut Xoshiro256PlusPlus) -> u16 {
        let rest = || {
            let experts = (0_u16..).zip(&self.weights);
            experts.filter(|(expert, _)| !taken.contains(expert)).map(|(expert, weight)| (expert, *weight))
        };
        let mut point = below(rest().map(|(_, weight)| weight).sum(), rng);
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

    /// Frequencies of ordered pairs against the definition in floating point: one normal number for each expert and token,
    /// shared by the token's draws.
    #[test]
    fn noisy_draws_are_those_of_noisy_logits() {
        const TOKENS: u32 = 40_000;
        let pulls = [0.0, 1.0, 2.0];
        let (urn, mut rng) = (Urn::of(&pulls), rng());
        for deviation in [0.3, 1.0, 4.0] {
            let noise = Noise::of(deviation).unwrap();
            let (mut found, mut wanted) = ([[0.0; 3]; 3], [[0.0; 3]; 3]);
            let (mut taken, mut room) = (Vec::new(), Vec::new());
            for _ in 0..TOKENS {
                taken.clear();
                urn.fill_noisy(&noise, &mut taken, 2, &mut room, &mut rng);
                found[usize::from(taken[0])][usize::from(taken[1])] += 1.0 / f64::from(TOKENS);
                let moved = pulls.map(|pull| libm::exp(pull + deviation * nearly_normal(&mut rng)));
                let sum: f64 = moved.iter().sum();
                for (first, second) in (0..3).flat_map(|first| (0..3).map(move |second| (first, second))) {
                    if first != second {
                        let chance = moved[first] / sum * moved[second] / (sum - moved[first]);
                        wanted[first][second] += chance / f64::from(TOKENS);
                    }
                }
            }
            for (found, wanted) in found.as_flattened().iter().zip(wanted.as_flattened()) {
                // The standard deviation of a frequency is at most 0.0025, and tails beyond 2.9 deviations are cut.
                assert!((found - wanted).abs() < 0.015, "noise {deviation}: {found} and {wanted}");
            }
        }
        assert!(Noise::of(0.0).is_none());
    }

    #[test]
    fn noise_stops_where_all_are_taken_and_knows_no_expert_twice() {
        let (urn, noise, mut rng) = (Urn::of(&[0.0; 20]), Noise::of(4.0).unwrap(), rng());
        let mut taken = vec![7, 3];
        urn.fill_noisy(&noise, &mut taken, 20, &mut Vec::new(), &mut rng);
        assert_eq!(taken[..2], [7, 3]);
        taken.sort_unstable();
        assert_eq!(taken, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn evened_counts_keep_their_sum_and_order() {
        assert_eq!(evened(&[10, 0, 2, 0], 0.0), [10, 0, 2, 0]);
        // 6.5, 1.5, 2.5 and 1.5: two are rounded up, those of the larger counts.
        assert_eq!(evened(&[10, 0, 2, 0], 0.5), [7, 1, 3, 1]);
        assert_eq!(evened(&[10, 0, 2, 1], 1.0), [4, 3, 3, 3]);
        assert_eq!(evened(&[0, 0], 0.7), [0, 0]);
    }

    /// Expert 0 gives half of its six selections to expert 1, in a row; where 1 is chosen already it cannot.
    #[test]
    fn selections_are_handed_over_in_a_stretch() {
        let mut ids = vec![0, 2, 0, 2, 0, 1, 0, 2, 0, 2, 0, 2];
        hand_over(&mut ids, 2, &[3, 4, 5], &mut rng());
        assert_eq!(ids[4..6], [0, 1], "{ids:?}");
        let gave: Vec<usize> = (0..6).filter(|token| ids[2 * token] == 1).collect();
        assert_eq!(gave.len(), 3);
        // Of the five tokens that can give, going round, the three follow one another.
        let places: Vec<usize> = gave.iter().map(|token| [0, 1, 9, 2, 3, 4][*token]).collect();
        assert!((0..5).any(|start| (0..3).all(|step| places.contains(&((start + step) % 5)))), "{ids:?}");
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
