//! How a recommended configuration is started on a real engine, how the prediction is checked there, and how it is
//! made again.

use super::page::{Page, Sentence, Source, plain, sentences};
use super::view::View;

/// Columns beyond which a command is broken into lines.
const COMMAND_WIDTH: usize = 76;

pub(super) fn start(page: &mut Page, view: &View<'_>) {
    let Some(candidate) = view.advice.subject().and_then(|index| view.advice.candidate(index)) else {
        return;
    };
    page.heading("How to start it, and how to check it");
    if view.advice.launch.is_empty() {
        page.item("", vec![Sentence::bare("No engine of this profile is known to be started so")]);
    }
    for launch in &view.advice.launch {
        let what = format!("{} as configured here", plain(&launch.engine));
        page.say("Start", what, &[Source::Row(candidate.index), Source::Data]);
        page.command(&launch.command);
        for note in &launch.notes {
            page.item("Note", sentences(note, &[Source::Data]));
        }
        page.item("Check", sentences(&launch.check.compare, &[Source::Data]));
        page.command(&launch.check.command);
    }
    page.heading("How to make it again");
    page.say("", "The same configuration, simulated alone", &[view.source(candidate.index)]);
    page.command(&run_command(&view.advice.file, &candidate.settings));
}

/// `moesim run FILE --set KEY=VALUE ...`, one setting a line where it is long.
fn run_command(file: &str, settings: &[(String, String)]) -> String {
    let parts: Vec<String> =
        [format!("moesim run {}", quoted(file))].into_iter().chain(settings.iter().map(setting)).collect();
    let line = parts.join(" ");
    if line.chars().count() <= COMMAND_WIDTH { line } else { parts.join(" \\\n  ") }
}

fn setting((key, value): &(String, String)) -> String {
    format!("--set {}", quoted(&format!("{key}={value}")))
}

/// Every setting as a command line takes it.
pub(super) fn settings_text(settings: &[(String, String)]) -> String {
    settings.iter().map(setting).collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell reads it back; in single quotes where it has to be.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What the sources in brackets mean.
pub(super) fn sources(page: &mut Page) {
    page.heading("Where the figures are from");
    for (lead, text) in [
        ("A row", "the line of results.csv with this index; advice.json holds it in full"),
        ("candidates.csv", "every configuration, what became of it and why"),
        ("question", "the scenario that was asked"),
        ("validation", "published measurements; `moesim validate` shows every one"),
        ("advice.json", "everything, with runs of more of each resource, steps and commands"),
    ] {
        page.item(lead, vec![Sentence::bare(text)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quoted_for_a_shell() {
        for (word, expect) in [
            ("cache.policy=lru", "cache.policy=lru"),
            ("cache.capacity=8 GiB", "'cache.capacity=8 GiB'"),
            ("a='b'", r"'a='\''b'\'''"),
            ("$(rm)", "'$(rm)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expect);
        }
        let settings = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "x y".to_owned())];
        assert_eq!(
            run_command("my file.toml", &settings),
            "moesim run 'my file.toml' --set a=1 --set 'b=x y'"
        );
        let long = [("a".to_owned(), "1".repeat(70))];
        assert!(run_command("f.toml", &long).starts_with("moesim run f.toml \\\n  --set a=1"));
    }
}
