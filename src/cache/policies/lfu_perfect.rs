//! Least frequently used, with counts that outlive eviction ("perfect" LFU; Coffman and Denning, "Operating Systems
//! Theory", 1973).
//!
//! No parameters. An event counts once for each of its experts, however many tokens of a prompt ask for it: so does the
//! engine-side simulator whose curves `tests/residency.rs` compares with. Ties go to the least recently used. Counts
//! never age, so experts that an earlier prompt loved stay for long after it.

use crate::cache::{Access, Candidates, IndexedHeap, Policy};

/// An object's count, and the number of the event that it was last counted in.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    events: u64,
    last: Option<u64>,
}

/// Evicts the object that the fewest events have asked for since the run began.
#[derive(Clone, Debug)]
pub struct LfuPerfect {
    uses: Vec<Uses>,
    touches: u64,
    order: IndexedHeap<(u64, u64)>,
}

impl LfuPerfect {
    /// Over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        Self { uses: vec![Uses::default(); objects as usize], touches: 0, order: IndexedHeap::new(objects) }
    }

    fn touch(&mut self, object: u32, access: &Access) {
        self.touches += 1;
        let uses = &mut self.uses[object as usize];
        if uses.last != Some(access.event) {
            *uses = Uses { events: uses.events + 1, last: Some(access.event) };
        }
        self.order.set(object, (uses.events, self.touches));
    }
}

impl Policy for LfuPerfect {
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
    }

    fn on_insert(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
    }

    fn on_remove(&mut self, object: u32) {
        self.order.remove(object);
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.order.first_allowed(candidates)
    }
}
