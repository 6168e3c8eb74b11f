//! One layer event: what the router asked for, what was resident, and what becomes of the rest.

use crate::cache::replay::{Asked, Routing, tally};
use crate::cache::{Access, ExpertCache, Lookup, NEVER, Policy};
use crate::metrics::AccessCounts;
use crate::serving::Work;
use crate::trace::ExpertNumber;
use crate::units::{Bytes, SimTime};

/// What becomes of an expert that is not resident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is copied to the GPU and computed there.
    Fetch,
    /// It lies in the prefetch buffer and is computed with the resident ones.
    Prefetched,
    /// The CPU computes it.
    Cpu,
    /// A low-bit copy is computed with the resident ones.
    Degrade,
    /// It is left out.
    Skip,
    /// Another, resident expert is computed instead.
    Substitute,
}

/// A missing expert of the current layer event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    /// Its number in the layer.
    pub(super) expert: u32,
    /// Tokens of the pass that ask for it.
    pub(super) tokens: u64,
    /// Gate weight of its selections.
    pub(super) weight: u64,
    /// What becomes of it.
    pub(super) fate: Fate,
    /// Its bytes are not in host memory and must be read first.
    pub(super) on_nvme: bool,
    /// A prefetch of it is on its way already.
    pub(super) under_way: bool,
    /// When its NVMe read ended; `None` where it came from host memory.
    pub(super) read_done: Option<SimTime>,
}

impl Missing {
    /// Asked for by one token, to be fetched.
    fn new(expert: u32) -> Self {
        Self {
            expert,
            tokens: 1,
            weight: 0,
            fate: Fate::Fetch,
            on_nvme: false,
            under_way: false,
            read_done: None,
        }
    }
}

/// Lookups that hit at a given rate, spread as evenly as whole numbers allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct AssumedHits {
    rate_ppm: u64,
    owed: u64,
}

impl AssumedHits {
    pub(super) fn new(rate_ppm: u64) -> Self {
        Self { rate_ppm, owed: 0 }
    }

    pub(super) fn next(&mut self) -> bool {
        const WHOLE: u64 = 1_000_000;
        self.owed += self.rate_ppm;
        let hit = self.owed >= WHOLE;
        self.owed -= if hit { WHOLE } else { 0 };
        hit
    }
}

/// The layer event that is being served. Its buffers are reused from event to event.
#[derive(Debug, Default)]
pub(super) struct LayerEvent {
    /// Tokens that ask for each resident expert, in order of first appearance.
    pub(super) resident: Vec<u64>,
    /// Missing experts in order of first appearance.
    pub(super) missing: Vec<Missing>,
    /// All experts of the event in order of first appearance.
    pub(super) asked: Vec<u32>,
    /// Sizes of the experts that GPU memory has evicted and host memory takes back.
    pub(super) copied_back: Vec<Bytes>,
    /// Missing experts that have yet to arrive.
    pub(super) awaited: usize,
    /// Launches that have not computed yet.
    pub(super) computing: usize,
    /// Number of the next event.
    pub(super) number: u64,
    /// Where each expert of the event stands: its place in `resident` or in `missing`.
    place: Vec<u32>,
    /// The last event that each expert was asked for in, where no cache keeps account of that.
    stamp: Vec<u64>,
    /// Whether it was missing then.
    missed: Vec<bool>,
    /// Events that were stamped so far.
    stamps: u64,
    /// Of an event that is told whole: tokens and gate weight of each expert, where it appeared last, and the experts in
    /// that order.
    tokens: Vec<u64>,
    weights: Vec<u64>,
    last: Vec<u32>,
    by_last: Vec<u32>,
}

/// Selections from which on an event is told whole: below it, walking them one by one is as fast.
const WHOLE_SELECTIONS_MIN: u64 = 64;

impl LayerEvent {
    pub(super) fn new(experts: u32) -> Self {
        let experts = experts as usize;
        Self {
            place: vec![0; experts],
            stamp: vec![0; experts],
            missed: vec![false; experts],
            tokens: vec![0; experts],
            weights: vec![0; experts],
            last: vec![0; experts],
            ..Self::default()
        }
    }

    fn begin(&mut self) {
        self.resident.clear();
        self.missing.clear();
        self.asked.clear();
        self.copied_back.clear();
        self.awaited = 0;
        self.computing = 0;
    }

    /// Puts what is asked for in `layer` to the cache, as the next event, which stays open.
    pub(super) fn ask<I: ExpertNumber, P: Policy>(
        &mut self,
        cache: &mut ExpertCache<P>,
        routing: &Routing<'_, I>,
        asked: Asked<'_, Work>,
        layer: u32,
        counts: &mut AccessCounts,
    ) {
        self.begin();
        if asked.selections_at_most(routing.top_k()) >= WHOLE_SELECTIONS_MIN
            && routing.is_atomic()
            && cache.takes_events_whole()
        {
            return self.ask_whole(cache, routing, asked, layer, counts);
        }
        let mut number = self.number;
        routing.open_event(cache, asked, layer, &mut number, counts, |slot, expert, found| {
            self.place(expert, found, routing.weight(slot));
        });
        self.number = number;
    }

    /// The same for an event of many selections and a policy that orders by last use: what repeats is counted first, and
    /// the cache is asked once for each expert. Nothing is evicted before the event ends, so that neither hits nor the
    /// order in which experts are fetched depend on it.
    fn ask_whole<I: ExpertNumber, P: Policy>(
        &mut self,
        cache: &mut ExpertCache<P>,
        routing: &Routing<'_, I>,
        asked: Asked<'_, Work>,
        layer: u32,
        counts: &mut AccessCounts,
    ) {
        self.stamps += 1;
        let mut index = 0_u32;
        asked.each(routing, layer, |slot, expert| {
            let place = expert as usize;
            if self.stamp[place] != self.stamps {
                self.stamp[place] = self.stamps;
                (self.tokens[place], self.weights[place]) = (0, 0);
                self.asked.push(expert);
            }
            self.tokens[place] += 1;
            self.weights[place] += u64::from(routing.weight(slot));
            self.last[place] = index;
            index += 1;
        });
        self.by_last.clear();
        self.by_last.extend_from_slice(&self.asked);
        self.by_last.sort_unstable_by_key(|expert| self.last[*expert as usize]);
        cache.begin_event();
        let access = Access { event: self.number, next_event: NEVER, weight: 0 };
        for expert in &self.by_last {
            self.missed[*expert as usize] = cache.select(layer, *expert, &access) == Lookup::Miss;
        }
        counts.events += 1;
        let size = cache.shape().sizes[layer as usize];
        for expert in &self.asked {
            let place = *expert as usize;
            let (tokens, weight) = (self.tokens[place], self.weights[place]);
            let found = if self.missed[place] { Lookup::Miss } else { Lookup::Hit };
            tally(counts, found, size, 0);
            counts.selections += tokens - 1;
            counts.weight_total += weight;
            if found == Lookup::Miss {
                self.missing.push(Missing { tokens, weight, ..Missing::new(*expert) });
            } else {
                counts.weight_hit += weight;
                self.resident.push(tokens);
            }
        }
    }

    /// The same where no cache is asked: each lookup hits or misses as `hits` says.
    pub(super) fn ask_without_cache<I: ExpertNumber>(
        &mut self,
        routing: &Routing<'_, I>,
        asked: Asked<'_, Work>,
        (layer, size): (u32, u64),
        counts: &mut AccessCounts,
        mut hits: impl FnMut() -> bool,
    ) {
        self.begin();
        self.stamps += 1;
        self.number += 1;
        counts.events += 1;
        asked.each(routing, layer, |slot, expert| {
            let index = expert as usize;
            let again = self.stamp[index] == self.stamps;
            if !again {
                self.stamp[index] = self.stamps;
                self.missed[index] = !hits();
            }
            let found = match (self.missed[index], again) {
                (false, false) => Lookup::Hit,
                (false, true) => Lookup::HitAgain,
                (true, false) => Lookup::Miss,
                (true, true) => Lookup::MissAgain,
            };
            let weight = routing.weight(slot);
            tally(counts, found, size, weight);
            self.place(expert, found, weight);
        });
    }

    #[inline]
    fn place(&mut self, expert: u32, found: Lookup, weight: u16) {
        let place = &mut self.place[expert as usize];
        match found {
            Lookup::Hit => {
                *place = u32::try_from(self.resident.len()).unwrap_or(u32::MAX);
                self.resident.push(1);
                self.asked.push(expert);
            }
            Lookup::Miss => {
                *place = u32::try_from(self.missing.len()).unwrap_or(u32::MAX);
                self.asked.push(expert);
                self.missing.push(Missing { weight: u64::from(weight), ..Missing::new(expert) });
            }
            Lookup::HitAgain => self.resident[*place as usize] += 1,
            Lookup::MissAgain => {
                let missing = &mut self.missing[*place as usize];
                missing.tokens += 1;
                missing.weight += u64::from(weight);
            }
        }
    }

    /// Position of a missing expert that this event asked for.
    pub(super) fn position(&self, expert: u32) -> Option<usize> {
        self.missing.iter().position(|missing| missing.expert == expert)
    }

    /// Missing experts of one fate.
    pub(super) fn of_fate(&self, fate: Fate) -> impl Iterator<Item = &Missing> {
        self.missing.iter().filter(move |missing| missing.fate == fate)
    }

    /// Whether any missing expert has this fate.
    pub(super) fn has(&self, fate: Fate) -> bool {
        self.of_fate(fate).next().is_some()
    }
}
