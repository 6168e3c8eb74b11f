//! Puts selections that arrive in any order into a trace.
//!
//! Engines write prompt tokens layer by layer and leave out shapes, so the columns cannot be laid out while reading.
//! Selections are kept as a flat list of 24 bytes each, less than their text, until the shape is known.

use std::collections::BTreeMap;

use super::{Imported, RESIDENCY_UNKNOWN, Source};
use crate::error::{Error, Result};
use crate::trace::builder::{MAX_EXPERTS, MAX_LAYERS, Phase, TraceBuilder, check_header, out_of_range};
use crate::trace::data::{NO_EXPERT_U16, TraceHeader};

/// The note on a file that does not mark its sequences.
pub(super) const ONE_SEQUENCE: &str = "the file does not mark where a sequence ends: taken as one sequence";

/// Which row of a trace: rows are ordered so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::trace) struct RowKey {
    pub(in crate::trace) sequence: u32,
    pub(in crate::trace) phase: Phase,
    pub(in crate::trace) position: u64,
}

/// One expert chosen by one token in one layer.
#[derive(Clone, Copy, Debug)]
pub(in crate::trace) struct Selection {
    /// The model's own layer number.
    pub(in crate::trace) layer: u64,
    pub(in crate::trace) rank: u64,
    pub(in crate::trace) expert: u64,
    /// The gate weight; NaN where the file does not say.
    pub(in crate::trace) weight: f32,
    /// 0, 1 or [`RESIDENCY_UNKNOWN`].
    pub(in crate::trace) residency: u8,
    /// Line of the file, from 1.
    pub(in crate::trace) line: usize,
}

impl Selection {
    /// A selection of which only the place in the trace is known.
    pub(in crate::trace) fn plain(layer: u64, rank: u64, expert: u64, line: usize) -> Self {
        Self { layer, rank, expert, weight: f32::NAN, residency: RESIDENCY_UNKNOWN, line }
    }
}

/// A selection, packed.
#[derive(Clone, Copy, Debug)]
struct Packed {
    row: u32,
    line: u32,
    weight: f32,
    layer: u16,
    rank: u16,
    expert: u16,
    residency: u8,
}

/// A number of the shape that the file may or may not state.
#[derive(Clone, Copy, Debug)]
pub(in crate::trace) enum Known {
    /// The file or the user states it.
    Is(u32),
    /// To be inferred from the selections.
    Infer(Inferred),
}

/// How to infer a number of the shape from the largest value seen.
#[derive(Clone, Copy, Debug)]
pub(in crate::trace) enum Inferred {
    /// One more than the largest.
    LargestPlusOne,
    /// The power of two from there on, as expert counts mostly are.
    PowerOfTwo,
}

impl Known {
    /// What the options say, else what the file says, else an inference.
    pub(in crate::trace) fn or_infer(options: Option<u32>, file: Option<u32>, how: Inferred) -> Self {
        options.or(file).map_or(Self::Infer(how), Self::Is)
    }
}

/// Selections and rows so far.
#[derive(Debug, Default)]
pub(in crate::trace) struct Gather {
    selections: Vec<Packed>,
    rows: BTreeMap<RowKey, u32>,
    latest: Option<(RowKey, u32)>,
    sequences: BTreeMap<u32, (String, u64)>,
    notes: Vec<String>,
    with_residency: bool,
    with_weights: bool,
    unknown_weights: u64,
}

impl Gather {
    /// Says what is known of a sequence; needed only where there is something.
    pub(in crate::trace) fn describe(&mut self, sequence: u32, category: &str, prompt_length: u64) {
        self.sequences.insert(sequence, (category.to_owned(), prompt_length));
    }

    pub(in crate::trace) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Rows so far.
    pub(in crate::trace) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// A row whose position is not above that of the row before it in its sequence: its phases contradict positions.
    pub(in crate::trace) fn first_out_of_order(&self) -> Option<RowKey> {
        let pairs = self.rows.keys().zip(self.rows.keys().skip(1));
        let out_of_order = |(a, b): &(&RowKey, &RowKey)| a.sequence == b.sequence && a.position >= b.position;
        pairs.into_iter().find(out_of_order).map(|(a, _)| *a)
    }

    /// Makes sure that a row exists, even if nothing is chosen in it.
    pub(in crate::trace) fn row(&mut self, key: RowKey) -> u32 {
        match self.latest {
            Some((latest, row)) if latest == key => row,
            _ => {
                let next = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
                let row = *self.rows.entry(key).or_insert(next);
                self.latest = Some((key, row));
                row
            }
        }
    }

    /// Says that the file has a column of gate weights; selections without one then count as unknown.
    pub(in crate::trace) fn expect_weights(&mut self) {
        self.with_weights = true;
    }

    /// Adds a selection to a row.
    ///
    /// # Errors
    /// A layer, rank or expert beyond what a trace can hold, or a weight below 0.
    pub(in crate::trace) fn select(&mut self, source: &Source, key: RowKey, chosen: Selection) -> Result<()> {
        let place = || source.line(chosen.line);
        let Ok(layer) = u16::try_from(chosen.layer) else {
            let found = format!("layer {} is out of range", chosen.layer);
            return Err(Error::at(place(), found).expected(format!("0 to {MAX_LAYERS}")));
        };
        let expert = match u16::try_from(chosen.expert) {
            Ok(expert) if expert != NO_EXPERT_U16 => expert,
            _ => return Err(out_of_range(&place(), chosen.expert, MAX_EXPERTS)),
        };
        let Ok(rank) = u16::try_from(chosen.rank) else {
            return Err(
                Error::at(place(), format!("rank {} is out of range", chosen.rank)).expected("0 to 65535")
            );
        };
        if chosen.weight < 0.0 || chosen.weight.is_infinite() {
            let found = format!("gate weight {} is out of range", chosen.weight);
            return Err(Error::at(place(), found).expected("0 or more"));
        }
        self.with_residency |= chosen.residency != RESIDENCY_UNKNOWN;
        self.unknown_weights += u64::from(self.with_weights && chosen.weight.is_nan());
        let (weight, residency) = (chosen.weight, chosen.residency);
        let (row, line) = (self.row(key), u32::try_from(chosen.line).unwrap_or(u32::MAX));
        self.selections.push(Packed { row, line, weight, layer, rank, expert, residency });
        Ok(())
    }

    /// Builds the trace. Of the header, layer ids are inferred where they are empty, experts and top-k come from the
    /// arguments, and notes are added.
    ///
    /// # Errors
    /// No rows, a value is outside the known shape, a slot or an expert stands twice.
    pub(in crate::trace) fn finish(
        mut self,
        source: &Source,
        mut header: TraceHeader,
        experts: Known,
        top_k: Known,
    ) -> Result<Imported> {
        if self.rows.is_empty() {
            return Err(Error::at(source.place(), "holds no tokens"));
        }
        self.shape(&mut header, experts, top_k);
        check_header(&header).map_err(|error| Error::at(source.place(), error.to_string()))?;
        self.check_size(source, &header)?;
        let scale = self.weight_scale();
        if scale > 1.0 {
            self.notes.push(format!("gate weights reach {scale}: divided by it, which keeps their shares"));
        }
        let table = self.fill(source, &header, scale)?;
        if self.unknown_weights > 0 {
            self.notes
                .push(format!("{} gate weights are not known (nan): counted as 0", self.unknown_weights));
        }
        header.notes.append(&mut self.notes);
        let new = if self.with_weights { TraceBuilder::with_weights } else { TraceBuilder::new };
        let mut builder = new(header)?;
        let mut sequence = None;
        for (index, key) in self.rows.keys().enumerate() {
            if sequence != Some(key.sequence) {
                sequence = Some(key.sequence);
                let known = self.sequences.get(&key.sequence);
                let (category, prompt_length) =
                    known.map_or(("", 0), |(name, length)| (name.as_str(), *length));
                builder.begin_sequence(category, prompt_length)?;
            }
            let slots = index * table.width..(index + 1) * table.width;
            let weights = self.with_weights.then(|| &table.weights[slots.clone()]);
            let place = || source.line(self.line_of_repetition(self.rows[key]));
            builder
                .push_at(key.phase, &table.ids[slots], weights, &crate::error::Place::none())
                .map_err(|error| Error::at(place(), error.to_string()))?;
        }
        let recorded_residency = self.with_residency.then_some(table.residency);
        Ok(Imported { recorded_residency, ..builder.finish()?.into() })
    }

    fn shape(&mut self, header: &mut TraceHeader, experts: Known, top_k: Known) {
        let largest =
            |value: fn(&Packed) -> u16| self.selections.iter().map(value).max().map_or(0, u32::from);
        let mut inferred = Vec::new();
        let mut resolve = |known: Known, largest: u32, what: &str| match known {
            Known::Is(number) => number,
            Known::Infer(how) => {
                let (number, why) = match how {
                    Inferred::LargestPlusOne => {
                        (largest + 1, "one more than the largest seen, counted from 0")
                    }
                    Inferred::PowerOfTwo => (
                        (largest + 1).next_power_of_two().min(MAX_EXPERTS),
                        "the power of two above the largest seen",
                    ),
                };
                inferred.push(format!("the file does not state {what}: taken as {number}, {why}"));
                number
            }
        };
        header.experts = resolve(experts, largest(|chosen| chosen.expert), "the number of experts");
        header.top_k = resolve(top_k, largest(|chosen| chosen.rank), "top-k");
        if header.layer_ids.is_empty() {
            let mut seen = vec![false; MAX_LAYERS + 1];
            for chosen in &self.selections {
                seen[usize::from(chosen.layer)] = true;
            }
            header.layer_ids = (0..).zip(seen).filter(|(_, seen)| *seen).map(|(layer, _)| layer).collect();
        }
        self.notes.append(&mut inferred);
    }

    /// A shape that a damaged file states must not reserve memory that its rows cannot need.
    fn check_size(&self, source: &Source, header: &TraceHeader) -> Result<()> {
        /// Slots for each selection or row; real traces have about one, unions of experts some dozens.
        const SPARSEST: usize = 4096;
        let filled = self.selections.len() + self.rows.len();
        let slots = header.slots_per_token().checked_mul(self.rows.len());
        if slots.is_some_and(|slots| slots / SPARSEST <= filled) {
            return Ok(());
        }
        let shape = format!("{} rows of {} layers x top-{}", self.rows.len(), header.layers(), header.top_k);
        Err(Error::at(
            source.place(),
            format!("states a shape of {shape} for {} selections", self.selections.len()),
        )
        .expected("a shape that the selections fill"))
    }

    fn fill(&self, source: &Source, header: &TraceHeader, scale: f32) -> Result<Columns> {
        let mut layer_index = vec![usize::MAX; MAX_LAYERS + 1];
        for (index, layer) in header.layer_ids.iter().enumerate() {
            if let Some(entry) = layer_index.get_mut(*layer as usize) {
                *entry = index;
            }
        }
        let mut order = vec![0usize; self.rows.len()];
        for (index, row) in self.rows.values().enumerate() {
            order[*row as usize] = index;
        }
        let mut table =
            Columns::new(header.slots_per_token(), self.rows.len(), self.with_weights, self.with_residency);
        for chosen in &self.selections {
            let place = || source.line(chosen.line as usize);
            let layer = layer_index[usize::from(chosen.layer)];
            if layer == usize::MAX {
                let found = format!("layer {} is not one of the trace's layers", chosen.layer);
                return Err(Error::at(place(), found));
            }
            if u32::from(chosen.expert) >= header.experts {
                return Err(out_of_range(&place(), chosen.expert, header.experts));
            }
            if u32::from(chosen.rank) >= header.top_k {
                let found = format!("rank {} is out of range", chosen.rank);
                return Err(Error::at(place(), found).expected(format!("0 to {}", header.top_k - 1)));
            }
            let in_row = layer * header.top_k as usize + usize::from(chosen.rank);
            let slot = order[chosen.row as usize] * table.width + in_row;
            if table.ids[slot] != NO_EXPERT_U16 {
                let found =
                    format!("rank {} of layer {} stands twice in one token", chosen.rank, chosen.layer);
                return Err(Error::at(place(), found).expected("one expert in each"));
            }
            table.ids[slot] = chosen.expert;
            if self.with_weights {
                table.weights[slot] = quantise(chosen.weight / scale);
            }
            if self.with_residency {
                table.residency[slot] = chosen.residency;
            }
        }
        Ok(table)
    }

    /// What weights are divided by: gates of some models do not sum to 1, and only their share matters here.
    fn weight_scale(&self) -> f32 {
        /// Sums of rounded weights reach a little above 1.
        const ROUNDING: f32 = 1.001;
        let largest = self.selections.iter().map(|chosen| chosen.weight).fold(0.0, f32::max);
        if largest > ROUNDING { largest } else { 1.0 }
    }

    /// The line on which an expert stands the second time in a layer of a row, else the first line of the row.
    fn line_of_repetition(&self, row: u32) -> usize {
        let mut seen = std::collections::BTreeSet::new();
        let mut of_row = self.selections.iter().filter(|chosen| chosen.row == row);
        let first = of_row.clone().next();
        let again = of_row.find(|chosen| !seen.insert((chosen.layer, chosen.expert)));
        again.or(first).map_or(1, |chosen| chosen.line as usize)
    }
}

/// The columns while they are filled.
struct Columns {
    width: usize,
    ids: Vec<u16>,
    weights: Vec<u16>,
    residency: Vec<u8>,
}

impl Columns {
    fn new(width: usize, rows: usize, weights: bool, residency: bool) -> Self {
        let slots = width * rows;
        Self {
            width,
            ids: vec![NO_EXPERT_U16; slots],
            weights: vec![0; if weights { slots } else { 0 }],
            residency: vec![RESIDENCY_UNKNOWN; if residency { slots } else { 0 }],
        }
    }
}

/// A weight in units of 1/65,535; an unknown one becomes 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of u16 before"
)]
pub(in crate::trace) fn quantise(weight: f32) -> u16 {
    let scaled = (f64::from(weight) * f64::from(u16::MAX)).round();
    if scaled.is_nan() { 0 } else { scaled.clamp(0.0, f64::from(u16::MAX)) as u16 }
}
