//! What a candidate is, in a sentence.

use super::page::plain;
use super::view::{View, is_nothing};

/// Dimensions that have a place of their own in the sentence.
const TOLD: [&str; 4] = ["model", "quant", "machine", "engine"];

/// `gpt-oss-120b in mxfp4 on 1 x rtx3090 with llama.cpp; placement cpu-layers 24, policy lru`.
pub(super) fn described(view: &View<'_>, index: u64) -> String {
    let Some(candidate) = view.advice.candidate(index) else { return format!("number {index}") };
    let config = view.advice.row(index).map(|row| &row.config);
    let chosen = |name: &str| {
        let at = view.advice.dimensions.iter().position(|dimension| dimension == name);
        at.and_then(|at| candidate.choice.get(at)).map(String::as_str)
    };
    let told =
        |name, known: Option<&str>| chosen(name).or(known).filter(|value| !is_nothing(value)).map(plain);
    let parts = [
        ("", told("model", config.map(|config| config.model.as_str()))),
        (" in ", told("quant", config.map(|config| config.quant.as_str()))),
        (" on ", told("machine", config.map(|config| config.gpu.as_str()))),
        (" with ", told("engine", config.map(|config| config.engine.as_str()))),
    ];
    let mut text: String =
        parts.iter().filter_map(|(word, value)| Some(format!("{word}{}", value.as_ref()?))).collect();
    let dimensions = view.advice.dimensions.iter().zip(&candidate.choice);
    let rest = dimensions.filter(|(name, value)| !TOLD.contains(&name.as_str()) && !is_nothing(value));
    let rest: Vec<String> = rest.map(|(name, value)| format!("{} {}", plain(name), plain(value))).collect();
    if !rest.is_empty() {
        text.push_str(&format!("; {}", rest.join(", ")));
    }
    text
}

/// What one candidate has that another has not: `machine 1 x rtx3060 instead of 1 x rtx3090`; empty for none.
pub(super) fn differing(view: &View<'_>, index: u64, from: u64) -> String {
    let (Some(one), Some(other)) = (view.advice.candidate(index), view.advice.candidate(from)) else {
        return String::new();
    };
    let pairs = view.advice.dimensions.iter().zip(one.choice.iter().zip(&other.choice));
    let word = |value: &str| if is_nothing(value) { "none".to_owned() } else { plain(value) };
    let changed = pairs.filter(|(_, (one, other))| one != other);
    let changed = changed
        .map(|(name, (one, other))| format!("{} {} instead of {}", plain(name), word(one), word(other)));
    changed.collect::<Vec<_>>().join("; ")
}
