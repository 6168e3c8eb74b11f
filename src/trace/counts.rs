//! Tokens per expert over runs of rows, fast: what a pass at one MoE layer asks for when it holds many tokens.
//!
//! For each layer there is a running total of every expert's selections at each boundary between blocks of
//! [`BLOCK_ROWS`] rows. The counts of a run are the totals at the boundary nearest its end less those nearest its begin,
//! and the rows between a boundary and the run's own end are walked one by one: at most half a block at each end. A run
//! shorter than a block is walked whole where that is less.
//!
//! The ids are held a second time, layer by layer (`[layer][row][k]`), because a pass goes through the layers one after
//! another and a trace stores `[row][layer][k]`: so a run's ids in one layer lie side by side.
//!
//! Size: `layers * (4 * experts * (rows / 64 + 1) + rows * top_k)` bytes, for up to 255 experts: 15 MB for 94 layers of
//! 128 experts, top-8, and 10,000 rows. Left out: the order of the selections, ranks and gate weights.

use super::{ExpertNumber, Ids, Trace};
use crate::error::{Error, Result};
use crate::units::LayerIndex;

/// Rows between two running totals. Half of it is walked at the worst at either end, so a larger block costs time and a
/// smaller one memory.
const BLOCK_ROWS: usize = 64;
/// Most rows: one less than the first number for which a running total of 32 bits could be too small.
const MAX_ROWS: u64 = u32::MAX as u64;

/// Ids by layer in the width of the trace.
#[derive(Clone, Debug)]
enum Columns {
    U8(Vec<u8>),
    U16(Vec<u16>),
}

/// Tokens per expert of any run of rows in any layer.
///
/// ```
/// use moesim::trace::{Phase, RoutingCounts, TraceBuilder, TraceHeader};
/// use moesim::units::LayerIndex;
///
/// let header = TraceHeader { layer_ids: vec![0], experts: 4, top_k: 2, ..TraceHeader::default() };
/// let mut builder = TraceBuilder::new(header)?;
/// builder.begin_sequence("", 0)?;
/// builder.push(Phase::Decode, &[3, 1])?;
/// builder.push(Phase::Decode, &[1, 0])?;
/// let mut counts = [0; 4];
/// RoutingCounts::of(&builder.finish()?)?.add_counts(LayerIndex(0), 0, 2, &mut counts);
/// assert_eq!(counts, [1, 2, 0, 1]);
/// # Ok::<(), moesim::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RoutingCounts {
    layers: usize,
    experts: usize,
    top_k: usize,
    rows: usize,
    ids: Columns,
    /// Selections of each expert in all rows before a boundary, at `[layer][boundary][expert]`.
    totals: Vec<u32>,
}

impl RoutingCounts {
    /// Of all rows of a trace; takes a few passes over it.
    ///
    /// # Errors
    /// Where the trace has 2^32 rows or more.
    pub fn of(trace: &Trace) -> Result<Self> {
        let tokens = trace.tokens();
        let rows = usize::try_from(tokens).ok().filter(|_| tokens <= MAX_ROWS);
        let Some(rows) = rows else {
            return Err(Error::new(format!("a trace of {tokens} rows is too long to count by expert"))
                .expected(format!("up to {MAX_ROWS}")));
        };
        let header = trace.header();
        let (layers, experts, top_k) = (header.layers(), header.experts as usize, header.top_k as usize);
        let shape = Shape { layers, experts, top_k, rows };
        let (ids, totals) = match trace.ids() {
            Ids::U8(ids) => {
                let ids = shape.by_layer(ids);
                let totals = shape.totals(&ids);
                (Columns::U8(ids), totals)
            }
            Ids::U16(ids) => {
                let ids = shape.by_layer(ids);
                let totals = shape.totals(&ids);
                (Columns::U16(ids), totals)
            }
        };
        Ok(Self { layers, experts, top_k, rows, ids, totals })
    }

    /// MoE layers.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Routed experts per layer.
    pub fn experts(&self) -> usize {
        self.experts
    }

    /// Expert slots per token and layer.
    pub fn top_k(&self) -> usize {
        self.top_k
    }

    /// Rows of the trace.
    pub fn rows(&self) -> u64 {
        self.rows as u64
    }

    /// Bytes that the tables take.
    pub fn bytes(&self) -> u64 {
        let ids = match &self.ids {
            Columns::U8(ids) => ids.len(),
            Columns::U16(ids) => 2 * ids.len(),
        };
        (ids + 4 * self.totals.len()) as u64
    }

    /// Adds to `counts`, one for each expert of the layer, how many of the tokens `first_row .. first_row + rows` chose
    /// it. Panics where the layer or a row is not in the trace, or `counts` has fewer places than a layer has experts.
    #[inline]
    pub fn add_counts(&self, layer: LayerIndex, first_row: u64, rows: u32, counts: &mut [u32]) {
        self.add_pieces(layer, &[(first_row, rows)], counts);
    }

    /// The same for many runs, each a first row and a number of rows: what a pass of many requests asks for in a layer.
    /// Panics as [`RoutingCounts::add_counts`] does.
    pub fn add_pieces(&self, layer: LayerIndex, pieces: &[(u64, u32)], counts: &mut [u32]) {
        let counts = &mut counts[..self.experts];
        match &self.ids {
            Columns::U8(ids) => self.layer(usize::from(layer.0), ids).add(pieces, counts),
            Columns::U16(ids) => self.layer(usize::from(layer.0), ids).add(pieces, counts),
        }
    }

    /// Tells `seen` every selection of these runs in a layer, in their order: its row, its rank and its expert. Panics as
    /// [`RoutingCounts::add_counts`] does.
    pub fn selections(&self, layer: LayerIndex, pieces: &[(u64, u32)], seen: impl FnMut(usize, usize, u32)) {
        match &self.ids {
            Columns::U8(ids) => self.layer(usize::from(layer.0), ids).selections(pieces, seen),
            Columns::U16(ids) => self.layer(usize::from(layer.0), ids).selections(pieces, seen),
        }
    }

    fn layer<'a, T>(&'a self, layer: usize, ids: &'a [T]) -> Layer<'a, T> {
        let (slots, totals) = (self.rows * self.top_k, (self.rows / BLOCK_ROWS + 1) * self.experts);
        Layer {
            ids: &ids[layer * slots..][..slots],
            totals: &self.totals[layer * totals..][..totals],
            experts: self.experts,
            top_k: self.top_k,
            last_boundary: self.rows / BLOCK_ROWS,
        }
    }

    /// The experts of one token in one layer, by rank; empty slots are left out. Panics where there is no such row.
    pub fn chosen(&self, layer: LayerIndex, row: u64) -> impl Iterator<Item = u16> {
        let row = usize::try_from(row).unwrap_or(usize::MAX);
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let first = (usize::from(layer.0) * self.rows + row) * self.top_k;
        (first..first + self.top_k).filter_map(|slot| match &self.ids {
            Columns::U8(ids) => Some(ids[slot]).filter(|id| *id != u8::NOBODY).map(u16::from),
            Columns::U16(ids) => Some(ids[slot]).filter(|id| *id != u16::NOBODY),
        })
    }
}

/// The tables of one layer.
struct Layer<'a, T> {
    ids: &'a [T],
    totals: &'a [u32],
    experts: usize,
    top_k: usize,
    last_boundary: usize,
}

impl<T: ExpertNumber> Layer<'_, T> {
    fn add(&self, pieces: &[(u64, u32)], counts: &mut [u32]) {
        for (first_row, rows) in pieces {
            let first = usize::try_from(*first_row).unwrap_or(usize::MAX);
            if *rows == 1 {
                // A decode token: the hottest path of all.
                walk(&self.ids[first * self.top_k..][..self.top_k], counts, 1);
            } else {
                self.add_run(first, first + *rows as usize, counts);
            }
        }
    }

    fn selections(&self, pieces: &[(u64, u32)], mut seen: impl FnMut(usize, usize, u32)) {
        for (first_row, rows) in pieces {
            let first = usize::try_from(*first_row).unwrap_or(usize::MAX);
            for row in first..first + *rows as usize {
                let ids = &self.ids[row * self.top_k..][..self.top_k];
                for (rank, id) in ids.iter().enumerate().filter(|(_, id)| **id != T::NOBODY) {
                    seen(row, rank, (*id).into());
                }
            }
        }
    }

    fn add_run(&self, first: usize, end: usize, counts: &mut [u32]) {
        let (low, high) = (nearest_boundary(first), nearest_boundary(end).min(self.last_boundary));
        let (low_row, high_row) = (low * BLOCK_ROWS, high * BLOCK_ROWS);
        if low >= high || first.abs_diff(low_row) + end.abs_diff(high_row) >= end - first {
            walk(&self.ids[first * self.top_k..end * self.top_k], counts, 1);
            return;
        }
        let at = |boundary: usize| &self.totals[boundary * self.experts..][..self.experts];
        for ((count, until), before) in counts.iter_mut().zip(at(high)).zip(at(low)) {
            *count = count.wrapping_add(until - before);
        }
        // What the boundaries miss is added, what they have too much is taken off; sums wrap, so order does not matter.
        for (from, to) in [(first, low_row), (high_row, end)] {
            let (begin, stop) = (from.min(to) * self.top_k, from.max(to) * self.top_k);
            walk(&self.ids[begin..stop], counts, if from <= to { 1 } else { u32::MAX });
        }
    }
}

/// The boundary nearest to a row.
fn nearest_boundary(row: usize) -> usize {
    (row + BLOCK_ROWS / 2) / BLOCK_ROWS
}

/// Adds `step` for each selection; an empty slot's mark lies beyond all experts. Four at a time, since most routers choose
/// four or eight experts and a row is walked in one go then.
#[inline]
fn walk<T: ExpertNumber>(ids: &[T], counts: &mut [u32], step: u32) {
    let mut add = |id: &T| {
        let expert: u32 = (*id).into();
        if let Some(count) = counts.get_mut(expert as usize) {
            *count = count.wrapping_add(step);
        }
    };
    let (fours, rest) = ids.as_chunks::<4>();
    for four in fours {
        four.iter().for_each(&mut add);
    }
    rest.iter().for_each(add);
}

/// The extent of the tables while they are built.
struct Shape {
    layers: usize,
    experts: usize,
    top_k: usize,
    rows: usize,
}

impl Shape {
    fn by_layer<T: ExpertNumber>(&self, ids: &[T]) -> Vec<T> {
        let width = self.layers * self.top_k;
        let mut sorted = Vec::with_capacity(ids.len());
        for layer in 0..self.layers {
            for row in ids.chunks_exact(width) {
                sorted.extend_from_slice(&row[layer * self.top_k..][..self.top_k]);
            }
        }
        sorted
    }

    fn totals<T: ExpertNumber>(&self, by_layer: &[T]) -> Vec<u32> {
        let boundaries = self.rows / BLOCK_ROWS + 1;
        let mut totals = Vec::with_capacity(self.layers * boundaries * self.experts);
        let mut running = vec![0_u32; self.experts];
        for ids in by_layer.chunks_exact((self.rows * self.top_k).max(1)) {
            running.fill(0);
            totals.extend_from_slice(&running);
            for block in ids.chunks_exact(BLOCK_ROWS * self.top_k) {
                walk(block, &mut running, 1);
                totals.extend_from_slice(&running);
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{NO_EXPERT_U16, Phase, TraceBuilder, TraceHeader};
    use proptest::prelude::*;

    /// A trace of two layers from one random word a slot; a few slots are empty.
    fn trace(experts: u16, words: &[u16]) -> Trace {
        let header = TraceHeader {
            layer_ids: vec![0, 1],
            experts: u32::from(experts),
            top_k: 2,
            ..TraceHeader::default()
        };
        let mut builder = TraceBuilder::new(header).unwrap();
        builder.begin_sequence("", 0).unwrap();
        for row in words.as_chunks::<4>().0 {
            let mut ids = row.map(|word| if word % 11 == 0 { NO_EXPERT_U16 } else { word % experts });
            for pair in ids.chunks_exact_mut(2) {
                if pair[0] == pair[1] {
                    pair[1] = NO_EXPERT_U16;
                }
            }
            builder.push(Phase::Decode, &ids).unwrap();
        }
        builder.finish().unwrap()
    }

    /// Slot by slot.
    fn slow(trace: &Trace, layer: LayerIndex, first: u64, rows: u32, counts: &mut [u32]) {
        for row in first..first + u64::from(rows) {
            for expert in (0..2).filter_map(|rank| trace.expert(row, layer, rank)) {
                counts[usize::from(expert)] += 1;
            }
        }
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_walk_over_the_trace(
            wide in any::<bool>(),
            words in prop::collection::vec(any::<u16>(), 4..1600),
            runs in prop::collection::vec((0_u16..2, any::<u16>(), any::<u16>()), 1..20),
        ) {
            let trace = trace(if wide { 300 } else { 7 }, &words);
            let counts = RoutingCounts::of(&trace).unwrap();
            let rows = trace.tokens();
            let experts = counts.experts();
            // Runs are added one upon another, as a batch of requests does.
            let (mut found, mut wanted) = (vec![0; experts], vec![0; experts]);
            for (layer, first, length) in runs {
                let first = u64::from(first) % rows;
                let length = u32::try_from(u64::from(length) % (rows - first + 1)).unwrap();
                counts.add_counts(LayerIndex(layer), first, length, &mut found);
                slow(&trace, LayerIndex(layer), first, length, &mut wanted);
                prop_assert_eq!(&found, &wanted, "layer {}, {} rows from {}", layer, length, first);
            }
        }
    }

    #[test]
    fn a_row_is_what_the_trace_says() {
        for experts in [7, 300] {
            let words: Vec<u16> = (0..40_u16).map(|word| word * 37 + word / 3).collect();
            let trace = trace(experts, &words);
            let counts = RoutingCounts::of(&trace).unwrap();
            for (row, layer) in
                (0..trace.tokens()).flat_map(|row| [(row, LayerIndex(0)), (row, LayerIndex(1))])
            {
                let expected: Vec<u16> = (0..2).filter_map(|rank| trace.expert(row, layer, rank)).collect();
                assert_eq!(counts.chosen(layer, row).collect::<Vec<_>>(), expected);
            }
        }
    }

    /// The size that the head of this file states.
    #[test]
    fn the_tables_have_the_stated_size() {
        let words = vec![1; 4 * 640];
        let counts = RoutingCounts::of(&trace(7, &words)).unwrap();
        assert_eq!(counts.bytes(), 2 * (4 * 7 * 11 + 640 * 2));
        assert_eq!((counts.rows(), counts.layers(), counts.experts(), counts.top_k()), (640, 2, 7, 2));
    }
}
