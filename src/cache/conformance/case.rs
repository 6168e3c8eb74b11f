//! One run of the suite: a policy, a cache, conditions.

use super::script::{EXPERTS, Event, LAYERS, OBJECTS, Script};
use super::watched::{Breach, Watched};
use super::{Conditions, Pins};
use crate::cache::{
    Access, Admission, CacheShape, ExpertCache, Lookup, NEVER, PolicyInput, PolicyRow, Scope,
};

type Cache = ExpertCache<Watched>;

/// Room of each pool, in experts of average size.
pub(super) fn rooms(scope: Scope) -> [u64; 5] {
    let objects = u64::from(pool_objects(scope));
    [1, 3, objects / 3, objects - 1, objects]
}

fn pool_objects(scope: Scope) -> u32 {
    match scope {
        Scope::Global => OBJECTS,
        Scope::PerLayer => EXPERTS,
    }
}

pub(super) struct Case<'a> {
    pub(super) row: &'a PolicyRow,
    pub(super) seed: u64,
    pub(super) scope: Scope,
    pub(super) room: u64,
    pub(super) conditions: &'a Conditions,
    pub(super) script: &'a Script,
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Of every selection.
    found: Vec<Lookup>,
    evictions: u64,
    /// What was there before the first event and after the last.
    start: Vec<bool>,
    end: Vec<bool>,
}

impl Case<'_> {
    /// Where a law broke.
    pub(super) fn place(&self) -> String {
        let Self { row, seed, scope, room, conditions, .. } = self;
        format!("policy {}, seed {seed}, {scope:?}, room for {room}, {}", row.name, conditions.name)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let first = self.run()?;
        if first != self.run()? {
            return Err("two runs of one input differ".to_owned());
        }
        let misses = first.found.iter().filter(|lookup| **lookup == Lookup::Miss).count();
        let compulsory = self.script.first_events.iter().zip(&first.start);
        let compulsory = compulsory.filter(|(event, there)| **event != NEVER && !**there).count();
        if misses < compulsory {
            return Err(format!("{misses} misses, fewer than the {compulsory} experts touched"));
        }
        let Conditions { admission, forgoes, clears, resizes, .. } = *self.conditions;
        let comes_to_stay = admission == Admission::Always && !forgoes && !clears;
        let fits = self.room >= u64::from(pool_objects(self.scope)) && !resizes;
        if comes_to_stay && self.row.needs.unlimited && misses != compulsory {
            return Err(format!("{misses} misses of a policy that never evicts, expected {compulsory}"));
        }
        if comes_to_stay && fits && misses != compulsory {
            return Err(format!("{misses} misses where everything fits, expected {compulsory}"));
        }
        Ok(())
    }

    fn pinned(&self) -> Vec<u32> {
        (0..OBJECTS).filter(|object| self.is_pinned(*object)).collect()
    }

    fn is_pinned(&self, object: u32) -> bool {
        match self.conditions.pins {
            Pins::None => false,
            Pins::Some => object.is_multiple_of(7),
            Pins::All => true,
        }
    }

    /// Room for so many experts of average size, by pool.
    fn capacities(&self) -> Vec<u64> {
        let sizes = &self.conditions.sizes;
        match self.scope {
            Scope::Global => vec![(sizes.iter().sum::<u64>() * self.room).div_ceil(u64::from(LAYERS))],
            Scope::PerLayer => sizes.iter().map(|size| size * self.room).collect(),
        }
    }

    fn cache(&self, breach: &Breach) -> Cache {
        let shape = CacheShape {
            layers: LAYERS,
            experts: EXPERTS,
            sizes: self.conditions.sizes.to_vec(),
            scope: self.scope,
            pool_capacity: self.capacities(),
            pinned: self.pinned(),
        };
        let needs = self.row.needs;
        let profile: Vec<u64> = (0..u64::from(pool_objects(self.scope))).rev().collect();
        ExpertCache::new(shape, |input| {
            let first = (input.pool * input.objects) as usize;
            let first_events = &self.script.first_events[first..first + input.objects as usize];
            let input = PolicyInput {
                seed: self.seed,
                profile: if needs.profile { &profile } else { &[] },
                first_events: if needs.future { first_events } else { &[] },
                ..input
            };
            Watched::new((self.row.build)(&input), input.objects, needs.unlimited, breach.clone())
        })
        .with_admission(self.conditions.admission)
    }

    /// Replays, checking after every event what must hold then.
    fn run(&self) -> Result<Outcome, String> {
        let breach = Breach::default();
        let mut cache = self.cache(&breach);
        breach.check()?;
        if self.conditions.filled {
            cache.fill(if self.row.needs.future { &self.script.first_events } else { &[] }, &[]);
        }
        let (start, mut found, mut sequences) = (residency(&cache), Vec::new(), 0);
        let mut capacities = self.capacities();
        for (number, event) in (0_u64..).zip(&self.script.events) {
            if event.begins && number > 0 && self.conditions.sequences {
                sequences += 1;
                if self.conditions.clears && sequences % 2 == 0 {
                    cache.clear();
                }
                cache.begin_sequence();
            }
            if let Some(eighths) =
                event.eighths.filter(|_| self.conditions.resizes && self.scope == Scope::Global)
            {
                capacities[0] = cache.shape().total() * eighths / 8;
                cache.set_capacity(capacities[0]);
            }
            let before = residency(&cache);
            let new = self.serve(&mut cache, event, number);
            let now = residency(&cache);
            let capacity = capacities[if self.scope == Scope::Global { 0 } else { event.layer as usize }];
            breach
                .check()
                .and_then(|()| self.check_event(event, &before, &now, &new))
                .and_then(|()| self.check_bytes(event, &now, cache.used(), capacity))
                .map_err(|law| format!("event {number}: {law}"))?;
            found.extend(new);
        }
        Ok(Outcome { found, evictions: cache.evictions(), start, end: residency(&cache) })
    }

    /// Puts one event to the cache, and returns what each selection found.
    fn serve(&self, cache: &mut Cache, event: &Event, number: u64) -> Vec<Lookup> {
        cache.begin_event();
        let mut select = |one: &super::script::Selection| {
            let next_event = if self.row.needs.future { one.next_event } else { NEVER };
            cache.select(event.layer, one.expert, &Access { event: number, next_event, weight: one.weight })
        };
        let found: Vec<Lookup> = event.selections.iter().map(&mut select).collect();
        if self.forgoes(event) {
            let missed = event.selections.iter().zip(&found).filter(|(_, lookup)| **lookup == Lookup::Miss);
            missed.step_by(2).for_each(|(one, _)| cache.forgo(event.layer, one.expert));
        }
        cache.end_event(event.layer);
        found
    }

    fn forgoes(&self, event: &Event) -> bool {
        self.conditions.forgoes && event.forgoes
    }

    /// Lookups tell the truth, and what may not leave is still there.
    pub(super) fn check_event(
        &self,
        event: &Event,
        before: &[bool],
        now: &[bool],
        found: &[Lookup],
    ) -> Result<(), String> {
        let refuses = self.conditions.admission != Admission::Always || self.forgoes(event);
        for (one, lookup) in event.selections.iter().zip(found) {
            let object = (event.layer * EXPERTS + one.expert) as usize;
            let hit = matches!(lookup, Lookup::Hit | Lookup::HitAgain);
            if hit != before[object] {
                return Err(format!("{lookup:?} of object {object}, resident before: {}", before[object]));
            }
            if !now[object] && (hit || !refuses) {
                return Err(format!("its own object {object} was evicted"));
            }
        }
        if let Some(pin) = self.pinned().into_iter().find(|pin| !now[*pin as usize]) {
            return Err(format!("object {pin} is pinned and was evicted"));
        }
        Ok(())
    }

    /// Bytes are conserved, and the capacity holds unless pins and the event alone exceed it.
    pub(super) fn check_bytes(
        &self,
        event: &Event,
        now: &[bool],
        booked: u64,
        capacity: u64,
    ) -> Result<(), String> {
        let size = |object: u32| self.conditions.sizes[(object / EXPERTS) as usize];
        let resident = |object: &u32| now[*object as usize];
        let all: u64 = (0..OBJECTS).filter(resident).map(size).sum();
        if all != booked {
            return Err(format!("{all} bytes are resident, {booked} are booked"));
        }
        let in_pool = |object: &u32| self.scope == Scope::Global || object / EXPERTS == event.layer;
        let own =
            |object: u32| event.selections.iter().any(|one| event.layer * EXPERTS + one.expert == object);
        let used: u64 = (0..OBJECTS).filter(resident).filter(in_pool).map(size).sum();
        let spared = (0..OBJECTS).filter(resident).filter(in_pool);
        let spared: u64 = spared.filter(|object| self.is_pinned(*object) || own(*object)).map(size).sum();
        if used > capacity.max(spared) && !self.row.needs.unlimited {
            return Err(format!(
                "{used} bytes stay in a pool of {capacity}, {spared} of them pinned or its own"
            ));
        }
        Ok(())
    }
}

fn residency(cache: &Cache) -> Vec<bool> {
    (0..OBJECTS).map(|object| cache.is_resident(object / EXPERTS, object % EXPERTS)).collect()
}
