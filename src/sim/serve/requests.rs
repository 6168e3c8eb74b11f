//! The requests of a run, with what only the simulation knows: how long each answer is and which rows route it.

use crate::plan::ServingPlan;
use crate::serving::{Request, RequestId};
use crate::trace::RowRun;
use crate::units::{SimDuration, SimTime};

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
    /// Output tokens so far.
    pub(super) generated: u32,
    pub(super) replica: u16,
    pub(super) rank: u16,
    pub(super) arrival: SimTime,
    /// When its first pass began; `None` before.
    pub(super) begun: Option<SimTime>,
    pub(super) first_token: SimTime,
    pub(super) last_token: SimTime,
    /// Time of all compactions of its replica until then.
    pub(super) paused: SimDuration,
}

/// All requests.
pub(super) struct Requests<'a> {
    plan: &'a ServingPlan,
    progress: Vec<Progress>,
    runs: Vec<(u64, u32)>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(plan: &'a ServingPlan) -> Self {
        let expected = Progress {
            stage: Stage::Expected,
            generated: 0,
            replica: 0,
            rank: 0,
            arrival: SimTime::ZERO,
            begun: None,
            first_token: SimTime::ZERO,
            last_token: SimTime::ZERO,
            paused: SimDuration::ZERO,
        };
        let progress = vec![expected; plan.requests.requests.len()];
        Self { plan, progress, runs: Vec::new() }
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

    /// Appends the rows that route `tokens` tokens of a request from token `from` on; none where routing is by shares.
    pub(super) fn rows(&mut self, id: RequestId, (from, tokens): (u32, u32), out: &mut Vec<RowRun>) {
        let Some(route) = self.plan.routes.get(id.index()) else { return };
        self.runs.clear();
        route.rows_of(from, tokens, &mut self.runs);
        out.extend(
            self.runs
                .iter()
                .map(|(first_row, rows)| RowRun { first_row: *first_row, rows: u64::from(*rows) }),
        );
    }
}
