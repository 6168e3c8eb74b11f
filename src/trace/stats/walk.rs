//! Reading the id column by row and layer, whatever its width.

use crate::trace::{Ids, NO_EXPERT_U8, NO_EXPERT_U16, Trace};

/// A row or object number as an index; everything indexed here lies in memory, so it fits.
pub(super) fn index(number: u64) -> usize {
    usize::try_from(number).expect("what lies in memory can be indexed")
}

/// The id column of a trace.
#[derive(Clone, Copy)]
pub(super) struct Slots<'a> {
    ids: Ids<'a>,
    layers: usize,
    top_k: usize,
}

impl<'a> Slots<'a> {
    pub(super) fn of(trace: &'a Trace) -> Self {
        let header = trace.header();
        Self { ids: trace.ids(), layers: header.layers(), top_k: header.top_k as usize }
    }

    /// The expert in a slot; `None` where the slot is empty.
    fn get(&self, slot: usize) -> Option<u16> {
        match self.ids {
            Ids::U8(ids) => Some(ids[slot]).filter(|id| *id != NO_EXPERT_U8).map(u16::from),
            Ids::U16(ids) => Some(ids[slot]).filter(|id| *id != NO_EXPERT_U16),
        }
    }

    /// The experts of one row in one layer, in rank order.
    pub(super) fn row(self, row: usize, layer: usize) -> impl DoubleEndedIterator<Item = u16> + use<'a> {
        let first = (row * self.layers + layer) * self.top_k;
        (first..first + self.top_k).filter_map(move |slot| self.get(slot))
    }
}
