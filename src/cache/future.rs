//! The future of a replay: for every selection, the next event that asks for the same expert.
//!
//! Computed once per trace and order of passes, in one backward walk, and shared by every configuration that needs it.

use super::NEVER;
use crate::error::{Error, Result};
use crate::trace::{ExpertNumber, Ids, Pass, Trace};

/// How selections are grouped into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// All selections of a pass in a layer are one event: what engines do.
    Layer,
    /// Every selection is an event of its own: the textbook, for comparison with the literature.
    Access,
}

/// In the compact columns: never again.
const NEVER_MARK: u32 = u32::MAX;

/// Next uses of every selection and first uses of every expert.
///
/// The columns hold 32-bit marks: the number of a pass where events are layer events (an expert belongs to one layer, so
/// its next event is in the same layer of a later pass), else the number of an access.
#[derive(Debug)]
pub struct Future {
    grouping: Grouping,
    layers: u64,
    experts: u64,
    next: Vec<u32>,
    first: Vec<u32>,
}

impl Future {
    /// Of `passes` over `trace`.
    ///
    /// # Errors
    /// More than 2^32 - 2 passes, or accesses where those are the events.
    pub fn of(trace: &Trace, passes: &[Pass], grouping: Grouping) -> Result<Self> {
        match trace.ids() {
            Ids::U8(ids) => Self::walk(trace, passes, grouping, ids),
            Ids::U16(ids) => Self::walk(trace, passes, grouping, ids),
        }
    }

    fn walk<I: ExpertNumber>(trace: &Trace, passes: &[Pass], grouping: Grouping, ids: &[I]) -> Result<Self> {
        let header = trace.header();
        let (layers, experts) = (header.layers(), header.experts as usize);
        let (slots, top_k) = (header.slots_per_token(), header.top_k as usize);
        let index = |row: u64| usize::try_from(row).unwrap_or(usize::MAX);
        let marks = match grouping {
            Grouping::Layer => passes.len(),
            // Empty slots are no accesses, so the rows are walked to count the others.
            Grouping::Access => {
                let of_pass = |pass: &Pass| {
                    let first = index(pass.first_row) * slots;
                    ids[first..first + index(pass.rows) * slots].iter().filter(|id| **id != I::NOBODY).count()
                };
                passes.iter().map(of_pass).sum()
            }
        };
        let mut mark = u32::try_from(marks).ok().filter(|mark| *mark < NEVER_MARK).ok_or_else(|| {
            Error::new(format!("the trace is too long for a policy that reads the future: {marks} events"))
                .expected("at most 4294967294")
        })?;
        let mut next = vec![NEVER_MARK; ids.len()];
        let mut upcoming = vec![NEVER_MARK; layers * experts];
        for pass in passes.iter().rev() {
            mark -= u32::from(grouping == Grouping::Layer);
            for layer in (0..layers).rev() {
                let rows = index(pass.first_row)..index(pass.first_row + pass.rows);
                let of_row = |row: usize| (0..top_k).map(move |rank| row * slots + layer * top_k + rank);
                let event = rows.flat_map(of_row).filter(|slot| ids[*slot] != I::NOBODY);
                let object = |slot: usize| layer * experts + Into::<u32>::into(ids[slot]) as usize;
                match grouping {
                    // Two walks, so that several appearances in one event all see the event after it.
                    Grouping::Layer => {
                        event.clone().for_each(|slot| next[slot] = upcoming[object(slot)]);
                        event.for_each(|slot| upcoming[object(slot)] = mark);
                    }
                    Grouping::Access => event.rev().for_each(|slot| {
                        mark -= 1;
                        next[slot] = upcoming[object(slot)];
                        upcoming[object(slot)] = mark;
                    }),
                }
            }
        }
        Ok(Self { grouping, layers: layers as u64, experts: experts as u64, next, first: upcoming })
    }

    fn event(&self, mark: u32, layer: u64) -> u64 {
        match (mark, self.grouping) {
            (NEVER_MARK, _) => NEVER,
            (mark, Grouping::Layer) => u64::from(mark) * self.layers + layer,
            (mark, Grouping::Access) => u64::from(mark),
        }
    }

    /// The next event that asks for the expert in id slot `slot` (its position in the id column), which is of `layer`.
    #[inline]
    pub fn next_event(&self, slot: usize, layer: u32) -> u64 {
        self.event(self.next[slot], u64::from(layer))
    }

    /// The first event that asks for each expert, `[layer * experts + expert]`; [`NEVER`] for unused ones.
    pub fn first_events(&self) -> Vec<u64> {
        (0..).zip(&self.first).map(|(object, mark)| self.event(*mark, object / self.experts)).collect()
    }

    /// As [`Future::first_events`], of the events of `passes` alone, the first of which has number `event`: for a cache
    /// that starts anew before them.
    pub fn first_events_of(&self, trace: &Trace, passes: &[Pass], event: u64) -> Vec<u64> {
        match trace.ids() {
            Ids::U8(ids) => self.walk_ahead(trace, passes, event, ids),
            Ids::U16(ids) => self.walk_ahead(trace, passes, event, ids),
        }
    }

    fn walk_ahead<I: ExpertNumber>(
        &self,
        trace: &Trace,
        passes: &[Pass],
        mut event: u64,
        ids: &[I],
    ) -> Vec<u64> {
        let header = trace.header();
        let (layers, experts) = (header.layers(), header.experts as usize);
        let (slots, top_k) = (header.slots_per_token(), header.top_k as usize);
        let mut first = vec![NEVER; layers * experts];
        for pass in passes {
            for layer in 0..layers {
                for row in pass.first_row..pass.first_row + pass.rows {
                    let start = usize::try_from(row).unwrap_or(usize::MAX) * slots + layer * top_k;
                    for id in ids[start..start + top_k].iter().filter(|id| **id != I::NOBODY) {
                        let known = &mut first[layer * experts + Into::<u32>::into(*id) as usize];
                        *known = event.min(*known);
                        event += u64::from(self.grouping == Grouping::Access);
                    }
                }
                event += u64::from(self.grouping == Grouping::Layer);
            }
        }
        first
    }
}
