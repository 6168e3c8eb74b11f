//! The tables with their reasons, for a terminal and as a page in Markdown.

use std::fmt::Write as _;

use super::cells::{Cells, cells};
use super::words;
use crate::error::Result;
use crate::metrics::{Deployment, DeploymentRow};
use crate::report::NamedFile;
use crate::report::draw::svg_file;
use crate::report::format::counted;
use crate::report::pictures::deployments as pictures;
use crate::report::text_table::aligned;

/// All tables, with the reason of each row that cannot run.
pub fn deployments_text(all: &[Deployment]) -> String {
    let mut text = String::new();
    for one in all {
        let Cells { shared, lines, left } = cells(one);
        let _ = writeln!(text, "{}\n{}", one.title, one.question);
        if !shared.is_empty() {
            let _ = writeln!(text, "{}", shared.join("; "));
        }
        // `aligned` sets the last column to the left; numbers belong to the right.
        let padded: Vec<Vec<String>> =
            lines.into_iter().map(|line| line.into_iter().chain([String::new()]).collect()).collect();
        text.push_str(&aligned(&padded, left));
        for row in one.rows.iter().filter(|row| row.row.summary().is_none()) {
            let _ = writeln!(text, "{} cannot run: {}", row.title, words::short_of(row));
        }
        text.push('\n');
    }
    text.push_str("Losses are estimates from publications: `moesim run` gives each with its source.\n");
    text
}

const INTRODUCTION: &str = "# Deployments

The configurations that introductory texts on the memory of MoE models describe, on today's catalogue: what they need and
how fast they are, beside the figures that are quoted, and why those differ.
`moesim deployments --docs docs/deployments.md` writes this page from `scenarios/deployments/`; every figure below is that of
a plan or a run, and each row can be simulated by itself with the settings in its file.

Texts count two matrices for an expert, keys and values for every head, whole bits, no output head, and keep every
activation; exact counting has three matrices, grouped heads, scales of blocks, and what the engine takes. GB are 10^9 bytes;
memory of GPUs is sold in GiB. TTFT and TPOT are medians; tok/s are those of decoding, or of all
users over the whole run, prompts included, where requests are served. Losses are shares of the
benchmark score of the 16-bit model, estimated from publications and never measured here. A column that all rows share is
told above its table.

";

/// The page; pictures are looked for in the folder `pictures` beside it.
pub fn deployments_page(all: &[Deployment]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for one in all {
        let _ = writeln!(text, "- [{}](#{})", one.title, anchor(&one.title));
    }
    for one in all {
        section(&mut text, one);
    }
    text
}

/// As GitHub makes anchors of headings.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn section(text: &mut String, one: &Deployment) {
    let _ = write!(text, "\n## {}\n\n**{}** {}\n\n", one.title, one.question, escaped(&one.look_at));
    if let Some(tokens) = one.simplified_tokens {
        let _ = writeln!(text, "Texts count keys, values and activations of {tokens} tokens.\n");
    }
    let Cells { shared, lines, left } = cells(one);
    if !shared.is_empty() {
        let _ = writeln!(text, "{}.\n", escaped(&shared.join("; ")));
    }
    for (index, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line.iter().map(|cell| escaped(&cell.replace('|', "\\|"))).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if index == 0 {
            let rule = |column: usize| if column < left { "---" } else { "---:" };
            let rules: Vec<&str> = (0..line.len()).map(rule).collect();
            let _ = writeln!(text, "|{}|", rules.join("|"));
        }
    }
    text.push('\n');
    for (name, what) in pictures::names(one) {
        let _ = writeln!(text, "![{}: {what}](pictures/{name}.svg)\n", one.title);
    }
    for row in &one.rows {
        let _ = writeln!(text, "- **{}.** {}", row.title, escaped(&reasons(row)));
    }
    let rows = counted(one.rows.len(), "configuration");
    let _ = writeln!(text, "\n{rows}: `moesim deployments {}`.", one.file);
}

/// Asterisks and tildes as they are.
fn escaped(text: &str) -> String {
    text.replace('*', "\\*").replace('~', "about ")
}

fn reasons(row: &DeploymentRow) -> String {
    let mut sentences = vec![row.why.clone()];
    sentences.extend(row.quotes.iter().map(words::judged));
    sentences.extend(words::differences(row));
    let short = words::short_of(row);
    if !short.is_empty() {
        sentences.push(format!("It cannot run: {short}."));
    }
    sentences.join(" ")
}

/// The pictures of the page, as SVG.
///
/// # Errors
/// When a picture cannot be drawn, which no number causes.
pub fn deployments_page_pictures(all: &[Deployment]) -> Result<Vec<NamedFile>> {
    pictures::render(all, |name, scene| Ok(vec![svg_file(name, scene)?]))
}
