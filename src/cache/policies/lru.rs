//! Least recently used (Mattson, Gecsei, Slutz and Traiger, "Evaluation techniques for storage hierarchies", 1970).
//!
//! No parameters. In MoE decode every token walks the layers in the same order, so below one token's working set (layers
//! times top-k experts) the expert needed next is always the one evicted longest ago, and LRU hits nothing at all.

use crate::cache::{Access, Candidates, OrderList, Policy};

/// Evicts the object whose last appearance is oldest.
#[derive(Clone, Debug)]
pub struct Lru {
    order: OrderList,
}

impl Lru {
    /// Over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        Self { order: OrderList::new(objects) }
    }
}

impl Policy for Lru {
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
        self.order.iter().find(|object| candidates.allows(*object))
    }
}
