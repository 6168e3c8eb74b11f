//! The scheduler of one rank: its state, and what it is told.

use super::batch::{Batch, Slot};
use super::entry::Entries;
use super::waiting::Waiting;
use super::{Batching, SchedulerConfig, SchedulingPolicy};
use crate::error::Result;
use crate::serving::kv::KvCache;
use crate::serving::{RequestId, RequestView};
use crate::units::Bytes;

/// Bits of a rank below the priority: arrivals in a run.
const ARRIVAL_BITS: u32 = 56;
/// Longer prompts are refused, so that a context never comes near the end of its type.
const PROMPT_MAX: u32 = 1 << 31;

/// What became of a request that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It waits.
    Queued,
    /// It is turned away.
    Rejected(Rejection),
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// As many wait as may.
    QueueFull,
    /// Its prompt and one token are more than the whole KV cache holds, at its capacity of that time.
    TooLong,
}

/// A request that could not be admitted, and in which circumstances: it cannot be in the same or worse ones either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocked {
    pub number: u32,
    pub revision: u64,
    pub budget: u32,
}

/// The batch scheduler of one data-parallel rank.
#[derive(Debug)]
pub struct Scheduler {
    pub(super) config: SchedulerConfig,
    pub(super) kv: KvCache,
    pub(super) entries: Entries,
    pub(super) waiting: Waiting,
    /// Requests whose prompt is in the KV cache, by ascending rank.
    pub(super) decoding: Vec<u32>,
    /// Requests whose prompt is not all there, in order of admission.
    pub(super) prefilling: Vec<u32>,
    /// Passes handed out and not done.
    pub(super) passes: u32,
    pub(super) blocked: Option<Blocked>,
    arrivals: u64,
}

impl Scheduler {
    /// An idle scheduler over this KV cache.
    ///
    /// # Errors
    ///
    /// Those of [`SchedulerConfig::check`].
    pub fn new(config: SchedulerConfig, kv: KvCache) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config,
            kv,
            entries: Entries::default(),
            waiting: Waiting::new(config.policy),
            decoding: Vec::new(),
            prefilling: Vec::new(),
            passes: 0,
            blocked: None,
            arrivals: 0,
        })
    }

    /// A request arrives. `hashes` are those of its prompt's blocks, empty where none are known.
    pub fn arrive(&mut self, view: RequestView, hashes: &[u64]) -> Arrival {
        let prompt = view.prompt_tokens;
        if prompt >= PROMPT_MAX || !self.kv.could_hold(prompt.max(1) + 1) {
            return Arrival::Rejected(Rejection::TooLong);
        }
        if self.config.max_queue.is_some_and(|most| self.waiting.len() >= most as usize) {
            return Arrival::Rejected(Rejection::QueueFull);
        }
        let urgency = match self.config.policy {
            SchedulingPolicy::Priority => u64::from(view.priority),
            SchedulingPolicy::Fcfs | SchedulingPolicy::ShortestPrefillFirst => 0,
        };
        let number = self.entries.add(&view, urgency << ARRIVAL_BITS | self.arrivals, hashes);
        self.arrivals += 1;
        self.waiting.push(number, self.entries.get(number));
        Arrival::Queued
    }

    /// Fills the next pass; `false` if there is nothing that could be in one. Requests of passes that are not done are left
    /// alone. Read the lists of the batch in either case: requests may have been preempted or ended.
    pub fn next_pass(&mut self, batch: &mut Batch) -> bool {
        batch.clear();
        loop {
            let dropped = batch.dropped();
            match self.config.batching {
                Batching::Continuous => self.continuous_pass(batch),
                Batching::Static => self.static_pass(batch),
            }
            // Where nothing runs although somebody just made room, others may run now.
            if !batch.slots.is_empty() || batch.dropped() == dropped {
                break;
            }
        }
        let any = !batch.slots.is_empty();
        self.passes += u32::from(any);
        any
    }

    /// A pass is done. `ended` is asked once for each request that got an output token whether it was its last one; if so,
    /// its KV cache is freed.
    pub fn pass_done(&mut self, batch: &Batch, mut ended: impl FnMut(RequestId) -> bool) {
        self.passes = self.passes.saturating_sub(1);
        for slot in &batch.slots {
            let entry = self.entries.get_mut(slot.entry);
            entry.busy = false;
            if !slot.emits {
                continue;
            }
            entry.generated += 1;
            let last = ended(slot.request);
            if slot.is_prefill {
                self.prefill_ends(slot, last);
            } else if last {
                let at = self.decoding_place(slot.entry);
                self.decoding.remove(at);
            }
            if last {
                self.forget(slot.entry);
            }
        }
    }

    fn prefill_ends(&mut self, slot: &Slot, last: bool) {
        self.prefilling.retain(|number| *number != slot.entry);
        if !last {
            let at = self.decoding_place(slot.entry);
            self.decoding.insert(at, slot.entry);
        }
    }

    /// Where a request stands among the decoding, or belongs.
    pub(super) fn decoding_place(&self, number: u32) -> usize {
        let rank = self.entries.get(number).rank;
        self.decoding.partition_point(|other| self.entries.get(*other).rank < rank)
    }

    /// Frees what a request holds, and its number.
    pub(super) fn forget(&mut self, number: u32) {
        self.kv.free(&mut self.entries.get_mut(number).kv);
        self.entries.remove(number);
    }

    /// The KV cache.
    pub fn kv(&self) -> &KvCache {
        &self.kv
    }

    /// Gives the KV cache more room or less: see [`KvCache::set_capacity`].
    pub fn set_kv_capacity(&mut self, capacity: Bytes) {
        self.kv.set_capacity(capacity);
    }

    /// Requests that run: admitted and neither ended nor preempted.
    pub fn running(&self) -> usize {
        self.decoding.len() + self.prefilling.len()
    }

    /// Requests that wait, preempted ones included.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Passes handed out and not done.
    pub fn passes_under_way(&self) -> u32 {
        self.passes
    }

    /// Whether any request waits or runs.
    pub fn has_work(&self) -> bool {
        self.running() + self.waiting() > 0
    }
}
