//! The page on policies: which one wins on which trace, by how much, and how that was worked out.

use std::fmt::Write as _;

use super::summary::{legend, verdict};
use super::tables::{CAPACITIES_MAX, Table, by_capacity, escaped, evenly, recovered, recovered_columns};
use super::words::{Words, mean_and_interval};
use crate::metrics::{
    CONTESTED_RATE, DISTANCE_MIN_POINTS, DRIFT_POINTS, MISMATCH_POINTS, POLICY_FAILURE_POINTS, Ranked,
    Standing, WORKING_SET_RATE,
};
use crate::report::format::{counted, fixed, rate, signed};

/// The page as Markdown; pictures are looked for in the folder `pictures` beside it.
pub fn policies_page(all: &[super::Judged]) -> String {
    let mut text = String::from("# Cache policies\n\n");
    text.push_str(
        "Which policy of the expert cache wins on which recording, and how much of what foresight could win. \
         `moesim curve\nTRACE... --docs docs/policies.md` writes this page; `moesim policies` says what each policy is.\n",
    );
    let words: Vec<Words<'_>> = all.iter().map(Words::new).collect();
    text.push_str("\n## Which policy wins where\n\n");
    text.push_str(&overview(&words).markdown());
    text.push_str(
        "\nShare: of the distance from LRU to Belady, in the mean over the ranked capacities. Points: hit rate over LRU's, the \
         same\nmean. By sequence: the same lead where each sequence counts alike, with a paired 95 % interval (\"?\" where it \
         holds zero).\nThe best of many policies, chosen on the sequences it is judged on, looks a little better than it is.\n",
    );
    if all.len() > 1 {
        text.push_str("\n## Every policy on every trace\n\n");
        text.push_str(&across(&words).markdown());
        text.push_str("\nShare of the distance from LRU to Belady in percent, the mean over each trace's ranked capacities.\n");
    }
    for words in &words {
        section(&mut text, words);
    }
    method(&mut text, &words);
    text
}

/// A line for each trace.
fn overview(all: &[Words<'_>]) -> Table {
    let head = ["trace", "best policy", "sequences", "ranked capacities", "share %", "points", "by sequence"];
    let mut lines = Vec::new();
    for words in all {
        let overall = words.verdict.overall.as_ref();
        let winner = overall.and_then(|overall| overall.winner.as_ref());
        let ranked = overall.and_then(|overall| {
            overall.ranking.iter().find(|ranked| winner.is_some_and(|winner| winner.curve == ranked.curve))
        });
        let dash = || "-".to_owned();
        let paired = winner.and_then(|winner| winner.paired.as_ref());
        lines.push(vec![
            words.curves.name.clone(),
            winner.map_or_else(dash, |winner| winner.name.clone()),
            words.verdict.judged_sequences.to_string(),
            overall.map_or_else(dash, |overall| words.places(&overall.contested)),
            ranked.map_or_else(dash, |ranked| fixed(ranked.mean_recovered * 100.0, 0)),
            ranked.map_or_else(dash, |ranked| signed(ranked.mean_over_lru_points, 1)),
            paired.map_or_else(dash, mean_and_interval),
        ]);
    }
    Table::of(head.map(str::to_owned).to_vec(), lines, 2)
}

/// A line for each policy that was compared on every trace, the best in the mean over traces first.
fn across(all: &[Words<'_>]) -> Table {
    let ranking = |words: &Words<'_>| {
        words.verdict.overall.as_ref().map(|overall| overall.ranking.clone()).unwrap_or_default()
    };
    let rankings: Vec<Vec<Ranked>> = all.iter().map(ranking).filter(|ranking| !ranking.is_empty()).collect();
    let traces =
        all.iter().filter(|words| words.verdict.overall.is_some()).map(|words| words.curves.name.clone());
    let mut head = vec!["policy".to_owned(), "mean".to_owned(), "least".to_owned()];
    head.extend(traces);
    let mut lines: Vec<(f64, Vec<String>)> = Vec::new();
    for first in rankings.first().into_iter().flatten() {
        let of = |ranking: &Vec<Ranked>| ranking.iter().find(|ranked| ranked.name == first.name).cloned();
        let Some(found) = rankings.iter().map(of).collect::<Option<Vec<Ranked>>>() else { continue };
        let mean = found.iter().map(|ranked| ranked.mean_recovered).sum::<f64>() / found.len() as f64;
        let least = found.iter().map(|ranked| ranked.mean_recovered).fold(f64::INFINITY, f64::min);
        let shown = |value: f64| fixed(value * 100.0, 0);
        let mut line = vec![first.name.clone(), shown(mean), shown(least)];
        line.extend(found.iter().map(|ranked| {
            let mark = match ranked.standing {
                Standing::Candidate => "",
                Standing::Bound => " *",
                Standing::InSample => " ^",
                Standing::ExceedsCapacity => " #",
            };
            format!("{}{mark}", shown(ranked.mean_recovered))
        }));
        lines.push((mean, line));
    }
    lines.sort_by(|a, b| b.0.total_cmp(&a.0));
    Table::of(head, lines.into_iter().map(|(_, line)| line).collect(), 1)
}

fn section(text: &mut String, words: &Words<'_>) {
    let curves = words.curves;
    let name = escaped(&curves.name);
    let _ = write!(text, "\n## {name}\n\n");
    let model = if curves.model.is_empty() { "A model that the trace does not name" } else { &curves.model };
    let tokens = curves.tokens();
    let _ = writeln!(
        text,
        "{}: {} MoE layers of {} experts, top-{}; {} with {} prompt and {} decode tokens.\n",
        escaped(model),
        curves.layers,
        curves.experts,
        curves.top_k,
        counted(curves.sequences.len(), "sequence"),
        tokens.prefill,
        tokens.decode
    );
    verdict(text, words);
    for (picture, what) in
        [("hit_rate", "Hit rate by capacity"), ("recovered", "Share recovered by capacity")]
    {
        let _ = write!(text, "\n![{what}, {name}](pictures/policies-{}-{picture}.svg)\n", curves.name);
    }
    let columns = evenly(&recovered_columns(words), CAPACITIES_MAX);
    if !columns.is_empty() {
        text.push_str("\nShare of the distance from LRU to Belady that each policy recovers, %:\n\n");
        text.push_str(&recovered(words, &columns).markdown());
        legend(text, words);
    }
    let (table, _) = by_capacity(words, true);
    let _ = write!(text, "\n<details><summary>By capacity</summary>\n\n{}\n</details>\n", table.markdown());
}

/// What the words mean, and what the traces are.
fn method(text: &mut String, all: &[Words<'_>]) {
    let _ = write!(
        text,
        "\n## How it was worked out\n\n\
         - Each trace is replayed through one cache for every policy and capacity, without a clock. All experts that a pass asks \
         for in a\n  layer are one event: each is looked up once, and nothing of the event is evicted before it ends.\n\
         - LRU and Belady's rule are those of one pool for all layers. *Share recovered* is (hit rate - LRU's) / (Belady's - \
         LRU's).\n\
         - *Ranked* are the capacities that hold at least the experts of one token and where Belady hits at most {} %. A lead over LRU below {} points is\n  none.\n\
         - A policy competes where an engine could run it, it keeps to the capacity, and it was not profiled on the sequences it \
         is judged\n  on. Profiles are of every second sequence, for the others; the two halves are\n  replayed one by one, each into an empty cache, which \
         costs such a policy its first misses twice.\n\
         - LRU is limited by the *working set* where even Belady hits less than {} %: the best policy then saves less than half of \
         the copies.\n  It is limited by the *policy* where Belady hits that much and is {} points or more above it, about what \
         prompts differ by.\n\
         - A policy does not suit a trace where it is {} points or more below LRU and no better than random victims. Popularity \
         moves\n  where the hottest experts of the earlier half serve {} points less of the later half than its own.\n",
        rate(CONTESTED_RATE, 0),
        fixed(DISTANCE_MIN_POINTS, 1),
        rate(WORKING_SET_RATE, 0),
        fixed(POLICY_FAILURE_POINTS, 0),
        fixed(MISMATCH_POINTS, 0),
        fixed(DRIFT_POINTS, 0),
    );
    text.push_str(
        "\n## The traces\n\nNone of them is part of this repository unless it lies in `traces/`.\n\n",
    );
    for words in all {
        let curves = words.curves;
        let licence = if curves.licence.is_empty() { "not stated in the file" } else { &curves.licence };
        let settings = curves.settings.iter().map(|(key, value)| format!("{key}: {value}"));
        let _ = writeln!(
            text,
            "- {}: {}. Licence: {}. {}.",
            escaped(&curves.name),
            escaped(&curves.source),
            escaped(licence),
            escaped(&settings.collect::<Vec<_>>().join("; "))
        );
    }
}
