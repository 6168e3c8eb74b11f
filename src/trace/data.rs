//! A routing trace in memory: which experts each token chose in each MoE layer.

use std::sync::Arc;

use super::mmap::FileMap;
use crate::units::LayerIndex;

/// In an 8-bit id column: no expert stands in this slot. Ids are 8 bits wide only where `experts <= 255`.
pub const NO_EXPERT_U8: u8 = u8::MAX;
/// In a 16-bit id column: no expert stands in this slot.
pub const NO_EXPERT_U16: u16 = u16::MAX;

/// What holds for the whole trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceHeader {
    /// Model name as the source gives it.
    pub model: String,
    /// The model's own number of each MoE layer, ascending; its length is the number of MoE layers. Starts at 1 for a
    /// model whose first layer is dense.
    pub layer_ids: Vec<u32>,
    /// Routed experts per layer.
    pub experts: u32,
    /// Expert slots per token and layer; a slot may be empty.
    pub top_k: u32,
    /// Bytes of one expert in each MoE layer as the engine that recorded the trace stored it; empty where not known.
    pub expert_bytes: Vec<u64>,
    /// Where the trace comes from: engine, address, or the generator and its statistics.
    pub source: String,
    /// Licence of the data.
    pub licence: String,
    /// What an importer had to interpret, one line each.
    pub notes: Vec<String>,
}

impl TraceHeader {
    /// Number of MoE layers.
    pub fn layers(&self) -> usize {
        self.layer_ids.len()
    }

    /// Id slots in one token: layers times top-k.
    pub fn slots_per_token(&self) -> usize {
        self.layers() * self.top_k as usize
    }
}

/// One sequence: rows `first_token .. first_token + tokens`, the first `prefill_tokens` of them prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceMeta {
    /// First row in the id columns.
    pub first_token: u64,
    /// Rows of this sequence, prompt and decode together.
    pub tokens: u64,
    /// Rows that are prefill. Zero for a decode-only trace, even where `prompt_length` is known.
    pub prefill_tokens: u64,
    /// Length of the prompt in tokens, whether or not its rows are here.
    pub prompt_length: u64,
    /// Category or prompt name; empty where not known.
    pub category: String,
}

/// Expert ids, laid out `[token][layer][k]` in rank order.
#[derive(Clone, Copy, Debug)]
pub enum Ids<'a> {
    /// At most 255 experts per layer; [`NO_EXPERT_U8`] marks an empty slot.
    U8(&'a [u8]),
    /// More; [`NO_EXPERT_U16`] marks an empty slot.
    U16(&'a [u16]),
}

/// An element of an id column, for code that runs over either width.
pub trait ExpertNumber: Copy + PartialEq + Into<u32> {
    /// Marks an empty slot.
    const NOBODY: Self;
}

impl ExpertNumber for u8 {
    const NOBODY: Self = NO_EXPERT_U8;
}

impl ExpertNumber for u16 {
    const NOBODY: Self = NO_EXPERT_U16;
}

/// One column of numbers, owned or viewed in a mapped file.
#[derive(Debug)]
pub(super) enum Column<T> {
    Owned(Vec<T>),
    /// Bytes `start..end` of the map. Whoever builds this has checked that they lie within it, start on a boundary of
    /// `T` and hold the machine's own byte order.
    Mapped {
        map: Arc<FileMap>,
        start: usize,
        end: usize,
    },
}

impl<T: bytemuck::Pod> Column<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            Self::Mapped { map, start, end } => bytemuck::cast_slice(&map.bytes()[*start..*end]),
        }
    }
}

/// The id column in one of its widths.
#[derive(Debug)]
pub(super) enum IdColumn {
    U8(Column<u8>),
    U16(Column<u16>),
}

/// A routing trace.
#[derive(Debug)]
pub struct Trace {
    pub(super) header: TraceHeader,
    pub(super) sequences: Vec<SequenceMeta>,
    pub(super) ids: IdColumn,
    pub(super) weights: Option<Column<u16>>,
}

impl Trace {
    /// What holds for the whole trace.
    pub fn header(&self) -> &TraceHeader {
        &self.header
    }

    /// The sequences, in file order; their rows follow one another without gaps.
    pub fn sequences(&self) -> &[SequenceMeta] {
        &self.sequences
    }

    /// All expert ids, `[token][layer][k]`.
    pub fn ids(&self) -> Ids<'_> {
        match &self.ids {
            IdColumn::U8(ids) => Ids::U8(ids.as_slice()),
            IdColumn::U16(ids) => Ids::U16(ids.as_slice()),
        }
    }

    /// Gate weights in the layout of the ids, in units of 1/65,535; `None` where the source has none.
    pub fn weights(&self) -> Option<&[u16]> {
        self.weights.as_ref().map(Column::as_slice)
    }

    /// Rows, prompt and decode together.
    pub fn tokens(&self) -> u64 {
        self.sequences.iter().map(|sequence| sequence.tokens).sum()
    }

    /// The expert in one slot; `None` for an empty slot. For display and tests: hot loops read [`Trace::ids`].
    pub fn expert(&self, token: u64, layer: LayerIndex, rank: usize) -> Option<u16> {
        let row = usize::try_from(token).ok()? * self.header.slots_per_token();
        let slot = row + usize::from(layer.0) * self.header.top_k as usize + rank;
        match self.ids() {
            Ids::U8(ids) => ids.get(slot).filter(|id| **id != NO_EXPERT_U8).map(|id| u16::from(*id)),
            Ids::U16(ids) => ids.get(slot).filter(|id| **id != NO_EXPERT_U16).copied(),
        }
    }

    /// Eight hexadecimal digits that recognise the same routing, whatever the names and notes around it.
    pub fn fingerprint(&self) -> String {
        super::format::fingerprint(self)
    }
}
