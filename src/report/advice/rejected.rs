//! What became of all candidates: each fate with its count, and one typical example.

use std::collections::BTreeMap;

use super::page::{Page, Sentence, Source, capital, plain};
use super::value::{counted, shown, title};
use super::view::{View, beyond};
use crate::metrics::advice::{Candidate, Fate, Limit, Metric};
use crate::report::format::listed;
use crate::report::pictures::advice_rejected;

/// Candidates of one fate.
pub(in crate::report) struct Group<'a> {
    /// What became of them: `do not fit in VRAM`.
    pub words: String,
    pub members: Vec<&'a Candidate>,
}

/// The words that name a group, and its place among groups of one size.
fn group_of(view: &View<'_>, fate: &Fate) -> (u8, String) {
    let written = |limit: &Limit| plain(&limit.text);
    match fate {
        Fate::CannotRun(reasons) => (0, format!("do not fit{}", tier_of(reasons))),
        Fate::BeyondLimit { limit, .. } => {
            let limit = view.advice.limits.get(*limit).map_or_else(String::new, written);
            (1, format!("could not keep {limit} at their best"))
        }
        Fate::Dominated(_) => (2, "are at their best no better than one that was simulated".to_owned()),
        Fate::Breaks(limits) => {
            let limits: Vec<String> = view.limits(limits).into_iter().map(written).collect();
            (3, format!("were simulated and break {}", listed(&limits)))
        }
        Fate::Beaten(_) => (4, "were simulated and are beaten by another".to_owned()),
        Fate::Unknown(metric, _) => (5, format!("have no known {}", title(*metric))),
        Fate::Refused(_) => (6, "contradict themselves".to_owned()),
        Fate::CannotKeepUp { .. } => (9, "could not keep up with the load by their copies alone".to_owned()),
        Fate::Saturated => (10, "were simulated and cannot keep up with the load".to_owned()),
        Fate::Open => (7, "lie beside what was asked".to_owned()),
        Fate::Front => (8, "are on the front: nothing is better in everything".to_owned()),
    }
}

/// The tier whose room is named first.
fn tier_of(reasons: &[String]) -> String {
    let tiers = ["VRAM", "DRAM", "NVMe"];
    let named = |reason: &String| tiers.into_iter().find(|tier| reason.contains(tier));
    reasons
        .iter()
        .find_map(named)
        .map_or_else(|| ", for other reasons".to_owned(), |tier| format!(" in {tier}"))
}

/// All candidates by fate, largest groups first; those on the front last.
pub(in crate::report) fn groups<'a>(view: &View<'a>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(u8, String), Vec<&Candidate>> = BTreeMap::new();
    for candidate in &view.advice.candidates {
        groups.entry(group_of(view, &candidate.fate)).or_default().push(candidate);
    }
    let mut groups: Vec<((u8, String), Vec<&Candidate>)> = groups.into_iter().collect();
    groups.sort_by_key(|((rank, _), members)| (*rank == 8, std::cmp::Reverse(members.len())));
    groups.into_iter().map(|((_, words), members)| Group { words, members }).collect()
}

/// Why this candidate is where it is, in words.
pub(super) fn reason(view: &View<'_>, candidate: &Candidate) -> String {
    match &candidate.fate {
        Fate::Refused(why) => plain(why),
        Fate::CannotRun(reasons) => reasons.iter().map(|reason| plain(reason)).collect::<Vec<_>>().join("; "),
        Fate::Unknown(metric, missing) => format!("{} is not known: {}", title(*metric), plain(missing)),
        Fate::BeyondLimit { limit, bound } => {
            let limit = view.advice.limits.get(*limit);
            let words = |limit: &Limit| {
                format!(
                    "{} is {} at best, limit {}",
                    title(limit.metric),
                    shown(limit.metric, *bound),
                    plain(&limit.text)
                )
            };
            limit.map_or_else(String::new, words)
        }
        Fate::Dominated(by) => format!("number {by} is better than its bound in everything"),
        Fate::Breaks(limits) => {
            let row = view.advice.row(candidate.index);
            let words = |limit: &Limit| {
                let value = row.and_then(|row| limit.metric.of(row));
                value.map_or_else(|| plain(&limit.text), |value| beyond(limit, value))
            };
            view.limits(limits).into_iter().map(words).collect::<Vec<_>>().join("; ")
        }
        Fate::CannotKeepUp { asked, allowed } => format!(
            "the load asks for {}, copies allow {} at best",
            shown(Metric::Throughput, *asked),
            shown(Metric::Throughput, *allowed)
        ),
        Fate::Saturated => "requests come faster than they are served".to_owned(),
        Fate::Beaten(by) => format!("number {by} is better"),
        Fate::Front => "nothing is better in everything".to_owned(),
        Fate::Open => "reached only by a search beside what was asked".to_owned(),
    }
}

/// The first of those whose reason is the most frequent.
fn typical<'a>(view: &View<'_>, members: &[&'a Candidate]) -> Option<(&'a Candidate, String)> {
    let mut seen: BTreeMap<String, (usize, &Candidate)> = BTreeMap::new();
    for candidate in members {
        seen.entry(reason(view, candidate)).or_insert((0, candidate)).0 += 1;
    }
    let most = seen.into_iter().max_by_key(|(_, (count, first))| (*count, std::cmp::Reverse(first.index)));
    most.map(|(reason, (_, candidate))| (candidate, reason))
}

/// Words that name a limit are those of the question.
fn counted_in(group: &Group<'_>) -> Vec<Source> {
    let fate = group.members.first().map(|one| &one.fate);
    let limit = matches!(fate, Some(Fate::Breaks(_) | Fate::BeyondLimit { .. }));
    let question = limit.then_some(Source::Question);
    [Source::Candidates].into_iter().chain(question).collect()
}

pub(super) fn rejected(page: &mut Page, view: &View<'_>) {
    let groups: Vec<Group<'_>> = groups(view);
    let mut others =
        groups.iter().filter(|group| group.members.iter().any(|one| one.fate != Fate::Front)).peekable();
    if others.peek().is_none() {
        return;
    }
    page.heading("What was rejected");
    for group in others {
        let count = counted(group.members.len(), "configuration");
        let mut told = vec![Sentence::new(count, &counted_in(group))];
        if let Some((candidate, reason)) = typical(view, &group.members) {
            let text = format!("For example {}: {reason}", view.named(candidate.index));
            told.push(Sentence::new(text, &[view.source(candidate.index), Source::Candidates]));
        }
        page.item(&capital(&group.words), told);
    }
    page.picture(advice_rejected::NAME, advice_rejected::TITLE);
}
