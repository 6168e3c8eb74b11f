//! What was asked, what it was chosen from, and how.

use super::page::{Page, Source, capital, plain, sentences};
use super::value::{counted, grouped, title};
use super::view::{View, is_nothing, written};
use crate::metrics::advice::Fate;
use crate::report::format::listed;

/// Values of a dimension that are named.
const VALUES_MAX: usize = 6;

pub(super) fn asked(page: &mut Page, view: &View<'_>) {
    let advice = view.advice;
    page.heading("The question");
    page.item("", sentences(&advice.description, &[Source::Question]));
    for (at, name) in advice.dimensions.iter().enumerate() {
        let mut values: Vec<&str> = Vec::new();
        for value in advice.candidates.iter().filter_map(|one| one.choice.get(at)) {
            if !values.contains(&value.as_str()) && !is_nothing(value) {
                values.push(value);
            }
        }
        let shown: Vec<String> = values.iter().take(VALUES_MAX).map(|value| plain(value)).collect();
        let more = values.len() - shown.len();
        let more = if more > 0 { format!("; and {} more", grouped(more as u64)) } else { String::new() };
        if !shown.is_empty() {
            page.say(&capital(name), format!("{}{more}", shown.join("; ")), &[Source::Candidates]);
        }
    }
    let limits: Vec<String> = advice.limits.iter().map(written).collect();
    let limits = if limits.is_empty() { "none".to_owned() } else { listed(&limits) };
    page.say("Limits", limits, &[Source::Question]);
    let load = match advice.load.as_str() {
        "" => "sequences of the trace, replayed one after another".to_owned(),
        load => plain(load),
    };
    page.say("Load", load, &[Source::Question]);
    let objectives: Vec<String> = advice.objectives.iter().map(|metric| title(*metric)).collect();
    let decides = title(advice.prefer);
    page.say("Compared by", format!("{}; {decides} decides", listed(&objectives)), &[Source::Question]);
    for note in &advice.notes {
        page.item("Note", sentences(note, &[Source::Question]));
    }
    looked_at(page, view);
}

/// How many candidates there were, and how many of them were simulated.
fn looked_at(page: &mut Page, view: &View<'_>) {
    let advice = view.advice;
    let open = advice.candidates.iter().filter(|one| one.fate == Fate::Open).count();
    let asked = advice.candidates.len() - open;
    let simulated = advice.rows.len();
    let text = format!(
        "{} of {}; what is said of the others follows from their memory and from the best they could reach",
        counted(simulated, "simulation"),
        counted(asked, "configuration")
    );
    page.say("Looked at", text, &[Source::Candidates]);
}
