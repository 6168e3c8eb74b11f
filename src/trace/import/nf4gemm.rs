//! nf4gemm step traces: JSON lines, first `{"meta": {...}}`, then one decode step in each
//! `{"step":0,"routed":{"0":[12,15,29,30],...}}`.
//!
//! A file is one sequence without its prompt rows. Expert ids stand in ascending order, so ranks are not the router's.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Gather, ImportOptions, Imported, Inferred, Known, RowKey, Selection, Source, numbered_layers};
use crate::error::{Error, Result};
use crate::trace::builder::Phase;
use crate::trace::data::TraceHeader;

pub(super) fn detect(source: &Source) -> bool {
    let head = source.head();
    let first = head.lines().next().unwrap_or_default();
    first.trim_start().starts_with("{\"meta\"") && first.contains("\"n_experts\"")
}

#[derive(Deserialize)]
struct First {
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    model: String,
    #[serde(default)]
    prompt: String,
    steps: Option<u64>,
    layers: Option<u32>,
    top_k: Option<u32>,
    n_experts: Option<u32>,
    #[serde(default)]
    prompt_tokens: u64,
    decode: Option<bool>,
}

#[derive(Deserialize)]
struct Step {
    step: u64,
    routed: BTreeMap<String, Vec<u64>>,
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let mut lines = source.lines();
    let Some((line, first)) = lines.next() else {
        return Err(Error::at(source.place(), "holds no lines"));
    };
    let First { meta } = source.json_line(line, first?)?;
    let phase = if meta.decode == Some(false) { Phase::Prefill } else { Phase::Decode };
    let mut gather = Gather::default();
    gather.describe(0, &meta.prompt, meta.prompt_tokens);
    let mut sorted = true;
    for (line, text) in lines {
        let step: Step = source.json_line(line, text?)?;
        let key = RowKey { sequence: 0, phase, position: step.step };
        gather.row(key);
        for (layer, experts) in &step.routed {
            let Ok(layer) = layer.parse() else {
                return Err(
                    Error::at(source.line(line), format!("layer {layer:?}")).expected("a whole number")
                );
            };
            sorted &= experts.is_sorted();
            for (rank, expert) in (0..).zip(experts) {
                gather.select(source, key, Selection::plain(layer, rank, *expert, line))?;
            }
        }
    }
    if sorted {
        gather.note("expert ids stand in ascending order: ranks are not the router's");
    }
    let found = gather.rows() as u64;
    if let Some(steps) = meta.steps.filter(|steps| *steps != found) {
        gather.note(format!("the file announces {steps} steps and holds {found}"));
    }
    let header = TraceHeader {
        model: meta.model,
        layer_ids: numbered_layers(source, meta.layers.unwrap_or(0))?,
        source: format!("nf4gemm steps, {}", source.name()),
        ..TraceHeader::default()
    };
    let experts = Known::or_infer(options.experts, meta.n_experts, Inferred::PowerOfTwo);
    let top_k = Known::or_infer(options.top_k, meta.top_k, Inferred::LargestPlusOne);
    gather.finish(source, header, experts, top_k)
}
