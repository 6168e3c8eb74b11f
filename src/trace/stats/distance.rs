//! Reuse distances: how many other experts were used since an expert's last use.
//!
//! Uses are counted as caches see them: one layer event asks once for each unique expert. A decode token makes one
//! event per layer; a sequence's prefill makes one event per layer over the whole prompt. The distance of a use is
//! the number of distinct objects (layer, expert) whose latest selection lies between this object's previous
//! selection and the start of the event. An LRU cache of `C` slots that evicts after the event therefore hits exactly
//! the uses whose distance is below `C`, wherever `C` holds at least the largest event. First uses have no distance
//! and are counted apart.

use serde::Serialize;

use crate::trace::Trace;

use super::recency::RecencyOrder;
use super::walk::{Slots, index};

/// Percentiles of reuse distances by the nearest-rank rule, in objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReuseDistances {
    /// Uses of an object that was used before.
    pub reuses: u64,
    /// First uses.
    pub cold: u64,
    /// 10th percentile; all are zero without reuses.
    pub p10: u64,
    /// 25th percentile.
    pub p25: u64,
    /// Median.
    pub p50: u64,
    /// 75th percentile.
    pub p75: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
}

/// Reuse distances of a stream of events over a fixed set of objects.
pub struct DistanceCounter {
    order: RecencyOrder,
    cold: u64,
    /// Reuses by distance.
    histogram: Vec<u64>,
}

impl DistanceCounter {
    /// For objects `0 .. objects`.
    pub fn new(objects: usize) -> Self {
        Self { order: RecencyOrder::new(objects), cold: 0, histogram: vec![0; objects] }
    }

    /// One event: its unique objects, in the order of their latest selection. An object that stands twice counts as
    /// used twice.
    pub fn event(&mut self, objects: &[usize]) {
        for object in objects {
            match self.order.above(*object) {
                None => self.cold += 1,
                // A distance is a number of objects.
                Some(distance) => self.histogram[usize::try_from(distance).unwrap_or(usize::MAX)] += 1,
            }
        }
        objects.iter().for_each(|object| self.order.touch(*object, 1));
    }

    /// Uses so far that had a distance of `slots` or more, or none: the misses of an LRU cache with that many slots.
    pub fn misses(&self, slots: usize) -> u64 {
        self.cold + self.histogram.iter().skip(slots).sum::<u64>()
    }

    /// The percentiles so far.
    pub fn distances(&self) -> ReuseDistances {
        let reuses: u64 = self.histogram.iter().sum();
        let percentile = |percent: u64| {
            let rank = (reuses * percent).div_ceil(100).max(1);
            let below = self.histogram.iter().scan(0, |sum, count| {
                *sum += count;
                Some(*sum)
            });
            if reuses == 0 { 0 } else { below.take_while(|sum| *sum < rank).count() as u64 }
        };
        ReuseDistances {
            reuses,
            cold: self.cold,
            p10: percentile(10),
            p25: percentile(25),
            p50: percentile(50),
            p75: percentile(75),
            p90: percentile(90),
            p99: percentile(99),
        }
    }
}

/// Within each layer's own stream, and over the global stream in replay order.
pub(super) fn reuse_distances(trace: &Trace) -> (Vec<ReuseDistances>, ReuseDistances) {
    let header = trace.header();
    let (layers, experts) = (header.layers(), header.experts as usize);
    let slots = Slots::of(trace);
    let mut global = DistanceCounter::new(layers * experts);
    let mut by_layer: Vec<DistanceCounter> = (0..layers).map(|_| DistanceCounter::new(experts)).collect();
    let mut unique = Unique { event: 0, seen: vec![0; experts], experts: Vec::new(), objects: Vec::new() };
    for sequence in trace.sequences() {
        let first = index(sequence.first_token);
        let decode = index(sequence.first_token + sequence.prefill_tokens);
        let end = index(sequence.first_token + sequence.tokens);
        let prefill = (first < decode).then_some(first..decode);
        for rows in prefill.into_iter().chain((decode..end).map(|row| row..row + 1)) {
            for (layer, own) in by_layer.iter_mut().enumerate() {
                unique.collect(rows.clone().rev().flat_map(|row| slots.row(row, layer).rev()), layer);
                own.event(&unique.experts);
                global.event(&unique.objects);
            }
        }
    }
    (by_layer.iter().map(DistanceCounter::distances).collect(), global.distances())
}

/// The unique experts of one event.
struct Unique {
    event: u64,
    seen: Vec<u64>,
    experts: Vec<usize>,
    objects: Vec<usize>,
}

impl Unique {
    /// From the event's selections, last one first; leaves the experts in the order of their latest selection.
    fn collect(&mut self, backwards: impl Iterator<Item = u16>, layer: usize) {
        self.event += 1;
        self.experts.clear();
        for expert in backwards.map(usize::from) {
            if std::mem::replace(&mut self.seen[expert], self.event) != self.event {
                self.experts.push(expert);
            }
        }
        self.experts.reverse();
        let first = layer * self.seen.len();
        self.objects.clear();
        self.objects.extend(self.experts.iter().map(|expert| first + expert));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(objects: usize, stream: &[usize]) -> DistanceCounter {
        let mut counter = DistanceCounter::new(objects);
        stream.iter().for_each(|object| counter.event(&[*object]));
        counter
    }

    #[test]
    fn distances_of_a_known_stream() {
        // A B C A A B: A again after {B, C}, A at once, B after {C, A}.
        let counter = counted(3, &[0, 1, 2, 0, 0, 1]);
        assert_eq!(counter.histogram, [1, 0, 2]);
        let found = counter.distances();
        assert_eq!((found.reuses, found.cold, found.p10, found.p50, found.p99), (3, 3, 0, 2, 2));
        assert_eq!((counter.misses(1), counter.misses(2), counter.misses(3)), (5, 5, 3));
    }

    #[test]
    fn an_event_is_measured_at_its_start() {
        // {A, B} {B, A} {C} {A}: order within the first two events is by latest selection.
        let mut counter = DistanceCounter::new(3);
        for event in [&[0, 1][..], &[1, 0], &[2], &[0]] {
            counter.event(event);
        }
        // Second event: B at 0, A at 1 (B came after it). Last: A after {C}.
        assert_eq!((counter.histogram.as_slice(), counter.cold), (&[1, 2, 0][..], 3));
    }

    #[test]
    fn nothing_in_gives_nothing_out() {
        assert_eq!(DistanceCounter::new(0).distances(), ReuseDistances::default());
    }

    proptest::proptest! {
        /// Against counting the distinct objects in between, far beyond the first renumbering.
        #[test]
        fn equals_counting_by_hand(stream in proptest::collection::vec(0_usize..6, 0..400)) {
            let mut histogram = [0; 6];
            for (now, object) in stream.iter().enumerate() {
                if let Some(before) = stream[..now].iter().rposition(|other| other == object) {
                    let between: std::collections::BTreeSet<_> = stream[before + 1..now].iter().collect();
                    histogram[between.len()] += 1;
                }
            }
            proptest::prop_assert_eq!(counted(6, &stream).histogram, histogram);
        }

        /// Against an LRU cache that looks up a whole event, then evicts, at every capacity that holds an event.
        #[test]
        fn misses_are_those_of_a_group_atomic_lru_cache(
            events in proptest::collection::vec(proptest::sample::subsequence((0..8).collect::<Vec<usize>>(), 1..4), 0..60),
        ) {
            let mut counter = DistanceCounter::new(8);
            events.iter().for_each(|event| counter.event(event));
            for slots in 3..=8 {
                let (mut resident, mut misses) = (Vec::new(), 0);
                for event in &events {
                    misses += event.iter().filter(|object| !resident.contains(*object)).count() as u64;
                    resident.retain(|object| !event.contains(object));
                    resident.extend(event);
                    resident.drain(..resident.len().saturating_sub(slots));
                }
                proptest::prop_assert_eq!(counter.misses(slots), misses);
            }
        }
    }
}
