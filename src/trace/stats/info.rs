//! Shape and origin of a trace.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::trace::Trace;

/// The sequences of one category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CategoryInfo {
    /// Category or prompt name; empty where not known.
    pub name: String,
    /// Sequences of it.
    pub sequences: u64,
}

/// Shape and origin of a trace.
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
    /// Prompt lengths of all sequences together, whether or not their rows are here.
    pub prompt_length_total: u64,
    /// Categories as they first appear.
    pub categories: Vec<CategoryInfo>,
    /// Gate weights are there.
    pub has_weights: bool,
    /// Bytes of one expert in each MoE layer; empty where not known.
    pub expert_bytes: Vec<u64>,
    /// Where the trace comes from.
    pub source: String,
    /// Licence of the data.
    pub licence: String,
    /// What an importer had to interpret.
    pub notes: Vec<String>,
    /// Recognises the same routing, see [`Trace::fingerprint`].
    pub fingerprint: String,
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
            prompt_length_total: trace
                .sequences()
                .iter()
                .fold(0, |sum, sequence| sum.saturating_add(sequence.prompt_length)),
            categories: categories(trace),
            has_weights: trace.weights().is_some(),
            expert_bytes: header.expert_bytes.clone(),
            source: header.source.clone(),
            licence: header.licence.clone(),
            notes: header.notes.clone(),
            fingerprint: trace.fingerprint(),
        }
    }

    /// Experts of all layers together.
    pub fn objects(&self) -> u64 {
        self.layers * u64::from(self.experts)
    }

    /// Experts that one token asks for: layers times top-k.
    pub fn working_set(&self) -> u64 {
        self.layers * u64::from(self.top_k)
    }

    /// Bytes of the experts that one token asks for; `None` where the size of an expert is not known.
    pub fn working_set_bytes(&self) -> Option<u128> {
        let one_of_each: u128 = self.expert_bytes.iter().map(|bytes| u128::from(*bytes)).sum();
        (!self.expert_bytes.is_empty()).then_some(one_of_each * u128::from(self.top_k))
    }
}

fn categories(trace: &Trace) -> Vec<CategoryInfo> {
    let mut found: Vec<CategoryInfo> = Vec::new();
    let mut places = BTreeMap::new();
    for sequence in trace.sequences() {
        let place = *places.entry(sequence.category.as_str()).or_insert(found.len());
        if place == found.len() {
            found.push(CategoryInfo { name: sequence.category.clone(), sequences: 0 });
        }
        found[place].sequences += 1;
    }
    found
}
