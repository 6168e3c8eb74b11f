//! ARC (Megiddo and Modha, "ARC: A self-tuning, low overhead replacement cache", FAST 2003).
//!
//! Two LRU lists share the cache: T1 holds what was asked for once of late, T2 what was asked for again. Each remembers
//! what it evicted, in B1 and B2. A miss that B1 remembers would have hit had T1 been longer, one that B2 remembers had
//! T2: so each moves the target length of T1, which decides whose oldest leaves. There is nothing to set.
//!
//! In a cycle of layers longer than the cache everything is new: T1 takes the whole cache, which leaves B1 no names, and
//! ARC is as blind as LRU. Once a few experts have had a second use within the cache's reach, T2 and B1 carry others over.
//!
//! The paper leaves open whether the target is a whole number; here it has a fraction, as in libCacheSim. The bounds on
//! the memories (T1 and B1 together at most as long as the cache, all four lists at most twice) are restored after each
//! eviction, which leaves the same names as the paper's cases.
//!
//! In the paper a newcomer enters after the eviction that makes room for it. With group-atomic events all newcomers'
//! lessons are learnt before the first eviction; the newcomers do not count into the lengths that REPLACE compares at
//! first, and each eviction lets one of them count. Later appearances of a newcomer in its own event are not a second use.

use crate::cache::{Access, Candidates, NEVER, Policy, SegmentList};

const T1: u32 = 0;
const T2: u32 = 1;
const B1: u32 = 2;
const B2: u32 = 3;

/// One object of the target length: a multiple of all numbers up to 16, so that quotients of short lists are exact.
const OBJECT: u64 = 720_720;

/// Balances recency against repeated use by what it regrets to have evicted.
#[derive(Clone, Debug)]
pub struct AdaptiveReplacement {
    lists: SegmentList<4>,
    slots: u32,
    /// Target length of T1 (`p` in the paper) in parts of an object.
    target: u64,
    /// The last event that each object was inserted by.
    inserted: Vec<u64>,
    /// The event being told of, how many of T1 and T2 came with it and do not count yet, and whether B2 remembered the
    /// last of them.
    event: u64,
    newcomers: [u32; 2],
    from_b2: bool,
}

impl AdaptiveReplacement {
    /// Over the objects `0..objects`, in a pool of so many slots.
    pub fn new(objects: u32, slots: u32) -> Self {
        Self {
            lists: SegmentList::new(objects),
            slots,
            target: 0,
            inserted: vec![NEVER; objects as usize],
            event: NEVER,
            newcomers: [0; 2],
            from_b2: false,
        }
    }

    #[inline]
    fn note(&mut self, event: u64) {
        if event != self.event {
            self.event = event;
            self.newcomers = [0; 2];
            self.from_b2 = false;
        }
    }

    /// By how much a miss that `own` remembers moves the target.
    fn step(&self, own: u32, other: u32) -> u64 {
        let quotient = u64::from(self.lists.len(other)) * OBJECT / u64::from(self.lists.len(own).max(1));
        quotient.max(OBJECT)
    }

    /// Objects of a list but for newcomers that no room has been made for.
    #[inline]
    fn settled(&self, list: u32) -> u32 {
        self.lists.len(list).saturating_sub(self.newcomers[list as usize])
    }

    /// The paper's REPLACE: which list gives up its oldest.
    #[inline]
    fn gives_up(&self) -> u32 {
        let recent = self.settled(T1);
        let length = u64::from(recent) * OBJECT;
        let too_long = length > self.target || (length == self.target && self.from_b2);
        if (recent > 0 && too_long) || self.settled(T2) == 0 { T1 } else { T2 }
    }
}

impl Policy for AdaptiveReplacement {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        if access.event == self.event && self.inserted[object as usize] == access.event {
            return;
        }
        self.note(access.event);
        self.lists.move_to_back(T2, object);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.note(access.event);
        self.inserted[object as usize] = access.event;
        let list = match self.lists.segment(object) {
            B1 => {
                self.target = (self.target + self.step(B1, B2)).min(u64::from(self.slots) * OBJECT);
                self.from_b2 = false;
                T2
            }
            B2 => {
                self.target = self.target.saturating_sub(self.step(B2, B1));
                self.from_b2 = true;
                T2
            }
            _ => {
                self.from_b2 = false;
                T1
            }
        };
        self.newcomers[list as usize] += 1;
        self.lists.move_to_back(list, object);
    }

    fn on_remove(&mut self, object: u32) {
        // Only newcomers are taken back; where the cache is cleared, the counts end at zero as they should.
        if let Some(newcomers) = self.newcomers.get_mut(self.lists.segment(object) as usize) {
            *newcomers = newcomers.saturating_sub(1);
        }
        self.lists.remove(object);
    }

    #[inline]
    fn on_evict(&mut self, object: u32) {
        if let Some(newcomers) = self.newcomers.iter_mut().find(|newcomers| **newcomers > 0) {
            *newcomers -= 1;
        }
        let memory = if self.lists.segment(object) == T1 { B1 } else { B2 };
        self.lists.move_to_back(memory, object);
        let recent = self.lists.len(T1);
        self.lists.shorten(B1, self.slots.saturating_sub(recent));
        let others = recent + self.lists.len(B1) + self.lists.len(T2);
        self.lists.shorten(B2, self.slots.saturating_mul(2).saturating_sub(others));
    }

    fn on_capacity(&mut self, slots: u32) {
        self.slots = slots;
        self.target = self.target.min(u64::from(slots) * OBJECT);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let first = self.gives_up();
        let mut order = self.lists.iter(first).chain(self.lists.iter(T1 + T2 - first));
        order.find(|object| candidates.allows(*object))
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::{Access, CacheShape, ExpertCache, NEVER, Scope};

    /// A prompt asks for 0 twice in one event: that is one use, so 0 stays in T1 and is its oldest when 2 comes.
    #[test]
    fn one_event_is_one_use() {
        let shape = CacheShape {
            layers: 1,
            experts: 3,
            sizes: vec![1],
            scope: Scope::Global,
            pool_capacity: vec![2],
            pinned: Vec::new(),
        };
        let mut cache =
            ExpertCache::new(shape, |input| super::AdaptiveReplacement::new(input.objects, input.slots));
        for (event, selections) in (0..).zip([vec![0, 0], vec![1], vec![2]]) {
            cache.begin_event();
            for expert in selections {
                cache.select(0, expert, &Access { event, next_event: NEVER, weight: 0 });
            }
            cache.end_event(0);
        }
        assert_eq!([0, 1, 2].map(|expert| cache.is_resident(0, expert)), [false, true, true]);
    }
}
