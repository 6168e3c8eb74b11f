//! SIEVE (Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is simpler than LRU: an efficient turn-key eviction algorithm
//! for web caches", NSDI 2024).
//!
//! No parameters. It is CLOCK whose hand leaves what it spares where it stands, while newcomers join at the back: the
//! hand meets them only after it has come by everything older, and those that are not asked for again by then go at
//! once. [`SweptQueue`] says how group-atomic events are fed to it.
//!
//! It was made for streams in which most objects are asked for once. In the cycle of MoE layers every expert comes
//! back, newcomers are sieved out before their layer has come round again, and old experts outlive their use.

use crate::cache::swept_queue::{Join, SweptQueue};
use crate::cache::{Access, Candidates, Policy};

/// Evicts the oldest object from the hand on that was not asked for since the hand last came by.
#[derive(Clone, Debug)]
pub struct Sieve {
    queue: SweptQueue,
}

impl Sieve {
    /// Over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        Self { queue: SweptQueue::new(objects, Join::AtBack) }
    }
}

impl Policy for Sieve {
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
