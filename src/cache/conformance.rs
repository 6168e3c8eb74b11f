//! Laws that hold for every policy, as a suite that anyone can run on their own: [`check`].
//!
//! The streams are generated, deterministic, and shaped like routing: layers in a cycle, popular and unpopular experts,
//! prompts whose events hold many experts, and events larger than the cache.

use super::registry::PolicyRow;
use super::{Access, CacheShape, ExpertCache, Lookup, NEVER, Policy, PolicyInput, Scope};
use crate::rng::{Purpose, stream};
use rand::Rng;

const LAYERS: u32 = 5;
const EXPERTS: u32 = 12;
const OBJECTS: u32 = LAYERS * EXPERTS;
const PASSES: u64 = 120;
const SEEDS: u64 = 4;

/// One generated layer event: its layer and its selections.
type LayerEvent = (u32, Vec<u32>);

/// Runs every law on `row` and names the first that it breaks.
///
/// # Errors
/// The law, and the configuration in which it broke.
pub fn check(row: &PolicyRow) -> std::result::Result<(), String> {
    for seed in 0..SEEDS {
        let events = generate(seed);
        for scope in [Scope::Global, Scope::PerLayer] {
            let pool_objects = if scope == Scope::Global { OBJECTS } else { EXPERTS };
            for capacity in [1, 3, pool_objects / 3, pool_objects - 1, pool_objects] {
                let place = format!("policy {}, seed {seed}, {scope:?}, capacity {capacity}", row.name);
                let case = Case { row, seed, scope, capacity: u64::from(capacity), events: &events };
                case.check().map_err(|law| format!("{place}: {law}"))?;
            }
        }
    }
    Ok(())
}

fn generate(seed: u64) -> Vec<LayerEvent> {
    let mut rng = stream(seed, Purpose::SyntheticRouting, u64::MAX, 0);
    let mut below =
        |bound: u32| u32::try_from((u64::from(rng.next_u32()) * u64::from(bound)) >> 32).unwrap_or(0);
    let mut events = Vec::new();
    for pass in 0..PASSES {
        let tokens = if pass % 16 == 0 { 6 } else { 1 };
        for layer in 0..LAYERS {
            // The smaller of two draws: low experts are popular.
            let selections = (0..3 * tokens).map(|_| below(EXPERTS).min(below(EXPERTS))).collect();
            events.push((layer, selections));
        }
    }
    events
}

/// The next event that asks for the same expert, per selection.
fn futures(events: &[LayerEvent]) -> Vec<Vec<u64>> {
    let mut upcoming = vec![NEVER; OBJECTS as usize];
    let mut futures: Vec<Vec<u64>> = Vec::new();
    for (number, (layer, selections)) in (0_u64..).zip(events).collect::<Vec<_>>().into_iter().rev() {
        let object = |expert: &u32| (layer * EXPERTS + expert) as usize;
        futures.push(selections.iter().map(|expert| upcoming[object(expert)]).collect());
        selections.iter().for_each(|expert| upcoming[object(expert)] = number);
    }
    futures.reverse();
    futures
}

struct Case<'a> {
    row: &'a PolicyRow,
    seed: u64,
    scope: Scope,
    capacity: u64,
    events: &'a [LayerEvent],
}

impl Case<'_> {
    fn cache(&self) -> ExpertCache<Box<dyn Policy>> {
        let shape = CacheShape {
            layers: LAYERS,
            experts: EXPERTS,
            sizes: vec![1; LAYERS as usize],
            scope: self.scope,
            pool_capacity: vec![self.capacity; if self.scope == Scope::Global { 1 } else { LAYERS as usize }],
            pinned: Vec::new(),
        };
        let objects = if self.scope == Scope::Global { OBJECTS } else { EXPERTS };
        let profile: Vec<u64> = (0..u64::from(objects)).rev().collect();
        let never = vec![NEVER; objects as usize];
        ExpertCache::new(shape, |input| {
            let input = PolicyInput { seed: self.seed, profile: &profile, first_events: &never, ..input };
            (self.row.build)(&input)
        })
    }

    /// Replays, checking after every event what must hold then, and returns the outcome of every selection.
    fn run(&self) -> std::result::Result<Vec<Lookup>, String> {
        let mut cache = self.cache();
        let mut found = Vec::new();
        let futures = futures(self.events);
        for (number, ((layer, selections), future)) in (0_u64..).zip(self.events.iter().zip(&futures)) {
            let before: Vec<bool> = (0..EXPERTS).map(|expert| cache.is_resident(*layer, expert)).collect();
            cache.begin_event();
            for (expert, next_event) in selections.iter().zip(future) {
                let access = Access { event: number, next_event: *next_event, weight: 0 };
                let lookup = cache.select(*layer, *expert, &access);
                let expected = before[*expert as usize];
                if expected != matches!(lookup, Lookup::Hit | Lookup::HitAgain) {
                    return Err(format!(
                        "event {number}: {lookup:?} of an expert that was resident: {expected}"
                    ));
                }
                found.push(lookup);
            }
            cache.end_event(*layer);
            if let Some(lost) = selections.iter().find(|expert| !cache.is_resident(*layer, **expert)) {
                return Err(format!("event {number} evicted its own expert {lost}"));
            }
            self.check_occupancy(&cache, *layer, selections, number)?;
        }
        Ok(found)
    }

    /// Bytes are conserved, and the capacity holds unless the event alone exceeds it.
    fn check_occupancy(
        &self,
        cache: &ExpertCache<Box<dyn Policy>>,
        layer: u32,
        selections: &[u32],
        number: u64,
    ) -> std::result::Result<(), String> {
        let resident =
            |layer: u32| (0..EXPERTS).filter(|expert| cache.is_resident(layer, *expert)).count() as u64;
        let all: u64 = (0..LAYERS).map(resident).sum();
        if all != cache.used() {
            return Err(format!("event {number}: {all} experts are resident, {} are booked", cache.used()));
        }
        let pool = if self.scope == Scope::Global { all } else { resident(layer) };
        let mut unique = selections.to_vec();
        unique.sort_unstable();
        unique.dedup();
        if pool > self.capacity.max(unique.len() as u64) {
            return Err(format!("event {number}: the pool holds {pool} experts"));
        }
        Ok(())
    }

    fn check(&self) -> std::result::Result<(), String> {
        let first = self.run()?;
        if first != self.run()? {
            return Err("two runs of one input differ".to_owned());
        }
        let misses = first.iter().filter(|lookup| **lookup == Lookup::Miss).count();
        let mut touched: Vec<(u32, u32)> = self
            .events
            .iter()
            .flat_map(|(layer, selections)| selections.iter().map(|e| (*layer, *e)))
            .collect();
        touched.sort_unstable();
        touched.dedup();
        let compulsory = touched.len();
        if misses < compulsory {
            return Err(format!("{misses} misses, fewer than the {compulsory} experts touched"));
        }
        let pool_objects = if self.scope == Scope::Global { OBJECTS } else { EXPERTS };
        if self.capacity >= u64::from(pool_objects) && misses != compulsory {
            return Err(format!("{misses} misses where everything fits, expected {compulsory}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Candidates, Registry};

    #[test]
    fn every_registered_policy_conforms() {
        for row in Registry::default().rows() {
            check(row).unwrap();
        }
    }

    /// The suite can fail: a policy that forgets to untrack is caught.
    #[test]
    #[should_panic(expected = "may not be evicted")]
    fn a_broken_policy_is_caught() {
        struct Forgetful(Vec<u32>);
        impl Policy for Forgetful {
            fn on_hit(&mut self, _object: u32, _access: &Access) {}
            fn on_insert(&mut self, object: u32, _access: &Access) {
                self.0.push(object);
            }
            fn on_remove(&mut self, _object: u32) {}
            fn victim(&mut self, _candidates: &Candidates<'_>) -> Option<u32> {
                self.0.first().copied()
            }
        }
        check(&PolicyRow::new("forgetful", "", |_| Forgetful(Vec::new()))).unwrap();
    }
}
