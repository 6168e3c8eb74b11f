//! Misses that no cache can avoid: what Belady's rule misses at the candidate's capacity, over the host link or on the CPU.

use crate::cache::stack::{COLD, StackKind, StackTask};
use crate::cache::{Admission, Future, Grouping, Scope};
use crate::error::Result;
use crate::metrics::Summary;
use crate::plan::{MissAction, Overlap, Plan};
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
    /// Which stack algorithm bounds the candidate's misses: LRU is one itself, so that the bound is exact where every miss
    /// comes to stay; no policy misses less than Belady's rule.
    pub(super) fn kind(plan: &Plan) -> StackKind {
        let is_lru = plan.cache.policy.stack == Some(StackKind::Recency)
            && plan.cache.admission == Admission::Always
            && plan.cache.shape.scope == Scope::Global
            && plan.placement.miss.action == MissAction::Fetch;
        if is_lru { StackKind::Recency } else { StackKind::Future }
    }

    /// Of the plan's passes with one pool and experts of one size.
    ///
    /// # Errors
    /// As [`Future::of`].
    pub(super) fn of(plan: &Plan, kind: StackKind) -> Result<Self> {
        let workload = &plan.workload;
        let future = match kind {
            StackKind::Future => Some(Future::of(&workload.trace, &workload.passes, Grouping::Layer)?),
            StackKind::Recency => None,
        };
        let sizes = vec![1; workload.trace.header().layers()];
        let task = StackTask {
            trace: &workload.trace,
            passes: &workload.passes,
            future: future.as_ref(),
            grouping: Grouping::Layer,
            clear_between: plan.cache.clear_between,
            scope: Scope::Global,
            sizes: &sizes,
        };
        let mut sequences: Vec<OfSequence> = Vec::new();
        task.needs(kind, |need| {
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

/// What a candidate does with its misses, and how many experts its cache holds.
pub(super) struct Copies {
    slots: u64,
    /// Time that one miss keeps link and CPU busy at best.
    each: SimDuration,
    overlap: Overlap,
    /// Every miss is copied, and waited for.
    fetches: bool,
    /// Experts that may have been copied before their sequence began; `None` without prefetching.
    ahead: Option<u64>,
}

impl Copies {
    /// `None` where the argument does not hold: experts of several sizes, a start that is not empty, pins, layers on the
    /// CPU, or no copies at all.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let shape = &plan.cache.shape;
        let size = *shape.sizes.first()?;
        let one_size = shape.sizes.iter().all(|other| *other == size);
        let plain = one_size
            && size > 0
            && !plan.cache.start_filled
            && shape.pinned.is_empty()
            && plan.cache.elsewhere.is_empty()
            && plan.cache.grouping == Grouping::Layer;
        let link =
            plan.machine.h2d.filter(|_| plain && !plan.machine.nvme.is_some_and(|drive| drive.to_vram))?;
        let copy = link.curve.time(Bytes::new(size));
        let fetches = plan.placement.miss.action == MissAction::Fetch;
        let experts = plan.costs.experts();
        let on_cpu = plan.machine.cpu.filter(|_| !fetches);
        let each = on_cpu
            .map_or(copy, |cpu| shared(copy, cpu.expert_time(Bytes::new(size), experts.flops_per_token())));
        // What the CPU computes need not enter the cache. A cache of as many more experts as an event has could hold those,
        // too, so that it misses no more.
        let slack =
            if fetches { 0 } else { u64::from(plan.workload.trace.header().top_k) * longest_pass(plan) };
        Some(Self {
            slots: shape.pool_capacity.iter().sum::<u64>() / size + slack,
            each,
            overlap: plan.machine.overlap,
            fetches,
            ahead: plan.prefetch.as_ref().map(|prefetch| prefetch.budget.get().div_ceil(size)),
        })
    }

    /// Every sequence of a twin takes at least the time of its misses. They begin when the router has chosen, so without
    /// prefetching they come on top of what a candidate without experts takes; where copies are synchronous, on top of
    /// everything.
    pub(super) fn slow_down(&self, summary: &mut Summary, bare: &Summary, misses: &Misses) {
        for (sequence, bare) in summary.sequences.iter_mut().zip(&bare.sequences) {
            let missed = misses.missed(sequence.sequence, self.slots);
            let busy = self.each.times(missed.saturating_sub(self.ahead.unwrap_or(0))).as_ns();
            let all = sequence.decode_ns;
            sequence.decode_ns = match (self.ahead, self.overlap) {
                (None, Overlap::None) if self.fetches => all + busy,
                (None, _) => all.max(bare.decode_ns + busy),
                (Some(_), _) => all.max(busy),
            };
        }
        refresh(summary);
    }
}

/// Time for one of many pieces that two devices share, each taking its own time for a piece; rounded down.
fn shared(one: SimDuration, other: SimDuration) -> SimDuration {
    let (one, other) = (u128::from(one.as_ns()), u128::from(other.as_ns()));
    let ns = (one * other).checked_div(one + other).unwrap_or(0);
    SimDuration::from_ns(u64::try_from(ns).unwrap_or(0))
}

/// Tokens of the longest decode pass.
fn longest_pass(plan: &Plan) -> u64 {
    let decode = plan.workload.passes.iter().filter(|pass| pass.phase == Phase::Decode);
    decode.map(|pass| pass.rows).max().unwrap_or(1)
}
