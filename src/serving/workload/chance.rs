//! Draws of a workload: uniform, exponential, normal and gamma numbers, and choices by share.
//!
//! Logarithms, powers and cosines come from `libm`, so that a seed gives the same requests on every platform. Nothing
//! here knows what is drawn or from which stream.

use rand::Rng;

use crate::rng::Xoshiro256PlusPlus;

/// 2^53: the whole numbers that a double holds.
const STEPS: f64 = 9_007_199_254_740_992.0;

/// A number in 0 exclusive ..= 1, whose logarithm is finite.
pub(super) fn uniform(rng: &mut Xoshiro256PlusPlus) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / STEPS
}

/// Exponential with mean 1.
pub(super) fn exponential(rng: &mut Xoshiro256PlusPlus) -> f64 {
    0.0 - libm::log(uniform(rng))
}

/// Normal with mean 0 and variance 1 (Box and Muller, 1958). Always two draws, so that the numbers of one stream do not
/// shift against each other.
pub(super) fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = libm::sqrt(2.0 * exponential(rng));
    radius * libm::cos(std::f64::consts::TAU * uniform(rng))
}

/// Gamma with the given shape and mean 1 (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000).
pub(super) fn gamma(shape: f64, rng: &mut Xoshiro256PlusPlus) -> f64 {
    // Their method needs a shape of 1 or more; below it, a variable of the next shape is shrunk by a power.
    let (raised, shrink) =
        if shape < 1.0 { (shape + 1.0, libm::pow(uniform(rng), 1.0 / shape)) } else { (shape, 1.0) };
    let d = raised - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normal(rng);
        let root = 1.0 + c * x;
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        if libm::log(uniform(rng)) < 0.5 * x * x + d * (1.0 - v + libm::log(v)) {
            return d * v * shrink / shape;
        }
    }
}

/// The choice that `point`, in 0 ..= 1, falls on when the shares lie one after another. Shares have a positive sum;
/// one of zero is never chosen.
pub(super) fn choose(shares: impl Iterator<Item = f64> + Clone, point: f64) -> usize {
    let sum: f64 = shares.clone().sum();
    let (mut reached, mut chosen) = (0.0, 0);
    for (at, share) in shares.enumerate() {
        if share > 0.0 {
            reached += share;
            chosen = at;
            if point * sum <= reached {
                break;
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, index_below, stream};

    const DRAWS: u32 = 200_000;

    fn rng(seed: u64) -> Xoshiro256PlusPlus {
        stream(seed, Purpose::Arrivals, 0, 0)
    }

    /// Mean and standard deviation of what is drawn.
    fn moments(mut draw: impl FnMut(&mut Xoshiro256PlusPlus) -> f64) -> (f64, f64) {
        let mut rng = rng(5);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..DRAWS {
            let value = draw(&mut rng);
            sum += value;
            squares += value * value;
        }
        let mean = sum / f64::from(DRAWS);
        (mean, (squares / f64::from(DRAWS) - mean * mean).sqrt())
    }

    fn assert_near(name: &str, (mean, deviation): (f64, f64), expected: (f64, f64)) {
        // Four standard errors of the mean; the deviation's own error is larger where tails are long.
        let allowed = 4.0 * expected.1 / f64::from(DRAWS).sqrt();
        assert!((mean - expected.0).abs() < allowed, "{name}: mean {mean}");
        assert!((deviation / expected.1 - 1.0).abs() < 0.04, "{name}: deviation {deviation}");
    }

    #[test]
    fn draws_have_the_moments_of_their_laws() {
        assert_near("uniform", moments(uniform), (0.5, (1.0_f64 / 12.0).sqrt()));
        assert_near("exponential", moments(exponential), (1.0, 1.0));
        assert_near("normal", moments(normal), (0.0, 1.0));
        for cv in [0.1, 0.5, 0.9, 1.1, 2.0, 4.0_f64] {
            let name = format!("gamma with cv {cv}");
            assert_near(&name, moments(|rng| gamma(1.0 / (cv * cv), rng)), (1.0, cv));
        }
    }

    /// Half of the exponential numbers are below ln 2, and 1/e above 1: the shape, not only the moments.
    #[test]
    fn exponential_numbers_have_no_memory() {
        let mut rng = rng(6);
        let values: Vec<f64> = (0..DRAWS).map(|_| exponential(&mut rng)).collect();
        let above =
            |limit: f64| values.iter().filter(|value| **value > limit).count() as f64 / f64::from(DRAWS);
        for limit in [0.1, 0.7, 1.0, 3.0] {
            assert!((above(limit) - (-limit).exp()).abs() < 0.005, "{limit}");
        }
    }

    #[test]
    fn a_choice_falls_where_its_share_lies() {
        for (shares, point, expected) in [
            (vec![1.0], 1.0, 0),
            (vec![1.0, 3.0], 0.25, 0),
            (vec![1.0, 3.0], 0.26, 1),
            (vec![0.0, 1.0, 0.0], 1e-9, 1),
            (vec![0.0, 1.0, 0.0], 1.0, 1),
            (vec![0.1, 0.2, 0.0], 1.0, 1),
        ] {
            assert_eq!(choose(shares.iter().copied(), point), expected, "{shares:?} {point}");
        }
    }

    /// Pins the streams: what a seed gives is part of the results.
    #[test]
    fn draws_are_pinned() {
        let mut rng = rng(7);
        let drawn = [uniform(&mut rng), exponential(&mut rng), normal(&mut rng), gamma(0.25, &mut rng)];
        let pinned = ["0.519296404679839", "0.245923371578153", "0.752228083413508", "0.709809233885103"];
        assert_eq!(drawn.map(|value| format!("{value:.15}")), pinned);
        assert_eq!([3, 100].map(|limit| index_below(limit, &mut rng)), [2, 70]);
    }
}
