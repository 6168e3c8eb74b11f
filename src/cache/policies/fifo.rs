//! First in, first out (Belady, "A study of replacement algorithms for a virtual-storage computer", 1966).
//!
//! No parameters. It ignores hits, so under the cycle of layers it falls off the same cliff as LRU.

use crate::cache::{Access, Candidates, OrderList, Policy};

/// Evicts the object that has been resident longest.
#[derive(Clone, Debug)]
pub struct Fifo {
    order: OrderList,
}

impl Fifo {
    /// Over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        Self { order: OrderList::new(objects) }
    }
}

impl Policy for Fifo {
    fn on_hit(&mut self, _object: u32, _access: &Access) {}

    fn on_insert(&mut self, object: u32, _access: &Access) {
        self.order.push_back(object);
    }

    fn on_remove(&mut self, object: u32) {
        self.order.remove(object);
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.order.iter().find(|object| candidates.allows(*object))
    }
}
