//! The mechanism: which experts are resident, how many bytes they take, and when the policy must give one up.
//!
//! # Semantics, group-atomic
//!
//! One layer event is the set of experts that a pass asks for in one layer. Its selections are walked token by token and
//! by rank. The first appearance of an expert looks it up: resident is a hit, else a miss that inserts it. Every
//! appearance, first or later, touches it. Only after the whole event is anything evicted, down to the capacity, and
//! never one of the event's own experts. An event larger than the capacity evicts everything else and stays whole until
//! the next event's eviction; the excess is transient memory and is reported as overshoot.
//!
//! A textbook replay (one access at a time) is the same mechanism with one event per selection.
//!
//! The mechanism leaves out time: what a miss costs is the simulator's business.

use super::{Access, NEVER, Policy};

/// Top bit of an object's state: it is resident.
const RESIDENT: u32 = 1 << 31;
/// Next bit: it is pinned, and so never told to a policy.
const PINNED: u32 = 1 << 30;
/// Next bit: the last event that asked for it found it missing.
const MISSED: u32 = 1 << 29;
/// The rest: the last event (modulo a reset) that asked for it.
const EPOCH: u32 = MISSED - 1;

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

/// How the objects are divided into pools, each with its own capacity and its own policy instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One pool holds the experts of all layers.
    Global,
    /// Each layer has its own.
    PerLayer,
}

/// Sizes and limits of a cache, in bytes. A number of slots is as many times the size of an expert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// MoE layers.
    pub layers: u32,
    /// Experts per layer.
    pub experts: u32,
    /// Size of one expert, by layer.
    pub sizes: Vec<u64>,
    /// One pool or one per layer.
    pub scope: Scope,
    /// Capacity of each pool: one entry, or one per layer.
    pub pool_capacity: Vec<u64>,
    /// Experts that are resident from the start and stay, as `layer * experts + expert`; their sizes count.
    pub pinned: Vec<u32>,
}

impl CacheShape {
    /// All experts together.
    pub fn total(&self) -> u64 {
        self.sizes.iter().map(|size| size * u64::from(self.experts)).sum()
    }
}

/// One pool: a capacity, what is used of it, and the policy that orders it.
#[derive(Clone, Debug)]
struct Pool<P> {
    capacity: u64,
    used: u64,
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
    overshoot_max: u64,
    evictions: u64,
}

impl<P: Policy> ExpertCache<P> {
    /// An empty cache, pins aside. `policy` builds the policy of one pool, given its number. Panics unless there is a
    /// size for each layer and a capacity for each pool.
    pub fn new(shape: CacheShape, policy: impl FnMut(u32) -> P) -> Self {
        let objects = shape.layers * shape.experts;
        let (pools, pool_objects) = match shape.scope {
            Scope::Global => (1, objects),
            Scope::PerLayer => (shape.layers, shape.experts),
        };
        assert_eq!(shape.sizes.len(), shape.layers as usize, "one size per layer");
        assert_eq!(shape.pool_capacity.len(), pools as usize, "one capacity per pool");
        let capacities = shape.pool_capacity.iter().copied();
        let pools = (0..pools).map(policy).zip(capacities).map(|(policy, capacity)| Pool {
            capacity,
            used: 0,
            policy,
        });
        let pools = pools.collect();
        let state = vec![0; objects as usize];
        let mut cache = Self { shape, pools, state, epoch: 1, pool_objects, overshoot_max: 0, evictions: 0 };
        for object in std::mem::take(&mut cache.shape.pinned) {
            let layer = object / cache.shape.experts;
            if cache.state[object as usize] & PINNED == 0 {
                cache.state[object as usize] |= RESIDENT | PINNED;
                cache.pools[Self::pool_of(cache.shape.scope, layer)].used +=
                    cache.shape.sizes[layer as usize];
            }
        }
        cache
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
    }

    /// One selection of the current event. `layer` must be the same for all selections of an event.
    #[inline]
    pub fn select(&mut self, layer: u32, expert: u32, access: &Access) -> Lookup {
        let object = (layer * self.shape.experts + expert) as usize;
        let state = self.state[object];
        let local = self.local(layer, expert);
        let pool = &mut self.pools[Self::pool_of(self.shape.scope, layer)];
        if state & RESIDENT == 0 {
            self.state[object] = RESIDENT | MISSED | self.epoch;
            pool.used += self.shape.sizes[layer as usize];
            pool.policy.on_insert(local, access);
            return Lookup::Miss;
        }
        if state & PINNED == 0 {
            pool.policy.on_hit(local, access);
        }
        if state & EPOCH == self.epoch {
            return if state & MISSED == 0 { Lookup::HitAgain } else { Lookup::MissAgain };
        }
        self.state[object] = state & !(EPOCH | MISSED) | self.epoch;
        Lookup::Hit
    }

    /// Ends the event of `layer`: evicts down to the capacity, sparing the event's own experts.
    #[inline]
    pub fn end_event(&mut self, layer: u32) {
        let pool = Self::pool_of(self.shape.scope, layer);
        let Pool { capacity, used, .. } = self.pools[pool];
        if used > capacity {
            self.overshoot_max = self.overshoot_max.max(used - capacity);
            self.evict(pool);
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
            pool.policy.on_remove(victim);
            states[victim as usize] &= !RESIDENT;
            let layer = (first + victim as usize) / self.shape.experts as usize;
            pool.used -= self.shape.sizes[layer];
            self.evictions += 1;
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
        self.state[object] &= !RESIDENT;
        let local = self.local(layer, expert);
        let pool = &mut self.pools[Self::pool_of(self.shape.scope, layer)];
        pool.used -= self.shape.sizes[layer as usize];
        pool.policy.on_remove(local);
    }

    /// Gives the only pool of a global cache another capacity; what exceeds it leaves at the end of the next event.
    pub fn set_capacity(&mut self, capacity: u64) {
        assert_eq!(self.pools.len(), 1, "shares of layers do not change");
        self.pools[0].capacity = capacity;
    }

    /// Fills each pool before the first event: with what its policy wants, or else with the lowest experts of every
    /// layer in turn. Nothing is counted as a lookup. `first_events` holds the first event that asks for each object, for
    /// policies that read the future, and is empty for all others. Layers in `elsewhere` are left out: their experts never
    /// come here.
    pub fn fill(&mut self, first_events: &[u64], elsewhere: &[u32]) {
        for index in 0..self.pools.len() {
            let first = u32::try_from(index).unwrap_or(0) * self.pool_objects;
            let mut wanted = self.pools[index].policy.preload();
            if wanted.is_empty() {
                let layers = self.pool_objects.checked_div(self.shape.experts).unwrap_or(0);
                let by_layer = |expert| (0..layers).map(move |layer| (layer, expert));
                wanted = (0..self.shape.experts)
                    .flat_map(by_layer)
                    .map(|(l, e)| l * self.shape.experts + e)
                    .collect();
            }
            for local in wanted {
                let object = (first + local) as usize;
                if elsewhere.contains(&((first + local) / self.shape.experts)) {
                    continue;
                }
                let size = self.shape.sizes[object / self.shape.experts as usize];
                let pool = &mut self.pools[index];
                if self.state[object] & RESIDENT == 0 && pool.used + size <= pool.capacity {
                    self.state[object] |= RESIDENT;
                    pool.used += size;
                    let next_event = first_events.get(object).copied().unwrap_or(NEVER);
                    // No event of the run has this number, so that nothing takes the filling for one.
                    pool.policy.on_insert(local, &Access { event: NEVER, next_event, weight: 0 });
                }
            }
        }
    }

    /// Empties the cache, pins aside, as between sequences that share nothing.
    pub fn clear(&mut self) {
        for object in 0..self.state.len() {
            if self.state[object] & (RESIDENT | PINNED) == RESIDENT {
                let layer = object / self.shape.experts as usize;
                let pool = Self::pool_of(self.shape.scope, u32::try_from(layer).unwrap_or(0));
                self.state[object] &= !RESIDENT;
                self.pools[pool].used -= self.shape.sizes[layer];
                let local = object % self.pool_objects as usize;
                self.pools[pool].policy.on_remove(u32::try_from(local).unwrap_or(0));
            }
        }
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
