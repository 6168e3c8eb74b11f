//! What a trace is and what it says about its router, as text for a terminal.

use super::format::{counted, percent, size};
use super::labelled::labelled;
use super::text_table::aligned;
use crate::trace::stats::{Concentration, NextTokenReuse, ReuseDistances, Spread, TraceInfo, TraceStats};

/// Categories named one by one; beyond them, the rest is counted.
const CATEGORIES_MAX: usize = 12;
/// Repetition is called memory where its share is above that of shuffled tokens by more than this.
const MEMORY_MIN: f64 = 0.03;

/// Shape and origin of a trace that was read in `format`.
pub fn info(info: &TraceInfo, format: &str) -> String {
    labelled(&[
        ("model", or_unknown(&info.model)),
        ("shape", shape(info)),
        ("sequences", sequences(info)),
        ("categories", categories(info)),
        ("weights", (if info.has_weights { "gate weights are there" } else { "no gate weights" }).to_owned()),
        ("expert", expert_size(info)),
        ("source", or_unknown(&info.source)),
        ("licence", or_unknown(&info.licence)),
        ("notes", info.notes.join("\n")),
        ("format", format.to_owned()),
        ("fingerprint", info.fingerprint.clone()),
    ])
}

/// The statistics of a whole trace, each with what it means for a cache of experts.
pub fn stats(stats: &TraceStats) -> String {
    let info = &stats.info;
    labelled(&[
        ("model", or_unknown(&info.model)),
        ("shape", shape(info)),
        ("sequences", sequences(info)),
        ("popularity", popularity(&stats.concentration, info)),
        ("next token", next_token(&stats.next_token_reuse)),
        ("distance", distances(&stats.reuse_distances)),
        ("one token", one_token(info)),
        ("profile", profile(stats)),
    ])
}

/// The statistics of each layer, as a table.
pub fn layers(stats: &TraceStats) -> String {
    let heads = [
        "layer",
        "selections",
        "unused",
        "hot 10 %",
        "hot 25 %",
        "Zipf",
        "entropy",
        "reuse",
        "chance",
        "d p50",
        "d p90",
        "d p99",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    for layer in &stats.layers {
        let (used, reuse) = (&layer.concentration, &layer.next_token_reuse);
        let distances = &layer.reuse_distances;
        let distance = |value: u64| if distances.reuses == 0 { "-".to_owned() } else { value.to_string() };
        lines.push(vec![
            layer.layer_id.to_string(),
            used.selections.to_string(),
            used.unused_experts.to_string(),
            share(used.hottest_10_percent),
            share(used.hottest_25_percent),
            number(used.zipf_slope),
            number(used.normalised_entropy),
            share(reuse.share),
            share(reuse.chance),
            distance(distances.p50),
            distance(distances.p90),
            distance(distances.p99),
        ]);
    }
    // The last column of a table aligns left; an empty one behind the numbers lets all of them align right.
    lines.iter_mut().for_each(|line| line.push(String::new()));
    let caption = "shares in percent; distances among the layer's own experts\n";
    format!("{caption}{}", aligned(&lines, 0))
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { "not known".to_owned() } else { text.to_owned() }
}

fn shape(info: &TraceInfo) -> String {
    let numbered = match (info.first_layer_id, info.last_layer_id) {
        (Some(first), Some(last)) if first == last => format!(" (layer {first} of the model)"),
        (Some(first), Some(last)) => format!(" (layers {first} to {last} of the model)"),
        _ => String::new(),
    };
    let layers = counted_u64(info.layers, "MoE layer");
    format!("{layers}{numbered} of {} experts, top-{}", info.experts, info.top_k)
}

fn sequences(info: &TraceInfo) -> String {
    let tokens = match (info.prefill_tokens, info.decode_tokens) {
        (0, decode) => format!("{decode} decode tokens"),
        (prefill, 0) => format!("{prefill} prompt tokens"),
        (prefill, decode) => format!("{prefill} prompt and {decode} decode tokens"),
    };
    let prompts = match (info.prompt_length_total, info.prefill_tokens) {
        (length, recorded) if length <= recorded => String::new(),
        (length, 0) => format!("; their prompts of {length} tokens were not recorded"),
        (length, recorded) => {
            format!("; {} of {length} prompt tokens were not recorded", length - recorded)
        }
    };
    format!("{} with {tokens}{prompts}", info.sequences)
}

fn categories(info: &TraceInfo) -> String {
    if info.categories.iter().all(|category| category.name.is_empty()) {
        return String::new();
    }
    let named = info.categories.iter().take(CATEGORIES_MAX).map(|category| {
        let name = if category.name.is_empty() { "(none)" } else { &category.name };
        format!("{name} {}", category.sequences)
    });
    let more = info.categories.len().saturating_sub(CATEGORIES_MAX);
    named.chain((more > 0).then(|| format!("and {more} more"))).collect::<Vec<_>>().join(", ")
}

fn expert_size(info: &TraceInfo) -> String {
    match (info.expert_bytes.iter().min(), info.expert_bytes.iter().max()) {
        (Some(least), Some(most)) if least == most => format!("{} each", size(*least)),
        (Some(least), Some(most)) => format!("{} to {} each, by layer", size(*least), size(*most)),
        _ => "size not known".to_owned(),
    }
}

fn popularity(all: &Concentration, info: &TraceInfo) -> String {
    let uniform = |parts: u32| {
        let experts = info.experts.div_ceil(parts);
        percent(u64::from(experts), u64::from(info.experts), 1)
    };
    format!(
        "hottest 10 % of each layer: {} % of selections ({} % if even)\n\
         hottest 25 % of each layer: {} % of selections ({} % if even)\n\
         Zipf slope {} (0 is even), entropy {} (1 is even)\n\
         never chosen: {} of {} experts",
        share(all.hottest_10_percent),
        uniform(10),
        share(all.hottest_25_percent),
        uniform(4),
        number(all.zipf_slope),
        number(all.normalised_entropy),
        all.unused_experts,
        info.objects(),
    )
}

fn next_token(reuse: &NextTokenReuse) -> String {
    let (Some(found), Some(within)) = (reuse.share, reuse.chance_within_sequence) else {
        return "no two decode tokens follow one another".to_owned();
    };
    let meaning = if found > within + MEMORY_MIN {
        "short memory: what was just used is likelier to be used again"
    } else {
        "no short memory: popularity alone explains the repetition"
    };
    format!(
        "{} % of a decode token's experts were also the previous token's\n\
         by chance: {} % (all tokens shuffled), {} % (within sequences)\n{meaning}",
        share(reuse.share),
        share(reuse.chance),
        share(reuse.chance_within_sequence),
    )
}

fn distances(all: &ReuseDistances) -> String {
    if all.reuses == 0 {
        return "no expert is used twice".to_owned();
    }
    format!(
        "other experts used between two uses of one ({} % are first uses)\n\
         p10 {}, p25 {}, p50 {}, p75 {}, p90 {}, p99 {}\n\
         an LRU cache shared by all layers hits where it holds more than that",
        percent(all.cold, all.cold + all.reuses, 1),
        all.p10,
        all.p25,
        all.p50,
        all.p75,
        all.p90,
        all.p99,
    )
}

/// Between two decode tokens every other layer asks for its experts, so no distance is below `(layers - 1) * top_k`,
/// save where slots are empty.
fn one_token(info: &TraceInfo) -> String {
    let bytes = info.working_set_bytes().and_then(|bytes| u64::try_from(bytes).ok());
    let bytes = bytes.map_or_else(String::new, |bytes| format!(", {}", size(bytes)));
    format!(
        "{} layers x top-{} = {} of {} experts ({} %{bytes})\n\
         an LRU cache shared by all layers that holds fewer evicts nearly every expert before the next token can \
         ask for it again",
        info.layers,
        info.top_k,
        info.working_set(),
        info.objects(),
        percent(info.working_set(), info.objects(), 1),
    )
}

fn profile(stats: &TraceStats) -> String {
    if stats.info.sequences < 2 {
        return "one sequence does not tell how prompts differ".to_owned();
    }
    let range = |spread: &Spread| {
        format!("{} % ({}-{})", share(Some(spread.p50)), share(Some(spread.p10)), share(Some(spread.p90)))
    };
    format!(
        "a sequence's selections on its own hottest 10 %: {}\n\
         on the hottest 10 % of the whole trace: {}\n\
         medians (10th to 90th percentile); the gap is what a placement by the profile of other prompts loses",
        range(&stats.sequence_own_hottest_10_percent),
        range(&stats.sequence_trace_hottest_10_percent),
    )
}

/// A share in percent with one decimal, without the sign.
fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{:.1}", value * 100.0))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

fn counted_u64(count: u64, noun: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), noun)
}
