//! What will run: resolved objects and units, and no option that means "default".

use std::sync::Arc;

use super::foretold::Foretold;
use super::model::WholeModel;
use super::serving::ServingPlan;
use crate::cache::{
    Admission, CacheShape, ExpertCache, Future, Grouping, Policy, PolicyInput, PolicyRow, Scope,
};
use crate::memory::Ledger;
use crate::metrics::{ConfigLabels, CostBasis, Quality};
use crate::model::{Dtype, LayerSpec};
use crate::prefetch::{PredictorRow, Profile};
use crate::resource::{DriveCurve, RateCurve};
pub use crate::scenario::MissAction;
use crate::serving::{CpuRates, PassCosts};
use crate::trace::{Pass, Trace};
use crate::units::{Bandwidth, Bytes, SimDuration};

/// One configuration, ready to be simulated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is called in reports.
    pub labels: ConfigLabels,
    /// Every setting, where it comes from, and what it was resolved to.
    pub settings: Vec<Setting>,
    /// The model, before it is laid out on GPUs.
    pub model: WholeModel,
    /// Who owns which bytes.
    pub ledger: Ledger,
    /// What is known beforehand of its cost in quality.
    pub quality: Quality,
    /// What the machine costs.
    pub cost: CostBasis,
    /// Why it cannot run; empty where it can.
    pub problems: Vec<String>,
    /// Devices and links.
    pub machine: Machine,
    /// Where work and weights lie.
    pub placement: PlacementPlan,
    /// GPU time of passes.
    pub costs: PassCosts,
    /// The expert cache.
    pub cache: CachePlan,
    /// Prefetching; `None` where nothing is ever fetched ahead.
    pub prefetch: Option<PrefetchPlan>,
    /// What is replayed.
    pub workload: WorkloadPlan,
    /// Requests and who serves them; `None` where sequences are replayed one after another.
    pub serving: Option<Box<ServingPlan>>,
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

/// A copy engine as the simulator sees it: what is achieved, not what is on the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyPlan {
    /// How long a copy takes by its size.
    pub curve: RateCurve,
    /// Largest piece that a more urgent copy must wait for; `None` where copies are not cut.
    pub chunk: Option<Bytes>,
}

/// A storage device as the engine reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrivePlan {
    /// How long a read takes by its size and the reads in flight.
    pub curve: DriveCurve,
    /// Reads in flight at most.
    pub queue_depth: u32,
    /// Reads land in GPU memory, past the host's.
    pub to_vram: bool,
}

/// What the engine lets run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Synchronous copies: nothing computes while something is copied, and the other way round.
    None,
    /// Copies run beside the work of their own layer, and the layer ends when they have.
    WithinLayer,
    /// Copies ahead of need run on into the next layers.
    AcrossLayers,
}

/// Devices and links beside the GPU stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Host to device; absent where memory is unified or nothing is ever copied.
    pub h2d: Option<CopyPlan>,
    /// Device to host; absent where nothing is ever computed on the CPU or copied back, or memory is unified.
    pub d2h: Option<CopyPlan>,
    /// Reads from NVMe; absent where the host holds every expert.
    pub nvme: Option<DrivePlan>,
    /// The CPU as a device that computes; absent where it never does.
    pub cpu: Option<CpuRates>,
    /// Host memory that CPU, copies and reads share; absent where they cannot exceed it together.
    pub dram_bus: Option<Bandwidth>,
    /// Theoretical bandwidth of host memory, where it is known.
    pub dram: Option<Bandwidth>,
    /// What runs side by side.
    pub overlap: Overlap,
    /// One buffer for one expert at a time: the next copy begins when the expert before it has computed.
    pub single_buffer: bool,
}

/// Where a MoE layer's work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerHome {
    /// On the GPU; its experts go through the expert cache.
    Gpu,
    /// Its experts lie in host memory and the CPU computes them; the rest runs on the GPU.
    CpuExperts,
    /// All of it on the CPU.
    Cpu,
}

/// What is done with an expert that is not in GPU memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissPlan {
    /// The action.
    pub action: MissAction,
    /// Degrade, skip or substitute only below this share of a token's gate weight, in parts per million.
    pub below_ppm: Option<u64>,
    /// Parts per million of an expert's bytes that its low-bit copy takes.
    pub low_bit_ppm: u64,
    /// Storage type of that copy; `None` where there is none.
    pub low_bit: Option<Dtype>,
}

/// Where work and weights lie.
#[derive(Clone, Debug)]
pub struct PlacementPlan {
    /// By MoE layer.
    pub homes: Vec<LayerHome>,
    /// What happens on a miss.
    pub miss: MissPlan,
    /// From so many tokens in a pass, experts of CPU layers are copied to the GPU and computed there.
    pub offload_tokens: Option<u64>,
    /// Host memory as a cache over NVMe; `None` where it holds everything or nothing.
    pub dram: Option<CachePlan>,
    /// Of GPU memory and that cache only one holds an expert: what the GPU evicts is copied back.
    pub exclusive: bool,
    /// Bytes of one token's hidden state, which go to the CPU and back where it computes.
    pub activation_bytes: Bytes,
}

/// Loading experts before the router asks for them.
#[derive(Clone, Debug)]
pub struct PrefetchPlan {
    /// Who guesses.
    pub predictor: PredictorRow,
    /// Layers ahead.
    pub depth: u32,
    /// Experts guessed per layer.
    pub limit: u32,
    /// GPU memory that holds what was fetched ahead.
    pub budget: Bytes,
    /// Parts per million of the experts that a look ahead finds, by distance.
    pub recall_ppm: Vec<u32>,
    /// What the predictor learns from before the first token.
    pub profile: Option<Arc<Profile>>,
    /// GPU time of one guess for one layer.
    pub cost: SimDuration,
    /// Seed of predictors that draw.
    pub seed: u64,
}

/// The expert cache and how it is driven.
#[derive(Clone, Debug)]
pub struct CachePlan {
    /// Sizes and limits.
    pub shape: CacheShape,
    /// What orders it.
    pub policy: PolicyRow,
    /// Whether what misses comes to stay.
    pub admission: Admission,
    /// Nanoseconds that fetching one expert takes, by layer, for policies that weigh it.
    pub costs: Vec<u64>,
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
    /// MoE layers whose experts never lie here.
    pub elsewhere: Vec<u32>,
    /// Share of lookups that hit in parts per million, assumed instead of replayed.
    pub hit_rate_ppm: Option<u64>,
    /// Where the cache gives way to the KV cache as the context grows.
    pub shared_with_kv: Option<SharedRoom>,
}

/// GPU memory that the expert cache and the KV cache share.
#[derive(Clone, Debug)]
pub struct SharedRoom {
    /// What both may take together.
    pub(super) bytes: Bytes,
    /// Layers whose keys and values lie in GPU memory.
    pub(super) layers: Vec<LayerSpec>,
    /// How they are stored.
    pub(super) kv: Dtype,
}

impl SharedRoom {
    /// What both may take together.
    pub fn all(&self) -> Bytes {
        self.bytes
    }

    /// What is left for experts beside the keys and values of `sequences` sequences of `context` tokens each.
    pub fn for_experts(&self, context: u64, sequences: u64) -> Bytes {
        self.bytes.saturating_sub(kv_bytes(&self.layers, context, self.kv, sequences))
    }
}

/// Bytes of the keys and values of so many sequences in these layers; saturates at 2^64.
pub(super) fn kv_bytes(layers: &[LayerSpec], context: u64, kv: Dtype, sequences: u64) -> Bytes {
    let of_one = layers.iter().map(|layer| layer.kv_bytes(context, kv).get());
    Bytes::new(of_one.fold(0, u64::saturating_add).saturating_mul(sequences))
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
    /// What each lookup needs, where that spares the simulation its cache. Results do not depend on it.
    pub foretold: Option<Arc<Foretold>>,
}

impl Plan {
    /// The expert cache at the start of the run.
    pub fn build_cache(&self) -> ExpertCache<Box<dyn Policy>> {
        let future = self.workload.future.as_ref();
        self.cache.build(&future.map(|future| future.first_events()).unwrap_or_default())
    }

    /// The same where only some experts, by layer and number, can come to lie in it.
    pub fn build_cache_of(&self, holds: impl Fn(u32, u32) -> bool) -> ExpertCache<Box<dyn Policy>> {
        self.cache.build_with(&[], holds)
    }

    /// The same as it stands before the pass of index `pass`, whose first event has number `event`, where the cache is
    /// brought back to its start between sequences. Nothing is left of what the policy saw before.
    pub fn rebuild_cache(&self, pass: usize, event: u64) -> ExpertCache<Box<dyn Policy>> {
        let WorkloadPlan { trace, passes, future, .. } = &self.workload;
        let rest = &passes[pass..];
        let sequence = rest.first().map(|pass| pass.sequence);
        let own = rest.iter().take_while(|pass| Some(pass.sequence) == sequence).count();
        let future = future.as_ref().filter(|_| self.cache.start_filled);
        let first = future.map(|future| future.first_events_of(trace, &rest[..own], event));
        self.cache.build(&first.unwrap_or_default())
    }
}

impl CachePlan {
    fn costs_of(&self, pool: u32) -> Option<&[u64]> {
        match self.shape.scope {
            Scope::Global => (!self.costs.is_empty()).then_some(&self.costs),
            Scope::PerLayer => self.costs.get(pool as usize..=pool as usize),
        }
    }

    /// The cache at its start; `first_events` is empty unless the policy reads the future.
    pub fn build(&self, first_events: &[u64]) -> ExpertCache<Box<dyn Policy>> {
        self.build_with(first_events, |_, _| true)
    }

    fn build_with(
        &self,
        first_events: &[u64],
        holds: impl Fn(u32, u32) -> bool,
    ) -> ExpertCache<Box<dyn Policy>> {
        let shape = &self.shape;
        let mut cache = ExpertCache::new(shape.clone(), |input| {
            let range = (input.pool * input.objects) as usize..((input.pool + 1) * input.objects) as usize;
            (self.policy.build)(&PolicyInput {
                seed: self.seed,
                profile: self.profile.get(range.clone()).unwrap_or_default(),
                first_events: first_events.get(range).unwrap_or_default(),
                costs: self.costs_of(input.pool).unwrap_or(input.costs),
                ..input
            })
        });
        cache = cache.with_admission(self.admission);
        if self.start_filled {
            cache.fill_with(first_events, |layer, expert| {
                !self.elsewhere.contains(&layer) && holds(layer, expert)
            });
        }
        cache
    }
}
