//! Replays a trace through a cache without a clock: which selections hit, for whoever needs hit rates alone.

mod task;

pub use task::{MissCounts, ReplayTask};

use super::{Access, ExpertCache, Future, Grouping, Lookup, NEVER, Policy};
use crate::metrics::AccessCounts;
use crate::trace::{ExpertNumber, Ids, Pass, Phase, RowRun, RowRuns, Trace};

/// Counts of a replay, per phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayCounts {
    /// Prompt passes.
    pub prefill: AccessCounts,
    /// Decode passes.
    pub decode: AccessCounts,
}

/// What a replay reads: a trace's columns, how selections are grouped, and the future where the policy needs it.
#[derive(Clone, Copy, Debug)]
pub struct Routing<'a, I> {
    ids: &'a [I],
    weights: Option<&'a [u16]>,
    future: Option<&'a Future>,
    grouping: Grouping,
    slots_per_token: usize,
    top_k: usize,
}

/// One selection: where its id stands in the trace, and the expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Place in the id column.
    pub slot: usize,
    /// The expert.
    pub expert: u32,
}

/// What asks for the experts of a layer: rows of the trace, or selections that somebody picked out of them.
#[derive(Debug)]
pub enum Asked<'a, R> {
    /// Every selection of these rows.
    Rows(&'a R),
    /// These, in their order.
    Picked(&'a [Selection]),
}

impl<R> Clone for Asked<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Asked<'_, R> {}

impl<R: RowRuns> Asked<'_, R> {
    /// How many selections there are in a layer where every token chooses `top_k` experts; those of empty slots count.
    pub fn selections_at_most(&self, top_k: usize) -> u64 {
        match self {
            Self::Rows(rows) => {
                let mut tokens = 0;
                rows.each_run(|run| tokens += run.rows);
                tokens * top_k as u64
            }
            Self::Picked(picked) => picked.len() as u64,
        }
    }

    /// Tells `seen` every selection in `layer`: its id slot and its expert.
    #[inline]
    pub fn each<I: ExpertNumber>(
        &self,
        routing: &Routing<'_, I>,
        layer: u32,
        mut seen: impl FnMut(usize, u32),
    ) {
        match self {
            Self::Rows(rows) => routing.selections(*rows, layer, seen),
            Self::Picked(picked) => picked.iter().for_each(|one| seen(one.slot, one.expert)),
        }
    }
}

impl<'a, I: ExpertNumber> Routing<'a, I> {
    /// Of `trace`, whose id column is `ids`. `future` must be the trace's for policies that need it and may be `None` for
    /// all others.
    pub fn new(trace: &'a Trace, ids: &'a [I], future: Option<&'a Future>, grouping: Grouping) -> Self {
        let header = trace.header();
        let (slots_per_token, top_k) = (header.slots_per_token(), header.top_k as usize);
        Self { ids, weights: trace.weights(), future, grouping, slots_per_token, top_k }
    }

    /// Tells `seen` every selection of `pass` in `layer`, token by token and by rank: its id slot and its expert.
    #[inline]
    pub fn selections(&self, pass: &impl RowRuns, layer: u32, mut seen: impl FnMut(usize, u32)) {
        pass.each_run(|run| self.selections_of(run, layer, &mut seen));
    }

    #[inline]
    fn selections_of(&self, run: RowRun, layer: u32, seen: &mut impl FnMut(usize, u32)) {
        let first = usize::try_from(run.first_row).unwrap_or(usize::MAX) * self.slots_per_token;
        let rows = usize::try_from(run.rows).unwrap_or(usize::MAX);
        let mut tell = |start: usize, end: usize| {
            for (slot, id) in (start..end).zip(&self.ids[start..end]) {
                if *id != I::NOBODY {
                    seen(slot, (*id).into());
                }
            }
        };
        if self.top_k == self.slots_per_token {
            // Rows of one layer lie side by side.
            return tell(first, first + rows * self.top_k);
        }
        for row in 0..rows {
            let start = first + row * self.slots_per_token + layer as usize * self.top_k;
            tell(start, start + self.top_k);
        }
    }

    /// Gate weight of a selection in units of 1/65,535; zero where the trace has none.
    #[inline]
    pub fn weight(&self, slot: usize) -> u16 {
        self.weights.map_or(0, |weights| weights[slot])
    }

    /// The next event that asks for the expert of a selection; [`NEVER`] where the future is not known.
    #[inline]
    pub fn next_event(&self, slot: usize, layer: u32) -> u64 {
        self.future.map_or(NEVER, |future| future.next_event(slot, layer))
    }

    /// Whether an event is all of a pass at a layer.
    pub fn is_atomic(&self) -> bool {
        self.grouping == Grouping::Layer
    }

    /// Experts per token.
    pub fn top_k(&self) -> usize {
        self.top_k
    }

    /// Puts the selections of `pass` in `layer` to the cache, books them, and tells `seen` each one: its id slot, its
    /// expert, and what became of it. `number` is the number of the next event and moves on. The event stays open, so
    /// that insertions can be forgone, until [`Routing::close_event`].
    #[inline]
    pub fn open_event<P: Policy>(
        &self,
        cache: &mut ExpertCache<P>,
        asked: Asked<'_, impl RowRuns>,
        layer: u32,
        number: &mut u64,
        counts: &mut AccessCounts,
        mut seen: impl FnMut(usize, u32, Lookup),
    ) {
        let size = cache.shape().sizes[layer as usize];
        let atomic = self.grouping == Grouping::Layer;
        counts.events += 1;
        if atomic {
            cache.begin_event();
        }
        asked.each(self, layer, |slot, expert| {
            let weight = self.weight(slot);
            let next_event = self.next_event(slot, layer);
            if !atomic {
                cache.begin_event();
            }
            let found = cache.select(layer, expert, &Access { event: *number, next_event, weight });
            tally(counts, found, size, weight);
            seen(slot, expert, found);
            if !atomic {
                cache.end_event(layer);
                *number += 1;
            }
        });
    }

    /// Ends the event that [`Routing::open_event`] began: the cache evicts what it must.
    #[inline]
    pub fn close_event<P: Policy>(&self, cache: &mut ExpertCache<P>, layer: u32, number: &mut u64) {
        if self.grouping == Grouping::Layer {
            cache.end_event(layer);
            *number += 1;
        }
    }
}

/// Replays `passes` and tells `seen` every selection: its id slot and what became of it.
///
/// `future` must be the trace's for policies that need it and may be `None` for all others.
pub fn replay<P: Policy>(
    cache: &mut ExpertCache<P>,
    trace: &Trace,
    passes: &[Pass],
    future: Option<&Future>,
    grouping: Grouping,
    seen: impl FnMut(usize, Lookup),
) -> ReplayCounts {
    match trace.ids() {
        Ids::U8(ids) => walk(cache, &Routing::new(trace, ids, future, grouping), passes, seen),
        Ids::U16(ids) => walk(cache, &Routing::new(trace, ids, future, grouping), passes, seen),
    }
}

fn walk<P: Policy, I: ExpertNumber>(
    cache: &mut ExpertCache<P>,
    routing: &Routing<'_, I>,
    passes: &[Pass],
    mut seen: impl FnMut(usize, Lookup),
) -> ReplayCounts {
    let layers = cache.shape().layers;
    let mut counts = ReplayCounts::default();
    let mut number = 0;
    for pass in passes {
        let count = match pass.phase {
            Phase::Prefill => &mut counts.prefill,
            Phase::Decode => &mut counts.decode,
        };
        count.tokens += pass.rows;
        for layer in 0..layers {
            let asked = Asked::Rows(pass);
            routing.open_event(cache, asked, layer, &mut number, count, |slot, _, found| seen(slot, found));
            routing.close_event(cache, layer, &mut number);
        }
    }
    counts
}

/// Books one selection: of an expert of `size` bytes, with this gate weight in units of 1/65,535. What misses counts as
/// fetched until whoever deals with it says otherwise.
#[inline]
pub fn tally(count: &mut AccessCounts, found: Lookup, size: u64, weight: u16) {
    count.selections += 1;
    count.weight_total += u64::from(weight);
    match found {
        Lookup::Hit => {
            count.lookups += 1;
            count.hits += 1;
            count.hits_when_needed += 1;
            count.weight_hit += u64::from(weight);
        }
        Lookup::Miss => {
            count.lookups += 1;
            count.misses += 1;
            count.fetched += 1;
            count.miss_bytes += size;
        }
        Lookup::HitAgain => count.weight_hit += u64::from(weight),
        Lookup::MissAgain => {}
    }
}
