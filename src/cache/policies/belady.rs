//! Belady's MIN (Belady, 1966): evict what is needed again farthest in the future. It reads the future, so it is a bound
//! and not a policy that an engine could run.
//!
//! With group-atomic events the future is counted in layer events, objects never needed again go first, and ties go to
//! the oldest insertion. It is optimal where all experts have one size; with mixed sizes it is a very good reference.

use std::cmp::Reverse;

use crate::cache::{Access, Candidates, IndexedHeap, Policy};

/// Evicts the object whose next use is farthest away.
#[derive(Clone, Debug)]
pub struct Belady {
    soonest_first: Vec<u32>,
    insertions: u64,
    inserted: Vec<u64>,
    order: IndexedHeap<(Reverse<u64>, u64)>,
}

impl Belady {
    /// `first_events[object]` is the first layer event that asks for an object, which orders what a filled start holds;
    /// empty where no start is filled.
    pub fn new(first_events: &[u64], objects: u32) -> Self {
        let mut soonest_first: Vec<u32> = (0..objects).collect();
        soonest_first.sort_by_key(|object| (first_events.get(*object as usize), *object));
        Self {
            soonest_first,
            insertions: 0,
            inserted: vec![0; objects as usize],
            order: IndexedHeap::new(objects),
        }
    }
}

impl Policy for Belady {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.order.set(object, (Reverse(access.next_event), self.inserted[object as usize]));
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.insertions += 1;
        self.inserted[object as usize] = self.insertions;
        self.order.set(object, (Reverse(access.next_event), self.insertions));
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.order.remove(object);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.order.first_allowed(candidates)
    }

    fn preload(&self) -> Vec<u32> {
        self.soonest_first.clone()
    }
}
