//! The text twin of `.moetrace`: CSV `sequence,token,phase,layer,rank,expert,weight` under `# key=value` lines.
//!
//! The head lines hold what rows cannot: `model`, `layer_ids`, `experts`, `top_k`, `expert_bytes`, `source`, `licence`,
//! one `note` line for each note and one `sequence` line for each sequence. All may be missing: a bare CSV is read too,
//! and what had to be inferred is noted. `token` counts from 0 within its sequence, `layer` is the model's own layer
//! number, `rank` the place in the router's order, `phase` is `prefill` or `decode`, `weight` lies between 0 and 1 and
//! its column is absent where the trace has none. An empty slot has no row; a token without any expert has one row
//! whose last cells are empty. In texts, `\\` is a backslash and `\xNN` a control character or a space at either end.

use std::io::{self, Write};
use std::path::Path;

use super::builder::Phase;
use super::data::{Trace, TraceHeader};
use super::format::replace_file;
use super::import::{
    Gather, ImportOptions, Imported, Inferred, Known, RowKey, Selection, Source, Table, TableRow,
};
use crate::error::{Error, Result};
use crate::units::LayerIndex;

/// Writes a trace as CSV.
///
/// # Errors
/// Of `out`.
pub fn write_csv(trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    write_head(trace, out)?;
    let header = trace.header();
    let slots = header.slots_per_token();
    for (number, sequence) in trace.sequences().iter().enumerate() {
        for token in 0..sequence.tokens {
            let phase = if token < sequence.prefill_tokens { "prefill" } else { "decode" };
            let row = sequence.first_token + token;
            let mut empty = true;
            for (slot, (layer, rank)) in slot_names(header).enumerate() {
                let Some(expert) = trace.expert(row, layer, rank) else { continue };
                empty = false;
                let layer_id = header.layer_ids[usize::from(layer.0)];
                write!(out, "{number},{token},{phase},{layer_id},{rank},{expert}")?;
                let at =
                    usize::try_from(row).unwrap_or(usize::MAX).saturating_mul(slots).saturating_add(slot);
                match trace.weights().and_then(|weights| weights.get(at)) {
                    // Six decimals tell neighbouring multiples of 1/65,535 apart.
                    Some(weight) => writeln!(out, ",{:.6}", f64::from(*weight) / f64::from(u16::MAX))?,
                    None => writeln!(out)?,
                }
            }
            if empty {
                let cells = if trace.weights().is_some() { ",,,," } else { ",,," };
                writeln!(out, "{number},{token},{phase}{cells}")?;
            }
        }
    }
    Ok(())
}

/// Writes a trace to a CSV file, by way of a temporary file in the same folder.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_csv_file(trace: &Trace, path: &Path) -> Result<()> {
    replace_file(path, |out| write_csv(trace, out))
}

fn slot_names(header: &TraceHeader) -> impl Iterator<Item = (LayerIndex, usize)> {
    let layers = u16::try_from(header.layers()).unwrap_or(u16::MAX);
    let top_k = header.top_k as usize;
    (0..layers).flat_map(move |layer| (0..top_k).map(move |rank| (LayerIndex(layer), rank)))
}

fn write_head(trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    let header = trace.header();
    writeln!(out, "# moesim trace v1")?;
    writeln!(out, "# model={}", escape(&header.model))?;
    writeln!(out, "# layer_ids={}", join(&header.layer_ids))?;
    writeln!(out, "# experts={}\n# top_k={}", header.experts, header.top_k)?;
    if !header.expert_bytes.is_empty() {
        writeln!(out, "# expert_bytes={}", join(&header.expert_bytes))?;
    }
    writeln!(out, "# source={}\n# licence={}", escape(&header.source), escape(&header.licence))?;
    for note in &header.notes {
        writeln!(out, "# note={}", escape(note))?;
    }
    for (number, sequence) in trace.sequences().iter().enumerate() {
        let (length, category) = (sequence.prompt_length, escape(&sequence.category));
        writeln!(out, "# sequence={number} prompt_length={length} category={category}")?;
    }
    let weight = if trace.weights().is_some() { ",weight" } else { "" };
    writeln!(out, "sequence,token,phase,layer,rank,expert{weight}")
}

pub(super) fn detect(source: &Source) -> bool {
    let head = source.head();
    let header = head.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    head.starts_with("# moesim trace")
        || ["sequence", "token", "layer", "expert"].iter().all(|name| names.contains(name))
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let mut gather = Gather::default();
    let head = read_head(source, &mut gather)?;
    let mut table = Table::new(source)?;
    let [sequence, token] = [table.column("sequence")?, table.column("token")?];
    let [layer, expert] = [table.column("layer")?, table.column("expert")?];
    let [phase, rank, weight] = ["phase", "rank", "weight"].map(|name| table.optional(name));
    if weight.is_some() {
        gather.expect_weights();
    }
    if phase.is_none() {
        gather.note("the file has no column phase: all tokens are taken as decode");
    }
    if rank.is_none() {
        gather.note("the file has no column rank: experts are taken in file order");
    }
    let mut latest = None;
    table.for_each(|row| {
        let key = RowKey {
            sequence: row.number(sequence, "a sequence from 0")?,
            phase: phase.map_or(Ok(Phase::Decode), |column| parse_phase(row, column))?,
            position: row.number(token, "a token from 0")?,
        };
        gather.row(key);
        if row.text(expert)?.is_empty() && row.text(layer)?.is_empty() {
            return Ok(());
        }
        let layer: u64 = row.number(layer, "a layer from 0")?;
        let next = match latest {
            Some((before, next)) if before == (key, layer) => next,
            _ => 0,
        };
        latest = Some(((key, layer), next + 1));
        let chosen = Selection {
            rank: rank.map_or(Ok(next), |column| row.number(column, "a rank from 0"))?,
            weight: weight.map_or(Ok(f32::NAN), |column| parse_weight(row, column))?,
            ..Selection::plain(layer, 0, row.number(expert, "an expert from 0")?, row.line())
        };
        gather.select(source, key, chosen)
    })?;
    if let Some(key) = gather.first_out_of_order() {
        let found =
            format!("token {} of sequence {} is prefill after decode, or both", key.position, key.sequence);
        return Err(Error::at(source.place(), found).expected("prompt tokens first"));
    }
    let experts = Known::or_infer(options.experts, head.experts, Inferred::LargestPlusOne);
    let top_k = Known::or_infer(options.top_k, head.top_k, Inferred::LargestPlusOne);
    gather.finish(source, head.header, experts, top_k)
}

fn parse_phase(row: &TableRow<'_>, column: usize) -> Result<Phase> {
    match row.text(column)? {
        "prefill" => Ok(Phase::Prefill),
        "decode" => Ok(Phase::Decode),
        other => Err(row.wrong(column, other, "prefill or decode")),
    }
}

fn parse_weight(row: &TableRow<'_>, column: usize) -> Result<f32> {
    if row.text(column)?.is_empty() { Ok(f32::NAN) } else { row.number(column, "a gate weight") }
}

/// What the head lines say; the numbers are absent where they do not.
#[derive(Default)]
struct Head {
    header: TraceHeader,
    experts: Option<u32>,
    top_k: Option<u32>,
}

fn read_head(source: &Source, gather: &mut Gather) -> Result<Head> {
    let mut head = Head::default();
    for (line, text) in source.lines() {
        let Some(text) = text?.strip_prefix('#') else { break };
        let Some((key, value)) = text.trim_start().split_once('=') else { continue };
        let wrong = |expected: &str| {
            Error::at(source.line(line), format!("# {key}: found {value:?}")).expected(expected)
        };
        let header = &mut head.header;
        match key {
            "model" => header.model = unescape(value).ok_or_else(|| wrong(ESCAPES))?,
            "source" => header.source = unescape(value).ok_or_else(|| wrong(ESCAPES))?,
            "licence" => header.licence = unescape(value).ok_or_else(|| wrong(ESCAPES))?,
            "note" => header.notes.push(unescape(value).ok_or_else(|| wrong(ESCAPES))?),
            "experts" => head.experts = Some(value.parse().map_err(|_| wrong("a whole number"))?),
            "top_k" => head.top_k = Some(value.parse().map_err(|_| wrong("a whole number"))?),
            "layer_ids" => header.layer_ids = parse_list(value).ok_or_else(|| wrong(LIST))?,
            "expert_bytes" => header.expert_bytes = parse_list(value).ok_or_else(|| wrong(LIST))?,
            "sequence" => {
                let (number, length, category) = parse_sequence(value).ok_or_else(|| wrong(SEQUENCE))?;
                gather.describe(number, &category, length);
            }
            _ => {}
        }
    }
    Ok(head)
}

const ESCAPES: &str = "only \\\\ and \\xNN after a backslash";
const LIST: &str = "whole numbers with commas between them";
const SEQUENCE: &str = "N prompt_length=N category=NAME";

fn parse_list<T: std::str::FromStr>(value: &str) -> Option<Vec<T>> {
    value.split(',').map(|number| number.trim().parse().ok()).collect()
}

fn parse_sequence(value: &str) -> Option<(u32, u64, String)> {
    let (number, rest) = value.split_once(" prompt_length=")?;
    let (length, category) = rest.split_once(" category=")?;
    Some((number.parse().ok()?, length.parse().ok()?, unescape(category)?))
}

fn join<T: ToString>(numbers: &[T]) -> String {
    numbers.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

fn escape(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut escaped = String::new();
    for (at, letter) in text.char_indices() {
        if letter == '\\' {
            escaped.push_str("\\\\");
        } else if letter.is_ascii_control() || letter == ' ' && (at == 0 || at == last) {
            escaped.push_str(&format!("\\x{:02x}", u32::from(letter)));
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('\\');
    let mut plain = parts.next()?.to_owned();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            plain.push('\\');
            plain.push_str(parts.next()?);
        } else {
            let code = u8::from_str_radix(part.strip_prefix('x')?.get(..2)?, 16).ok()?;
            plain.push(char::from(code));
            plain.push_str(&part[3..]);
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive() {
        for text in ["", " a b ", "\\", "\\\\x20", "a\nb\r\u{7f}", "é ", "x\\", "\\x"] {
            let escaped = escape(text);
            assert_eq!(unescape(&escaped).as_deref(), Some(text), "{escaped:?}");
            assert_eq!(escaped.trim(), escaped);
        }
        for bad in ["\\", "\\q", "\\x2", "\\xzz"] {
            assert_eq!(unescape(bad), None, "{bad:?}");
        }
    }
}
