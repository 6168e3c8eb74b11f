//! Least recently used (Mattson, Gecsei, Slutz and Traiger, "Evaluation techniques for storage hierarchies", 1970).
//!
//! No parameters. In MoE decode every token walks the layers in the same order, so with room for no more than what the
//! other layers ask for (layers - 1, times top-k experts) a layer finds nothing of its own when it comes round again, and
//! LRU hits nothing at all. From there to one token's working set it can hit the experts that were chosen last.

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

    fn orders_by_last_use(&self) -> bool {
        true
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.order.iter().find(|object| candidates.allows(*object))
    }
}
