//! The same as text for a terminal and as a page in Markdown.

use std::fmt::Write as _;

use super::{compare, one, words};
use crate::metrics::Footprint;
use crate::report::text_table::aligned;

/// Longest line of a sentence on a terminal.
const WIDTH: usize = 110;

/// How tables and sentences are written.
trait Style {
    fn heading(&self, text: &str) -> String;
    fn table(&self, lines: &[Vec<String>], left: usize) -> String;
    fn sentence(&self, text: &str) -> String;
}

struct Terminal;

impl Style for Terminal {
    fn heading(&self, text: &str) -> String {
        format!("{text}\n")
    }
    fn table(&self, lines: &[Vec<String>], left: usize) -> String {
        // `aligned` sets the last column to the left; numbers belong to the right.
        let padded: Vec<Vec<String>> =
            lines.iter().map(|line| line.iter().cloned().chain([String::new()]).collect()).collect();
        format!("{}\n", aligned(&padded, left))
    }
    fn sentence(&self, text: &str) -> String {
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let last = lines.len() - 1;
            if !lines[last].is_empty() && lines[last].chars().count() + word.chars().count() >= WIDTH {
                lines.push(word.to_owned());
            } else {
                let gap = if lines[last].is_empty() { "" } else { " " };
                let _ = write!(lines[last], "{gap}{word}");
            }
        }
        format!("{}\n\n", lines.join("\n"))
    }
}

struct Markdown;

impl Style for Markdown {
    fn heading(&self, text: &str) -> String {
        format!("## {text}\n\n")
    }
    fn table(&self, lines: &[Vec<String>], left: usize) -> String {
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            let cells: Vec<String> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if index == 0 {
                let rule = |column: usize| if column < left { "---" } else { "---:" };
                let rules: Vec<&str> = (0..line.len()).map(rule).collect();
                let _ = writeln!(text, "|{}|", rules.join("|"));
            }
        }
        text.push('\n');
        text
    }
    fn sentence(&self, text: &str) -> String {
        format!("{}\n\n", text.replace('*', "\\*"))
    }
}

/// What is shown on a terminal.
pub fn footprint_text(all: &[Footprint], compares: bool) -> String {
    let text = told(all, compares, &Terminal);
    format!("{}\n", text.trim_end())
}

/// `memory.md`.
pub(super) fn footprint_page(all: &[Footprint], compares: bool) -> String {
    let text = told(all, compares, &Markdown);
    format!("# Memory\n\n{}\n\n![who owns which memory](memory.svg)\n", text.trim_end())
}

/// Footprints of one model together, in their order.
fn by_model(all: &[Footprint]) -> Vec<Vec<&Footprint>> {
    let mut models: Vec<Vec<&Footprint>> = Vec::new();
    for one in all {
        match models.iter_mut().find(|known| known[0].model == one.model) {
            Some(known) => known.push(one),
            None => models.push(vec![one]),
        }
    }
    models
}

fn told(all: &[Footprint], compares: bool, style: &dyn Style) -> String {
    let mut text = String::new();
    let models = by_model(all);
    if compares {
        text.push_str(&compared(all, &models, style));
    } else {
        for model in &models {
            text.push_str(&alone(model, style));
        }
    }
    // What is short of VRAM stands in the table.
    for one in all.iter().filter(|one| !one.problems.is_empty() && !words::is_short_of_vram(one)) {
        text.push_str(&style.sentence(&format!("{} {}: {}.", one.model, one.quant, one.problems.join("; "))));
    }
    text.push_str(&style.sentence("GB = 10^9 bytes."));
    text
}

/// The formulas of a model as lines of text.
fn counted(one: &Footprint, style: &dyn Style) -> String {
    let line = |(what, result, formula): (&str, String, String)| {
        vec![what.to_owned(), result, format!("= {formula}")]
    };
    let head = vec![String::new(), "parameters".to_owned(), String::new()];
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(words::formulas(one).map(line)).collect();
    style.table(&lines, 3)
}

fn alone(model: &[&Footprint], style: &dyn Style) -> String {
    let first = model[0];
    let mut text = style.heading(&words::shape(first));
    text.push_str(&counted(first, style));
    text.push_str(&style.table(&one::weights(model), 1));
    text.push_str(&style.sentence(&format!("On {}:", words::setting(first))));
    let mut lines = one::ledger(model);
    if let Some(capacity) = words::capacity(first) {
        let verdicts = model.iter().map(|one| words::verdict(one));
        lines.push(std::iter::once(capacity).chain(verdicts).collect());
    }
    text.push_str(&style.table(&lines, 1));
    if let Some(mistake) = words::mistake(first) {
        text.push_str(&style.sentence(&mistake));
    }
    offloaded(&mut text, model, |one| one.quant.clone(), style);
    text
}

fn compared(all: &[Footprint], models: &[Vec<&Footprint>], style: &dyn Style) -> String {
    let mut text = String::new();
    let Some(first) = all.first() else { return text };
    for model in models {
        text.push_str(&style.heading(&words::shape(model[0])));
        text.push_str(&counted(model[0], style));
    }
    text.push_str(&style.sentence(&format!("On {}:", words::setting(first))));
    text.push_str(&style.table(&compare::table(all), 2));
    if let Some(capacity) = words::capacity(first) {
        text.push_str(&style.sentence(&format!("{capacity}.")));
    }
    for model in models {
        if let Some(mistake) = words::mistake(model[0]) {
            text.push_str(&style.sentence(&format!("{}: {mistake}", model[0].model)));
        }
    }
    let all: Vec<&Footprint> = all.iter().collect();
    offloaded(&mut text, &all, |one| format!("{} {}", one.model, one.quant), style);
    text
}

fn offloaded(text: &mut String, all: &[&Footprint], label: impl Fn(&Footprint) -> String, style: &dyn Style) {
    let lines = one::offload(all, label);
    if lines.is_empty() {
        return;
    }
    text.push_str(&style.table(&lines, 1));
    if let Some(note) = words::offload_note(all) {
        text.push_str(&style.sentence(&note));
    }
}
