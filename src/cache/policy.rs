//! The policy trait. A policy only orders; the mechanism ([`super::ExpertCache`]) owns capacity, bytes and pins, so a
//! wrong policy can cost hits but cannot break conservation.

use super::Candidates;

/// `Access::next_event` of an object that is never asked for again.
pub const NEVER: u64 = u64::MAX;

/// What a policy may know of one appearance of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Number of the layer event, rising from 0 over the whole run; [`NEVER`] for what a cache is filled with before it.
    pub event: u64,
    /// Number of the next layer event that asks for this object, or [`NEVER`]. Truthful only for policies whose registry
    /// row says that they need the future; [`NEVER`] for all others.
    pub next_event: u64,
    /// Gate weight of this selection in units of 1/65,535; zero where the trace has none.
    pub weight: u16,
}

/// An eviction order over the objects of one pool.
///
/// Objects are dense numbers `0..objects` within the pool. Between [`Policy::on_insert`] and [`Policy::on_remove`] an
/// object is *tracked*; the mechanism calls [`Policy::on_hit`] only for tracked objects and expects
/// [`Policy::victim`] to name only tracked ones. Pinned objects are never tracked.
pub trait Policy: Send {
    /// A tracked object appears: a hit, or another appearance within the event that inserted it.
    fn on_hit(&mut self, object: u32, access: &Access);

    /// An object becomes tracked.
    fn on_insert(&mut self, object: u32, access: &Access);

    /// A tracked object is no longer: it was the victim, or the cache was cleared.
    fn on_remove(&mut self, object: u32);

    /// The tracked object to evict among those that `candidates` allows; `None` where there is none. The mechanism calls
    /// [`Policy::on_remove`] for it next.
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32>;

    /// Objects the policy wants resident before the first event, best first. The mechanism takes as many as fit.
    fn preload(&self) -> Vec<u32> {
        Vec::new()
    }
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn on_hit(&mut self, object: u32, access: &Access) {
        (**self).on_hit(object, access);
    }

    fn on_insert(&mut self, object: u32, access: &Access) {
        (**self).on_insert(object, access);
    }

    fn on_remove(&mut self, object: u32) {
        (**self).on_remove(object);
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        (**self).victim(candidates)
    }

    fn preload(&self) -> Vec<u32> {
        (**self).preload()
    }
}
