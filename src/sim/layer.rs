//! One layer event: what the router asked for, what was resident, and what is still on its way.

use crate::cache::{Access, ExpertCache, Future, Grouping, Lookup, NEVER, Policy, replay::tally};
use crate::metrics::AccessCounts;
use crate::trace::{ExpertNumber, Pass};
use crate::units::SimTime;

/// A missing expert of the current layer event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    /// Tokens of the pass that ask for it.
    pub(super) tokens: u64,
    /// When its NVMe read ended; `None` where it came from host memory.
    pub(super) read_done: Option<SimTime>,
}

/// The layer event that is being served. Its buffers are reused from event to event.
#[derive(Debug, Default)]
pub(super) struct LayerEvent {
    /// Tokens that ask for each resident expert, in order of first appearance.
    pub(super) resident: Vec<u64>,
    /// Missing experts in order of first appearance.
    pub(super) missing: Vec<Missing>,
    /// Missing experts that have not arrived yet.
    pub(super) awaited: usize,
    /// Launches that have not computed yet.
    pub(super) computing: usize,
    /// Number of the next event.
    number: u64,
    /// Where each expert of the event stands: its place in `resident` or in `missing`.
    place: Vec<u32>,
}

/// The trace as the simulator reads it: ids, weights, and the future where the policy needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routing<'a, I> {
    pub(super) ids: &'a [I],
    pub(super) weights: Option<&'a [u16]>,
    pub(super) future: Option<&'a Future>,
    pub(super) slots_per_token: usize,
    pub(super) top_k: usize,
    pub(super) grouping: Grouping,
}

impl LayerEvent {
    pub(super) fn new(experts: u32) -> Self {
        Self { place: vec![0; experts as usize], ..Self::default() }
    }

    /// Puts the selections of `pass` in `layer` to the cache, as the next event.
    pub(super) fn ask<I: ExpertNumber, P: Policy>(
        &mut self,
        cache: &mut ExpertCache<P>,
        routing: &Routing<'_, I>,
        pass: &Pass,
        layer: u32,
        counts: &mut AccessCounts,
    ) {
        let size = cache.shape().sizes[layer as usize];
        self.resident.clear();
        self.missing.clear();
        counts.events += 1;
        cache.begin_event();
        let first = usize::try_from(pass.first_row).unwrap_or(usize::MAX) * routing.slots_per_token;
        let rows = usize::try_from(pass.rows).unwrap_or(usize::MAX);
        for row in 0..rows {
            let start = first + row * routing.slots_per_token + layer as usize * routing.top_k;
            for slot in start..start + routing.top_k {
                if routing.ids[slot] == I::NOBODY {
                    continue;
                }
                let expert: u32 = routing.ids[slot].into();
                let weight = routing.weights.map_or(0, |weights| weights[slot]);
                let next_event = routing.future.map_or(NEVER, |future| future.next_event(slot, layer));
                let found = cache.select(layer, expert, &Access { event: self.number, next_event, weight });
                tally(counts, found, size, weight);
                self.place(expert, found);
                if routing.grouping == Grouping::Access {
                    cache.end_event(layer);
                    cache.begin_event();
                    self.number += 1;
                }
            }
        }
        cache.end_event(layer);
        self.number += u64::from(routing.grouping == Grouping::Layer);
        self.awaited = self.missing.len();
        self.computing = 0;
    }

    #[inline]
    fn place(&mut self, expert: u32, found: Lookup) {
        let place = &mut self.place[expert as usize];
        match found {
            Lookup::Hit => {
                *place = u32::try_from(self.resident.len()).unwrap_or(u32::MAX);
                self.resident.push(1);
            }
            Lookup::Miss => {
                *place = u32::try_from(self.missing.len()).unwrap_or(u32::MAX);
                self.missing.push(Missing { tokens: 1, read_done: None });
            }
            Lookup::HitAgain => self.resident[*place as usize] += 1,
            Lookup::MissAgain => self.missing[*place as usize].tokens += 1,
        }
    }
}
