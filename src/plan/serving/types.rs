//! What is served, by whom, on how many GPUs.

use std::ops::Range;
use std::sync::Arc;

use crate::resource::RateCurve;
pub use crate::scenario::{ExchangeKind, ReplicaRouting};
use crate::serving::kv::{KvCache, KvShape};
use crate::serving::parallel::{Interconnect, Layout, Placement};
use crate::serving::scheduler::SchedulerConfig;
use crate::serving::{RequestSet, RoutingShares, Work};
use crate::trace::{RequestRouting, RoutingCounts};
use crate::units::{Bytes, SimDuration};

/// Requests, and the deployment that serves them.
#[derive(Clone, Debug)]
pub struct ServingPlan {
    /// How requests come, in words.
    pub load: String,
    /// Requests a second asked for, in thousandths; zero in a closed loop.
    pub rate_millihertz: u64,
    /// The requests.
    pub requests: Arc<RequestSet>,
    /// What routes each of them; empty where routing is by shares.
    pub routes: Arc<Vec<RequestRouting>>,
    /// Tokens by expert over rows of the trace; `None` where routing is by shares.
    pub counts: Option<Arc<RoutingCounts>>,
    /// Each expert's share of the trace.
    pub shares: Arc<RoutingShares>,
    /// Experts per token.
    pub top_k: u32,
    /// Settings of each data-parallel rank's scheduler.
    pub scheduler: SchedulerConfig,
    /// The KV cache of each data-parallel rank.
    pub kv: KvPlan,
    /// How one replica is laid out.
    pub layout: Layout,
    /// MoE layers of each pipeline stage.
    pub stages: Vec<Range<u32>>,
    /// Which expert-parallel rank has which experts.
    pub placement: Arc<Placement>,
    /// Exchanges between GPUs.
    pub links: Links,
    /// Copies of the deployment.
    pub replicas: u32,
    /// How requests find theirs.
    pub routing: ReplicaRouting,
    /// Every expert of a GPU lies in its memory.
    pub is_resident: bool,
    /// Bytes of experts in the memory of a stage's GPUs where they all lie there.
    pub resident_bytes: Bytes,
    /// How KV cache goes to host memory and comes back, where preemption swaps.
    pub swap: Option<(RateCurve, RateCurve)>,
    /// Limits of a good request.
    pub slo: Option<Slo>,
    /// What was interpreted or extended.
    pub notes: Vec<String>,
}

/// The KV cache of one data-parallel rank, as one GPU of it sees it.
#[derive(Clone, Debug)]
pub struct KvPlan {
    /// What sequences take.
    pub shape: KvShape,
    /// Room.
    pub capacity: Bytes,
    /// Prompts that begin alike share blocks.
    pub reuses_prefixes: bool,
    /// Tokens of one hash.
    pub hash_tokens: u32,
}

impl KvPlan {
    /// An empty cache.
    pub fn build(&self) -> KvCache {
        KvCache::new(
            self.shape.clone(),
            self.capacity,
            if self.reuses_prefixes { self.hash_tokens } else { 0 },
        )
    }
}

/// How GPUs exchange tokens.
#[derive(Clone, Copy, Debug)]
pub struct Links {
    /// What joins them.
    pub interconnect: Interconnect,
    /// How tokens get to their experts.
    pub kind: ExchangeKind,
    /// Bytes of one token's hidden state.
    pub state_bytes: Bytes,
    /// Bytes of one token on the way to one expert.
    pub dispatch_bytes: Bytes,
    /// Bytes of one expert's result for one token.
    pub combine_bytes: Bytes,
}

/// Limits that a good request keeps, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slo {
    /// Time to first token.
    pub ttft: Option<SimDuration>,
    /// Time per output token.
    pub tpot: Option<SimDuration>,
    /// From arrival to the last token.
    pub e2e: Option<SimDuration>,
    /// The same in words.
    pub text: String,
}

impl Slo {
    /// Whether a request with these latencies in nanoseconds keeps all limits; one of a single token has no TPOT.
    pub fn is_met(&self, ttft: u64, tpot: Option<u64>, e2e: u64) -> bool {
        let within = |limit: Option<SimDuration>, ns: u64| limit.is_none_or(|limit| ns <= limit.as_ns());
        within(self.ttft, ttft) && tpot.is_none_or(|tpot| within(self.tpot, tpot)) && within(self.e2e, e2e)
    }
}

impl ServingPlan {
    /// For each expert-parallel rank of several, which experts of which layers are its own.
    pub fn masks(&self) -> Vec<Vec<bool>> {
        let shape = self.placement.shape();
        if shape.ranks == 1 {
            return Vec::new();
        }
        let mut masks = vec![vec![false; (shape.layers * shape.experts) as usize]; shape.ranks as usize];
        for layer in 0..shape.layers {
            for expert in 0..shape.experts {
                for rank in self.placement.owners(layer, expert) {
                    masks[usize::from(*rank)][(layer * shape.experts + expert) as usize] = true;
                }
            }
        }
        masks
    }

    /// How long the activations of a pass take to the next stage.
    pub fn hand_over(&self, works: &[Work], stage: usize) -> SimDuration {
        let tokens = works.iter().map(Work::own_rows).max().unwrap_or(0);
        let gpus = self.layout.stage_gpus();
        let from = u32::try_from(stage).unwrap_or(0) * gpus;
        // Each GPU of a tensor-parallel group sends its part.
        let bytes = self.links.state_bytes.times(tokens.div_ceil(u64::from(self.layout.tp)));
        self.links.interconnect.send(from, from + gpus, bytes)
    }

    /// Bytes of the KV caches of all GPUs of a replica, of those of one GPU of each data-parallel rank.
    pub fn kv_of_all(&self, of_ranks: u64) -> u64 {
        of_ranks.saturating_mul(u64::from(self.layout.tp)).saturating_mul(u64::from(self.layout.pp))
    }

    /// Room of the KV caches of one GPU of each data-parallel rank.
    pub fn kv_capacity_of_ranks(&self) -> u64 {
        self.kv.capacity.get().saturating_mul(u64::from(self.layout.dp))
    }
}
