//! What will run: resolved objects and units, and no option that means "default".

use std::sync::Arc;

use crate::cache::{CacheShape, ExpertCache, Future, Grouping, Policy, PolicyInput, PolicyRow, Scope};
use crate::memory::Ledger;
use crate::metrics::ConfigLabels;
use crate::serving::PassCosts;
use crate::trace::{Pass, Trace};
use crate::units::{Bandwidth, SimDuration};

/// One configuration, ready to be simulated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is called in reports.
    pub labels: ConfigLabels,
    /// Every setting, where it comes from, and what it was resolved to.
    pub settings: Vec<Setting>,
    /// Who owns which bytes.
    pub ledger: Ledger,
    /// Why it cannot run; empty where it can.
    pub problems: Vec<String>,
    /// Devices and links.
    pub machine: Machine,
    /// GPU time of passes.
    pub costs: PassCosts,
    /// The expert cache.
    pub cache: CachePlan,
    /// What is replayed.
    pub workload: WorkloadPlan,
}

/// A setting as `moesim plan` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Key of the scenario, or of what follows from it.
    pub key: String,
    /// Resolved value with its unit.
    pub value: String,
    /// `scenarios/x.toml:4:8`, or why this value was chosen.
    pub origin: String,
}

/// A link as the simulator sees it: what is achieved, not what is on the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPlan {
    /// Achieved bandwidth of large transfers.
    pub bandwidth: Bandwidth,
    /// Fixed time of each transfer.
    pub latency: SimDuration,
}

/// What the engine lets run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Synchronous copies.
    None,
    /// Copies run beside the GPU work of their own layer.
    WithinLayer,
}

/// Devices and links beside the GPU stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Host to device; absent where memory is unified or nothing is ever fetched.
    pub h2d: Option<LinkPlan>,
    /// Reads from NVMe; absent where the host holds every expert.
    pub nvme: Option<LinkPlan>,
    /// What runs side by side.
    pub overlap: Overlap,
}

/// The expert cache and how it is driven.
#[derive(Clone, Debug)]
pub struct CachePlan {
    /// Sizes and limits.
    pub shape: CacheShape,
    /// What orders it.
    pub policy: PolicyRow,
    /// Seed of policies that draw.
    pub seed: u64,
    /// What one event is.
    pub grouping: Grouping,
    /// Filled before the first event, else empty.
    pub start_filled: bool,
    /// Emptied between sequences.
    pub clear_between: bool,
    /// Selections of each expert in the profile; empty unless the policy needs one.
    pub profile: Arc<Vec<u64>>,
}

/// What is replayed.
#[derive(Clone, Debug)]
pub struct WorkloadPlan {
    /// The routing.
    pub trace: Arc<Trace>,
    /// The order of passes.
    pub passes: Arc<Vec<Pass>>,
    /// Next uses, where the policy reads the future.
    pub future: Option<Arc<Future>>,
}

impl Plan {
    /// The expert cache at the start of the run.
    pub fn build_cache(&self) -> ExpertCache<Box<dyn Policy>> {
        let future = self.workload.future.as_ref();
        self.cache_at_start(&future.map(|future| future.first_events()).unwrap_or_default())
    }

    /// The same as it stands before the pass of index `pass`, whose first event has number `event`, where the cache is
    /// brought back to its start between sequences. Nothing is left of what the policy saw before.
    pub fn rebuild_cache(&self, pass: usize, event: u64) -> ExpertCache<Box<dyn Policy>> {
        let WorkloadPlan { trace, passes, future } = &self.workload;
        let rest = &passes[pass..];
        let sequence = rest.first().map(|pass| pass.sequence);
        let own = rest.iter().take_while(|pass| Some(pass.sequence) == sequence).count();
        let future = future.as_ref().filter(|_| self.cache.start_filled);
        let first = future.map(|future| future.first_events_of(trace, &rest[..own], event));
        self.cache_at_start(&first.unwrap_or_default())
    }

    fn cache_at_start(&self, first_events: &[u64]) -> ExpertCache<Box<dyn Policy>> {
        let shape = &self.cache.shape;
        let objects = match shape.scope {
            Scope::Global => shape.layers * shape.experts,
            Scope::PerLayer => shape.experts,
        };
        let mut cache = ExpertCache::new(shape.clone(), |pool| {
            let range = (pool * objects) as usize..((pool + 1) * objects) as usize;
            (self.cache.policy.build)(&PolicyInput {
                pool,
                objects,
                experts: shape.experts,
                seed: self.cache.seed,
                profile: self.cache.profile.get(range.clone()).unwrap_or_default(),
                first_events: first_events.get(range).unwrap_or_default(),
            })
        });
        if self.cache.start_filled {
            cache.fill(first_events);
        }
        cache
    }
}
