//! JSON of prompts with their prefill and decode choices, as `dump_moe_expert_trace.py` of onnx-genai writes it:
//! `{"model", "num_layers", "num_experts", "top_k", "prompts": {NAME: {"prompt_len", "prefill", "decode"}}}`.
//!
//! Both lists are `[token][layer][k]` in rank order. Each prompt becomes a sequence, in file order.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{ImportOptions, Imported, Source, numbered_layers};
use crate::error::{Error, Result};
use crate::trace::builder::{Phase, TraceBuilder, out_of_range};
use crate::trace::data::{NO_EXPERT_U16, TraceHeader};

pub(super) fn detect(source: &Source) -> bool {
    let head = source.head();
    head.trim_start().starts_with('{')
        && ["\"prompts\"", "\"num_experts\"", "\"top_k\""].iter().all(|key| head.contains(key))
}

/// One token: `[layer][k]`.
type Token = Vec<Vec<u64>>;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    model: String,
    num_layers: u32,
    num_experts: u32,
    top_k: u32,
    #[serde(deserialize_with = "in_file_order")]
    prompts: Vec<(String, Prompt)>,
}

#[derive(Deserialize)]
struct Prompt {
    #[serde(default)]
    prompt_len: u64,
    #[serde(default)]
    prefill: Vec<Token>,
    #[serde(default)]
    decode: Vec<Token>,
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let file: File = source.json()?;
    let header = TraceHeader {
        model: file.model,
        layer_ids: numbered_layers(source, file.num_layers)?,
        experts: options.experts.unwrap_or(file.num_experts),
        top_k: options.top_k.unwrap_or(file.top_k),
        source: format!("prompt JSON, {}", source.name()),
        ..TraceHeader::default()
    };
    let mut builder =
        TraceBuilder::new(header.clone()).map_err(|error| Error::at(source.place(), error.to_string()))?;
    for (name, prompt) in &file.prompts {
        let rows = prompt.prefill.len() as u64;
        if prompt.prefill.is_empty() && prompt.decode.is_empty() {
            builder.note(format!("prompt {name:?} holds no tokens: left out"));
            continue;
        }
        if rows > 0 && rows != prompt.prompt_len {
            builder.note(format!("prompt {name:?} of {} tokens has {rows} prefill rows", prompt.prompt_len));
        }
        builder.begin_sequence(name, prompt.prompt_len)?;
        for (part, phase, tokens) in
            [("prefill", Phase::Prefill, &prompt.prefill), ("decode", Phase::Decode, &prompt.decode)]
        {
            for (index, token) in tokens.iter().enumerate() {
                row(token, &header).and_then(|ids| builder.push(phase, &ids)).map_err(|error| {
                    Error::at(source.place(), format!("prompts.{name}.{part}[{index}]: {error}"))
                })?;
            }
        }
    }
    if builder.rows() == 0 {
        return Err(Error::at(source.place(), "holds no tokens"));
    }
    Ok(builder.finish()?.into())
}

/// A token as a row of slots.
fn row(token: &Token, header: &TraceHeader) -> Result<Vec<u16>> {
    if token.len() != header.layers() {
        return Err(Error::new(format!("a token has {} layers", token.len())).expected(header.layers()));
    }
    let top_k = header.top_k as usize;
    let mut ids = vec![NO_EXPERT_U16; header.slots_per_token()];
    for (layer, (slots, chosen)) in ids.chunks_exact_mut(top_k).zip(token).enumerate() {
        if chosen.len() > top_k {
            let found = format!("layer {layer} of a token has {} experts", chosen.len());
            return Err(Error::new(found).expected(format!("at most {top_k}")));
        }
        for (slot, expert) in slots.iter_mut().zip(chosen) {
            let known = u16::try_from(*expert).ok().filter(|id| u32::from(*id) < header.experts);
            *slot =
                known.ok_or_else(|| out_of_range(&crate::error::Place::none(), expert, header.experts))?;
        }
    }
    Ok(ids)
}

/// A JSON object as a list: sequences keep the order of the file.
fn in_file_order<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<(String, Prompt)>, D::Error> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, Prompt)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("prompts by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    deserializer.deserialize_map(Pairs)
}
