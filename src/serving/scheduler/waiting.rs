//! The queue, in the order of the policy.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::SchedulingPolicy;
use super::entry::Entry;

/// First by length where that counts, then by rank; the last is the request's number.
type Place = Reverse<(u32, u64, u32)>;

/// Waiting requests.
#[derive(Debug)]
pub(super) struct Waiting {
    policy: SchedulingPolicy,
    heap: BinaryHeap<Place>,
}

impl Waiting {
    pub(super) fn new(policy: SchedulingPolicy) -> Self {
        Self { policy, heap: BinaryHeap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Those that ran before keep their rank, which puts them in front of all that came later.
    pub(super) fn push(&mut self, number: u32, entry: &Entry) {
        let length = match self.policy {
            SchedulingPolicy::ShortestPrefillFirst if !entry.begun => entry.target,
            _ => 0,
        };
        self.heap.push(Reverse((length, entry.rank, number)));
    }

    pub(super) fn first(&self) -> Option<u32> {
        self.heap.peek().map(|Reverse((_, _, number))| *number)
    }

    pub(super) fn take_first(&mut self) {
        self.heap.pop();
    }
}
