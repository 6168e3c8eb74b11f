//! The requests of a run, with what only the simulation knows: how long each answer is and which rows route it.

use crate::plan::ServingPlan;
use crate::serving::{Request, RequestId};
use crate::trace::{RowRun, SequenceMeta, Trace, rows_of};
use crate::units::SimTime;

/// Where a request has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not come yet.
    Expected,
    /// It waits or runs.
    Here,
    /// It got its last token.
    Finished,
    /// It was turned away.
    Rejected,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) stage: Stage,
    /// The sequence of the trace that routes it.
    sequence: u32,
    /// Where in the continuation it reads on.
    pool_offset: u32,
    /// Output tokens so far.
    pub(super) generated: u32,
    pub(super) replica: u16,
    pub(super) rank: u16,
    pub(super) arrival: SimTime,
    /// When its first pass began; `None` before.
    pub(super) begun: Option<SimTime>,
    pub(super) first_token: SimTime,
    pub(super) last_token: SimTime,
}

/// All requests.
pub(super) struct Requests<'a> {
    plan: &'a ServingPlan,
    sequences: &'a [SequenceMeta],
    progress: Vec<Progress>,
    runs: Vec<(u64, u32)>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(plan: &'a ServingPlan, trace: &'a Trace) -> Self {
        let begin = |index: usize| {
            let route = plan.routes.get(index).copied().unwrap_or_default();
            Progress {
                stage: Stage::Expected,
                sequence: route.sequence,
                pool_offset: route.pool_offset,
                generated: 0,
                replica: 0,
                rank: 0,
                arrival: SimTime::ZERO,
                begun: None,
                first_token: SimTime::ZERO,
                last_token: SimTime::ZERO,
            }
        };
        let progress = (0..plan.requests.requests.len()).map(begin).collect();
        Self { plan, sequences: trace.sequences(), progress, runs: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.progress.len()
    }

    pub(super) fn request(&self, id: RequestId) -> &Request {
        &self.plan.requests.requests[id.index()]
    }

    pub(super) fn progress(&self, id: RequestId) -> &Progress {
        &self.progress[id.index()]
    }

    pub(super) fn progress_mut(&mut self, id: RequestId) -> &mut Progress {
        &mut self.progress[id.index()]
    }

    pub(super) fn all(&self) -> &[Progress] {
        &self.progress
    }

    /// Whether so many output tokens are all of a request's.
    pub(super) fn is_last(&self, id: RequestId, generated: u32) -> bool {
        generated >= self.request(id).output_tokens
    }

    /// Appends the rows that route `tokens` tokens of a request from token `from` on.
    pub(super) fn rows(&mut self, id: RequestId, (from, tokens): (u32, u32), out: &mut Vec<RowRun>) {
        let Some(pool) = self.plan.pool else { return };
        let progress = &self.progress[id.index()];
        let prompt = self.plan.requests.requests[id.index()].prompt_tokens;
        let sequence = &self.sequences[progress.sequence as usize];
        self.runs.clear();
        let place = (pool.first_row, pool.tokens, u64::from(progress.pool_offset));
        rows_of(sequence, place, prompt, (from, tokens), &mut self.runs);
        out.extend(self.runs.iter().map(|(first_row, rows)| RowRun { first_row: *first_row, rows: u64::from(*rows) }));
    }
}
