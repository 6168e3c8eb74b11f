//! LeCaR's weights of LRU and LFU, in fixed point: the same on every machine.
//!
//! A mistake `age` accesses old multiplies the weight of its author by `exp(-rate * discount^age)`, with
//! `discount = 0.005^(1/slots)`, and both are scaled to add up to one again. Scaling leaves their ratio as it is, so its
//! logarithm is kept, which every mistake moves by `rate * discount^age`. What is left to compute are powers of two with
//! an exponent below zero: a table of 256 fractions, each the root of 1/2 multiplied up in integers, and a straight line
//! between neighbours, which is off by less than one part in a million.

/// One, as a weight.
const ONE: u64 = 1 << WEIGHT_BITS;
const WEIGHT_BITS: u32 = 31;
/// Bits behind the point of an exponent.
const EXPONENT_BITS: u32 = 24;
const STEP_BITS: u32 = 8;
const STEPS: usize = 1 << STEP_BITS;
/// Bits of an exponent below a step of the table.
const REST_BITS: u32 = EXPONENT_BITS - STEP_BITS;

/// The binary logarithm of 1/0.005, from the paper's discount 0.005^(1/N): 7.643856.
const DISCOUNT: u64 = 128_242_626;
/// The paper's learning rate 0.45, times the binary logarithm of e: 0.649213.
const LEARNING_RATE: u64 = 10_891_983;

/// Weights stay between 0.01 and 0.99, as in the authors' program: the binary logarithm of 99, 6.629357.
const MOST_ODDS: i64 = 111222148;

/// `POWERS[step]` is 2^(-step/256) as a weight.
const POWERS: [u64; STEPS + 1] = powers();

const fn powers() -> [u64; STEPS + 1] {
    // With 62 bits behind the point: the root of 1/2, taken eight times.
    const BITS: u32 = 62;
    let mut root: u128 = 1 << (BITS - 1);
    let mut halvings = 0;
    while halvings < STEP_BITS {
        root = (root << BITS).isqrt();
        halvings += 1;
    }
    let mut powers = [ONE; STEPS + 1];
    let mut power: u128 = 1 << BITS;
    let mut step = 1;
    while step <= STEPS {
        power = (power * root) >> BITS;
        #[allow(clippy::cast_possible_truncation, reason = "below one, of which a weight has 31 bits")]
        let weight = (power >> (BITS - WEIGHT_BITS)) as u64;
        powers[step] = weight;
        step += 1;
    }
    powers
}

/// Two to the power of minus `exponent`, as a weight.
fn power(exponent: u64) -> u64 {
    let whole = exponent >> EXPONENT_BITS;
    if whole >= u64::from(WEIGHT_BITS) {
        return 0;
    }
    let step = usize::try_from((exponent >> REST_BITS) % (1 << STEP_BITS)).unwrap_or(0);
    let rest = exponent % (1 << REST_BITS);
    let (above, below) = (POWERS[step], POWERS[step + 1]);
    (above - (((above - below) * rest) >> REST_BITS)) >> whole
}

/// How much LRU is trusted against LFU.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    /// The binary logarithm of LRU's weight over LFU's, scaled as exponents are.
    odds: i64,
    /// LRU's weight.
    lru: u64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { odds: 0, lru: ONE / 2 }
    }
}

impl Weights {
    /// Whether a draw of 64 random bits falls to LRU.
    #[inline]
    pub(super) fn lru_wins(&self, draw: u64) -> bool {
        draw >> (u64::BITS - WEIGHT_BITS) < self.lru
    }

    /// A victim that LRU (or else LFU) chose `age` accesses ago is asked for again.
    pub(super) fn regret(&mut self, lru: bool, age: u64, slots: u32) {
        // After so many times the slots, the discount is less than 31 bits hold.
        const OLDEST: u64 = 5;
        let slots = u64::from(slots.max(1));
        if age >= OLDEST * slots {
            return;
        }
        let freshness = power(age * DISCOUNT / slots);
        let fall = (freshness * LEARNING_RATE) >> WEIGHT_BITS;
        let odds = if lru {
            self.odds.saturating_sub_unsigned(fall)
        } else {
            self.odds.saturating_add_unsigned(fall)
        };
        self.odds = odds.clamp(-MOST_ODDS, MOST_ODDS);
        let ratio = power(self.odds.unsigned_abs());
        let lesser = (ratio << WEIGHT_BITS) / (ONE + ratio);
        self.lru = if self.odds > 0 { ONE - lesser } else { lesser };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exact values, to 9 digits: 2^-0.5, 2^-0.75, 2^-3.1.
    #[test]
    fn powers_of_two_are_right() {
        let weight = |billionths: u64| billionths * ONE / 1_000_000_000;
        let hundredth = |count: u64| (count << EXPONENT_BITS) / 100;
        for (exponent, expected) in [
            (0, ONE),
            (hundredth(50), weight(707_106_781)),
            (hundredth(75), weight(594_603_558)),
            (hundredth(310), weight(116_629_124)),
            (hundredth(4000), 0),
        ] {
            assert!(power(exponent).abs_diff(expected) < ONE / 500_000, "{exponent}: {}", power(exponent));
        }
    }

    /// A mistake of this moment costs LRU the factor exp(-0.45) = 0.637628: 0.637628 / 1.637628 = 0.389361 remains. As
    /// many accesses later as there are slots it costs exp(-0.45 * 0.005) = 0.997753: 0.499438 remains.
    #[test]
    fn regret_is_worth_what_the_paper_says() {
        for (age, remains) in [(0, 389_361), (100, 499_438), (1_000_000, 500_000)] {
            let mut weights = Weights::default();
            weights.regret(true, age, 100);
            assert!(
                weights.lru.abs_diff(remains * ONE / 1_000_000) < ONE / 500_000,
                "{age}: {}",
                weights.lru
            );
            weights.regret(false, age, 100);
            assert!(weights.lru.abs_diff(ONE / 2) <= 1, "LFU's mistake makes up for it");
        }
    }

    /// Neither is ever beyond recovery: 99 is e^4.595, so 4.595 / 0.45 mistakes, not quite 11, undo any number of the
    /// other.
    #[test]
    fn no_weight_is_lost() {
        for lru in [true, false] {
            let mut weights = Weights::default();
            (0..1000).for_each(|_| weights.regret(lru, 0, 100));
            let kept = if lru { weights.lru } else { ONE - weights.lru };
            assert!(kept.abs_diff(ONE / 100) < ONE / 500_000, "{kept}");
            (0..11).for_each(|_| weights.regret(!lru, 0, 100));
            assert_eq!(weights.lru > ONE / 2, lru, "{}", weights.lru);
        }
    }
}
