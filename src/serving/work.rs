//! What one pass has to do: rows of the trace that route it, and the sequences whose tokens they are.

use crate::trace::{Pass, Phase, RowRun, RowRuns};
use crate::units::Bytes;

/// Sequences of a pass that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceGroup {
    /// How many.
    pub sequences: u32,
    /// Tokens of each in the pass.
    pub tokens: u64,
    /// Tokens in the KV cache of each before the pass.
    pub context: u64,
}

/// One forward of the model over parts of sequences. Its buffers are reused from pass to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Prompt where any of its tokens are, else output.
    pub phase: Phase,
    /// Tokens, and so rows of routing.
    pub rows: u64,
    /// Which rows of the trace route them.
    pub runs: Vec<RowRun>,
    /// The sequences of this rank.
    pub groups: Vec<SequenceGroup>,
    /// Tokens of this rank whose logits are wanted.
    pub sampled: u64,
    /// Whose it is: position of the sequence in the trace, or zero under a load of requests.
    pub sequence: u32,
    /// Bytes of the KV cache beside which the expert cache has the rest of the room that they share; `None` where the
    /// contexts of the pass tell.
    pub kv_bytes: Option<Bytes>,
    /// Rows that the next pass is known to hold, where there will be one; empty where there will not.
    pub next_runs: Vec<RowRun>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            phase: Phase::Decode,
            rows: 0,
            runs: Vec::new(),
            groups: Vec::new(),
            sampled: 0,
            sequence: 0,
            kv_bytes: None,
            next_runs: Vec::new(),
        }
    }
}

impl Work {
    /// Nothing, buffers kept.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.groups.clear();
        self.next_runs.clear();
        (self.phase, self.rows, self.sampled, self.kv_bytes) = (Phase::Decode, 0, 0, None);
    }

    /// Becomes a pass of a list, which `next` follows if it is of the same sequence.
    pub fn set(&mut self, pass: &Pass, next: Option<&Pass>) {
        self.clear();
        let sequences = u64::from(pass.sequences.max(1));
        self.phase = pass.phase;
        self.rows = pass.rows;
        self.runs.push(RowRun { first_row: pass.first_row, rows: pass.rows });
        self.groups.push(SequenceGroup {
            sequences: pass.sequences.max(1),
            tokens: pass.rows.div_ceil(sequences),
            context: pass.context,
        });
        self.sampled = u64::from(pass.sequences);
        self.sequence = pass.sequence;
        if let Some(next) = next.filter(|next| next.sequence == pass.sequence) {
            self.next_runs.push(RowRun { first_row: next.first_row, rows: next.rows });
        }
    }

    /// The most tokens in the KV cache of one of its sequences, before the pass.
    pub fn context(&self) -> u64 {
        self.groups.iter().map(|group| group.context).max().unwrap_or(0)
    }

    /// Sequences of this rank.
    pub fn sequences(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.sequences)).sum()
    }

    /// Tokens of this rank's sequences.
    pub fn own_rows(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.sequences) * group.tokens).sum()
    }
}

impl RowRuns for Work {
    fn each_run(&self, mut tell: impl FnMut(RowRun)) {
        self.runs.iter().for_each(|run| tell(*run));
    }
}

/// Rows that come next.
#[derive(Clone, Copy, Debug)]
pub struct NextRuns<'a>(pub &'a Work);

impl RowRuns for NextRuns<'_> {
    fn each_run(&self, mut tell: impl FnMut(RowRun)) {
        self.0.next_runs.iter().for_each(|run| tell(*run));
    }
}
