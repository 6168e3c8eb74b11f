//! Copies that no cache can avoid: what Belady's rule misses at the candidate's capacity, over the host link.

use crate::cache::stack::{COLD, StackKind, StackTask};
use crate::cache::{Future, Grouping, Scope};
use crate::error::Result;
use crate::metrics::Summary;
use crate::plan::{Overlap, Plan};
use crate::trace::Phase;
use crate::units::{Bytes, SimDuration};

use super::refresh;

/// What lookups need, by sequence: how many decode lookups each number of slots serves.
pub(super) struct Misses {
    sequences: Vec<OfSequence>,
}

struct OfSequence {
    sequence: u32,
    /// Slots that each decode lookup needs, ascending; lookups that nothing serves come last.
    needs: Vec<u64>,
}

impl Misses {
    /// Of the plan's passes under Belady's rule with one pool and experts of one size.
    ///
    /// # Errors
    /// As [`Future::of`].
    pub(super) fn of(plan: &Plan) -> Result<Self> {
        let workload = &plan.workload;
        let future = Future::of(&workload.trace, &workload.passes, Grouping::Layer)?;
        let sizes = vec![1; workload.trace.header().layers()];
        let task = StackTask {
            trace: &workload.trace,
            passes: &workload.passes,
            future: Some(&future),
            grouping: Grouping::Layer,
            clear_between: plan.cache.clear_between,
            scope: Scope::Global,
            sizes: &sizes,
        };
        let mut sequences: Vec<OfSequence> = Vec::new();
        task.needs(StackKind::Future, |need| {
            let pass = &workload.passes[need.pass];
            if pass.phase != Phase::Decode {
                return;
            }
            if sequences.last().is_none_or(|last| last.sequence != pass.sequence) {
                sequences.push(OfSequence { sequence: pass.sequence, needs: Vec::new() });
            }
            if let Some(last) = sequences.last_mut() {
                last.needs.push(need.room);
            }
        });
        sequences.iter_mut().for_each(|sequence| sequence.needs.sort_unstable());
        Ok(Self { sequences })
    }

    /// Decode lookups of a sequence that no policy serves from so many slots.
    fn missed(&self, sequence: u32, slots: u64) -> u64 {
        let found = self.sequences.iter().find(|one| one.sequence == sequence);
        found.map_or(0, |one| {
            let served = one.needs.partition_point(|need| *need != COLD && *need <= slots);
            (one.needs.len() - served) as u64
        })
    }
}

/// The link of a candidate and what its cache holds.
pub(super) struct Copies {
    slots: u64,
    copy: SimDuration,
    overlap: Overlap,
    prefetches: bool,
}

impl Copies {
    /// `None` where the argument does not hold: experts of several sizes, a start that is not empty, pins, a floor that
    /// exceeds the capacity, or no copies at all.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let shape = &plan.cache.shape;
        let size = *shape.sizes.first()?;
        let one_size = shape.sizes.iter().all(|other| *other == size);
        let plain = one_size
            && size > 0
            && !plan.cache.start_filled
            && shape.pinned.is_empty()
            && plan.cache.elsewhere.is_empty()
            && plan.cache.grouping == Grouping::Layer
            // What is prefetched lies beside the cache until it is asked for.
            && plan.prefetch.is_none();
        let link =
            plan.machine.h2d.filter(|_| plain && !plan.machine.nvme.is_some_and(|drive| drive.to_vram))?;
        Some(Self {
            slots: shape.pool_capacity.iter().sum::<u64>() / size,
            copy: link.curve.time(Bytes::new(size)),
            overlap: plan.machine.overlap,
            prefetches: plan.prefetch.is_some(),
        })
    }

    /// Every sequence of a twin takes at least the time of its copies; where copies are synchronous, on top of all else.
    pub(super) fn slow_down(&self, summary: &mut Summary, misses: &Misses) {
        for sequence in &mut summary.sequences {
            let missed = misses.missed(sequence.sequence, self.slots);
            let copies = self.copy.times(missed).as_ns();
            let all = sequence.decode_ns;
            sequence.decode_ns = match self.overlap {
                Overlap::None if !self.prefetches => all + copies,
                _ => all.max(copies),
            };
        }
        refresh(summary);
    }
}
