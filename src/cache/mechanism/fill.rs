//! What a cache holds before its first event, and how it is emptied.

use super::{ExpertCache, PINNED, RESIDENT};
use crate::cache::{Access, NEVER, Policy};

impl<P: Policy> ExpertCache<P> {
    /// Fills each pool before the first event: with what its policy wants, or else with the lowest experts of every
    /// layer in turn. Nothing is counted as a lookup. `first_events` holds the first event that asks for each object, for
    /// policies that read the future, and is empty for all others. Layers in `elsewhere` are left out: their experts never
    /// come here.
    pub fn fill(&mut self, first_events: &[u64], elsewhere: &[u32]) {
        self.fill_with(first_events, |layer, _| !elsewhere.contains(&layer));
    }

    /// The same with only those experts, by layer and number, that can come here.
    pub fn fill_with(&mut self, first_events: &[u64], comes: impl Fn(u32, u32) -> bool) {
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
                if !comes((first + local) / self.shape.experts, (first + local) % self.shape.experts) {
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
}
