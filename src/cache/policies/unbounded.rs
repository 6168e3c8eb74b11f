//! No eviction at all: what is left are the compulsory misses, the first request for each expert (named so by Hill,
//! "Aspects of cache memory and instruction buffer performance", 1987).
//!
//! No parameters. It needs room without limit, so no engine could run it and its row says so; the capacity of the cache is
//! exceeded, and what is reported as overshoot is the room that it took. No policy that loads on demand has fewer misses.

use crate::cache::{Access, Candidates, Policy};

/// Evicts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unbounded;

impl Unbounded {
    /// Over any objects.
    pub fn new() -> Self {
        Self
    }
}

impl Policy for Unbounded {
    #[inline]
    fn on_hit(&mut self, _object: u32, _access: &Access) {}

    #[inline]
    fn on_insert(&mut self, _object: u32, _access: &Access) {}

    #[inline]
    fn on_remove(&mut self, _object: u32) {}

    #[inline]
    fn victim(&mut self, _candidates: &Candidates<'_>) -> Option<u32> {
        None
    }
}
