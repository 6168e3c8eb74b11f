//! What `moesim curve` prints.

use std::fmt::Write as _;

use super::tables::{
    LEGEND, by_capacity, hit_rate_columns, hit_rates, left_out, recovered, recovered_columns,
    recovered_fitting, uses_mark,
};
use super::words::{Words, plain};
use crate::report::format::{counted, percent, size};
use crate::report::labelled::labelled;

/// Each trace: what it is, hit rates, shares recovered, the verdict, and warnings.
pub fn curve_text(all: &[super::Judged]) -> String {
    let one = |judged: &super::Judged| {
        let words = Words::new(judged);
        let mut text = labelled(&facts(&words));
        tables(&mut text, &words);
        verdict(&mut text, &words);
        text
    };
    all.iter().map(one).collect::<Vec<_>>().join("\n\n")
}

/// What the trace is and how it was replayed, as labels and texts.
pub(super) fn facts(words: &Words<'_>) -> Vec<(&'static str, String)> {
    let curves = words.curves;
    let (tokens, lookups) = (curves.tokens(), curves.lookups());
    let sequences = counted(curves.sequences.len(), "sequence");
    let judged = curves.judged(lookups);
    let compulsory = curves.judged(curves.compulsory);
    let expert = match (curves.expert_bytes.iter().min(), curves.expert_bytes.iter().max()) {
        (Some(least), Some(most)) if least == most => format!("{} each", size(*least)),
        (Some(least), Some(most)) => format!("{} to {} each, by layer", size(*least), size(*most)),
        _ => "size not known: capacities are counted in experts".to_owned(),
    };
    let settings = curves.settings.iter().map(|(key, value)| format!("{key}: {value}"));
    vec![
        ("trace", curves.name.clone()),
        ("model", if curves.model.is_empty() { "not known".to_owned() } else { curves.model.clone() }),
        (
            "shape",
            format!("{} MoE layers of {} experts, top-{}", curves.layers, curves.experts, curves.top_k),
        ),
        ("expert", expert),
        ("tokens", format!("{sequences} with {} prompt and {} decode tokens", tokens.prefill, tokens.decode)),
        (
            "judged",
            format!(
                "{}: {judged} lookups, of which {} % are the first of their expert and miss in any cache",
                words.phase(),
                percent(compulsory, judged, 1)
            ),
        ),
        ("settings", settings.collect::<Vec<_>>().join("; ")),
        ("source", curves.source.clone()),
        ("licence", curves.licence.clone()),
    ]
}

fn tables(text: &mut String, words: &Words<'_>) {
    let all = words.verdict.ascending.len();
    let columns = hit_rate_columns(words);
    let _ =
        write!(text, "\nhit rate, % of {} lookups, by capacity as a share of all experts\n", words.phase());
    text.push_str(&left_out(columns.len(), all));
    text.push_str(&hit_rates(words, &columns).text());
    for (mark, meaning) in LEGEND.into_iter().filter(|(mark, _)| uses_mark(words, mark)) {
        let _ = writeln!(text, "{mark} {meaning}");
    }
    let known = recovered_columns(words);
    if !known.is_empty() {
        let columns = recovered_fitting(words, &known);
        text.push_str(
            "\nshare of the distance from LRU to Belady that is recovered, %; mean, points over LRU and wins are of the\n\
             capacities ranked below\n",
        );
        text.push_str(&left_out(columns.len(), known.len()));
        text.push_str(&recovered(words, &columns).text());
    }
    let (table, shown) = by_capacity(words, false);
    text.push_str(
        "\nthe best candidate at each capacity; points: its hit rate over LRU's; by sequence: the same where each\n\
         sequence counts alike, with its interval (\"?\" where that holds zero); LRU needs: memory to hit as much\n",
    );
    text.push_str(&left_out(shown, all));
    text.push_str(&table.text());
}

fn verdict(text: &mut String, words: &Words<'_>) {
    text.push('\n');
    let lead = |sentence: &String| plain(sentence);
    for sentence in words.sentences().iter().map(lead) {
        let _ = write!(text, "{}", labelled(&[("-", sentence)]));
    }
    let warnings = words.warnings();
    if !warnings.is_empty() {
        text.push_str("\nto know before trusting it\n");
    }
    for warning in warnings {
        let _ = write!(text, "{}", labelled(&[("!", warning)]));
    }
}
