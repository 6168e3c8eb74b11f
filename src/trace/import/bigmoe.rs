//! BigMoeOnEdge `--route-trace`: CSV `route_trace v1` with `#` lines ahead
//! (<https://github.com/Helldez/BigMoeOnEdge>, `docs/telemetry.md` and `core/src/metrics/route_trace_sink.cpp`).
//!
//! `step` is the absolute position in the context, so it numbers rows within a `turn`, and a turn becomes a sequence:
//! each has its own prompt and decode part. Columns are bound by name, since newer versions append some. `residency` is
//! 0 = miss, 1 = hit, 2 = hit on the first touch of a prefetch; 2 counts as resident. The engine skips, in a prompt, the
//! last layer of every token whose output is not needed: those slots stay empty.

use super::{
    Gather, ImportOptions, Imported, Inferred, Known, RESIDENCY_UNKNOWN, RowKey, Selection, Source, Table,
    numbered_layers,
};
use crate::error::{Error, Result};
use crate::trace::builder::Phase;
use crate::trace::data::{NO_EXPERT_U8, TraceHeader};

pub(super) fn detect(source: &Source) -> bool {
    let head = source.head();
    head.starts_with("# route_trace v") || head.starts_with("turn,phase,step,layer,slot,expert")
}

/// Facts of the `#` lines.
#[derive(Default)]
struct Preamble {
    model: String,
    layers: Option<u32>,
    experts: Option<u32>,
    top_k: Option<u32>,
    expert_bytes: Vec<(u32, u64)>,
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let preamble = preamble(source)?;
    let mut gather = Gather::default();
    rows(source, &mut gather)?;
    let mut header = TraceHeader {
        model: preamble.model,
        source: format!("BigMoeOnEdge route_trace v1, {}", source.name()),
        ..TraceHeader::default()
    };
    if let Some(layers) = preamble.layers {
        let with_experts = preamble.expert_bytes.iter().filter(|(_, bytes)| *bytes > 0);
        header.layer_ids = with_experts.map(|(layer, _)| *layer).collect();
        if header.layer_ids.is_empty() {
            header.layer_ids = numbered_layers(source, layers)?;
        } else {
            header.expert_bytes =
                preamble.expert_bytes.iter().map(|(_, bytes)| *bytes).filter(|bytes| *bytes > 0).collect();
        }
    }
    let experts = Known::or_infer(options.experts, preamble.experts, Inferred::PowerOfTwo);
    let top_k = Known::or_infer(options.top_k, preamble.top_k, Inferred::LargestPlusOne);
    let mut imported = gather.finish(source, header, experts, top_k)?;
    note_empty_slots(&mut imported);
    Ok(imported)
}

fn preamble(source: &Source) -> Result<Preamble> {
    let mut facts = Preamble::default();
    for (line, text) in source.lines() {
        let Some(text) = text?.strip_prefix('#') else { break };
        let text = text.trim();
        if let Some(version) = text.strip_prefix("route_trace ") {
            if version != "v1" {
                return Err(
                    Error::at(source.line(line), format!("route_trace {version}")).expected("route_trace v1")
                );
            }
            continue;
        }
        // A model path may hold spaces: it ends where ` arch=` begins.
        if let Some(rest) = text.strip_prefix("model=") {
            let name = rest.split(" arch=").next().unwrap_or(rest);
            name.rsplit(['/', '\\']).next().unwrap_or(name).clone_into(&mut facts.model);
        }
        facts.layers = number(text, "n_layer").or(facts.layers);
        facts.experts = number(text, "n_expert").or(facts.experts);
        facts.top_k = number(text, "n_expert_used").or(facts.top_k);
        if let (Some(layer), Some(bytes)) = (number(text, "layer"), number(text, "expert_bytes")) {
            if facts.expert_bytes.last().is_some_and(|(latest, _)| *latest >= layer) {
                return Err(Error::at(
                    source.line(line),
                    format!("layer {layer} is not above the one before"),
                ));
            }
            facts.expert_bytes.push((layer, bytes));
        }
    }
    Ok(facts)
}

/// The number after `key=` among words.
fn number<T: std::str::FromStr>(text: &str, key: &str) -> Option<T> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

fn rows(source: &Source, gather: &mut Gather) -> Result<()> {
    let mut table = Table::new(source)?;
    let [turn, phase, step] = [table.column("turn")?, table.column("phase")?, table.column("step")?];
    let [layer, slot, expert] = [table.column("layer")?, table.column("slot")?, table.column("expert")?];
    let (weight, residency) = (table.optional("weight"), table.optional("residency"));
    let dropped = table.optional("dropped");
    if weight.is_some() {
        gather.expect_weights();
    }
    let (mut prefetched, mut not_computed) = (0u64, 0u64);
    table.for_each(|row| {
        let key = RowKey {
            sequence: row.number(turn, "a turn from 0")?,
            phase: match row.text(phase)? {
                "0" => Phase::Prefill,
                "1" => Phase::Decode,
                other => return Err(row.wrong(phase, other, "0 (prefill) or 1 (decode)")),
            },
            position: row.number(step, "a position from 0")?,
        };
        let resident = match residency.map(|column| Ok((column, row.text(column)?))).transpose()? {
            None => RESIDENCY_UNKNOWN,
            Some((_, "0")) => 0,
            Some((_, "1")) => 1,
            Some((_, "2")) => {
                prefetched += 1;
                1
            }
            Some((column, other)) => {
                return Err(row.wrong(column, other, "0 (miss), 1 (hit) or 2 (prefetched)"));
            }
        };
        let skipped =
            dropped.map(|column| row.text(column)).transpose()?.is_some_and(|text| !matches!(text, "" | "0"));
        not_computed += u64::from(skipped);
        let chosen = Selection {
            layer: row.number(layer, "a layer from 0")?,
            rank: row.number(slot, "a rank from 0")?,
            expert: row.number(expert, "an expert from 0")?,
            weight: weight.map_or(Ok(f32::NAN), |column| row.number(column, "a gate weight"))?,
            residency: resident,
            line: row.line(),
        };
        gather.select(source, key, chosen)
    })?;
    if prefetched > 0 {
        gather.note(format!(
            "{prefetched} selections hit a prefetched expert on its first touch: counted as resident"
        ));
    }
    if not_computed > 0 {
        gather.note(format!(
            "{not_computed} selections were dropped by the engine: kept, since the router chose them"
        ));
    }
    Ok(())
}

fn note_empty_slots(imported: &mut Imported) {
    let empty = match imported.trace.ids() {
        crate::trace::Ids::U8(ids) => ids.iter().filter(|id| **id == NO_EXPERT_U8).count(),
        crate::trace::Ids::U16(ids) => ids.iter().filter(|id| **id == crate::trace::NO_EXPERT_U16).count(),
    };
    if empty > 0 {
        let note = format!(
            "{empty} slots are empty: the engine skips the last layer of prompt tokens without output"
        );
        imported.trace.header.notes.push(note);
    }
}
