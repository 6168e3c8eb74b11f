//! CLOCK, or second chance (Corbató, "A paging experiment with the Multics system", MIT Project MAC, 1968).
//!
//! One reference bit for each object, as in the original; libCacheSim's `Clock` has the same default. A hand goes
//! round the resident objects: it clears the bits that are set and takes the first object whose bit is not. What takes
//! the victim's place comes last in the hand's round. [`SweptQueue`] says how group-atomic events are fed to it.
//!
//! In MoE decode a bit says that an expert was chosen at least once since the hand last came by, which for a hand that
//! needs several tokens for a round is a better sign of a hot expert than the time of its last use.

use crate::cache::swept_queue::{Join, SweptQueue};
use crate::cache::{Access, Candidates, Policy};

/// Evicts the object that has been resident longest without being asked for again.
#[derive(Clone, Debug)]
pub struct Clock {
    queue: SweptQueue,
}

impl Clock {
    /// Over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        Self { queue: SweptQueue::new(objects, Join::BehindHand) }
    }
}

impl Policy for Clock {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.queue.hit(object, access);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.queue.insert(object, access);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.queue.remove(object);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.queue.victim(candidates)
    }
}
