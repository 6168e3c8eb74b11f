//! What is allocated and reserved over time, in slices of equally many passes. How many there will be is not known, so
//! slices begin with one pass each and are joined two by two whenever there are too many.

use crate::metrics::AllocatorSlice;
use crate::units::SimTime;

/// Slices at most; at least half as many in the end, of a run of as many passes.
const SLICES_MAX: usize = 400;

/// How things stand as a pass ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) allocated: u64,
    pub(super) reserved: u64,
    /// Since the pass before.
    pub(super) compactions: u64,
    pub(super) flushes: u64,
}

/// A slice with its levels as sums over passes.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    end_ns: u64,
    passes: u64,
    allocated: u128,
    reserved: u128,
    compactions: u64,
    flushes: u64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.end_ns = other.end_ns;
        self.passes += other.passes;
        self.allocated += other.allocated;
        self.reserved += other.reserved;
        self.compactions += other.compactions;
        self.flushes += other.flushes;
    }
}

/// The slices of a run.
#[derive(Clone, Debug)]
pub(super) struct History {
    slices: Vec<Sums>,
    /// Passes of a slice.
    width: u64,
}

impl History {
    pub(super) fn new() -> Self {
        Self { slices: Vec::new(), width: 1 }
    }

    /// A pass ends.
    pub(super) fn pass(&mut self, at: SimTime, standing: &Standing) {
        let one = Sums {
            end_ns: at.as_ns(),
            passes: 1,
            allocated: u128::from(standing.allocated),
            reserved: u128::from(standing.reserved),
            compactions: standing.compactions,
            flushes: standing.flushes,
        };
        match self.slices.last_mut().filter(|last| last.passes < self.width) {
            Some(last) => last.add(&one),
            None => {
                if self.slices.len() == SLICES_MAX {
                    self.halve();
                }
                self.slices.push(one);
            }
        }
    }

    fn halve(&mut self) {
        let joined = self.slices.chunks(2).map(|pair| {
            let mut sum = pair[0];
            pair[1..].iter().for_each(|other| sum.add(other));
            sum
        });
        self.slices = joined.collect();
        self.width *= 2;
    }

    /// The slices, the first of which begins at time zero.
    pub(super) fn finish(&self) -> Vec<AllocatorSlice> {
        let mut begin_ns = 0;
        let slice = |sums: &Sums| {
            let mean = |sum: u128| u64::try_from(sum / u128::from(sums.passes.max(1))).unwrap_or(u64::MAX);
            let begin = std::mem::replace(&mut begin_ns, sums.end_ns);
            AllocatorSlice {
                begin_ns: begin,
                span_ns: sums.end_ns.saturating_sub(begin),
                passes: sums.passes,
                allocated_bytes: mean(sums.allocated),
                reserved_bytes: mean(sums.reserved),
                compactions: sums.compactions,
                flushes: sums.flushes,
            }
        };
        self.slices.iter().map(slice).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 passes of 3 ns, of which each allocates its own number: nothing is lost, and slices stay few.
    #[test]
    fn joined_slices_keep_their_sums() {
        let mut history = History::new();
        for pass in 1..=1000_u64 {
            let compactions = u64::from(pass % 100 == 0);
            let standing = Standing { allocated: pass, reserved: 2000, compactions, flushes: 1 };
            history.pass(SimTime::from_ns(3 * pass), &standing);
        }
        let slices = history.finish();
        assert!(slices.len() <= SLICES_MAX && slices.len() >= SLICES_MAX / 2, "{}", slices.len());
        assert_eq!(slices.iter().map(|slice| slice.passes).sum::<u64>(), 1000);
        assert_eq!(slices.iter().map(|slice| slice.span_ns).sum::<u64>(), 3000);
        assert_eq!(slices.iter().map(|slice| slice.compactions).sum::<u64>(), 10);
        assert_eq!(slices.iter().map(|slice| slice.flushes).sum::<u64>(), 1000);
        // Passes 1 to 4, rounded down.
        assert_eq!((slices[0].allocated_bytes, slices[0].reserved_bytes, slices[0].span_ns), (2, 2000, 12));
    }
}
