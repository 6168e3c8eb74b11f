//! `summary.md`: the verdict in words, the tables and the pictures of a comparison.

use std::fmt::Write as _;

use super::tables::{
    CAPACITIES_MAX, LEGEND, by_capacity, escaped, evenly, hit_rates, left_out, recovered, recovered_columns,
    uses_mark,
};
use super::text::facts;
use super::words::Words;

/// The summary as Markdown; `pictures` are the names of each trace's pictures.
pub(super) fn summary(all: &[super::Judged], pictures: &[Vec<String>]) -> String {
    let mut text = String::from("# Cache policies compared\n");
    for (judged, pictures) in all.iter().zip(pictures) {
        let words = Words::new(judged);
        section(&mut text, &words, pictures);
    }
    let _ = write!(text, "\n## Provenance\n\n- moesim {}\n", env!("CARGO_PKG_VERSION"));
    for (curves, _) in all {
        let _ = writeln!(text, "- trace {}: {}", escaped(&curves.name), escaped(&curves.source));
    }
    text
}

fn section(text: &mut String, words: &Words<'_>, pictures: &[String]) {
    let _ = write!(text, "\n## {}\n\n", escaped(&words.curves.name));
    for (label, fact) in facts(words).into_iter().skip(1).filter(|(_, fact)| !fact.is_empty()) {
        let _ = writeln!(text, "- {label}: {}", escaped(&fact));
    }
    text.push_str("\n### Verdict\n\n");
    verdict(text, words);
    let (table, _) = by_capacity(words, true);
    let _ = write!(text, "\n### By capacity\n\n{}", table.markdown());
    text.push_str(
        "\nThe winner is the best policy that an engine could run; points are its hit rate over LRU's. By sequence: the same where \
         each sequence counts alike, with a paired 95 % interval (\"?\" where it holds zero). \"LRU needs\" is the memory with \
         which LRU hits as much.\n",
    );
    let known = recovered_columns(words);
    if !known.is_empty() {
        let columns = evenly(&known, CAPACITIES_MAX);
        text.push_str("\n### Share of the distance from LRU to Belady, %\n\n");
        text.push_str(&recovered(words, &columns).markdown());
        legend(text, words);
    }
    let columns = evenly(&words.verdict.ascending, CAPACITIES_MAX);
    let _ = write!(text, "\n### Hit rate, % of {} lookups\n\n", words.phase());
    text.push_str(&hit_rates(words, &columns).markdown());
    let shown = left_out(columns.len(), words.verdict.ascending.len());
    if !shown.is_empty() {
        let _ = write!(text, "\n{}", shown.replace("curves.csv", "[curves.csv](curves.csv)"));
    }
    for picture in pictures {
        let _ = write!(text, "\n[![{picture}]({picture})]({picture})\n");
    }
}

/// The sentences of a verdict and its warnings, as a list.
pub(super) fn verdict(text: &mut String, words: &Words<'_>) {
    for sentence in words.sentences() {
        let _ = writeln!(text, "- {}", soft_escaped(&sentence));
    }
    for warning in words.warnings() {
        let _ = writeln!(text, "- **Note:** {}", escaped(&warning));
    }
}

/// What the marks in a table mean.
pub(super) fn legend(text: &mut String, words: &Words<'_>) {
    let used: Vec<String> = LEGEND
        .into_iter()
        .filter(|(mark, _)| uses_mark(words, mark))
        .map(|(mark, meaning)| format!("{}: {meaning}", escaped(mark)))
        .collect();
    if !used.is_empty() {
        let _ = write!(text, "\n{}.\n", used.join("; "));
    }
}

/// As [`escaped`], but a bold lead stays bold.
fn soft_escaped(sentence: &str) -> String {
    match sentence.strip_prefix("**").and_then(|rest| rest.split_once("**")) {
        Some((lead, rest)) => format!("**{}**{}", escaped(lead), escaped(rest)),
        None => escaped(sentence),
    }
}
