//! A uniformly random victim: the floor that a policy with any memory should beat.
//!
//! The stream is `(seed, cache victims, pool)`, so two runs of one scenario choose alike.

use crate::cache::{Access, Candidates, Policy};
use crate::rng::{Xoshiro256PlusPlus, index_below};

const ABSENT: u32 = u32::MAX;

/// Evicts any object, all with equal chance.
#[derive(Clone, Debug)]
pub struct Random {
    rng: Xoshiro256PlusPlus,
    tracked: Vec<u32>,
    position: Vec<u32>,
}

impl Random {
    /// Over the objects `0..objects`, drawing from `rng`.
    pub fn new(objects: u32, rng: Xoshiro256PlusPlus) -> Self {
        Self { rng, tracked: Vec::new(), position: vec![ABSENT; objects as usize] }
    }
}

impl Policy for Random {
    fn on_hit(&mut self, _object: u32, _access: &Access) {}

    fn on_insert(&mut self, object: u32, _access: &Access) {
        self.position[object as usize] = u32::try_from(self.tracked.len()).unwrap_or(ABSENT);
        self.tracked.push(object);
    }

    fn on_remove(&mut self, object: u32) {
        let at = std::mem::replace(&mut self.position[object as usize], ABSENT) as usize;
        self.tracked.swap_remove(at);
        if let Some(moved) = self.tracked.get(at) {
            self.position[*moved as usize] = u32::try_from(at).unwrap_or(ABSENT);
        }
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        // The event's own experts are few against what is tracked, so a few draws nearly always find one. Where they are
        // not, walking on from the last draw ends the search for certain.
        const DRAWS: usize = 16;
        let tracked = self.tracked.len();
        if tracked == 0 {
            return None;
        }
        let mut at = 0;
        for _ in 0..DRAWS {
            at = index_below(tracked, &mut self.rng);
            if candidates.allows(self.tracked[at]) {
                return Some(self.tracked[at]);
            }
        }
        (0..tracked).map(|step| self.tracked[(at + step) % tracked]).find(|object| candidates.allows(*object))
    }
}
