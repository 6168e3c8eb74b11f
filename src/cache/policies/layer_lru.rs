//! Least recently used with a share of the cache for each layer (Eliseev and Mazur, "Fast inference of mixture-of-experts
//! language models with offloading", 2023, arXiv 2312.17238, keep the same number of experts for each layer; BigMoeOnEdge
//! replays it as `layer` in `scripts/route-replay.py`).
//!
//! No parameters. The shares are not made here: the row asks for one pool per layer, and the capacities of those pools,
//! which the caller chooses, are the shares. Within a share the order is that of LRU. Only a layer's own experts are
//! evicted for it, so the cycle of layers cannot flush a layer between two of its turns, as it does in one pool, but room
//! that one layer does not need helps no other.

use super::Lru;
use crate::cache::{Access, Candidates, Policy};

/// Evicts the object of the layer whose last appearance is oldest.
#[derive(Clone, Debug)]
pub struct LayerLru(Lru);

impl LayerLru {
    /// Over the objects `0..objects` of one layer.
    pub fn new(objects: u32) -> Self {
        Self(Lru::new(objects))
    }
}

impl Policy for LayerLru {
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

    fn orders_by_last_use(&self) -> bool {
        true
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.0.victim(candidates)
    }
}
