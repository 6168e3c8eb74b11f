//! Exponentially decayed frequency: each use of an expert counts half as much one half-life later. This is LRFU with
//! F(x) = (1/2)^(x / half-life) (Lee et al., "LRFU: a spectrum of policies that subsumes the least recently used and least
//! frequently used policies", IEEE Transactions on Computers 50(12), 2001), with scores that survive eviction.
//!
//! The half-life is [`LfuEma::HALF_LIFE`] passes, that is as many events of the pool as these have with the pool's layers.
//! One access at a time, an event is an access, and the half-life so many accesses. Lee et al. give no number for all
//! workloads. This one is a choice: of the powers of two from 4 to 512 passes it missed least on seven recorded traces of
//! five models, where 8 and 32 miss 1 % more and 64 misses 5 % more. An event counts once for each of its experts, and
//! ties go to the least recently used.
//!
//! No score is ever decayed. Instead a later use adds more: twice as much for each half-life, and in between in
//! proportion to the time, which is never more than 6.2 % above the exponential. Before the numbers run out, all scores are
//! divided by the same power of two, and what becomes equal keeps the order that it had.

use crate::cache::{Access, Appearances, Candidates, IndexedHeap, Policy};

/// The longest half-life in events.
const EVENTS_MAX: u64 = 1 << 24;

/// What is known of an object.
#[derive(Clone, Copy, Debug, Default)]
struct Object {
    score: u64,
    /// Its last appearance.
    last: u64,
}

/// Evicts the object with the least decayed number of uses.
#[derive(Clone, Debug)]
pub struct LfuEma {
    appearances: Appearances,
    objects: Vec<Object>,
    order: IndexedHeap<(u64, u64)>,
    /// Events to a half-life.
    half_life: u64,
    /// Events since the last doubling.
    elapsed: u64,
    /// Doublings since the last division.
    doublings: u32,
    /// Doublings from one division to the next.
    doublings_max: u32,
}

impl LfuEma {
    /// Half-life in passes.
    pub const HALF_LIFE: u32 = 16;

    /// Over the objects `0..objects` of a pool with so many layers.
    pub fn new(objects: u32, layers: u32, half_life: u32) -> Self {
        let half_life = (u64::from(half_life) * u64::from(layers)).clamp(1, EVENTS_MAX);
        // An event adds at most twice the half-life, doubled so many times, and all events until then at most what twice
        // as many events as a half-life has would add at that rate. This stays below 2^63.
        let doublings_max = 61 - 2 * (2 * half_life).ilog2();
        Self {
            appearances: Appearances::default(),
            objects: vec![Object::default(); objects as usize],
            order: IndexedHeap::new(objects),
            half_life,
            elapsed: 0,
            doublings: 0,
            doublings_max,
        }
    }

    fn begin_event(&mut self) {
        self.elapsed += 1;
        if self.elapsed == self.half_life {
            self.elapsed = 0;
            self.doublings += 1;
        }
        if self.doublings == self.doublings_max {
            self.doublings = 0;
            self.divide();
        }
    }

    /// Divides all scores alike. What the tracked ones lose to rounding, their order keeps.
    fn divide(&mut self) {
        let divisor = self.doublings_max;
        self.objects.iter_mut().for_each(|object| object.score >>= divisor);
        // A score of nothing stays as it is, behind which number it may stand.
        let numbers = &mut self.appearances;
        self.order.rewrite(|(score, _)| score > 0, |(score, _)| (score >> divisor, numbers.other()));
    }

    #[inline]
    fn touch(&mut self, object: u32, access: &Access) {
        if self.appearances.begins(access) {
            self.begin_event();
        }
        let Object { score, last } = &mut self.objects[object as usize];
        let (now, first) = self.appearances.next(access, *last);
        *last = now;
        if first {
            *score += (self.half_life + self.elapsed) << self.doublings;
        }
        self.order.set(object, (*score, now));
    }
}

impl Policy for LfuEma {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
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
    use crate::cache::NEVER;

    const OBJECTS: u32 = 8;

    /// Asks for an object.
    fn ask(policy: &mut LfuEma, event: u64, object: u32) {
        let access = Access { event, next_event: NEVER, weight: 0 };
        if policy.order.key(object).is_some() {
            policy.on_hit(object, &access);
        } else {
            policy.on_insert(object, &access);
        }
    }

    fn ranked(policy: &LfuEma) -> Vec<u32> {
        let mut objects: Vec<u32> = (0..OBJECTS).collect();
        objects.sort_by_key(|object| policy.order.key(*object));
        objects
    }

    /// An object used in every event through many divisions is the sum that overflows first, if any does.
    #[test]
    fn scores_never_overflow() {
        for half_life in [1, 3, 64, 1000] {
            let mut policy = LfuEma::new(OBJECTS, 1, half_life);
            let events = 3 * u64::from(half_life) * u64::from(policy.doublings_max);
            (0..events).for_each(|event| ask(&mut policy, event, 0));
            assert!(policy.objects[0].score < 1 << 62, "half-life {half_life}");
        }
    }

    #[test]
    fn division_keeps_the_order() {
        let mut policy = LfuEma::new(OBJECTS, 1, 4);
        for event in 0..5000 {
            // Objects come one after another to be asked for, the first for long, so that scores of every size meet.
            ask(&mut policy, event, u32::try_from(event % 7 * (event / 300) % u64::from(OBJECTS)).unwrap());
            let before = ranked(&policy);
            if event % 50 == 0 {
                policy.divide();
                assert_eq!(ranked(&policy), before, "event {event}");
            }
        }
    }

    #[test]
    fn a_half_life_halves() {
        let mut policy = LfuEma::new(OBJECTS, 3, 2);
        ask(&mut policy, 0, 0);
        (1..6).for_each(|event| ask(&mut policy, event, 2));
        ask(&mut policy, 6, 1);
        assert_eq!(policy.objects[1].score, 2 * policy.objects[0].score);
    }
}
