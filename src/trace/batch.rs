//! Sequences that are decoded together: a trace whose rows are those of the batch, step after step.
//!
//! A batch of `n` takes `n` sequences of the trace and advances them in lockstep; each pass holds one token of each.
//! Where the trace has fewer sequences, a sequence takes several places, each beginning further on in it, so that they
//! do not ask for the same experts at the same time. All stop when the shortest has no tokens left.

use super::{Ids, Pass, PassOptions, Phase, Trace, TraceBuilder};
use crate::error::{Error, Result};

/// A batched trace and the order of its passes.
#[derive(Debug)]
pub struct Batched {
    /// Rows as the passes read them.
    pub trace: Trace,
    /// One pass for each step.
    pub passes: Vec<Pass>,
}

/// A place of the batch: the decode rows it walks through, going round at the end.
struct Place {
    first: u64,
    length: u64,
    offset: u64,
    context: u64,
}

impl Place {
    fn row(&self, step: u64) -> u64 {
        self.first + (self.offset + step) % self.length
    }
}

/// Decode of the trace's sequences, `batch` at a time. Prompts are left out.
///
/// # Errors
/// Where no sequence has anything to decode.
pub fn batched(trace: &Trace, options: &PassOptions, batch: u32) -> Result<Batched> {
    let wanted = usize::try_from(options.sequences).unwrap_or(usize::MAX);
    let known: Vec<Place> = trace
        .sequences()
        .iter()
        .take(wanted)
        .filter(|meta| meta.tokens > meta.prefill_tokens)
        .map(|meta| Place {
            first: meta.first_token + meta.prefill_tokens,
            length: meta.tokens - meta.prefill_tokens,
            offset: 0,
            context: options.depth.unwrap_or(meta.prompt_length.max(meta.prefill_tokens)),
        })
        .collect();
    if known.is_empty() {
        return Err(Error::new("nothing to decode together").expected("a trace with decode tokens"));
    }
    let header = trace.header().clone();
    let mut builder = if trace.weights().is_some() {
        TraceBuilder::with_weights(header)?
    } else {
        TraceBuilder::new(header)?
    };
    let mut passes = Vec::new();
    let batch = batch.max(1) as usize;
    for (group, first) in (0_u32..).zip((0..known.len()).step_by(batch)) {
        let places = places(&known, first, batch);
        append(trace, options, &mut builder, &mut passes, group, &places)?;
    }
    Ok(Batched { trace: builder.finish()?, passes })
}

/// The places of one batch, whose first sequence is number `first`.
fn places(known: &[Place], first: usize, batch: usize) -> Vec<Place> {
    let rounds = batch.div_ceil(known.len()) as u64;
    let place = |index: usize| {
        let sequence = &known[(first + index) % known.len()];
        // Beyond the trace's sequences, the next round begins further on.
        let round = (index / known.len()) as u64;
        Place { offset: sequence.length * round / rounds, ..*sequence }
    };
    (0..batch).map(place).collect()
}

fn append(
    trace: &Trace,
    options: &PassOptions,
    builder: &mut TraceBuilder,
    passes: &mut Vec<Pass>,
    group: u32,
    places: &[Place],
) -> Result<()> {
    let count = places.len() as u64;
    let steps = places.iter().map(|place| place.length).min().unwrap_or(0).min(options.decode_tokens);
    let contexts: u128 = places.iter().map(|place| u128::from(place.context)).sum();
    let context = u64::try_from(contexts.div_ceil(u128::from(count))).unwrap_or(u64::MAX);
    builder.begin_sequence("", context)?;
    let slots = trace.header().slots_per_token();
    let mut ids = Vec::with_capacity(slots);
    for step in 0..steps {
        passes.push(Pass {
            sequence: group,
            phase: Phase::Decode,
            first_row: builder.rows(),
            rows: count,
            context: context + step,
            sequences: u32::try_from(count).unwrap_or(u32::MAX),
        });
        for place in places {
            let start = usize::try_from(place.row(step)).unwrap_or(usize::MAX) * slots;
            let range = start..start + slots;
            ids.clear();
            match trace.ids() {
                Ids::U8(column) => ids.extend(column[range.clone()].iter().map(|id| widen(*id))),
                Ids::U16(column) => ids.extend_from_slice(&column[range.clone()]),
            }
            match trace.weights() {
                Some(weights) => builder.push_weighted(Phase::Decode, &ids, &weights[range])?,
                None => builder.push(Phase::Decode, &ids)?,
            }
        }
    }
    Ok(())
}

fn widen(id: u8) -> u16 {
    if id == super::NO_EXPERT_U8 { super::NO_EXPERT_U16 } else { u16::from(id) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceHeader;

    fn trace(lengths: &[u16]) -> Trace {
        let header = TraceHeader { layer_ids: vec![0], experts: 200, top_k: 1, ..TraceHeader::default() };
        let mut builder = TraceBuilder::new(header).unwrap();
        for (sequence, length) in (0_u16..).zip(lengths) {
            builder.begin_sequence("", 7).unwrap();
            (0..*length).for_each(|step| builder.push(Phase::Decode, &[20 * sequence + step]).unwrap());
        }
        builder.finish().unwrap()
    }

    fn rows(batched: &Batched) -> Vec<Vec<u16>> {
        let expert = |row| batched.trace.expert(row, crate::units::LayerIndex(0), 0).unwrap();
        batched
            .passes
            .iter()
            .map(|pass| (0..pass.rows).map(|row| expert(pass.first_row + row)).collect())
            .collect()
    }

    #[test]
    fn sequences_advance_together_until_the_shortest_ends() {
        let batched = batched(&trace(&[3, 2]), &PassOptions::default(), 2).unwrap();
        assert_eq!(rows(&batched), [[0, 20], [1, 21]]);
        let pass = batched.passes[1];
        assert_eq!((pass.sequences, pass.context, pass.first_row), (2, 8, 2));
    }

    #[test]
    fn a_batch_larger_than_the_trace_begins_further_on() {
        let options = PassOptions { depth: Some(100), decode_tokens: 2, ..PassOptions::default() };
        let batched = batched(&trace(&[4, 4]), &options, 4).unwrap();
        assert_eq!(rows(&batched), [[0, 20, 2, 22], [1, 21, 3, 23]]);
        assert_eq!(batched.passes[0].context, 100);
    }

    #[test]
    fn a_batch_of_one_is_the_trace() {
        let batched = batched(&trace(&[2, 3]), &PassOptions::default(), 1).unwrap();
        assert_eq!(rows(&batched), [[0], [1], [20], [21], [22]]);
        assert_eq!(batched.passes.last().unwrap().sequence, 1);
    }
}
