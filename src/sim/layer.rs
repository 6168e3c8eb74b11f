//! One layer event: what the router asked for, what was resident, and what is still on its way.

use crate::cache::replay::Routing;
use crate::cache::{ExpertCache, Lookup, Policy};
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
    pub(super) number: u64,
    /// Where each expert of the event stands: its place in `resident` or in `missing`.
    place: Vec<u32>,
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
        self.resident.clear();
        self.missing.clear();
        let mut number = self.number;
        routing.layer_event(cache, pass, layer, &mut number, counts, |_, expert, found| {
            self.place(expert, found);
        });
        self.number = number;
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
