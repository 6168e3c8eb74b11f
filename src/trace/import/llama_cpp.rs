//! llama.cpp's `moe-trace` example: CSV `layer,expert`, one row for each selection
//! (<https://github.com/ggml-org/llama.cpp/pull/28544>).
//!
//! The file has no token numbers. A pass ends where a layer comes again; a pass of more than one token is taken as a
//! prompt and begins a sequence. llama.cpp computes the last layer of a prompt only for tokens whose output is needed,
//! the trailing ones: a layer with fewer tokens than its pass is aligned to the end.

use super::gather::ONE_SEQUENCE;
use super::passes::{common_length, passes, runs};
use super::{Gather, ImportOptions, Imported, Inferred, Known, RowKey, Selection, Source, Table};
use crate::error::{Error, Result};
use crate::trace::builder::Phase;
use crate::trace::data::TraceHeader;

pub(super) fn detect(source: &Source) -> bool {
    let head = source.head();
    let header = head.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
    header.split(',').map(str::trim).eq(["layer", "expert"])
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let mut table = Table::new(source)?;
    let [layer, expert] = [table.column("layer")?, table.column("expert")?];
    let mut selections = Vec::new();
    table.for_each(|row| {
        selections.push((
            row.number(layer, "a layer from 0")?,
            row.number(expert, "an expert from 0")?,
            row.line(),
        ));
        Ok(())
    })?;
    let mut gather = Gather::default();
    let runs = runs(selections);
    let top_k =
        options.top_k.map_or_else(|| common_length(&runs).unwrap_or(1), |top_k| top_k.max(1) as usize);
    if options.top_k.is_none() {
        gather.note(format!(
            "the file does not state top-k: taken as {top_k}, the most common number in a layer"
        ));
    }
    let mut sequence = 0;
    for (number, pass) in passes(runs).iter().enumerate() {
        let tokens = pass.iter().map(|run| run.experts.len() / top_k).max().unwrap_or(0);
        let phase = if tokens > 1 { Phase::Prefill } else { Phase::Decode };
        sequence += u32::from(phase == Phase::Prefill && number > 0);
        for run in pass {
            let found = run.experts.len();
            if found % top_k != 0 {
                let found = format!("layer {} has {found} experts in one pass", run.layer);
                return Err(
                    Error::at(source.line(run.line), found).expected(format!("a multiple of top-{top_k}"))
                );
            }
            let skipped = tokens - found / top_k;
            for (index, expert) in run.experts.iter().enumerate() {
                let position = ((number as u64) << 32) + (skipped + index / top_k) as u64;
                let rank = (index % top_k) as u64;
                let chosen = Selection::plain(run.layer, rank, *expert, run.line + index);
                gather.select(source, RowKey { sequence, phase, position }, chosen)?;
            }
        }
    }
    gather.note("the file has no token numbers: a pass ends where a layer comes again");
    if sequence == 0 {
        gather.note(ONE_SEQUENCE);
    } else {
        gather.note("each pass of more than one token is taken as a prompt and begins a sequence");
    }
    let header =
        TraceHeader { source: format!("llama.cpp moe-trace, {}", source.name()), ..TraceHeader::default() };
    let experts = Known::or_infer(options.experts, None, Inferred::PowerOfTwo);
    gather.finish(source, header, experts, Known::Is(u32::try_from(top_k).unwrap_or(u32::MAX)))
}
