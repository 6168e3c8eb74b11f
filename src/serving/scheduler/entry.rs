//! What a scheduler keeps of each request that waits or runs.

use crate::serving::kv::KvSequence;
use crate::serving::{RequestId, RequestView};

/// A request; one cache line, since a decode pass reads all that run.
#[derive(Debug)]
pub(super) struct Entry {
    /// Urgency: the greater, the sooner it is preempted. Unique.
    pub rank: u64,
    pub kv: KvSequence,
    pub id: RequestId,
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Tokens to be in the KV cache before it decodes: the prompt, and after a preemption its output.
    pub target: u32,
    /// Tokens in the KV cache when all passes under way are done; of a swapped request, in host memory.
    pub context: u32,
    /// Output tokens so far.
    pub generated: u32,
    /// Tokens that were in the KV cache at some time before a preemption, or are found there by prefix.
    pub computed: u32,
    /// In a pass that is not done.
    pub busy: bool,
    /// Its KV cache is in host memory.
    pub swapped: bool,
    /// It has been admitted before.
    pub begun: bool,
}

impl Entry {
    /// Tokens in the KV cache after the next step at which it may decode: what it needs to make progress alone.
    pub(super) fn goal(&self) -> u32 {
        self.target.max(self.context + 1)
    }
}

/// Requests under numbers that are used again, with their prompts' hashes beside them.
#[derive(Debug, Default)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    hashes: Vec<Vec<u64>>,
    vacant: Vec<u32>,
}

impl Entries {
    pub(super) fn add(&mut self, view: &RequestView, rank: u64, hashes: &[u64]) -> u32 {
        let prompt = view.prompt_tokens.max(1);
        let entry = Entry {
            rank,
            kv: KvSequence::default(),
            id: view.id,
            prompt,
            target: prompt,
            context: 0,
            generated: 0,
            computed: 0,
            busy: false,
            swapped: false,
            begun: false,
        };
        let number = if let Some(number) = self.vacant.pop() {
            self.entries[number as usize] = entry;
            number
        } else {
            self.entries.push(entry);
            self.hashes.push(Vec::new());
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        };
        let kept = &mut self.hashes[number as usize];
        kept.clear();
        kept.extend_from_slice(hashes);
        number
    }

    /// Its number may be used again.
    pub(super) fn remove(&mut self, number: u32) {
        self.vacant.push(number);
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> &Entry {
        &self.entries[number as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> &mut Entry {
        &mut self.entries[number as usize]
    }

    /// A request and the hashes of its prompt.
    pub(super) fn with_hashes(&mut self, number: u32) -> (&mut Entry, &[u64]) {
        (&mut self.entries[number as usize], &self.hashes[number as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_cache_line() {
        assert_eq!(size_of::<Entry>(), 64);
    }
}
