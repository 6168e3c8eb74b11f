//! Sparsify JSON: `{"trace": [[layer, expert], ...], "entry_bytes", "num_groups", "experts_per_group"}`.
//!
//! Three traps. Every layer event stands three times, once for each of gate, up and down: one is kept. Layers come in
//! the order of their numbers as text (0, 1, 10, 11, 2, ...): they are sorted. A prompt is a single event in each layer,
//! the union of what its tokens chose: the number of tokens is lost, so a union of n experts becomes n / top-k prompt
//! rows, rounded up, which ask for the same experts. Each prompt begins a sequence.

use serde::Deserialize;

use super::passes::{Run, common_length, passes, repeats, runs};
use super::{Gather, ImportOptions, Imported, Inferred, Known, RowKey, Selection, Source, numbered_layers};
use crate::error::Result;
use crate::trace::builder::Phase;
use crate::trace::data::TraceHeader;

pub(super) fn detect(source: &Source) -> bool {
    let start: String = source.head().chars().filter(|letter| !letter.is_whitespace()).take(11).collect();
    let tail = &source.bytes()[source.bytes().len().saturating_sub(4096)..];
    start == "{\"trace\":[[" && String::from_utf8_lossy(tail).contains("\"experts_per_group\"")
}

#[derive(Deserialize)]
struct File {
    trace: Vec<(u64, u64)>,
    entry_bytes: Option<f64>,
    num_groups: Option<u32>,
    experts_per_group: Option<u32>,
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let file: File = source.json()?;
    let mut gather = Gather::default();
    let mut runs = runs(file.trace.iter().map(|(layer, expert)| (*layer, *expert, 1)));
    let times = repeats(&runs);
    if times > 1 {
        for run in &mut runs {
            run.experts.truncate(run.experts.len() / times);
        }
        gather.note(format!("every layer event stands {times} times (one for each matrix): one is kept"));
    }
    let in_order = runs.windows(2).all(|pair| pair[0].layer < pair[1].layer || pair[1].layer == 0);
    if !in_order {
        gather.note("layers stand in the order of their numbers as text: sorted by number");
    }
    let top_k =
        options.top_k.map_or_else(|| common_length(&runs).unwrap_or(1), |top_k| top_k.max(1) as usize);
    if options.top_k.is_none() {
        gather.note(format!(
            "the file does not state top-k: taken as {top_k}, the most common size of an event"
        ));
    }
    place_passes(source, &mut gather, &passes(runs), top_k)?;
    let layer_ids = numbered_layers(source, file.num_groups.unwrap_or(0))?;
    let header = TraceHeader {
        expert_bytes: whole(file.entry_bytes).map_or_else(Vec::new, |bytes| vec![bytes; layer_ids.len()]),
        layer_ids,
        source: format!("sparsify JSON, {}", source.name()),
        ..TraceHeader::default()
    };
    let experts = Known::or_infer(options.experts, file.experts_per_group, Inferred::PowerOfTwo);
    gather.finish(source, header, experts, Known::Is(u32::try_from(top_k).unwrap_or(u32::MAX)))
}

fn place_passes(source: &Source, gather: &mut Gather, passes: &[Vec<Run>], top_k: usize) -> Result<()> {
    let (mut sequence, mut unions, mut rows) = (0u32, 0u64, 0u64);
    for (number, pass) in passes.iter().enumerate() {
        let tokens = pass.iter().map(|run| run.experts.len().div_ceil(top_k)).max().unwrap_or(0);
        let phase = if tokens > 1 { Phase::Prefill } else { Phase::Decode };
        if phase == Phase::Prefill {
            sequence += u32::from(number > 0);
            unions += 1;
            rows += tokens as u64;
        }
        for run in pass {
            for (index, expert) in run.experts.iter().enumerate() {
                // Positions only order rows, and a pass has fewer rows than the file has selections.
                let position = ((number as u64) << 32) + (index / top_k) as u64;
                let key = RowKey { sequence, phase, position };
                let rank = (index % top_k) as u64;
                gather.select(source, key, Selection::plain(run.layer, rank, *expert, run.line))?;
            }
        }
    }
    if unions > 0 {
        gather.note(format!(
            "{unions} prompts are known only as unions of experts, each as one event: stored as {rows} prompt rows in \
             all, whose number says nothing about prompt lengths"
        ));
    }
    Ok(())
}

/// Bytes that the file writes as a floating-point number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and in range"
)]
fn whole(bytes: Option<f64>) -> Option<u64> {
    bytes.filter(|bytes| bytes.fract() == 0.0 && (1.0..1e15).contains(bytes)).map(|bytes| bytes as u64)
}
