//! Residency without a cache: one pass over the trace has told what each lookup needs.

use crate::cache::{CacheShape, Scope};
use crate::plan::Foretold;

/// Reads what the lookups need in their order, and keeps account of how full each pool is.
#[derive(Debug)]
pub(super) struct ForetoldHits<'a> {
    needs: std::slice::Iter<'a, u32>,
    sizes: &'a [u64],
    pools: Vec<Pool>,
    scope: Scope,
    overshoot_max: u64,
    /// Of the event that is open: its layer, lookups and misses.
    layer: u32,
    lookups: u64,
    misses: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pool {
    capacity: u64,
    slots: u32,
    /// Experts held.
    held: u64,
}

impl<'a> ForetoldHits<'a> {
    /// Experts of one pool have one size.
    pub(super) fn new(foretold: &'a Foretold, shape: &'a CacheShape) -> Self {
        let pool = |(pool, capacity): (usize, &u64)| {
            let slots = capacity / shape.sizes[pool].max(1);
            Pool { capacity: *capacity, slots: u32::try_from(slots).unwrap_or(u32::MAX), held: 0 }
        };
        Self {
            needs: foretold.needs.iter(),
            sizes: &shape.sizes,
            pools: shape.pool_capacity.iter().enumerate().map(pool).collect(),
            scope: shape.scope,
            overshoot_max: 0,
            layer: 0,
            lookups: 0,
            misses: 0,
        }
    }

    fn pool(&mut self) -> &mut Pool {
        match self.scope {
            Scope::Global => &mut self.pools[0],
            Scope::PerLayer => &mut self.pools[self.layer as usize],
        }
    }

    pub(super) fn begin_event(&mut self, layer: u32) {
        if self.scope == Scope::PerLayer && layer != self.layer {
            // What the event before left over its pool's capacity is spared no longer.
            let before = self.pool();
            before.held = before.held.min(u64::from(before.slots));
        }
        (self.layer, self.lookups, self.misses) = (layer, 0, 0);
    }

    /// Whether the next lookup hits.
    pub(super) fn hits(&mut self) -> bool {
        let need = self.needs.next().copied().unwrap_or(Foretold::COLD);
        let hit = need != Foretold::COLD && need <= self.pool().slots;
        self.lookups += 1;
        self.misses += u64::from(!hit);
        hit
    }

    /// What has missed is held, and beyond the capacity only what the event itself asked for.
    pub(super) fn end_event(&mut self) {
        let (size, lookups, misses) = (self.sizes[self.layer as usize], self.lookups, self.misses);
        let pool = self.pool();
        let held = pool.held + misses;
        let beyond = (held * size).saturating_sub(pool.capacity);
        pool.held = if beyond > 0 { lookups.max(u64::from(pool.slots)) } else { held };
        self.overshoot_max = self.overshoot_max.max(beyond);
    }

    /// The pools are empty again.
    pub(super) fn clear(&mut self) {
        self.pools.iter_mut().for_each(|pool| pool.held = 0);
    }

    /// The most bytes by which one event exceeded its pool's capacity.
    pub(super) fn overshoot_max(&self) -> u64 {
        self.overshoot_max
    }
}
