//! Replays a trace through a cache without a clock: which selections hit, for whoever needs hit rates alone.

use super::{Access, ExpertCache, Future, Grouping, Lookup, NEVER, Policy};
use crate::metrics::AccessCounts;
use crate::trace::{ExpertNumber, Ids, Pass, Phase, Trace};

/// Counts of a replay, per phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayCounts {
    /// Prompt passes.
    pub prefill: AccessCounts,
    /// Decode passes.
    pub decode: AccessCounts,
}

/// Replays `passes` and tells `seen` every selection: its id slot and what became of it.
///
/// `future` must be the trace's for policies that need it and may be `None` for all others.
pub fn replay<P: Policy>(
    cache: &mut ExpertCache<P>,
    trace: &Trace,
    passes: &[Pass],
    future: Option<&Future>,
    grouping: Grouping,
    seen: impl FnMut(usize, Lookup),
) -> ReplayCounts {
    match trace.ids() {
        Ids::U8(ids) => walk(cache, trace, ids, passes, future, grouping, seen),
        Ids::U16(ids) => walk(cache, trace, ids, passes, future, grouping, seen),
    }
}

fn walk<P: Policy, I: ExpertNumber>(
    cache: &mut ExpertCache<P>,
    trace: &Trace,
    ids: &[I],
    passes: &[Pass],
    future: Option<&Future>,
    grouping: Grouping,
    mut seen: impl FnMut(usize, Lookup),
) -> ReplayCounts {
    let header = trace.header();
    let (slots, top_k) = (header.slots_per_token(), header.top_k as usize);
    let layers = cache.shape().layers;
    let weights = trace.weights();
    let mut counts = ReplayCounts::default();
    let mut event = 0;
    for pass in passes {
        let count = match pass.phase {
            Phase::Prefill => &mut counts.prefill,
            Phase::Decode => &mut counts.decode,
        };
        count.tokens += pass.rows;
        let first = usize::try_from(pass.first_row).unwrap_or(usize::MAX) * slots;
        let rows = usize::try_from(pass.rows).unwrap_or(usize::MAX);
        for layer in 0..layers {
            let size = cache.shape().sizes[layer as usize];
            count.events += 1;
            if grouping == Grouping::Layer {
                cache.begin_event();
            }
            for row in 0..rows {
                let start = first + row * slots + layer as usize * top_k;
                for slot in (start..start + top_k).filter(|slot| ids[*slot] != I::NOBODY) {
                    let weight = weights.map_or(0, |weights| weights[slot]);
                    let next_event = future.map_or(NEVER, |future| future.next_event(slot, layer));
                    if grouping == Grouping::Access {
                        cache.begin_event();
                    }
                    let found = cache.select(layer, ids[slot].into(), &Access { event, next_event, weight });
                    tally(count, found, size, weight);
                    seen(slot, found);
                    if grouping == Grouping::Access {
                        cache.end_event(layer);
                        event += 1;
                    }
                }
            }
            if grouping == Grouping::Layer {
                cache.end_event(layer);
                event += 1;
            }
        }
    }
    counts
}

/// Books one selection.
#[inline]
pub fn tally(count: &mut AccessCounts, found: Lookup, size: u64, weight: u16) {
    count.selections += 1;
    count.weight_total += u64::from(weight);
    match found {
        Lookup::Hit => {
            count.lookups += 1;
            count.hits += 1;
            count.hits_when_needed += 1;
            count.weight_hit += u64::from(weight);
        }
        Lookup::Miss => {
            count.lookups += 1;
            count.misses += 1;
            count.miss_bytes += size;
        }
        Lookup::HitAgain => count.weight_hit += u64::from(weight),
        Lookup::MissAgain => {}
    }
}
