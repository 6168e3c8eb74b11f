//! A plain cache: lists that are searched, and no state but what the semantics name.

use moesim::cache::{Lookup, NEVER, Scope};

use super::setup::{LayerEvent, Setup};

/// The cache.
pub(crate) struct Plain<'a> {
    setup: &'a Setup,
    events: &'a [LayerEvent],
    resident: Vec<Resident>,
    counts: Vec<u64>,
    clock: u64,
    evictions: u64,
}

#[derive(Clone, Copy, Debug)]
struct Resident {
    object: u32,
    inserted: u64,
    touched: u64,
}

impl<'a> Plain<'a> {
    pub(crate) fn new(setup: &'a Setup, events: &'a [LayerEvent]) -> Self {
        let objects = (setup.shape.layers * setup.shape.experts) as usize;
        let mut plain =
            Self { setup, events, resident: Vec::new(), counts: vec![0; objects], clock: 0, evictions: 0 };
        for object in &setup.shape.pinned {
            if !plain.holds(*object) {
                plain.insert(*object);
            }
        }
        if setup.filled {
            plain.fill();
        }
        plain
    }

    fn layer(&self, object: u32) -> usize {
        (object / self.setup.shape.experts) as usize
    }

    fn pool(&self, object: u32) -> usize {
        if self.setup.shape.scope == Scope::Global { 0 } else { self.layer(object) }
    }

    fn size(&self, object: u32) -> u64 {
        self.setup.shape.sizes[self.layer(object)]
    }

    fn used(&self, pool: usize) -> u64 {
        let members = self.resident.iter().filter(|resident| self.pool(resident.object) == pool);
        members.map(|resident| self.size(resident.object)).sum()
    }

    fn holds(&self, object: u32) -> bool {
        self.resident.iter().any(|resident| resident.object == object)
    }

    fn insert(&mut self, object: u32) {
        self.clock += 1;
        self.resident.push(Resident { object, inserted: self.clock, touched: self.clock });
    }

    fn next_use(&self, object: u32, from: usize) -> u64 {
        let asks = |event: &LayerEvent| {
            event.selections.iter().any(|(_, e)| event.layer * self.setup.shape.experts + e == object)
        };
        let found = self.events[from..].iter().position(asks);
        found.map_or(NEVER, |ahead| (from + ahead) as u64)
    }

    /// Place in the profile's order: by rank within the layer, then by count, then by number.
    fn heat(&self, object: u32) -> (usize, std::cmp::Reverse<u64>, u32) {
        let experts = self.setup.shape.experts;
        let count = |object: u32| self.setup.profile[object as usize];
        let first = object / experts * experts;
        let hotter = |other: &u32| {
            (std::cmp::Reverse(count(*other)), *other) < (std::cmp::Reverse(count(object)), object)
        };
        let rank = (first..first + experts).filter(hotter).count();
        (rank, std::cmp::Reverse(count(object)), object)
    }

    fn fill(&mut self) {
        let experts = self.setup.shape.experts;
        let mut wanted: Vec<u32> = (0..self.setup.shape.layers * experts).collect();
        match self.setup.policy {
            "belady" => wanted.sort_by_key(|object| (self.next_use(*object, 0), *object)),
            "static" => wanted.sort_by_key(|object| self.heat(*object)),
            _ => wanted.sort_by_key(|object| (object % experts, object / experts)),
        }
        for object in wanted {
            let pool = self.pool(object);
            let fits = self.used(pool) + self.size(object) <= self.setup.shape.pool_capacity[pool];
            if !self.holds(object) && fits {
                self.insert(object);
                // Being loaded counts as an appearance.
                self.counts[object as usize] += 1;
            }
        }
    }

    /// The worth of keeping an object; the smallest goes first.
    fn worth(&self, resident: &Resident, event: usize) -> (u64, u64) {
        let object = resident.object;
        match self.setup.policy {
            "lru" => (resident.touched, 0),
            "fifo" => (resident.inserted, 0),
            "lfu-perfect" => (self.counts[object as usize], resident.touched),
            "belady" => (NEVER - self.next_use(object, event + 1), resident.inserted),
            "static" => {
                let hotter = (0..self.setup.shape.layers * self.setup.shape.experts)
                    .filter(|other| self.heat(*other) < self.heat(object));
                (NEVER - hotter.count() as u64, 0)
            }
            other => panic!("no plain {other}"),
        }
    }

    /// Serves one event and tells what each selection found.
    pub(crate) fn serve(&mut self, number: usize) -> Vec<Lookup> {
        let event = &self.events[number];
        let base = event.layer * self.setup.shape.experts;
        let mut found: Vec<Lookup> = Vec::new();
        for (position, (_, expert)) in event.selections.iter().enumerate() {
            let object = base + expert;
            let earlier = event.selections[..position].iter().position(|(_, other)| other == expert);
            found.push(match (earlier.map(|earlier| found[earlier]), self.holds(object)) {
                (Some(Lookup::Hit), _) => Lookup::HitAgain,
                (Some(_), _) => Lookup::MissAgain,
                (None, true) => Lookup::Hit,
                (None, false) => {
                    self.insert(object);
                    Lookup::Miss
                }
            });
            self.clock += 1;
            self.counts[object as usize] += u64::from(earlier.is_none());
            let clock = self.clock;
            self.resident.iter_mut().filter(|one| one.object == object).for_each(|one| one.touched = clock);
        }
        self.evict(number);
        found
    }

    /// Every pool comes down to its capacity, sparing the event's own experts and no others.
    fn evict(&mut self, number: usize) {
        (0..self.setup.shape.pool_capacity.len()).for_each(|pool| self.evict_from(pool, number));
    }

    fn evict_from(&mut self, pool: usize, number: usize) {
        let event = &self.events[number];
        let base = event.layer * self.setup.shape.experts;
        while self.used(pool) > self.setup.shape.pool_capacity[pool] {
            let spared = |object: u32| {
                self.pool(object) != pool
                    || self.setup.shape.pinned.contains(&object)
                    || event.selections.iter().any(|(_, expert)| base + expert == object)
            };
            let candidates = self.resident.iter().filter(|one| !spared(one.object));
            let Some(victim) = candidates.min_by_key(|one| self.worth(one, number)).copied() else { return };
            self.resident.retain(|one| one.object != victim.object);
            self.evictions += 1;
        }
    }
}
