//! Least frequently used with a share of the cache for each layer (BigMoeOnEdge replays it as `layerlfu` in
//! `scripts/route-replay.py`).
//!
//! No parameters. The shares are the capacities of one pool per layer, as in `layer-lru`; within a share the order is that
//! of `lfu-perfect`, whose counts survive eviction, as that simulator counts them. A layer's counts are only ever compared
//! with each other, so a layer that is asked more often than others keeps nothing of theirs out.

use super::LfuPerfect;
use crate::cache::{Access, Candidates, Policy};

/// Evicts the object of the layer that the fewest events have asked for since the run began.
#[derive(Clone, Debug)]
pub struct LayerLfu(LfuPerfect);

impl LayerLfu {
    /// Over the objects `0..objects` of one layer.
    pub fn new(objects: u32) -> Self {
        Self(LfuPerfect::new(objects))
    }
}

impl Policy for LayerLfu {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.0.on_hit(object, access);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.0.on_insert(object, access);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.0.on_remove(object);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.0.victim(candidates)
    }
}
