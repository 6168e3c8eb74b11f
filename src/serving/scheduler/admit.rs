//! From the queue into the running requests.
//!
//! The first of the queue is admitted if there is room for its first chunk, or for its whole prompt where prompts are not
//! cut; else nobody is, so that nobody is overtaken.

use super::PassOrder;
use super::batch::Batch;
use super::rank::{Blocked, Scheduler};

impl Scheduler {
    /// Admits requests and puts their first tokens into the pass. Where a pass had to preempt, it admits nobody.
    pub(super) fn admit(&mut self, batch: &mut Batch, budget: &mut u32) {
        while *budget > 0
            && self.running() < self.config.max_batch as usize
            && (batch.preempted.is_empty() || batch.slots.is_empty())
            && let Some(number) = self.waiting.first()
            && (self.ends_waiting(number, batch) || self.admit_first(number, batch, budget))
        {}
    }

    fn admit_first(&mut self, number: u32, batch: &mut Batch, budget: &mut u32) -> bool {
        let revision = self.kv.revision();
        let still = |blocked: Blocked| {
            blocked.number == number && blocked.revision == revision && blocked.budget <= *budget
        };
        if self.blocked.is_some_and(still) {
            return false;
        }
        let context = self.attach(number);
        let target = self.entries.get(number).target;
        let tokens = if context >= target { 1 } else { self.chunk(target - context, *budget) };
        let fits = self.kv.grow(&mut self.entries.get_mut(number).kv, context + tokens);
        if tokens == 0 || !fits {
            self.kv.free(&mut self.entries.get_mut(number).kv);
            // A smaller chunk could fit, a larger one cannot.
            let revision = self.kv.revision();
            self.blocked = (!fits).then_some(Blocked { number, revision, budget: *budget });
            return false;
        }
        self.begin(number, context, batch);
        if context < target {
            self.prefill_some(number, tokens, batch);
            *budget = budget.saturating_sub(tokens);
        } else if self.config.order == PassOrder::DecodeFirst {
            self.decode_one(number, batch);
            *budget -= 1;
        }
        true
    }

    /// Forms a static batch: as many as may and fit with their whole prompts.
    pub(super) fn form(&mut self, batch: &mut Batch) {
        while self.running() < self.config.max_batch as usize
            && let Some(number) = self.waiting.first()
        {
            if self.ends_waiting(number, batch) {
                continue;
            }
            let context = self.attach(number);
            let entry = self.entries.get_mut(number);
            let tokens = entry.target.max(context + 1);
            if !self.kv.grow(&mut entry.kv, tokens) {
                self.kv.free(&mut entry.kv);
                break;
            }
            self.begin(number, context, batch);
        }
    }

    /// Lets a request hold what the KV cache has of its prompt; returns the tokens that it need not compute. At least one
    /// token of a prompt is computed, since its output is wanted.
    fn attach(&mut self, number: u32) -> u32 {
        let (entry, hashes) = self.entries.with_hashes(number);
        if entry.swapped {
            self.kv.attach(&mut entry.kv, hashes, entry.prompt.min(entry.context));
            entry.context
        } else {
            self.kv.attach(&mut entry.kv, hashes, entry.prompt).min(entry.target - 1)
        }
    }

    /// The first of the queue runs, with `context` tokens in the KV cache.
    fn begin(&mut self, number: u32, context: u32, batch: &mut Batch) {
        self.waiting.take_first();
        let entry = self.entries.get_mut(number);
        if entry.swapped {
            let (whole, shared) = (self.kv.shape().bytes(context), self.kv.shared_bytes(&entry.kv));
            batch.swapped_in_bytes += whole.saturating_sub(shared).get();
            entry.swapped = false;
        } else {
            batch.prefix_hit_tokens += u64::from(context.saturating_sub(entry.computed));
            entry.computed = entry.computed.max(context);
            entry.context = context;
        }
        if std::mem::replace(&mut entry.begun, true) {
            batch.resumed.push(entry.id);
        } else {
            batch.admitted.push(entry.id);
        }
        if context < entry.target {
            self.prefilling.push(number);
        } else {
            let at = self.decoding_place(number);
            self.decoding.insert(at, number);
        }
    }

    /// Ends the first of the queue if the whole KV cache cannot hold it any more; says whether it did.
    fn ends_waiting(&mut self, number: u32, batch: &mut Batch) -> bool {
        let ends = !self.kv.could_hold(self.entries.get(number).goal());
        if ends {
            self.waiting.take_first();
            self.end_by_capacity(number, batch);
        }
        ends
    }
}
