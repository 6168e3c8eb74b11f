//! Builds a trace row by row and refuses what cannot be one.
//!
//! Importers and generators go through here, so every trace in memory has the same guarantees: ids below the number of
//! experts, no expert twice in one layer of a token, prompt rows before decode rows, empty slots marked, and the id
//! width that belongs to the number of experts. It does not check that choices are plausible.

use super::data::{Column, IdColumn, NO_EXPERT_U8, NO_EXPERT_U16, SequenceMeta, Trace, TraceHeader};
use crate::error::{Error, Place, Result};

/// Largest number of experts in a layer: the 16-bit id that is left over marks an empty slot.
pub(super) const MAX_EXPERTS: u32 = 65_535;
/// Largest number of MoE layers.
pub(super) const MAX_LAYERS: usize = 65_535;

/// Whether a row belongs to the prompt or was generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// A token of the prompt.
    Prefill,
    /// A generated token.
    Decode,
}

/// Collects rows into a [`Trace`].
///
/// ```
/// use moesim::trace::{NO_EXPERT_U16, Phase, TraceBuilder, TraceHeader};
///
/// let header = TraceHeader { layer_ids: vec![0, 1], experts: 8, top_k: 2, ..TraceHeader::default() };
/// let mut builder = TraceBuilder::new(header)?;
/// builder.begin_sequence("chat", 5)?;
/// builder.push(Phase::Decode, &[3, 1, 7, NO_EXPERT_U16])?;
/// assert_eq!(builder.finish()?.tokens(), 1);
/// # Ok::<(), moesim::error::Error>(())
/// ```
#[derive(Debug)]
pub struct TraceBuilder {
    header: TraceHeader,
    sequences: Vec<SequenceMeta>,
    ids: Ids,
    weights: Option<Vec<u16>>,
    rows: u64,
    /// One bit for each expert, cleared after each layer of a row.
    seen: Vec<u64>,
}

#[derive(Debug)]
enum Ids {
    U8(Vec<u8>),
    U16(Vec<u16>),
}

impl TraceBuilder {
    /// Starts a trace without gate weights.
    ///
    /// # Errors
    /// Where the header is not that of a trace; see [`check_header`].
    pub fn new(header: TraceHeader) -> Result<Self> {
        check_header(&header)?;
        let ids = if header.experts <= u32::from(NO_EXPERT_U8) {
            Ids::U8(Vec::new())
        } else {
            Ids::U16(Vec::new())
        };
        let seen = vec![0; (header.experts as usize).div_ceil(64)];
        Ok(Self { header, sequences: Vec::new(), ids, weights: None, rows: 0, seen })
    }

    /// The same with gate weights; every row is then pushed by [`TraceBuilder::push_weighted`].
    ///
    /// # Errors
    /// As [`TraceBuilder::new`].
    pub fn with_weights(header: TraceHeader) -> Result<Self> {
        Ok(Self { weights: Some(Vec::new()), ..Self::new(header)? })
    }

    /// Adds a line to the notes of the header.
    pub fn note(&mut self, text: impl Into<String>) {
        self.header.notes.push(text.into());
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Begins a sequence; the rows that follow belong to it. `prompt_length` is in tokens, 0 where it is not known, and
    /// is raised to the number of prefill rows.
    ///
    /// # Errors
    /// Where the sequence before it has no rows.
    pub fn begin_sequence(&mut self, category: &str, prompt_length: u64) -> Result<()> {
        self.check_latest()?;
        self.sequences.push(SequenceMeta {
            first_token: self.rows,
            prompt_length,
            category: category.to_owned(),
            ..SequenceMeta::default()
        });
        Ok(())
    }

    /// Adds one token: `ids` is `[layer][k]` in rank order, empty slots hold [`NO_EXPERT_U16`].
    ///
    /// # Errors
    /// Where the row is not valid; the caller knows the place and adds it by [`TraceBuilder::push_at`].
    pub fn push(&mut self, phase: Phase, ids: &[u16]) -> Result<()> {
        self.push_at(phase, ids, None, &Place::none())
    }

    /// Adds one token with its gate weights in units of 1/65,535, laid out like `ids`.
    ///
    /// # Errors
    /// As [`TraceBuilder::push`].
    pub fn push_weighted(&mut self, phase: Phase, ids: &[u16], weights: &[u16]) -> Result<()> {
        self.push_at(phase, ids, Some(weights), &Place::none())
    }

    /// Adds one token that was read at `place`, to which errors point. The weight of an empty slot becomes 0.
    ///
    /// # Errors
    /// Wrong width, weights given or missing against the kind of builder, an id out of range, an expert twice in one
    /// layer, a prefill row after a decode row, or no sequence begun.
    pub fn push_at(
        &mut self,
        phase: Phase,
        ids: &[u16],
        weights: Option<&[u16]>,
        place: &Place,
    ) -> Result<()> {
        self.check_row(ids, weights, place)?;
        let Some(sequence) = self.sequences.last_mut() else {
            return Err(Error::at(place.clone(), "a token stands before the first sequence"));
        };
        if phase == Phase::Prefill {
            if sequence.prefill_tokens < sequence.tokens {
                return Err(Error::at(
                    place.clone(),
                    "a prompt token follows a decode token of its sequence",
                )
                .expected("prompt rows first"));
            }
            sequence.prefill_tokens += 1;
        }
        sequence.tokens += 1;
        sequence.prompt_length = sequence.prompt_length.max(sequence.prefill_tokens);
        self.rows += 1;
        match &mut self.ids {
            Ids::U8(column) => column.extend(ids.iter().map(|id| narrow(*id))),
            Ids::U16(column) => column.extend_from_slice(ids),
        }
        if let (Some(column), Some(weights)) = (&mut self.weights, weights) {
            let used = ids.iter().zip(weights);
            column.extend(used.map(|(id, weight)| if *id == NO_EXPERT_U16 { 0 } else { *weight }));
        }
        Ok(())
    }

    /// The trace.
    ///
    /// # Errors
    /// Where the last sequence has no rows.
    pub fn finish(self) -> Result<Trace> {
        self.check_latest()?;
        let ids = match self.ids {
            Ids::U8(column) => IdColumn::U8(Column::Owned(column)),
            Ids::U16(column) => IdColumn::U16(Column::Owned(column)),
        };
        let weights = self.weights.map(Column::Owned);
        Ok(Trace { header: self.header, sequences: self.sequences, ids, weights })
    }

    fn check_latest(&self) -> Result<()> {
        match self.sequences.last() {
            Some(latest) if latest.tokens == 0 => {
                Err(Error::new(format!("sequence {} has no tokens", self.sequences.len() - 1)))
            }
            _ => Ok(()),
        }
    }

    fn check_row(&mut self, ids: &[u16], weights: Option<&[u16]>, place: &Place) -> Result<()> {
        let slots = self.header.slots_per_token();
        if ids.len() != slots {
            return Err(Error::at(place.clone(), format!("a token has {} expert slots", ids.len()))
                .expected(format!("{slots} ({} layers x top-{})", self.header.layers(), self.header.top_k)));
        }
        match (&self.weights, weights) {
            (None, None) => {}
            (Some(_), Some(weights)) if weights.len() == slots => {}
            (Some(_), _) => {
                return Err(Error::at(place.clone(), "a token lacks its gate weights").expected(slots));
            }
            (None, Some(_)) => {
                return Err(Error::at(place.clone(), "a token has gate weights in a trace without them"));
            }
        }
        for (layer, chosen) in ids.chunks_exact(self.header.top_k as usize).enumerate() {
            let outcome = mark_each(chosen, self.header.experts, &mut self.seen);
            for id in chosen {
                if let Some(word) = self.seen.get_mut(usize::from(*id) / 64) {
                    *word = 0;
                }
            }
            if let Err(fault) = outcome {
                return Err(fault.into_error(place, self.header.layer_ids[layer], self.header.experts));
            }
        }
        Ok(())
    }
}

/// What is wrong with one layer of a row.
enum Fault {
    OutOfRange(u16),
    Twice(u16),
}

impl Fault {
    fn into_error(self, place: &Place, layer: u32, experts: u32) -> Error {
        match self {
            Self::OutOfRange(id) => out_of_range(place, u64::from(id), experts),
            Self::Twice(id) => {
                Error::at(place.clone(), format!("expert {id} stands twice in layer {layer} of one token"))
                    .expected("each expert at most once")
            }
        }
    }
}

/// The error for an expert id that is too large.
pub(super) fn out_of_range(place: &Place, id: impl std::fmt::Display, experts: u32) -> Error {
    Error::at(place.clone(), format!("expert {id} is out of range"))
        .expected(format!("0 to {}", experts.max(1) - 1))
}

fn mark_each(chosen: &[u16], experts: u32, seen: &mut [u64]) -> std::result::Result<(), Fault> {
    for id in chosen.iter().copied().filter(|id| *id != NO_EXPERT_U16) {
        if u32::from(id) >= experts {
            return Err(Fault::OutOfRange(id));
        }
        let (word, bit) = (usize::from(id) / 64, 1u64 << (id % 64));
        if seen[word] & bit != 0 {
            return Err(Fault::Twice(id));
        }
        seen[word] |= bit;
    }
    Ok(())
}

/// The 8-bit form of an id that is in range or marks an empty slot.
fn narrow(id: u16) -> u8 {
    u8::try_from(id).unwrap_or(NO_EXPERT_U8)
}

/// Checks what every reader and builder relies on: at least one layer, expert and slot, sizes within the id widths,
/// layer ids ascending, and expert sizes for all layers or none.
///
/// # Errors
/// The first that does not hold.
pub fn check_header(header: &TraceHeader) -> Result<()> {
    let layers = header.layers();
    if layers == 0 || layers > MAX_LAYERS {
        return Err(
            Error::new(format!("a trace of {layers} MoE layers")).expected(format!("1 to {MAX_LAYERS}"))
        );
    }
    if header.experts == 0 || header.experts > MAX_EXPERTS {
        let found = format!("a trace of {} experts per layer", header.experts);
        return Err(Error::new(found).expected(format!("1 to {MAX_EXPERTS}")));
    }
    if header.top_k == 0 || header.top_k > header.experts {
        let found = format!("a trace of top-{} among {} experts", header.top_k, header.experts);
        return Err(Error::new(found).expected(format!("top-1 to top-{}", header.experts)));
    }
    if !header.layer_ids.is_sorted_by(|a, b| a < b) {
        return Err(
            Error::new("layer ids of a trace are not ascending").expected("each above the one before")
        );
    }
    if !header.expert_bytes.is_empty() && header.expert_bytes.len() != layers {
        let found = format!("expert sizes for {} of {layers} layers", header.expert_bytes.len());
        return Err(Error::new(found).expected("one for each layer, or none"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Ids as View;

    fn builder(experts: u32) -> TraceBuilder {
        let header = TraceHeader { layer_ids: vec![1, 3], experts, top_k: 2, ..TraceHeader::default() };
        TraceBuilder::new(header).unwrap()
    }

    #[test]
    fn the_id_width_follows_the_number_of_experts() {
        for (experts, wide) in [(1 << 3, false), (255, false), (256, true), (65_535, true)] {
            let mut builder = builder(experts);
            builder.begin_sequence("", 0).unwrap();
            builder.push(Phase::Decode, &[3, NO_EXPERT_U16, NO_EXPERT_U16, 0]).unwrap();
            let trace = builder.finish().unwrap();
            match trace.ids() {
                View::U8(ids) => assert_eq!((ids, wide), (&[3, NO_EXPERT_U8, NO_EXPERT_U8, 0][..], false)),
                View::U16(ids) => assert_eq!((ids, wide), (&[3, NO_EXPERT_U16, NO_EXPERT_U16, 0][..], true)),
            }
        }
    }

    #[test]
    fn refuses_what_cannot_be_a_row() {
        let place = Place::file("t.csv").line(7);
        let check = |ids: &[u16], expect: &str| {
            let mut builder = builder(128);
            builder.begin_sequence("", 0).unwrap();
            let found = builder.push_at(Phase::Decode, ids, None, &place).unwrap_err().to_string();
            assert_eq!(found, expect);
            // A refused row leaves no trace behind: the same experts are still free.
            builder.push(Phase::Decode, &[1, 2, 1, 2]).unwrap();
        };
        check(&[1, 2, 3], "t.csv:7: a token has 3 expert slots, expected 4 (2 layers x top-2)");
        check(&[1, 2, 3, 131], "t.csv:7: expert 131 is out of range, expected 0 to 127");
        check(
            &[1, 2, 2, 2],
            "t.csv:7: expert 2 stands twice in layer 3 of one token, expected each expert at most once",
        );
    }

    #[test]
    fn prompt_rows_come_first() {
        let mut builder = builder(4);
        assert!(builder.push(Phase::Decode, &[0, 1, 0, 1]).is_err());
        builder.begin_sequence("a", 9).unwrap();
        builder.push(Phase::Prefill, &[0, 1, 0, 1]).unwrap();
        builder.push(Phase::Decode, &[0, 1, 0, 1]).unwrap();
        assert!(builder.push(Phase::Prefill, &[0, 1, 0, 1]).is_err());
        builder.begin_sequence("b", 0).unwrap();
        assert!(builder.begin_sequence("c", 0).is_err(), "an empty sequence is refused");
        builder.push(Phase::Prefill, &[0, 1, 0, 1]).unwrap();
        let trace = builder.finish().unwrap();
        let shape: Vec<_> = trace
            .sequences()
            .iter()
            .map(|s| (s.first_token, s.tokens, s.prefill_tokens, s.prompt_length))
            .collect();
        assert_eq!(shape, [(0, 2, 1, 9), (2, 1, 1, 1)]);
    }

    #[test]
    fn headers_that_no_trace_can_have() {
        let good = TraceHeader { layer_ids: vec![1, 3], experts: 4, top_k: 2, ..TraceHeader::default() };
        check_header(&good).unwrap();
        let bad = [
            TraceHeader::default(),
            TraceHeader { experts: 65_536, ..good.clone() },
            TraceHeader { top_k: 5, ..good.clone() },
            TraceHeader { layer_ids: vec![3, 3], ..good.clone() },
            TraceHeader { expert_bytes: vec![1], ..good },
        ];
        for header in bad {
            assert!(TraceBuilder::new(header).is_err());
        }
    }
}
