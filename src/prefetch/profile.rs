//! What a recorded trace tells a predictor beforehand. Nothing is counted before a predictor asks for it, and then once
//! for all runs that share the profile.
//!
//! Every row of the trace counts as a pass of its own, prompt and decode alike.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::trace::{ExpertNumber, Ids, Trace};

/// Most counters of one table of transitions: 1 GiB. The largest models of today take a sixteenth of it.
const PAIRS_MAX: u64 = 1 << 28;

/// Counts of a trace. Clones share them.
#[derive(Clone)]
pub struct Profile(Arc<Counts>);

struct Counts {
    trace: Arc<Trace>,
    selections: OnceLock<Vec<u64>>,
    sequences: Vec<OnceLock<Vec<u32>>>,
    transitions: Vec<OnceLock<Vec<u32>>>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("layers", &self.layers())
            .field("experts", &self.experts())
            .field("sequences", &self.sequences())
            .finish_non_exhaustive()
    }
}

impl Profile {
    /// Of all sequences of `trace`.
    pub fn of(trace: Arc<Trace>) -> Self {
        let sequences = trace.sequences().iter().map(|_| OnceLock::new()).collect();
        let transitions = trace.header().layer_ids.iter().map(|_| OnceLock::new()).collect();
        Self(Arc::new(Counts { trace, selections: OnceLock::new(), sequences, transitions }))
    }

    /// MoE layers of the trace.
    pub fn layers(&self) -> usize {
        self.0.trace.header().layers()
    }

    /// Experts per layer.
    pub fn experts(&self) -> usize {
        self.0.trace.header().experts as usize
    }

    /// Sequences of the trace.
    pub fn sequences(&self) -> usize {
        self.0.sequences.len()
    }

    /// Refuses a profile of another shape than the model that it is used for.
    ///
    /// # Errors
    /// Where layers or experts differ.
    pub fn check(&self, layers: u32, experts: u32) -> Result<()> {
        if (self.layers(), self.experts()) == (layers as usize, experts as usize) {
            return Ok(());
        }
        let found = format!("a profile of {} MoE layers with {} experts each", self.layers(), self.experts());
        Err(Error::new(found).expected(format!("{layers} layers with {experts} experts each")))
    }

    /// Selections of each expert over the whole trace, by `layer * experts + expert`.
    pub fn selections(&self) -> &[u64] {
        self.0.selections.get_or_init(|| {
            let mut counts = vec![0; self.layers() * self.experts()];
            self.each_event(0, self.0.trace.tokens(), |_, layer, asked| {
                asked.iter().for_each(|expert| counts[layer * self.experts() + *expert as usize] += 1);
            });
            counts
        })
    }

    /// Selections of each expert in one sequence, by `layer * experts + expert`. Panics where there is no such sequence.
    pub fn sequence(&self, sequence: usize) -> &[u32] {
        self.0.sequences[sequence].get_or_init(|| {
            let meta = &self.0.trace.sequences()[sequence];
            let mut counts = vec![0_u32; self.layers() * self.experts()];
            self.each_event(meta.first_token, meta.tokens, |_, layer, asked| {
                for expert in asked {
                    let count = &mut counts[layer * self.experts() + *expert as usize];
                    *count = count.saturating_add(1);
                }
            });
            counts
        })
    }

    /// How often an expert `from` of a layer was followed by an expert `to` of the layer `distance` ahead, in the next
    /// row where that wraps around: at `(layer * experts + from) * experts + to`. Empty for no such distance (1 to the
    /// number of layers), and for a model that would need more than 2^28 counters.
    pub fn transitions(&self, distance: u32) -> &[u32] {
        let index = (distance as usize).checked_sub(1);
        let Some(table) = index.and_then(|index| self.0.transitions.get(index)) else { return &[] };
        table.get_or_init(|| self.count_transitions(distance as usize))
    }

    fn count_transitions(&self, distance: usize) -> Vec<u32> {
        let (layers, experts) = (self.layers(), self.experts());
        let Some(mut table) = pair_table(layers, experts) else { return Vec::new() };
        let mut history: Vec<Vec<u32>> = vec![Vec::new(); layers];
        for meta in self.0.trace.sequences() {
            self.each_event(meta.first_token, meta.tokens, |row, layer, asked| {
                if row > 0 || layer >= distance {
                    let source = (layer + layers - distance) % layers;
                    count_pairs(&mut table, experts, source, &history[source], asked);
                }
                history[layer].clear();
                history[layer].extend_from_slice(asked);
            });
        }
        table
    }

    /// Tells `seen` each event of a run of rows: its row from the first, its layer and its experts in rank order.
    fn each_event(&self, first: u64, rows: u64, seen: impl FnMut(u64, usize, &[u32])) {
        match self.0.trace.ids() {
            Ids::U8(ids) => self.walk(ids, first, rows, seen),
            Ids::U16(ids) => self.walk(ids, first, rows, seen),
        }
    }

    fn walk<I: ExpertNumber>(
        &self,
        ids: &[I],
        first: u64,
        rows: u64,
        mut seen: impl FnMut(u64, usize, &[u32]),
    ) {
        let header = self.0.trace.header();
        let (slots, top_k) = (header.slots_per_token(), header.top_k as usize);
        let mut asked = Vec::with_capacity(top_k);
        let start = usize::try_from(first).unwrap_or(usize::MAX);
        for (row, chosen) in (0..rows).zip(ids.chunks_exact(slots).skip(start)) {
            for (layer, chosen) in chosen.chunks_exact(top_k).enumerate() {
                asked.clear();
                asked.extend(chosen.iter().filter(|id| **id != I::NOBODY).map(|id| -> u32 { (*id).into() }));
                seen(row, layer, &asked);
            }
        }
    }
}

/// Counters for every pair of experts of every layer and one ahead; `None` where they are too many.
pub(super) fn pair_table(layers: usize, experts: usize) -> Option<Vec<u32>> {
    let pairs = (layers as u64).checked_mul(experts as u64)?.checked_mul(experts as u64)?;
    (pairs <= PAIRS_MAX).then(|| vec![0; layers * experts * experts])
}

/// Counts every pair of an expert of layer `source` and one of the layer ahead.
pub(super) fn count_pairs(table: &mut [u32], experts: usize, source: usize, before: &[u32], after: &[u32]) {
    for from in before {
        let first = (source * experts + *from as usize) * experts;
        let row = &mut table[first..first + experts];
        for to in after {
            row[*to as usize] = row[*to as usize].saturating_add(1);
        }
    }
}
