//! Room in the KV cache for what runs: taken from the least urgent, and only from requests that are in no pass.

use super::Preemption;
use super::batch::Batch;
use super::rank::Scheduler;

/// What came of asking for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It is there.
    Granted,
    /// Others have it that may not be preempted; the request keeps what it has and asks again at the next pass.
    Waits,
    /// The request itself was preempted, or had to end.
    Gone,
}

impl Scheduler {
    /// Makes room for `tokens` tokens of a running request that is in no pass.
    ///
    /// Requests are preempted from the least urgent on (the latest arrived, or of the lowest priority), until there is room
    /// or the request itself is the least urgent. Then a decoding one is preempted itself, as in vLLM, unless passes are
    /// under way whose requests it may be able to preempt later; and a prompt waits with what it has, since the decoding
    /// ones that it waits for either end or preempt it.
    pub(super) fn make_room(&mut self, number: u32, tokens: u32, batch: &mut Batch) -> Room {
        loop {
            let entry = self.entries.get_mut(number);
            if self.kv.grow(&mut entry.kv, tokens) {
                return Room::Granted;
            }
            if !self.kv.could_hold(entry.goal()) {
                self.leave(number);
                self.end_by_capacity(number, batch);
                return Room::Gone;
            }
            let decodes = entry.context >= entry.target;
            let victim = self.least_urgent();
            if victim != Some(number) {
                let Some(victim) = victim else { return Room::Waits };
                self.preempt(victim, batch);
            } else if decodes && self.passes == 0 {
                self.preempt(number, batch);
                return Room::Gone;
            } else {
                return Room::Waits;
            }
        }
    }

    /// The least urgent running request that is in no pass.
    fn least_urgent(&self) -> Option<u32> {
        let idle = |number: &&u32| !self.entries.get(**number).busy;
        let rank = |number: &u32| self.entries.get(*number).rank;
        let decoding = self.decoding.iter().rev().find(idle);
        let prefilling = self.prefilling.iter().filter(idle).max_by_key(|number| rank(number));
        decoding.into_iter().chain(prefilling).max_by_key(|number| rank(number)).copied()
    }

    /// Takes the KV cache of a running request that is in no pass.
    fn preempt(&mut self, number: u32, batch: &mut Batch) {
        self.leave(number);
        let entry = self.entries.get_mut(number);
        match self.config.preemption {
            Preemption::Recompute => {
                entry.computed = entry.computed.max(entry.context);
                entry.target = entry.prompt + entry.generated;
                entry.context = 0;
            }
            Preemption::Swap => {
                batch.swapped_out_bytes += self.kv.shape().bytes(entry.context).get();
                entry.swapped = true;
            }
        }
        self.kv.free(&mut entry.kv);
        batch.preempted.push(entry.id);
        self.waiting.push(number, entry);
    }

    /// Takes a request that is in no pass off the list of those that run.
    fn leave(&mut self, number: u32) {
        let entry = self.entries.get(number);
        if entry.context >= entry.target {
            let at = self.decoding_place(number);
            self.decoding.remove(at);
        } else {
            self.prefilling.retain(|other| *other != number);
        }
    }

    /// Ends a request, on no list any more, that the whole KV cache cannot hold.
    pub(super) fn end_by_capacity(&mut self, number: u32, batch: &mut Batch) {
        batch.ended_by_capacity.push(self.entries.get(number).id);
        self.forget(number);
    }
}
