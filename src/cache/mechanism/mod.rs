//! The mechanism: which experts are resident, how many bytes they take, and when the policy must give one up.
//!
//! # Semantics, group-atomic
//!
//! One layer event is the set of experts that a pass asks for in one layer. Its selections are walked token by token and
//! by rank. The first appearance of an expert looks it up: resident is a hit, else a miss that inserts it. Every
//! appearance, first or later, touches it. Only after the whole event is anything evicted, down to the capacity, and
//! never one of the event's own experts. An event larger than the capacity evicts everything else and stays whole until
//! the next event's eviction, whichever layer that belongs to; the excess is transient memory and is reported as
//! overshoot.
//!
//! A textbook replay (one access at a time) is the same mechanism with one event per selection: [`ExpertCache::access`].
//!
//! The mechanism leaves out time: what a miss costs is the simulator's business.

mod admission;
mod fill;
mod shape;

pub use admission::Admission;
use admission::Gate;
pub use shape::{CacheShape, Scope};

use super::{Access, Policy, PolicyInput};

/// Top bit of an object's state: it is resident.
const RESIDENT: u32 = 1 << 31;
/// Next bit: it is pinned, and so never told to a policy.
const PINNED: u32 = 1 << 30;
/// Next bit: the last event that asked for it found it missing.
const MISSED: u32 = 1 << 29;
/// Next bit: the gate did not admit it, so it is here until the event ends and no policy knows it.
const GUEST: u32 = 1 << 28;
/// The rest: the last event (modulo a reset) that asked for it.
const EPOCH: u32 = GUEST - 1;

/// What became of one selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// First appearance in this event, and resident.
    Hit,
    /// First appearance in this event, and not resident: it is now.
    Miss,
    /// A later appearance in an event that found it resident.
    HitAgain,
    /// A later appearance in the event that inserted it.
    MissAgain,
}

/// Which objects of a pool may be evicted now: all but those of the current event.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    state: &'a [u32],
    epoch: u32,
}

impl Candidates<'_> {
    /// Whether the mechanism would accept this object as a victim.
    pub fn allows(&self, object: u32) -> bool {
        let state = self.state[object as usize];
        state & RESIDENT != 0 && state & PINNED == 0 && state & EPOCH != self.epoch
    }
}

/// One pool: a capacity, what is used of it, and the policy that orders it.
#[derive(Clone, Debug)]
struct Pool<P> {
    capacity: u64,
    used: u64,
    /// Of it, what pins take.
    pinned: u64,
    /// Objects of average size that fit beside them.
    slots: u32,
    policy: P,
}

/// An expert cache over dense object numbers `layer * experts + expert`.
#[derive(Clone, Debug)]
pub struct ExpertCache<P> {
    shape: CacheShape,
    pools: Vec<Pool<P>>,
    state: Vec<u32>,
    epoch: u32,
    pool_objects: u32,
    /// The pool that the last event left with more than it has room for; [`NONE`] where it did not.
    overfull: usize,
    overshoot_max: u64,
    evictions: u64,
    /// Whether there is a gate or someone wants to know what is evicted; asked once on the way of an access.
    is_watched: bool,
    /// What the last event evicted, as `layer * experts + expert`, where someone wants to know.
    evicted: Option<Vec<u32>>,
    gate: Option<Box<Gate>>,
}

/// No pool.
const NONE: usize = usize::MAX;

impl<P: Policy> ExpertCache<P> {
    /// An empty cache, pins aside. `policy` builds the policy of one pool from what the mechanism knows of it; the caller
    /// adds what else the policy needs. Panics unless there is a size for each layer and a capacity for each pool.
    pub fn new(shape: CacheShape, mut policy: impl FnMut(PolicyInput<'_>) -> P) -> Self {
        assert_eq!(shape.sizes.len(), shape.layers as usize, "one size per layer");
        assert_eq!(shape.pool_capacity.len(), shape.pools() as usize, "one capacity per pool");
        let mut state = vec![0; (shape.layers * shape.experts) as usize];
        let mut pinned_bytes = vec![0; shape.pools() as usize];
        for object in &shape.pinned {
            let layer = object / shape.experts;
            if state[*object as usize] & PINNED == 0 {
                state[*object as usize] |= RESIDENT | PINNED;
                pinned_bytes[Self::pool_of(shape.scope, layer)] += shape.sizes[layer as usize];
            }
        }
        let pool_objects = shape.pool_objects();
        let pool = |pool: u32| {
            let (capacity, pinned) = (shape.pool_capacity[pool as usize], pinned_bytes[pool as usize]);
            let slots = shape.slots(pool, capacity.saturating_sub(pinned));
            let input = PolicyInput::new(pool, &shape, slots);
            Pool { capacity, used: pinned, pinned, slots, policy: policy(input) }
        };
        let pools = (0..shape.pools()).map(pool).collect();
        Self {
            shape,
            pools,
            state,
            epoch: 1,
            pool_objects,
            overfull: NONE,
            overshoot_max: 0,
            evictions: 0,
            is_watched: false,
            evicted: None,
            gate: None,
        }
    }

    /// The same cache with a gate before it.
    #[must_use]
    pub fn with_admission(mut self, admission: Admission) -> Self {
        let gate =
            || Box::new(Gate::new(admission, self.shape.pools(), self.shape.layers * self.shape.experts));
        self.gate = (admission != Admission::Always).then(gate);
        self.is_watched |= self.gate.is_some();
        self
    }

    fn pool_of(scope: Scope, layer: u32) -> usize {
        match scope {
            Scope::Global => 0,
            Scope::PerLayer => layer as usize,
        }
    }

    /// The number of an expert within its pool.
    fn local(&self, layer: u32, expert: u32) -> u32 {
        match self.shape.scope {
            Scope::Global => layer * self.shape.experts + expert,
            Scope::PerLayer => expert,
        }
    }

    /// Begins a layer event: everything selected until [`ExpertCache::end_event`] belongs to it.
    #[inline]
    pub fn begin_event(&mut self) {
        if self.epoch == EPOCH {
            // Epochs have run out of bits: forget who was asked for when, which no later event can notice.
            self.state.iter_mut().for_each(|state| *state &= !EPOCH);
            self.epoch = 0;
        }
        self.epoch += 1;
        if self.is_watched {
            self.gate.iter_mut().for_each(|gate| gate.begin_event());
            self.evicted.iter_mut().for_each(Vec::clear);
        }
    }

    /// An event of one selection. Says whether it missed.
    ///
    /// The same as beginning an event, selecting and ending it, but a hit in a cache that nobody watches has nothing to
    /// begin and nothing to end.
    #[inline]
    pub fn access(&mut self, layer: u32, expert: u32, access: &Access) -> bool {
        let object = (layer * self.shape.experts + expert) as usize;
        if self.state[object] & (RESIDENT | PINNED) == RESIDENT && !self.is_watched && self.overfull == NONE {
            let local = self.local(layer, expert);
            self.pools[Self::pool_of(self.shape.scope, layer)].policy.on_hit(local, access);
            return false;
        }
        self.begin_event();
        let found = self.select(layer, expert, access);
        self.end_event(layer);
        found == Lookup::Miss
    }

    /// Tells the policies that what follows belongs to another sequence than what came before.
    pub fn begin_sequence(&mut self) {
        self.pools.iter_mut().for_each(|pool| pool.policy.on_sequence());
    }

    /// One selection of the current event. `layer` must be the same for all selections of an event.
    #[inline]
    pub fn select(&mut self, layer: u32, expert: u32, access: &Access) -> Lookup {
        let object = (layer * self.shape.experts + expert) as usize;
        let state = self.state[object];
        let local = self.local(layer, expert);
        if state & RESIDENT == 0 {
            if self.is_watched && !self.admit(layer, local, object) {
                return Lookup::Miss;
            }
            let pool = &mut self.pools[Self::pool_of(self.shape.scope, layer)];
            self.state[object] = RESIDENT | MISSED | self.epoch;
            pool.used += self.shape.sizes[layer as usize];
            pool.policy.on_insert(local, access);
            return Lookup::Miss;
        }
        let pool = &mut self.pools[Self::pool_of(self.shape.scope, layer)];
        if state & (PINNED | GUEST) == 0 {
            pool.policy.on_hit(local, access);
        }
        if state & EPOCH == self.epoch {
            return if state & MISSED == 0 { Lookup::HitAgain } else { Lookup::MissAgain };
        }
        self.state[object] = state & !(EPOCH | MISSED) | self.epoch;
        if self.is_watched
            && state & PINNED == 0
            && let Some(gate) = &mut self.gate
        {
            gate.event_bytes += self.shape.sizes[layer as usize];
        }
        Lookup::Hit
    }

    /// Asks the gate about a miss. What it refuses is resident, as a guest that no policy knows, until the event ends.
    #[cold]
    fn admit(&mut self, layer: u32, local: u32, object: usize) -> bool {
        let pool = Self::pool_of(self.shape.scope, layer);
        let Some(gate) = &mut self.gate else { return true };
        gate.event_bytes += self.shape.sizes[layer as usize];
        gate.provisional.push(local);
        let admitted = gate.admits(pool, u32::try_from(object).unwrap_or(0), self.pools[pool].slots);
        if admitted {
            if gate.kind == Admission::SecondHit {
                gate.provisional.pop();
            }
        } else {
            self.state[object] = RESIDENT | GUEST | MISSED | self.epoch;
            self.pools[pool].used += self.shape.sizes[layer as usize];
        }
        admitted
    }

    /// Ends the event of `layer`: evicts down to the capacity, sparing the event's own experts.
    #[inline]
    pub fn end_event(&mut self, layer: u32) {
        let pool = Self::pool_of(self.shape.scope, layer);
        let Pool { capacity, used, .. } = self.pools[pool];
        if used > capacity {
            self.overshoot_max = self.overshoot_max.max(used - capacity);
        }
        if self.is_watched {
            self.show_out(layer);
        }
        let before = std::mem::replace(&mut self.overfull, NONE);
        if before != NONE && before != pool {
            // What the event before left over its pool's capacity was spared until now.
            self.evict(before);
        }
        if self.pools[pool].used > capacity {
            self.evict(pool);
            if self.pools[pool].used > capacity {
                self.overfull = pool;
            }
        }
    }

    /// Guests leave, and with them everything that an event too large for its pool has brought.
    #[cold]
    fn show_out(&mut self, layer: u32) {
        let pool_index = Self::pool_of(self.shape.scope, layer);
        let first = pool_index * self.pool_objects as usize;
        let size = self.shape.sizes[layer as usize];
        let Some(gate) = &mut self.gate else { return };
        let pool = &mut self.pools[pool_index];
        let room = pool.capacity.saturating_sub(pool.pinned);
        if gate.kind == Admission::BypassLargeEvents && gate.event_bytes <= room {
            return;
        }
        for local in gate.provisional.drain(..) {
            let state = &mut self.state[first + local as usize];
            if *state & RESIDENT == 0 {
                continue;
            }
            if *state & GUEST == 0 {
                pool.policy.on_remove(local);
            }
            *state &= !(RESIDENT | GUEST);
            pool.used -= size;
        }
    }

    fn evict(&mut self, pool_index: usize) {
        let first = pool_index * self.pool_objects as usize;
        let pool = &mut self.pools[pool_index];
        while pool.used > pool.capacity {
            let states = &mut self.state[first..first + self.pool_objects as usize];
            let candidates = Candidates { state: states, epoch: self.epoch };
            let Some(victim) = pool.policy.victim(&candidates) else { break };
            assert!(candidates.allows(victim), "the policy named object {victim}, which may not be evicted");
            pool.policy.on_evict(victim);
            states[victim as usize] &= !RESIDENT;
            let layer = (first + victim as usize) / self.shape.experts as usize;
            pool.used -= self.shape.sizes[layer];
            self.evictions += 1;
            if let Some(evicted) = &mut self.evicted {
                evicted.extend(u32::try_from(first + victim as usize));
            }
        }
    }

    /// Takes back the insertion of an expert that missed in the current event: it is dealt with elsewhere and never
    /// comes to lie here. To be called before [`ExpertCache::end_event`].
    pub fn forgo(&mut self, layer: u32, expert: u32) {
        let object = (layer * self.shape.experts + expert) as usize;
        assert_eq!(
            self.state[object] & (RESIDENT | PINNED | MISSED | EPOCH),
            RESIDENT | MISSED | self.epoch,
            "only what has just missed can be forgone"
        );
        let guest = self.state[object] & GUEST != 0;
        self.state[object] &= !(RESIDENT | GUEST);
        let local = self.local(layer, expert);
        let pool = &mut self.pools[Self::pool_of(self.shape.scope, layer)];
        pool.used -= self.shape.sizes[layer as usize];
        if !guest {
            pool.policy.on_remove(local);
        }
    }

    /// The same cache, writing down what each event evicts.
    #[must_use]
    pub fn telling_evictions(mut self) -> Self {
        self.evicted = Some(Vec::new());
        self.is_watched = true;
        self
    }

    /// What the last event evicted, as `layer * experts + expert`, in order; empty unless the cache was told to say so.
    pub fn evicted(&self) -> &[u32] {
        self.evicted.as_deref().unwrap_or_default()
    }

    /// Takes an expert out, as for another tier that holds it from now on. Says whether it was resident; one that is
    /// pinned is, and stays.
    pub fn take(&mut self, layer: u32, expert: u32) -> bool {
        let object = (layer * self.shape.experts + expert) as usize;
        let state = self.state[object];
        if state & RESIDENT == 0 || state & PINNED != 0 {
            return state & RESIDENT != 0;
        }
        self.state[object] &= !RESIDENT;
        let local = self.local(layer, expert);
        let pool = &mut self.pools[Self::pool_of(self.shape.scope, layer)];
        pool.used -= self.shape.sizes[layer as usize];
        pool.policy.on_remove(local);
        true
    }

    /// Gives the only pool of a global cache another capacity; what exceeds it leaves at the end of the next event.
    pub fn set_capacity(&mut self, capacity: u64) {
        assert_eq!(self.pools.len(), 1, "shares of layers do not change");
        let pool = &mut self.pools[0];
        pool.capacity = capacity;
        pool.slots = self.shape.slots(0, capacity.saturating_sub(pool.pinned));
        pool.policy.on_capacity(pool.slots);
    }

    /// Whether an event may be told in the order of last appearances, each expert once: that is all that its policies
    /// and its gate look at.
    pub fn takes_events_whole(&self) -> bool {
        self.gate.is_none() && self.pools.iter().all(|pool| pool.policy.orders_by_last_use())
    }

    /// Whether an expert is resident.
    pub fn is_resident(&self, layer: u32, expert: u32) -> bool {
        self.state[(layer * self.shape.experts + expert) as usize] & RESIDENT != 0
    }

    /// Bytes resident now, over all pools.
    pub fn used(&self) -> u64 {
        self.pools.iter().map(|pool| pool.used).sum()
    }

    /// Sizes and limits.
    pub fn shape(&self) -> &CacheShape {
        &self.shape
    }

    /// The most bytes by which one event exceeded its pool's capacity.
    pub fn overshoot_max(&self) -> u64 {
        self.overshoot_max
    }

    /// Experts evicted so far.
    pub fn evictions(&self) -> u64 {
        self.evictions
    }
}
