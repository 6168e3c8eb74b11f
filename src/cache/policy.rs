//! The policy trait. A policy only orders; the mechanism ([`super::ExpertCache`]) owns capacity, bytes and pins, so a
//! wrong policy can cost hits but cannot break conservation.

use super::{CacheShape, Candidates};

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

/// What one pool's policy is built from.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInput<'a> {
    /// Number of the pool: 0, or the layer where each layer has its own.
    pub pool: u32,
    /// Objects in the pool, numbered from 0.
    pub objects: u32,
    /// Experts per layer: object = layer * experts + expert, the layer being 0 where each layer has its own pool.
    pub experts: u32,
    /// Objects of average size that the pool has room for beside its pins; [`Policy::on_capacity`] tells of changes.
    pub slots: u32,
    /// Size of an expert in bytes, by layer of the pool.
    pub sizes: &'a [u64],
    /// What fetching an expert costs, by layer of the pool; its bytes, or nanoseconds where a machine is known.
    pub costs: &'a [u64],
    /// The scenario's seed.
    pub seed: u64,
    /// Selections of each object in the profile; empty unless the policy needs it.
    pub profile: &'a [u64],
    /// First layer event that asks for each object; empty unless the policy needs the future.
    pub first_events: &'a [u64],
}

impl<'a> PolicyInput<'a> {
    /// What the mechanism knows of a pool: everything but seed, profile and future.
    pub(super) fn new(pool: u32, shape: &'a CacheShape, slots: u32) -> Self {
        let sizes = shape.pool_sizes(pool);
        Self {
            pool,
            objects: shape.pool_objects(),
            experts: shape.experts,
            slots,
            sizes,
            costs: sizes,
            seed: 0,
            profile: &[],
            first_events: &[],
        }
    }

    /// Layers in the pool.
    pub fn layers(&self) -> u32 {
        self.objects / self.experts.max(1)
    }
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

    /// A tracked object is no longer: its insertion was taken back, or the cache was cleared.
    fn on_remove(&mut self, object: u32);

    /// The object that [`Policy::victim`] has just named leaves. Policies that remember what they evicted do so here.
    #[inline]
    fn on_evict(&mut self, object: u32) {
        self.on_remove(object);
    }

    /// What follows belongs to another sequence than what came before.
    fn on_sequence(&mut self) {}

    /// The pool has room for so many objects of average size from now on.
    fn on_capacity(&mut self, _slots: u32) {}

    /// The tracked object to evict among those that `candidates` allows; `None` where there is none. The mechanism calls
    /// [`Policy::on_evict`] for it next. It is asked at the end of an event, when the event's own experts are tracked
    /// already and not allowed; a policy defined to evict before it inserts must leave them out of its account.
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32>;

    /// Whether all that matters of an event is the order in which its objects appeared last. Then an event may be told in
    /// that order, each object once, however often it appears.
    fn orders_by_last_use(&self) -> bool {
        false
    }

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

    fn on_evict(&mut self, object: u32) {
        (**self).on_evict(object);
    }

    fn on_sequence(&mut self) {
        (**self).on_sequence();
    }

    fn on_capacity(&mut self, slots: u32) {
        (**self).on_capacity(slots);
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        (**self).victim(candidates)
    }

    fn orders_by_last_use(&self) -> bool {
        (**self).orders_by_last_use()
    }

    fn preload(&self) -> Vec<u32> {
        (**self).preload()
    }
}
