//! A priority queue with a total order: the smallest `(time, rank, sequence number)` comes out first.
//!
//! The three parts are packed into one 128-bit key, so that a comparison is one instruction pair: 64 bits of time, 8 of
//! rank, 56 of sequence number (2^56 events are years of simulation on any machine).

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::Rank;
use crate::units::SimTime;

#[derive(Clone, Copy, Debug)]
struct Entry<E> {
    key: u128,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

/// Events that have not happened yet.
#[derive(Debug)]
pub(super) struct Queue<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    scheduled: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), scheduled: 0 }
    }
}

impl<E: Copy> Queue<E> {
    pub(super) fn push(&mut self, time: SimTime, rank: Rank, event: E) {
        debug_assert!(self.scheduled < 1 << 56);
        let key = u128::from(time.as_ns()) << 64 | (rank as u128) << 56 | u128::from(self.scheduled);
        self.scheduled += 1;
        self.heap.push(Reverse(Entry { key, event }));
    }

    pub(super) fn pop(&mut self) -> Option<(SimTime, E)> {
        let Reverse(entry) = self.heap.pop()?;
        let ns = u64::try_from(entry.key >> 64).unwrap_or(u64::MAX);
        Some((SimTime::from_ns(ns), entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RANKS: [Rank; 3] = [Rank::TransferDone, Rank::ComputeDone, Rank::Dispatch];

    proptest! {
        /// Whatever goes in comes out once, in the order of a stable sort by (time, rank).
        #[test]
        fn is_a_stable_sort(times in prop::collection::vec((0_u64..20, 0_usize..3), 0..200)) {
            let mut queue = Queue::default();
            for (index, (time, rank)) in times.iter().enumerate() {
                queue.push(SimTime::from_ns(*time), RANKS[*rank], index);
            }
            let mut expected: Vec<usize> = (0..times.len()).collect();
            expected.sort_by_key(|index| times[*index]);
            let found: Vec<usize> = std::iter::from_fn(|| queue.pop().map(|(_, index)| index)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
