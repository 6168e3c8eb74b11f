//! Most recently used (Chou and DeWitt, "An evaluation of buffer management strategies for relational database
//! systems", VLDB 1985, for scans that come round again).
//!
//! No parameters. The experts of the event itself are never candidates, so the victim is the most recent of the events
//! before it. In MoE decode that is the layer just computed, which of all layers is needed again latest: in a pure
//! cycle MRU is optimal where LRU hits nothing. It holds on to what it was given first, so it does not adapt.

use crate::cache::{Access, Candidates, OrderList, Policy};

/// Evicts the object whose last appearance is newest, the current event aside.
#[derive(Clone, Debug)]
pub struct Mru {
    order: OrderList,
}

impl Mru {
    /// Over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        Self { order: OrderList::new(objects) }
    }
}

impl Policy for Mru {
    #[inline]
    fn on_hit(&mut self, object: u32, _access: &Access) {
        self.order.move_to_back(object);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, _access: &Access) {
        self.order.push_back(object);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.order.remove(object);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.order.iter_back().find(|object| candidates.allows(*object))
    }
}
