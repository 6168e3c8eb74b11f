//! State over time, in slices of equal length. How long a run will be is not known, so slices begin short and are joined
//! two by two whenever there are too many.

use crate::metrics::ServingSlice;
use crate::units::SimTime;

/// Slices at most; at least half as many in the end.
const SLICES_MAX: usize = 256;
/// Length of the first slices.
const SPAN_NS_MIN: u64 = 1_000_000;

/// What is so at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Levels {
    pub(super) running: u64,
    pub(super) waiting: u64,
    pub(super) kv_bytes: u64,
    pub(super) expert_bytes: u64,
    /// Replicas with a pass under way.
    pub(super) busy: u64,
}

/// One slice, levels as integrals over time.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    running: u128,
    waiting: u128,
    kv_bytes: u128,
    expert_bytes: u128,
    busy: u128,
    counts: ServingSlice,
}

impl Slice {
    fn join(&mut self, other: &Self) {
        self.running += other.running;
        self.waiting += other.waiting;
        self.kv_bytes += other.kv_bytes;
        self.expert_bytes += other.expert_bytes;
        self.busy += other.busy;
        let (own, more) = (&mut self.counts, &other.counts);
        own.arrived += more.arrived;
        own.generated += more.generated;
        own.prefilled += more.prefilled;
        own.lookups += more.lookups;
        own.hits += more.hits;
        own.passes += more.passes;
        own.preemptions += more.preemptions;
    }
}

/// The slices of a run, from time zero.
#[derive(Debug)]
pub(super) struct Slices {
    span_ns: u64,
    slices: Vec<Slice>,
    levels: Levels,
    since_ns: u64,
    kv_byte_ns: u128,
}

impl Slices {
    pub(super) fn new() -> Self {
        Self {
            span_ns: SPAN_NS_MIN,
            slices: vec![Slice::default()],
            levels: Levels::default(),
            since_ns: 0,
            kv_byte_ns: 0,
        }
    }

    /// From now on it is so.
    pub(super) fn set(&mut self, now: SimTime, levels: Levels) {
        self.pass_time(now.as_ns());
        self.levels = levels;
    }

    /// The counts of the slice that now belongs to.
    pub(super) fn counts(&mut self, now: SimTime) -> &mut ServingSlice {
        self.pass_time(now.as_ns());
        let last = self.slices.len() - 1;
        &mut self.slices[last].counts
    }

    /// Books the levels until `now_ns`, and opens the slices on the way.
    fn pass_time(&mut self, now_ns: u64) {
        while self.since_ns < now_ns {
            let end = self.slices.len() as u64 * self.span_ns;
            let until = now_ns.min(end);
            let width = u128::from(until - self.since_ns);
            let last = self.slices.len() - 1;
            let (slice, levels) = (&mut self.slices[last], &self.levels);
            slice.running += u128::from(levels.running) * width;
            slice.waiting += u128::from(levels.waiting) * width;
            slice.kv_bytes += u128::from(levels.kv_bytes) * width;
            slice.expert_bytes += u128::from(levels.expert_bytes) * width;
            slice.busy += u128::from(levels.busy) * width;
            self.kv_byte_ns += u128::from(levels.kv_bytes) * width;
            self.since_ns = until;
            if until == end {
                self.open();
            }
        }
    }

    fn open(&mut self) {
        if self.slices.len() == SLICES_MAX {
            for index in 0..SLICES_MAX / 2 {
                let mut joined = self.slices[2 * index];
                joined.join(&self.slices[2 * index + 1]);
                self.slices[index] = joined;
            }
            self.slices.truncate(SLICES_MAX / 2);
            self.span_ns *= 2;
        }
        self.slices.push(Slice::default());
    }

    /// The slices from `begin` to `end`, of `replicas` replicas, and the mean bytes of the KV cache.
    pub(super) fn finish(mut self, end: SimTime, replicas: u64) -> (Vec<ServingSlice>, u64) {
        self.pass_time(end.as_ns());
        let mean = |sum: u128, width: u64| u64::try_from(sum / u128::from(width.max(1))).unwrap_or(u64::MAX);
        let of = |(index, slice): (usize, &Slice)| {
            let begin_ns = index as u64 * self.span_ns;
            let width = self.span_ns.min(end.as_ns().saturating_sub(begin_ns));
            ServingSlice {
                begin_ns,
                span_ns: width,
                running_permille: mean(slice.running * 1000, width),
                waiting_permille: mean(slice.waiting * 1000, width),
                kv_bytes: mean(slice.kv_bytes, width),
                expert_bytes: mean(slice.expert_bytes, width),
                busy_ns: mean(slice.busy, replicas),
                ..slice.counts
            }
        };
        let slices = self.slices.iter().enumerate().map(of);
        // What happens in the last instant may have a slice to itself.
        let counted = |slice: &ServingSlice| slice.arrived + slice.passes + slice.preemptions > 0;
        let kept = slices.filter(|slice| slice.span_ns > 0 || counted(slice)).collect();
        (kept, mean(self.kv_byte_ns, end.as_ns()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is counted is counted once, and levels keep their integral, however often slices are joined.
        #[test]
        fn nothing_is_lost_by_joining(steps in prop::collection::vec((0_u64..900_000_000, 0_u64..9), 1..200)) {
            let mut slices = Slices::new();
            let (mut now, mut area, mut level) = (0, 0_u128, 0);
            for (gap, next) in &steps {
                area += u128::from(level * gap);
                now += gap;
                level = *next;
                slices.set(SimTime::from_ns(now), Levels { running: level, ..Levels::default() });
                slices.counts(SimTime::from_ns(now)).arrived += 1;
            }
            let inner: u128 = slices.slices.iter().map(|slice| slice.running).sum();
            prop_assert_eq!(inner, area);
            let (kept, _) = slices.finish(SimTime::from_ns(now + 1), 1);
            prop_assert!(kept.len() <= SLICES_MAX + 1);
            prop_assert_eq!(kept.iter().map(|slice| slice.arrived).sum::<u64>(), steps.len() as u64);
            prop_assert_eq!(kept.iter().map(|slice| slice.span_ns).sum::<u64>(), now + 1);
        }
    }
}
