//! The order in which a trace is replayed: a list of passes, each one forward of a batch.
//!
//! Prefill runs over a chunk of prompt tokens at once, decode token by token. A pass at one MoE layer is one layer
//! event; layer events are numbered `pass * layers + layer`.

use super::{Phase, Trace};

/// One forward of one sequence, or one decode token of each of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Position of the sequence in the trace.
    pub sequence: u32,
    /// Prompt or output.
    pub phase: Phase,
    /// First row in the trace's id columns.
    pub first_row: u64,
    /// Rows: tokens of this pass.
    pub rows: u64,
    /// Tokens in the KV cache of each sequence before this pass.
    pub context: u64,
    /// Sequences in the pass, each with an equal share of the rows and a cache of its own.
    pub sequences: u32,
}

/// Consecutive rows of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRun {
    /// The first of them.
    pub first_row: u64,
    /// How many.
    pub rows: u64,
}

/// Whatever reads rows of a trace: one run of them, or several.
pub trait RowRuns {
    /// Tells every run, in order.
    fn each_run(&self, tell: impl FnMut(RowRun));
}

impl RowRuns for Pass {
    #[inline]
    fn each_run(&self, mut tell: impl FnMut(RowRun)) {
        tell(RowRun { first_row: self.first_row, rows: self.rows });
    }
}

/// Which part of a trace is replayed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassOptions {
    /// Replay the prompts where the trace holds them.
    pub prefill: bool,
    /// Most prompt tokens in one pass.
    pub prefill_chunk: u64,
    /// Most sequences, from the first.
    pub sequences: u64,
    /// Most decode tokens of each sequence.
    pub decode_tokens: u64,
    /// Tokens in the KV cache before the first that is replayed, instead of the trace's prompt lengths.
    pub depth: Option<u64>,
}

impl Default for PassOptions {
    /// Everything, each prompt in one pass.
    fn default() -> Self {
        Self {
            prefill: true,
            prefill_chunk: u64::MAX,
            sequences: u64::MAX,
            decode_tokens: u64::MAX,
            depth: None,
        }
    }
}

/// The passes of a trace, sequence after sequence in file order.
pub fn passes(trace: &Trace, options: &PassOptions) -> Vec<Pass> {
    let wanted = usize::try_from(options.sequences).unwrap_or(usize::MAX);
    let mut list = Vec::new();
    for (sequence, meta) in (0_u32..).zip(trace.sequences().iter().take(wanted)) {
        if options.prefill {
            let mut done = 0;
            while done < meta.prefill_tokens {
                let rows = options.prefill_chunk.clamp(1, meta.prefill_tokens - done);
                let first_row = meta.first_token + done;
                list.push(Pass {
                    sequence,
                    phase: Phase::Prefill,
                    first_row,
                    rows,
                    context: options.depth.unwrap_or(0) + done,
                    sequences: 1,
                });
                done += rows;
            }
        }
        let before = match options.depth {
            Some(depth) => depth + if options.prefill { meta.prefill_tokens } else { 0 },
            None => meta.prompt_length.max(meta.prefill_tokens),
        };
        let decode = (meta.tokens - meta.prefill_tokens).min(options.decode_tokens);
        list.extend((0..decode).map(|step| Pass {
            sequence,
            phase: Phase::Decode,
            first_row: meta.first_token + meta.prefill_tokens + step,
            rows: 1,
            context: before + step,
            sequences: 1,
        }));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{TraceBuilder, TraceHeader};

    fn trace() -> Trace {
        let header = TraceHeader { layer_ids: vec![0], experts: 2, top_k: 1, ..TraceHeader::default() };
        let mut builder = TraceBuilder::new(header).unwrap();
        for (prompt_length, phases) in [(5, [Phase::Prefill; 5].as_slice()), (40, &[])] {
            builder.begin_sequence("", prompt_length).unwrap();
            for phase in phases.iter().chain(&[Phase::Decode; 2]) {
                builder.push(*phase, &[0]).unwrap();
            }
        }
        builder.finish().unwrap()
    }

    fn check(options: &PassOptions, expected: &[(u32, Phase, u64, u64, u64)]) {
        let found: Vec<_> = passes(&trace(), options)
            .iter()
            .map(|pass| (pass.sequence, pass.phase, pass.first_row, pass.rows, pass.context))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn prefill_in_chunks_then_decode_token_by_token() {
        use Phase::{Decode, Prefill};
        let all = PassOptions::default();
        let decode =
            [(0, Decode, 5, 1, 5), (0, Decode, 6, 1, 6), (1, Decode, 7, 1, 40), (1, Decode, 8, 1, 41)];
        check(&all, &[&[(0, Prefill, 0, 5, 0)], decode.as_slice()].concat());
        check(&PassOptions { prefill: false, ..all }, &decode);
        let chunked = PassOptions { prefill_chunk: 2, sequences: 1, decode_tokens: 1, ..all };
        check(
            &chunked,
            &[(0, Prefill, 0, 2, 0), (0, Prefill, 2, 2, 2), (0, Prefill, 4, 1, 4), (0, Decode, 5, 1, 5)],
        );
    }
}
