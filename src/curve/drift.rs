//! Whether the popularity of experts moves within a trace.

use crate::metrics::Drift;
use crate::trace::{ExpertNumber, Ids, Pass, Trace};

/// Fewer tokens in a half tell nothing.
const TOKENS_MIN: u64 = 32;
/// The hottest so many parts of the experts of a layer: one in four.
const HOTTEST: usize = 4;

/// Compares the later half of the passes, by tokens, with the earlier one.
pub(super) fn of(trace: &Trace, passes: &[Pass]) -> Option<Drift> {
    let tokens: u64 = passes.iter().map(|pass| pass.rows).sum();
    if tokens < 2 * TOKENS_MIN {
        return None;
    }
    let mut so_far = 0;
    let earlier = passes.iter().take_while(|pass| {
        so_far += pass.rows;
        so_far <= tokens / 2
    });
    let middle = earlier.count();
    let counts = |passes: &[Pass]| match trace.ids() {
        Ids::U8(ids) => counts(trace, passes, ids),
        Ids::U16(ids) => counts(trace, passes, ids),
    };
    let (earlier, later) = (counts(&passes[..middle]), counts(&passes[middle..]));
    let experts = (trace.header().experts as usize).max(1);
    let all: u64 = later.iter().sum();
    let served = |profile: &[u64]| {
        let layers = profile.chunks(experts).zip(later.chunks(experts));
        let served: u64 = layers.map(|(profile, later)| of_hottest(profile, later)).sum();
        (served * 1_000_000).checked_div(all)
    };
    Some(Drift { own_ppm: served(&later)?, carried_ppm: served(&earlier)? })
}

/// Selections of the experts that a profile of the layer ranks highest.
fn of_hottest(profile: &[u64], selections: &[u64]) -> u64 {
    let mut ranked: Vec<usize> = (0..profile.len()).collect();
    ranked.sort_by_key(|expert| (std::cmp::Reverse(profile[*expert]), *expert));
    ranked.iter().take((profile.len() / HOTTEST).max(1)).map(|expert| selections[*expert]).sum()
}

fn counts<I: ExpertNumber>(trace: &Trace, passes: &[Pass], ids: &[I]) -> Vec<u64> {
    let header = trace.header();
    let (slots, top_k, experts) = (header.slots_per_token(), header.top_k as usize, header.experts as usize);
    let mut counts = vec![0; header.layers() * experts];
    for pass in passes {
        let first = usize::try_from(pass.first_row).unwrap_or(usize::MAX) * slots;
        let rows = usize::try_from(pass.rows).unwrap_or(usize::MAX);
        for (slot, id) in ids[first..first + rows * slots].iter().enumerate() {
            if *id != I::NOBODY {
                let layer = slot % slots / top_k;
                counts[layer * experts + Into::<u32>::into(*id) as usize] += 1;
            }
        }
    }
    counts
}
