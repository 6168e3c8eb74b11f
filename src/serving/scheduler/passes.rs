//! What goes into a pass, part by part.

use super::PassOrder;
use super::batch::{Batch, Slot};
use super::preempt::Room;
use super::rank::Scheduler;

impl Scheduler {
    pub(super) fn continuous_pass(&mut self, batch: &mut Batch) {
        let mut budget = self.config.token_budget;
        match self.config.order {
            PassOrder::DecodeFirst => {
                self.decode(batch, &mut budget);
                self.prefill(batch, &mut budget);
                self.admit(batch, &mut budget);
            }
            PassOrder::PrefillFirst => {
                self.prefill(batch, &mut budget);
                self.admit(batch, &mut budget);
                if batch.slots.is_empty() {
                    self.decode(batch, &mut budget);
                }
            }
        }
    }

    pub(super) fn static_pass(&mut self, batch: &mut Batch) {
        let mut budget = self.config.token_budget;
        if self.running() == 0 && self.passes == 0 {
            self.form(batch);
        }
        if self.prefilling.is_empty() {
            self.decode(batch, &mut budget);
        } else {
            self.prefill(batch, &mut budget);
        }
    }

    /// One token for each decoding request that is not in a pass, most urgent first.
    fn decode(&mut self, batch: &mut Batch, budget: &mut u32) {
        let mut at = 0;
        while at < self.decoding.len() && *budget > 0 {
            let number = self.decoding[at];
            let entry = self.entries.get_mut(number);
            if entry.busy {
                at += 1;
                continue;
            }
            if entry.context >= entry.kv.room_tokens() {
                match self.make_room(number, self.entries.get(number).context + 1, batch) {
                    Room::Granted => {}
                    Room::Waits => {
                        at += 1;
                        continue;
                    }
                    // Another stands in its place now.
                    Room::Gone => continue,
                }
            }
            self.decode_one(number, batch);
            *budget -= 1;
            at += 1;
        }
    }

    /// Puts the next token of a request into the pass, for which there is room.
    #[inline]
    pub(super) fn decode_one(&mut self, number: u32, batch: &mut Batch) {
        let entry = self.entries.get_mut(number);
        let (request, context) = (entry.id, entry.context);
        batch.slots.push(Slot { request, entry: number, tokens: 1, context, is_prefill: false, emits: true });
        batch.decode_tokens += 1;
        entry.context += 1;
        entry.busy = true;
    }

    /// The next part of each prompt that is under way.
    fn prefill(&mut self, batch: &mut Batch, budget: &mut u32) {
        let mut at = 0;
        while at < self.prefilling.len() && *budget > 0 {
            let number = self.prefilling[at];
            let entry = self.entries.get(number);
            let tokens = self.chunk(entry.target - entry.context, *budget);
            let context = entry.context + tokens;
            if entry.busy || tokens == 0 {
                at += 1;
                continue;
            }
            if self.make_room(number, context, batch) == Room::Granted {
                self.prefill_some(number, tokens, batch);
                *budget = budget.saturating_sub(tokens);
            }
            // Others before it may have been preempted, or it may be gone itself.
            at = self.prefilling.iter().position(|other| *other == number).map_or(at, |place| place + 1);
        }
    }

    /// How many of `wanted` prompt tokens go into a pass that has room for `budget` more.
    pub(super) fn chunk(&self, wanted: u32, budget: u32) -> u32 {
        let whole = wanted <= budget || budget == self.config.token_budget;
        match self.config.chunked_prefill {
            true => wanted.min(budget),
            false if whole => wanted,
            false => 0,
        }
    }

    /// Puts the next tokens of a prompt into the pass, for which there is room, and offers its whole blocks to others.
    pub(super) fn prefill_some(&mut self, number: u32, tokens: u32, batch: &mut Batch) {
        let (entry, hashes) = self.entries.with_hashes(number);
        let (request, context) = (entry.id, entry.context);
        let after = context + tokens;
        let emits = after == entry.target;
        batch.slots.push(Slot { request, entry: number, tokens, context, is_prefill: true, emits });
        batch.prefill_tokens += u64::from(tokens);
        batch.recomputed_tokens += u64::from(entry.computed.clamp(context, after) - context);
        entry.computed = entry.computed.max(after);
        entry.context = after;
        entry.busy = true;
        self.kv.share(&mut entry.kv, hashes, after.min(entry.prompt));
    }
}
