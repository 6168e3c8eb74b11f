//! Where one pass over the trace tells what every capacity misses, the points of a sweep share it.
//!
//! The simulation then reads for each lookup how many slots would have served it, and keeps no cache. That holds only where
//! timing needs nothing of the cache but its misses: nobody asks what else is resident, every miss comes to stay, and the
//! capacity does not change.

use std::sync::Arc;

use super::placement::Placement;
use super::types::LayerHome;
use super::workload::Workload;
use super::{CachePlan, Inputs};
use crate::cache::stack::{COLD, StackKind, StackTask};
use crate::cache::{Admission, Grouping, Scope};
use crate::plan::MissAction;
use crate::trace::{Pass, Trace};

/// For every lookup in the order of a replay, the slots of its pool that would have served it; [`Foretold::COLD`] for the
/// first of an expert.
#[derive(Debug)]
pub struct Foretold {
    /// Slots by lookup.
    pub needs: Vec<u32>,
}

impl Foretold {
    /// No number of slots serves the lookup.
    pub const COLD: u32 = u32::MAX;

    pub(super) fn of(trace: &Trace, passes: &[Pass], scope: Scope, clear_between: bool) -> Self {
        let sizes = vec![1; trace.header().layers()];
        let task = StackTask {
            trace,
            passes,
            future: None,
            grouping: Grouping::Layer,
            clear_between,
            scope,
            sizes: &sizes,
        };
        let mut needs = Vec::new();
        task.needs(StackKind::Recency, |need| {
            // Slots are no more than experts, whose numbers have 32 bits.
            needs.push(if need.room == COLD {
                Self::COLD
            } else {
                u32::try_from(need.room).unwrap_or(Self::COLD)
            });
        });
        Self { needs }
    }
}

/// What one pass foretells of this point; `None` where it has to keep a cache.
pub(super) fn foretold(
    inputs: &Inputs,
    workload: &Workload,
    cache: &CachePlan,
    placement: &Placement,
    asks_residency: bool,
) -> Option<Arc<Foretold>> {
    let shape = &cache.shape;
    let one_size = shape.sizes.windows(2).all(|pair| pair[0] == pair[1]);
    let applies = cache.policy.stack == Some(StackKind::Recency)
        && cache.admission == Admission::Always
        && cache.grouping == Grouping::Layer
        && cache.hit_rate_ppm.is_none()
        && cache.shared_with_kv.is_none()
        && !cache.start_filled
        && shape.pinned.is_empty()
        && shape.layers > 0
        && (one_size || shape.scope == Scope::PerLayer)
        && placement.homes.iter().all(|home| *home == LayerHome::Gpu)
        && placement.miss.action == MissAction::Fetch
        && !placement.single_buffer
        && !asks_residency;
    applies.then(|| inputs.foretold(workload, shape.scope, cache.clear_between))
}
