//! One pass in place of a replay for each capacity.

use super::CurveRequest;
use crate::cache::replay::MissCounts;
use crate::cache::stack::{COLD, Need, StackKind, StackTask};
use crate::cache::{Future, Scope};
use crate::metrics::PhaseCounts;
use crate::trace::{Pass, Phase};

/// One pass over the request's trace, if it tells what replays would.
pub(super) fn task<'a>(
    request: &'a CurveRequest<'_>,
    (kind, scope): (StackKind, Scope),
    (passes, future): (&'a [Pass], Option<&'a Future>),
    sizes: &'a [u64],
) -> Option<StackTask<'a>> {
    let task = StackTask {
        trace: request.trace,
        passes,
        future,
        grouping: request.grouping,
        clear_between: request.clear_between,
        scope,
        sizes,
    };
    task.applies(kind).then_some(task)
}

/// What the series misses at each of these capacities, given as the capacities of its pools.
pub(super) fn misses(kind: StackKind, task: &StackTask<'_>, pools: &[Vec<u64>]) -> Vec<MissCounts> {
    let (sequences, layers) = (task.trace.sequences().len(), task.sizes.len());
    // From small to large; what is served by one is served by all that follow.
    let mut order: Vec<usize> = (0..pools.len()).collect();
    order.sort_by_key(|at| pools[*at].iter().sum::<u64>());
    let of_layer = |at: usize, layer: usize| pools[at][if task.scope == Scope::Global { 0 } else { layer }];
    let ladders: Vec<Vec<u64>> =
        (0..layers).map(|layer| order.iter().map(|at| of_layer(*at, layer)).collect()).collect();
    // Misses at a capacity and at every smaller one, by the largest of them.
    let mut up_to = vec![MissCounts::none(sequences, layers); pools.len()];
    task.needs(kind, |Need { pass, layer, room }| {
        let served_from = match room {
            COLD => pools.len(),
            room => ladders[layer as usize].partition_point(|capacity| *capacity < room),
        };
        if let Some(last) = served_from.checked_sub(1) {
            up_to[last].book(&task.passes[pass], layer, 1);
        }
    });
    for at in (1..up_to.len()).rev() {
        let (smaller, larger) = up_to.split_at_mut(at);
        smaller[at - 1].add(&larger[0]);
    }
    let mut counts = vec![MissCounts::none(sequences, layers); pools.len()];
    for (at, misses) in order.into_iter().zip(up_to) {
        counts[at] = misses;
    }
    counts
}

/// Lookups by the number of slots that they need, and those that no number serves.
pub(super) fn by_slots(kind: StackKind, task: &StackTask<'_>) -> (Vec<PhaseCounts>, PhaseCounts) {
    let objects = task.sizes.len() as u64 * u64::from(task.trace.header().experts);
    let total = u128::from(task.sizes.iter().sum::<u64>()) * u128::from(task.trace.header().experts);
    let mut needs = vec![PhaseCounts::default(); usize::try_from(objects).unwrap_or(0) + 1];
    let mut cold = PhaseCounts::default();
    task.needs(kind, |Need { pass, room, .. }| {
        let slots = (u128::from(room) * u128::from(objects)).div_ceil(total.max(1));
        let count = match room {
            COLD => &mut cold,
            _ => &mut needs[usize::try_from(slots).unwrap_or(usize::MAX)],
        };
        match task.passes[pass].phase {
            Phase::Prefill => count.prefill += 1,
            Phase::Decode => count.decode += 1,
        }
    });
    (needs, cold)
}
