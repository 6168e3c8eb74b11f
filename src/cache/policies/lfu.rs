//! Least frequently used, with counts that outlive eviction ("perfect" LFU; Coffman and Denning, "Operating Systems
//! Theory", 1973).
//!
//! No parameters. Every appearance counts, and ties go to the least recently used. Counts never age, so experts that an
//! earlier prompt loved stay for long after it.

use crate::cache::{Access, Candidates, IndexedHeap, Policy};

/// Evicts the object with the fewest appearances since the run began.
#[derive(Clone, Debug)]
pub struct Lfu {
    counts: Vec<u64>,
    touches: u64,
    order: IndexedHeap<(u64, u64)>,
}

impl Lfu {
    /// Over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        Self { counts: vec![0; objects as usize], touches: 0, order: IndexedHeap::new(objects) }
    }

    fn touch(&mut self, object: u32) {
        self.touches += 1;
        let count = &mut self.counts[object as usize];
        *count += 1;
        self.order.set(object, (*count, self.touches));
    }
}

impl Policy for Lfu {
    fn on_hit(&mut self, object: u32, _access: &Access) {
        self.touch(object);
    }

    fn on_insert(&mut self, object: u32, _access: &Access) {
        self.touch(object);
    }

    fn on_remove(&mut self, object: u32) {
        self.order.remove(object);
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.order.first_allowed(candidates)
    }
}
