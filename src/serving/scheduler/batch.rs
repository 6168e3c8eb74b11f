//! One pass as the scheduler hands it out.

use crate::serving::RequestId;

/// The part of a pass that belongs to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Whose.
    pub request: RequestId,
    /// Where the scheduler keeps it.
    pub(super) entry: u32,
    /// Tokens that go through the model.
    pub tokens: u32,
    /// Tokens in the KV cache before the pass, found prefixes included.
    pub context: u32,
    /// These are tokens of the prompt, or of prompt and output computed again; else the latest output token.
    pub is_prefill: bool,
    /// The pass yields an output token for the request.
    pub emits: bool,
}

/// A pass, and what had to happen before it. Reused from pass to pass, so that nothing is allocated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its requests, each once: decodes first where they come first.
    pub slots: Vec<Slot>,
    /// Tokens of prefill slots.
    pub prefill_tokens: u64,
    /// Tokens of decode slots, which are as many.
    pub decode_tokens: u64,
    /// Of the prefill tokens, those that had been in the KV cache before a preemption.
    pub recomputed_tokens: u64,
    /// Prompt tokens found in the KV cache by their prefix and not computed. What a request had before a preemption and finds
    /// again is not counted.
    pub prefix_hit_tokens: u64,
    /// KV cache that goes to host memory before the pass (device to host).
    pub swapped_out_bytes: u64,
    /// KV cache that comes back before the pass (host to device).
    pub swapped_in_bytes: u64,
    /// Requests that begin to run, for the first time. Not all need be in this pass.
    pub admitted: Vec<RequestId>,
    /// Requests that run again after a preemption. Not all need be in this pass.
    pub resumed: Vec<RequestId>,
    /// Requests that lost their KV cache and wait again.
    pub preempted: Vec<RequestId>,
    /// Requests that end without another token, because the KV cache as a whole is too small for the next. They had at most
    /// the tokens emitted so far, and hold nothing any more.
    pub ended_by_capacity: Vec<RequestId>,
}

impl Batch {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.admitted.clear();
        self.resumed.clear();
        self.preempted.clear();
        self.ended_by_capacity.clear();
        (self.prefill_tokens, self.decode_tokens) = (0, 0);
        (self.recomputed_tokens, self.prefix_hit_tokens) = (0, 0);
        (self.swapped_out_bytes, self.swapped_in_bytes) = (0, 0);
    }

    /// Tokens of all slots.
    pub fn tokens(&self) -> u64 {
        self.prefill_tokens + self.decode_tokens
    }

    /// Requests that stopped running before the pass.
    pub(super) fn dropped(&self) -> usize {
        self.preempted.len() + self.ended_by_capacity.len()
    }
}
