//! Least frequently used, where eviction forgets the count ("in-cache" LFU; Coffman and Denning, "Operating Systems
//! Theory", 1973, and Breslau et al., "Web caching and Zipf-like distributions", INFOCOM 1999, who tell it from the
//! perfect one).
//!
//! No parameters. Defined one access at a time; here an event counts once for each of its experts, however many tokens of
//! a prompt ask for it, and ties go to the least recently used. A newcomer begins at one use. It cannot be the victim of
//! its own event, so in a cycle of layers longer than the cache the last newcomers push each other out while what was
//! used twice stays for ever.

use crate::cache::{Access, Appearances, Candidates, IndexedHeap, Policy};

/// Evicts the object that the fewest events have asked for since it came in.
#[derive(Clone, Debug)]
pub struct Lfu {
    appearances: Appearances,
    /// By uses, then by the last appearance.
    order: IndexedHeap<(u64, u64)>,
}

impl Lfu {
    /// Over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        Self { appearances: Appearances::default(), order: IndexedHeap::new(objects) }
    }
}

impl Policy for Lfu {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        let (uses, before) = self.order.key(object).unwrap_or_default();
        let (now, first) = self.appearances.next(access, before);
        self.order.set(object, (uses + u64::from(first), now));
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        let (now, _) = self.appearances.next(access, 0);
        self.order.set(object, (1, now));
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
