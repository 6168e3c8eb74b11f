//! A page as plain text and as Markdown.

use super::page::{Block, Line, Page, Sentence};
use crate::report::labelled::broken;
use crate::report::markdown::escaped;
use crate::report::text_table::aligned;

/// Columns of a line of plain text.
const WIDTH: usize = 80;

/// Plain text: no marks but those of the sentences' sources, and no pictures.
pub(super) fn plain(page: &Page) -> String {
    let mut text = format!("{}\n", page.title);
    for block in &page.blocks {
        match block {
            Block::Heading(heading) => {
                text.push_str(&format!("\n{heading}\n{}\n", "-".repeat(heading.len())));
            }
            Block::Item(lead, sentences) => {
                let lead = if lead.is_empty() { String::new() } else { format!("{lead}: ") };
                let item = format!("{lead}{}", joined(sentences, |text| text.replace('`', "")));
                indented(&mut text, &item, "  ");
            }
            Block::Table(head, _, lines) => plain_table(&mut text, head, lines),
            Block::Command(command) => {
                text.push('\n');
                command.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
                text.push('\n');
            }
            Block::Picture(..) => {}
        }
    }
    text
}

/// The text broken between words, its second line and those after it further in.
fn indented(text: &mut String, item: &str, indent: &str) {
    for (at, line) in broken(item, WIDTH - indent.len() - 2).into_iter().enumerate() {
        text.push_str(&format!("{indent}{}{line}\n", if at == 0 { "" } else { "  " }));
    }
}

/// Each line's label stands below its cells, since it is too long to stand beside them.
fn plain_table(text: &mut String, head: &[String], lines: &[Line]) {
    let mark = |line: &Line| if line.is_subject { "*" } else { "" }.to_owned();
    let cells = |line: &Line| line.cells.iter().cloned().chain([mark(line)]).collect::<Vec<_>>();
    let mut all = vec![head.iter().cloned().chain([String::new()]).collect()];
    all.extend(lines.iter().map(cells));
    let table = aligned(&all, 0);
    for (at, line) in table.lines().enumerate() {
        text.push_str(&format!("  {line}\n"));
        if let Some(line) = at.checked_sub(1).and_then(|at| lines.get(at)) {
            indented(text, &line.label, "      ");
        }
    }
}

/// Markdown, pictures linked as SVG files beside it.
pub(super) fn markdown(page: &Page) -> String {
    let mut text = format!("# {}\n", escaped(&page.title));
    let mut before = None;
    for block in &page.blocks {
        let is_item = matches!(block, Block::Item(..));
        if !(is_item && before == Some(true)) {
            text.push('\n');
        }
        before = Some(is_item);
        match block {
            Block::Heading(heading) => text.push_str(&format!("## {}\n", escaped(heading))),
            Block::Item(lead, sentences) => {
                let lead = if lead.is_empty() { String::new() } else { format!("**{}:** ", escaped(lead)) };
                text.push_str(&format!("- {lead}{}\n", joined(sentences, marked)));
            }
            Block::Table(head, label, lines) => markdown_table(&mut text, head, label, lines),
            Block::Command(command) => {
                text.push_str(&format!("```sh\n{}\n```\n", command.replace("```", "'''")));
            }
            Block::Picture(name, title) => text.push_str(&format!("[![{title}]({name}.svg)]({name}.svg)\n")),
        }
    }
    text
}

fn markdown_table(text: &mut String, head: &[String], label: &str, lines: &[Line]) {
    let titles: Vec<String> = head.iter().map(|title| escaped(title)).chain([escaped(label)]).collect();
    text.push_str(&format!("| {} |\n|{}---|\n", titles.join(" | "), "---:|".repeat(head.len())));
    for line in lines {
        let cells = line.cells.iter().chain([&line.label]).map(|cell| escaped(cell));
        let cells =
            cells.map(|cell| if line.is_subject && !cell.is_empty() { format!("**{cell}**") } else { cell });
        text.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
    }
}

/// Text with everything but code escaped.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("`{part}`") } else { escaped(part) }).collect()
}

fn joined(sentences: &[Sentence], show: impl Fn(&str) -> String) -> String {
    let all = sentences.iter().map(|sentence| format!("{}{}.", show(&sentence.text), sentence.tag()));
    all.collect::<Vec<_>>().join(" ")
}
