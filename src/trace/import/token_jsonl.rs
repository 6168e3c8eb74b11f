//! JSON lines of one token in one layer each, under the names that several tools use: lattice, moe-cache-lab,
//! MoE-PolicyLang, speculative-moe, and the `VLLM_LOG_MOE` patches.
//!
//! A line with a layer, a token number and a list of experts is a selection; any other may state model, experts and
//! top-k. Lines may come in any order. Encoder layers of moe-cache-lab are left out: their numbers are those of the
//! decoder. -1 is an empty slot.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Gather, ImportOptions, Imported, Inferred, Known, RowKey, Selection, Source};
use crate::error::{Error, Result};
use crate::trace::builder::Phase;
use crate::trace::data::TraceHeader;

const LAYER: &[&str] = &["layer", "layer_idx", "layer_id", "l"];
const TOKEN: &[&str] = &["token_idx", "token_position", "t"];
const EXPERTS: &[&str] = &["selected_ids", "selected_experts", "topk_ids", "expert_ids", "experts", "e"];
const WEIGHTS: &[&str] = &["gate_weights", "selected_probabilities", "topk_weights", "gating_probs", "s"];
const SEQUENCE: &[&str] = &["req_id", "request_id", "problem_id", "prompt", "p"];
const MODEL: &[&str] = &["model", "model_name", "model_id"];
const EXPERT_COUNT: &[&str] = &["num_experts", "n_experts", "experts", "n_expert"];
const TOP_K: &[&str] = &["top_k", "topk", "num_experts_per_tok", "k"];

type Record = Map<String, Value>;

pub(super) fn detect(source: &Source) -> bool {
    source.head().lines().take(5).any(|line| {
        let record = serde_json::from_str::<Record>(line).unwrap_or_default();
        [LAYER, TOKEN, EXPERTS].iter().all(|names| pick(&record, names).is_some())
    })
}

/// The first of the names that a record has, and its value.
fn pick<'a>(record: &'a Record, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
    names.iter().find_map(|name| Some((*name, record.get(*name)?)))
}

/// What lines other than selections state.
#[derive(Default)]
struct Facts {
    model: String,
    experts: Option<u32>,
    top_k: Option<u32>,
    without_phase: u64,
    encoder: u64,
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let mut gather = Gather::default();
    let mut facts = Facts::default();
    let mut sequences: BTreeMap<String, u32> = BTreeMap::new();
    for (line, text) in source.lines() {
        let record: Record = source.json_line(line, text?)?;
        if !pick(&record, EXPERTS).is_some_and(|(_, value)| value.is_array()) {
            facts.learn(&record);
        } else if record.get("routing_stage").is_some_and(|stage| stage == "encoder") {
            facts.encoder += 1;
        } else {
            let line = Line { source, number: line, record: &record };
            let name = line.sequence();
            let next = u32::try_from(sequences.len()).unwrap_or(u32::MAX);
            let sequence = *sequences.entry(name).or_insert_with_key(|name| {
                gather.describe(next, name, options.prompt_length.unwrap_or(0));
                next
            });
            select(&mut gather, &line, sequence, options, &mut facts)?;
        }
    }
    if facts.without_phase > 0 {
        gather.note(match options.prompt_length {
            Some(length) => {
                format!("the file does not mark phases: the first {length} tokens are taken as prompt")
            }
            None => "the file does not mark phases: tokens without one are taken as decode".to_owned(),
        });
    }
    if facts.encoder > 0 {
        gather.note(format!("{} selections of encoder layers are left out", facts.encoder));
    }
    let header = TraceHeader {
        model: facts.model,
        source: format!("token JSON lines, {}", source.name()),
        ..TraceHeader::default()
    };
    let experts = Known::or_infer(options.experts, facts.experts, Inferred::PowerOfTwo);
    let top_k = Known::or_infer(options.top_k, facts.top_k, Inferred::LargestPlusOne);
    gather.finish(source, header, experts, top_k)
}

fn select(
    gather: &mut Gather,
    line: &Line<'_>,
    sequence: u32,
    options: &ImportOptions,
    facts: &mut Facts,
) -> Result<()> {
    let Some(layer) = line.whole(LAYER)? else { return Err(line.lacks("layer", LAYER)) };
    let Some(position) = line.whole(TOKEN)? else { return Err(line.lacks("token number", TOKEN)) };
    let phase = match line.phase()? {
        Some(phase) => phase,
        None => {
            facts.without_phase += 1;
            let prompt = options.prompt_length.unwrap_or(0);
            if position < prompt { Phase::Prefill } else { Phase::Decode }
        }
    };
    let experts: Vec<i64> = line.list(EXPERTS)?.unwrap_or_default();
    let weights: Option<Vec<f64>> = line.list(WEIGHTS)?;
    if let Some(weights) = weights.as_ref() {
        if weights.len() != experts.len() {
            let found = format!("{} gate weights for {} experts", weights.len(), experts.len());
            return Err(Error::at(line.source.line(line.number), found).expected("one for each"));
        }
        gather.expect_weights();
    }
    let key = RowKey { sequence, phase, position };
    gather.row(key);
    for (rank, expert) in experts.iter().enumerate() {
        if *expert == -1 {
            continue;
        }
        let Ok(id) = u64::try_from(*expert) else {
            return Err(
                Error::at(line.source.line(line.number), format!("expert {expert}")).expected("-1 or more")
            );
        };
        let mut chosen = Selection::plain(layer, rank as u64, id, line.number);
        if let Some(weight) = weights.as_ref().and_then(|weights| weights.get(rank)) {
            #[expect(clippy::cast_possible_truncation, reason = "gate weights keep 16 bits in the end")]
            let weight = *weight as f32;
            chosen.weight = weight;
        }
        gather.select(line.source, key, chosen)?;
    }
    Ok(())
}

impl Facts {
    fn learn(&mut self, record: &Record) {
        let number = |names| pick(record, names).and_then(|(_, value)| u32::try_from(value.as_u64()?).ok());
        if let Some(model) = pick(record, MODEL).and_then(|(_, value)| value.as_str()) {
            model.clone_into(&mut self.model);
        }
        self.experts = number(EXPERT_COUNT).or(self.experts);
        self.top_k = number(TOP_K).or(self.top_k);
    }
}

/// One line and where it stands.
struct Line<'a> {
    source: &'a Source,
    number: usize,
    record: &'a Record,
}

impl Line<'_> {
    fn wrong(&self, name: &str, value: &Value, expected: &str) -> Error {
        Error::at(self.source.line(self.number), format!("{name:?}: found {value}")).expected(expected)
    }

    fn lacks(&self, what: &str, names: &[&str]) -> Error {
        let names = names.join(", ");
        Error::at(self.source.line(self.number), format!("has no {what}"))
            .expected(format!("one of the keys {names}"))
    }

    fn whole(&self, names: &[&'static str]) -> Result<Option<u64>> {
        let Some((name, value)) = pick(self.record, names) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| self.wrong(name, value, "a whole number from 0"))
    }

    fn list<T: serde::de::DeserializeOwned>(&self, names: &[&'static str]) -> Result<Option<Vec<T>>> {
        let Some((name, value)) = pick(self.record, names) else { return Ok(None) };
        serde_json::from_value(value.clone()).map_err(|_| self.wrong(name, value, "a list of numbers"))
    }

    /// The name of the sequence, empty where there is none.
    fn sequence(&self) -> String {
        match pick(self.record, SEQUENCE) {
            Some((_, Value::String(name))) => name.clone(),
            Some((_, other)) => other.to_string(),
            None => String::new(),
        }
    }

    fn phase(&self) -> Result<Option<Phase>> {
        match self.record.get("phase") {
            None => Ok(None),
            Some(Value::String(name)) if matches!(name.as_str(), "prompt" | "prefill") => {
                Ok(Some(Phase::Prefill))
            }
            Some(Value::String(name)) if matches!(name.as_str(), "generated" | "decode") => {
                Ok(Some(Phase::Decode))
            }
            Some(other) => Err(self.wrong("phase", other, "prompt, prefill, generated or decode")),
        }
    }
}
