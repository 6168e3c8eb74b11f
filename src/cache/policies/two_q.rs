//! 2Q (Johnson and Shasha, "2Q: A low overhead high performance buffer management replacement algorithm", VLDB 1994), the
//! full version.
//!
//! What comes for the first time enters a short queue (A1in), first in, first out, whatever hits it. What leaves that
//! queue is remembered for a while (A1out); asked for again by then, it enters the main queue (Am), which is LRU. An
//! expert is thus kept only if it is asked for at two times well apart, and a prompt that touches every expert once
//! passes through A1in without harm to Am.
//!
//! The authors recommend A1in of 25 % of the cache and A1out of half as many names as the cache has pages. While Am is
//! empty A1in has the whole cache, so a second use is noticed within one and a half times the cache. Where the cycle of
//! layers is longer than that, 2Q is as blind as LRU.
//!
//! In the paper a newcomer enters after the eviction that makes room for it. With group-atomic events the newcomers of an
//! event therefore do not count into the length of A1in at first, and each eviction lets one of them count. Later
//! appearances in an event only renew an expert's place in Am.

use crate::cache::{Access, Candidates, NEVER, Policy, SegmentList};

/// Share of the cache that A1in may take before it is evicted from, in percent (section 3 of the paper).
const IN_PERCENT: u64 = 25;
/// Names in A1out for a hundred objects in the cache (section 3 of the paper).
const OUT_PERCENT: u64 = 50;

const A1_IN: u32 = 0;
const A1_OUT: u32 = 1;
const MAIN: u32 = 2;

/// Keeps what is asked for again after it has left a first, short queue.
#[derive(Clone, Debug)]
pub struct TwoQ {
    lists: SegmentList<3>,
    in_limit: u32,
    out_limit: u32,
    /// The event being told of, and how many of A1in came with it and do not count yet.
    event: u64,
    newcomers: u32,
}

impl TwoQ {
    /// Over the objects `0..objects`, in a pool of so many slots.
    pub fn new(objects: u32, slots: u32) -> Self {
        let lists = SegmentList::new(objects);
        let mut policy = Self { lists, in_limit: 0, out_limit: 0, event: NEVER, newcomers: 0 };
        policy.on_capacity(slots);
        policy
    }

    #[inline]
    fn note(&mut self, event: u64) {
        if event != self.event {
            self.event = event;
            self.newcomers = 0;
        }
    }
}

impl Policy for TwoQ {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.note(access.event);
        if self.lists.segment(object) == MAIN {
            self.lists.move_to_back(MAIN, object);
        }
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.note(access.event);
        if self.lists.segment(object) == A1_OUT {
            self.lists.move_to_back(MAIN, object);
        } else {
            self.newcomers += 1;
            self.lists.push_back(A1_IN, object);
        }
    }

    fn on_remove(&mut self, object: u32) {
        if self.lists.segment(object) == A1_IN {
            // Only newcomers are taken back; where the cache is cleared, the count ends at zero as it should.
            self.newcomers = self.newcomers.saturating_sub(1);
        }
        self.lists.remove(object);
    }

    #[inline]
    fn on_evict(&mut self, object: u32) {
        self.newcomers = self.newcomers.saturating_sub(1);
        if self.lists.segment(object) == A1_IN {
            self.lists.move_to_back(A1_OUT, object);
            self.lists.shorten(A1_OUT, self.out_limit);
        } else {
            self.lists.remove(object);
        }
    }

    fn on_capacity(&mut self, slots: u32) {
        let share = |percent: u64| u32::try_from(u64::from(slots) * percent / 100).unwrap_or(u32::MAX);
        self.in_limit = share(IN_PERCENT);
        self.out_limit = share(OUT_PERCENT);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let settled = self.lists.len(A1_IN).saturating_sub(self.newcomers);
        let (first, second) = if settled > self.in_limit { (A1_IN, MAIN) } else { (MAIN, A1_IN) };
        let mut order = self.lists.iter(first).chain(self.lists.iter(second));
        order.find(|object| candidates.allows(*object))
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::{Access, CacheShape, ExpertCache, NEVER, Scope};

    /// Four slots: A1in may hold one, A1out two names.
    #[test]
    fn newcomers_count_as_room_is_made_for_them() {
        let shape = CacheShape {
            layers: 1,
            experts: 8,
            sizes: vec![1],
            scope: Scope::Global,
            pool_capacity: vec![4],
            pinned: Vec::new(),
        };
        let mut cache = ExpertCache::new(shape, |input| super::TwoQ::new(input.objects, input.slots));
        // From 4 on, 0 to 3 leave A1in in turn; 0, 1 and 2 come again in time and enter Am, so that 3 and 4 leave too.
        let singles = [0, 1, 2, 3, 4, 5, 0, 1, 2].map(|expert| vec![expert]);
        // A1in holds 5 alone. Room for 6 is made in Am; then A1in holds 5 and 6 and gives up 5.
        let events = singles.into_iter().chain([vec![6, 7]]);
        for (event, selections) in (0..).zip(events) {
            cache.begin_event();
            for expert in selections {
                cache.select(0, expert, &Access { event, next_event: NEVER, weight: 0 });
            }
            cache.end_event(0);
        }
        let resident: Vec<u32> = (0..8).filter(|expert| cache.is_resident(0, *expert)).collect();
        assert_eq!(resident, [1, 2, 6, 7]);
    }
}
