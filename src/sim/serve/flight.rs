//! A pass under way: what each data-parallel rank put into it, and what that asks of the model.

use super::requests::Requests;
use crate::serving::scheduler::Batch;
use crate::serving::{SequenceGroup, Work};
use crate::trace::Phase;
use crate::units::{Bytes, SimTime};

/// A pass under way.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// By data-parallel rank.
    pub(super) batches: Vec<Batch>,
    /// By data-parallel rank.
    pub(super) works: Vec<Work>,
    /// The stage that has it, or that it waits for.
    pub(super) stage: u32,
    pub(super) began: SimTime,
    /// When its activations are at the stage.
    pub(super) is_there: SimTime,
    pub(super) is_under_way: bool,
}

impl Flight {
    pub(super) fn new(ranks: usize) -> Self {
        Self {
            batches: (0..ranks).map(|_| Batch::default()).collect(),
            works: vec![Work::default(); ranks],
            ..Self::default()
        }
    }

    /// Describes what each rank's batch asks of the model. `kv_bytes` are those in use on each rank, where the expert
    /// cache has the rest of the room.
    pub(super) fn describe(
        &mut self,
        requests: &mut Requests<'_>,
        kv_bytes: impl Fn(usize) -> Option<Bytes>,
    ) {
        for (rank, (batch, work)) in self.batches.iter().zip(&mut self.works).enumerate() {
            describe(batch, work, requests);
            work.kv_bytes = kv_bytes(rank);
        }
    }

    /// Requests in the pass.
    pub(super) fn requests(&self) -> u64 {
        self.batches.iter().map(|batch| batch.slots.len() as u64).sum()
    }

    /// Tokens of prompts in the pass.
    pub(super) fn prefill_tokens(&self) -> u64 {
        self.batches.iter().map(|batch| batch.prefill_tokens).sum()
    }

    /// Requests that made room for it.
    pub(super) fn preempted(&self) -> u64 {
        self.batches.iter().map(|batch| batch.preempted.len() as u64).sum()
    }

    /// Tokens in the pass.
    pub(super) fn tokens(&self) -> u64 {
        self.batches.iter().map(Batch::tokens).sum()
    }
}

fn describe(batch: &Batch, work: &mut Work, requests: &mut Requests<'_>) {
    work.clear();
    work.rows = batch.tokens();
    work.phase = if batch.prefill_tokens > 0 { Phase::Prefill } else { Phase::Decode };
    for slot in &batch.slots {
        let (tokens, context) = (u64::from(slot.tokens), u64::from(slot.context));
        match work.groups.last_mut() {
            Some(last) if last.tokens == tokens && last.context == context => last.sequences += 1,
            _ => work.groups.push(SequenceGroup { sequences: 1, tokens, context }),
        }
        work.sampled += u64::from(slot.emits);
        requests.rows(slot.request, (slot.context, slot.tokens), &mut work.runs);
        // A request whose last token this pass gives has no further one; all others go on in the next: with a token, or
        // with as much of their prompt again.
        let generated = requests.progress(slot.request).generated;
        let after = slot.context + slot.tokens;
        let next = match slot.emits {
            true => u32::from(!requests.is_last(slot.request, generated + 1)),
            false => slot
                .tokens
                .min((requests.request(slot.request).prompt_tokens + generated).saturating_sub(after)),
        };
        if next > 0 {
            requests.rows(slot.request, (after, next), &mut work.next_runs);
        }
    }
}
