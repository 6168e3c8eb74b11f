//! Shape and origin of a trace.

use serde::Serialize;

use crate::trace::Trace;

/// What `moesim trace info` says first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TraceInfo {
    /// Model name as the source gives it.
    pub model: String,
    /// MoE layers.
    pub layers: u64,
    /// The model's own number of the first MoE layer; `None` without layers.
    pub first_layer_id: Option<u32>,
    /// The model's own number of the last MoE layer.
    pub last_layer_id: Option<u32>,
    /// Routed experts per layer.
    pub experts: u32,
    /// Experts chosen per token and layer.
    pub top_k: u32,
    /// Sequences.
    pub sequences: u64,
    /// Rows, prompt and decode together.
    pub tokens: u64,
    /// Rows that are prompt.
    pub prefill_tokens: u64,
    /// Rows that are decode.
    pub decode_tokens: u64,
    /// Gate weights are there.
    pub has_weights: bool,
    /// Bytes of one expert per layer are known.
    pub has_expert_bytes: bool,
    /// Where the trace comes from.
    pub source: String,
    /// Licence of the data.
    pub licence: String,
    /// What an importer had to interpret.
    pub notes: Vec<String>,
}

impl TraceInfo {
    /// Of a trace.
    pub fn of(trace: &Trace) -> Self {
        let header = trace.header();
        let prefill_tokens = trace.sequences().iter().map(|sequence| sequence.prefill_tokens).sum();
        Self {
            model: header.model.clone(),
            layers: header.layers() as u64,
            first_layer_id: header.layer_ids.first().copied(),
            last_layer_id: header.layer_ids.last().copied(),
            experts: header.experts,
            top_k: header.top_k,
            sequences: trace.sequences().len() as u64,
            tokens: trace.tokens(),
            prefill_tokens,
            decode_tokens: trace.tokens() - prefill_tokens,
            has_weights: trace.weights().is_some(),
            has_expert_bytes: !header.expert_bytes.is_empty(),
            source: header.source.clone(),
            licence: header.licence.clone(),
            notes: header.notes.clone(),
        }
    }
}
