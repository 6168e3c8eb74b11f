//! Smallest moving average of gate weights first: the "minus recent score" of HybriMoE (Zhong, Sun, Liang, Wang, Huang and
//! Li, "HybriMoE: hybrid CPU-GPU scheduling and cache management for efficient MoE inference", DAC 2025, arXiv 2504.05897,
//! section IV-D; `KScoreAwareCache` in `ktransformers/operators/experts.py` of `PKU-SEC-Lab/HybriMoE`).
//!
//! With every pass an expert's score becomes a times the weight the router gave it plus (1 - a) times what it was, so what
//! is past loses half its worth in each half-life. The paper gives no value of a; the engine's is one half, so the row has
//! a half-life of one pass. Scores survive eviction. Ties go to the least recently used.
//!
//! Differences: the engine counts the weights of twice as many experts as are activated, of which a trace has the
//! activated ones alone, and keeps a pool for each layer; in one pool the scores of all layers are compared. An event is
//! one step however many tokens it has, and gives an expert the largest weight of its appearances (the engine reads the
//! first token of a prompt). A pass begins with the first event whose layer is not behind that of the event before.
//! Where a trace has no weights each appearance counts the same. With a half-life of one pass the latest is then worth
//! more than all before it together, and the order is that of LRU by passes.
//!
//! What all scores share is left out: instead of letting all of them fade, what is new is worth more, so a score changes
//! only when its expert is asked for. Such scores outgrow any integer, so they are kept as a number of half-lives and a
//! value, and ranked by the sum of both logarithms. A half-life has 16 steps.

use crate::cache::{Access, Candidates, IndexedHeap, NEVER, Policy};

/// Passes until a weight counts half; the engine's averaging coefficient of 0.5.
const HALF_LIFE: u32 = 1;
/// 2 to the power of `step / 16`, times 65,536.
const GROWTH: [u64; 16] = [
    65_536, 68_438, 71_468, 74_632, 77_936, 81_386, 84_990, 88_752, 92_682, 96_785, 101_070, 105_545,
    110_218, 115_098, 120_194, 125_515,
];
const STEPS: u64 = GROWTH.len() as u64;
/// Bits of a value behind those of a grown weight: with them it has 55, and room for 500 like it.
const FRACTION: u32 = 22;

/// What an object's weights have come to.
#[derive(Clone, Copy, Debug)]
struct Score {
    /// Their sum, as it was worth so many half-lives after the start.
    value: u64,
    half_lives: u64,
    /// The event that counted last, and the weight that it counted with.
    event: u64,
    weight: u16,
}

/// Evicts the object whose gate weights have been the smallest of late.
#[derive(Clone, Debug)]
pub struct GateWeight {
    experts: u32,
    half_life: u64,
    scores: Vec<Score>,
    /// Rank of the score, then how recent it is.
    order: IndexedHeap<(u64, u64)>,
    touches: u64,
    /// The latest event, its layer, and passes so far.
    event: u64,
    layer: u32,
    passes: u64,
    /// Half-lives until this pass, and what a weight of one is worth in it.
    half_lives: u64,
    growth: u64,
    /// The trace has weights, so that a weight of zero is one.
    weighted: bool,
}

impl GateWeight {
    /// Over the objects `0..objects` in layers of `experts`.
    pub fn new(objects: u32, experts: u32) -> Self {
        Self::with_half_life(objects, experts, HALF_LIFE)
    }

    /// The same with another half-life, in passes; at least one.
    pub fn with_half_life(objects: u32, experts: u32, half_life: u32) -> Self {
        let none = Score { value: 0, half_lives: 0, event: NEVER, weight: 0 };
        Self {
            experts,
            half_life: u64::from(half_life.max(1)),
            scores: vec![none; objects as usize],
            order: IndexedHeap::new(objects),
            touches: 0,
            event: NEVER,
            layer: u32::MAX,
            passes: 0,
            half_lives: 0,
            growth: GROWTH[0],
            weighted: false,
        }
    }

    #[inline]
    fn begin_pass(&mut self) {
        self.passes += 1;
        let steps = self.passes * STEPS / self.half_life;
        self.half_lives = steps / STEPS;
        self.growth = GROWTH[(steps % STEPS) as usize];
    }

    /// Counts an appearance, and says whether it changed the object's score.
    #[inline]
    fn count(&mut self, object: u32, access: &Access) -> bool {
        if access.event == NEVER {
            // Nobody has asked for what a cache is filled with.
            return false;
        }
        if access.event != self.event {
            let layer = object / self.experts;
            if layer <= self.layer {
                self.begin_pass();
            }
            (self.event, self.layer) = (access.event, layer);
        }
        self.weighted |= access.weight > 0;
        let weight = if self.weighted { access.weight } else { u16::MAX };
        let (half_lives, growth) = (self.half_lives, self.growth);
        let grown = |weight: u16| (u64::from(weight) * growth) << FRACTION;
        let score = &mut self.scores[object as usize];
        if score.event != access.event {
            let faded = score.value >> (half_lives - score.half_lives).min(63);
            let value = faded.saturating_add(grown(weight));
            *score = Score { value, half_lives, event: access.event, weight };
        } else if weight > score.weight {
            score.value = score.value.saturating_add(grown(weight - score.weight));
            score.weight = weight;
        } else {
            return false;
        }
        true
    }

    /// Puts an object where its score belongs, as the latest of its rank.
    #[inline]
    fn place(&mut self, object: u32) {
        self.touches += 1;
        self.order.set(object, (rank(&self.scores[object as usize]), self.touches));
    }
}

/// Half-lives plus the logarithm of the value, to the base of two: 32 bits before the point, and 32 behind it that rise
/// evenly from one power of two to the next instead of by logarithm, which leaves the order what it is.
#[inline]
fn rank(score: &Score) -> u64 {
    let value = score.value.max(1);
    let behind = (value << value.leading_zeros() << 1) >> 32;
    ((score.half_lives + u64::from(value.ilog2())) << 32) | behind
}

impl Policy for GateWeight {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        if self.count(object, access) {
            self.place(object);
        }
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.count(object, access);
        self.place(object);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.order.remove(object);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.order.first_allowed(candidates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::conformance::{Driven, EQUAL};

    /// Lets every score fade with every pass, as the paper writes it.
    struct Plain {
        experts: u32,
        fade: f64,
        scores: Vec<f64>,
        /// Weight counted in the latest event.
        counted: Vec<u16>,
        /// Least recently changed first.
        tracked: Vec<u32>,
        event: u64,
        layer: u32,
        weighted: bool,
    }

    impl Plain {
        fn new(input: crate::cache::PolicyInput<'_>, half_life: f64, weighted: bool) -> Self {
            let objects = input.objects as usize;
            Self {
                experts: input.experts,
                fade: 0.5_f64.powf(1.0 / half_life),
                scores: vec![0.0; objects],
                counted: vec![0; objects],
                tracked: Vec::new(),
                event: NEVER,
                layer: 0,
                weighted,
            }
        }

        /// Whether the score rose.
        fn count(&mut self, object: u32, access: &Access) -> bool {
            if access.event == NEVER {
                return false;
            }
            if access.event != self.event {
                if object / self.experts <= self.layer {
                    self.scores.iter_mut().for_each(|score| *score *= self.fade);
                }
                self.counted.fill(0);
                (self.event, self.layer) = (access.event, object / self.experts);
            }
            let weight = if self.weighted { access.weight } else { u16::MAX };
            let rise = weight.saturating_sub(self.counted[object as usize]);
            self.scores[object as usize] += f64::from(rise);
            self.counted[object as usize] += rise;
            rise > 0
        }
    }

    impl Policy for Plain {
        fn on_hit(&mut self, object: u32, access: &Access) {
            if self.count(object, access) {
                self.on_remove(object);
                self.tracked.push(object);
            }
        }
        fn on_insert(&mut self, object: u32, access: &Access) {
            self.count(object, access);
            self.tracked.push(object);
        }
        fn on_remove(&mut self, object: u32) {
            self.tracked.retain(|other| *other != object);
        }
        fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
            let allowed = self.tracked.iter().copied().filter(|object| candidates.allows(*object));
            // 32 bits behind the leading one, as in a rank: what differs less is a tie.
            allowed.min_by_key(|object| self.scores[*object as usize].to_bits() >> 20)
        }
    }

    #[test]
    fn it_evicts_the_smallest_of_fading_scores() {
        for driven in Driven::all(EQUAL) {
            let plain = driven.run(|input| Plain::new(input, f64::from(HALF_LIFE), driven.seed % 2 == 1));
            let gate = driven.run(|input| GateWeight::new(input.objects, input.experts));
            assert!(gate == plain, "{driven:?}");
        }
    }

    /// Twice the weight is worth the same as the weight itself one half-life later.
    #[test]
    fn a_weight_counts_half_after_its_half_life() {
        for half_life in [1, 2, 3, 16, 40] {
            let mut policy = GateWeight::with_half_life(2, 2, half_life);
            policy.weighted = true;
            for event in 0..200 {
                let weight = |object: u32| match event {
                    100 if object == 0 => 14_000,
                    event if event == 100 + u64::from(half_life) && object == 1 => 7_000,
                    _ => 0,
                };
                for object in 0..2 {
                    policy.count(object, &Access { event, next_event: NEVER, weight: weight(object) });
                }
            }
            assert_eq!(rank(&policy.scores[0]), rank(&policy.scores[1]), "{half_life} passes");
            assert!(rank(&policy.scores[0]) > 0);
        }
    }
}
