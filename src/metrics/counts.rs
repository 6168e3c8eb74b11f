//! Integer counters of one phase or one resource.

use serde::{Deserialize, Serialize};

/// A number of something by phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseCounts {
    /// Of prompt passes.
    pub prefill: u64,
    /// Of decode passes.
    pub decode: u64,
}

impl PhaseCounts {
    /// Both phases.
    pub fn total(self) -> u64 {
        self.prefill + self.decode
    }
}

impl std::ops::AddAssign for PhaseCounts {
    fn add_assign(&mut self, other: Self) {
        self.prefill += other.prefill;
        self.decode += other.decode;
    }
}

impl std::iter::Sum for PhaseCounts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// What the expert cache saw in one phase.
///
/// A *lookup* is the first appearance of an expert in a layer event; a *selection* is every appearance. In decode of one
/// sequence they are the same number. Conservation: `hits + misses == lookups`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessCounts {
    /// Tokens of this phase.
    pub tokens: u64,
    /// Layer events: one per pass and MoE layer.
    pub events: u64,
    /// Selections, every appearance of an expert.
    pub selections: u64,
    /// First appearances in their event, each looked up once.
    pub lookups: u64,
    /// Lookups that found their expert resident in VRAM before any prefetch.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Lookups whose expert was resident at the moment it was needed, prefetches included.
    pub hits_when_needed: u64,
    /// Gate weight of selections served from VRAM, in units of 1/65,535; zero where the trace has no weights.
    pub weight_hit: u64,
    /// Gate weight of all selections, in units of 1/65,535; zero where the trace has no weights.
    pub weight_total: u64,
    /// Bytes of the experts that missed.
    pub miss_bytes: u64,
    /// Lookups whose expert the CPU computed.
    pub on_cpu: u64,
    /// Lookups whose expert was copied to the GPU; `misses` less those of any other fate.
    pub fetched: u64,
    /// Lookups that were answered by a low-bit copy of the expert.
    pub degraded: u64,
    /// Lookups that were left out.
    pub skipped: u64,
    /// Lookups that were answered by another expert.
    pub substituted: u64,
    /// Gate weight of the selections that were degraded, in units of 1/65,535.
    pub weight_degraded: u64,
    /// Gate weight of the selections that were left out, in units of 1/65,535.
    pub weight_skipped: u64,
    /// Gate weight of the selections that another expert answered, in units of 1/65,535.
    pub weight_substituted: u64,
    /// Lookups in the host's expert cache: VRAM misses of experts that live on NVMe.
    pub dram_lookups: u64,
    /// Lookups in the host's expert cache that hit.
    pub dram_hits: u64,
}

impl AccessCounts {
    /// Hits over lookups, for display; `None` where nothing was looked up.
    pub fn hit_rate(&self) -> Option<f64> {
        (self.lookups > 0).then(|| self.hits as f64 / self.lookups as f64)
    }

    /// Adds another phase or sequence.
    pub fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.events += other.events;
        self.selections += other.selections;
        self.lookups += other.lookups;
        self.hits += other.hits;
        self.misses += other.misses;
        self.hits_when_needed += other.hits_when_needed;
        self.weight_hit += other.weight_hit;
        self.weight_total += other.weight_total;
        self.miss_bytes += other.miss_bytes;
        self.on_cpu += other.on_cpu;
        self.fetched += other.fetched;
        self.degraded += other.degraded;
        self.skipped += other.skipped;
        self.substituted += other.substituted;
        self.weight_degraded += other.weight_degraded;
        self.weight_skipped += other.weight_skipped;
        self.weight_substituted += other.weight_substituted;
        self.dram_lookups += other.dram_lookups;
        self.dram_hits += other.dram_hits;
    }
}

/// Where the time of a phase went. The shares add up to the span of the phase exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeShares {
    /// The GPU stream was computing.
    pub gpu_compute_ns: u64,
    /// The GPU stream stood idle, waiting for a host-to-device copy.
    pub wait_h2d_ns: u64,
    /// The GPU stream stood idle while the expert was still being read from NVMe.
    pub wait_nvme_ns: u64,
    /// The GPU stream stood idle while the CPU computed experts or layers.
    pub wait_cpu_ns: u64,
    /// Launches, per-layer and per-token costs of the engine.
    pub overhead_ns: u64,
    /// Exchanges with other GPUs, waits for slower ones included; zero on one GPU.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exchange_ns: u64,
    /// Blocks of GPU memory were moved together; zero where no allocator is simulated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub compaction_ns: u64,
}

/// Whether a share that most configurations do not have is left out of a file.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl TimeShares {
    /// The span: all shares together.
    pub fn total_ns(&self) -> u64 {
        self.gpu_compute_ns + self.waits_ns() + self.overhead_ns + self.exchange_ns + self.compaction_ns
    }

    /// All the time that the GPU stream stood idle.
    pub fn waits_ns(&self) -> u64 {
        self.wait_h2d_ns + self.wait_nvme_ns + self.wait_cpu_ns
    }

    /// Adds another pass or phase.
    pub fn add(&mut self, other: &Self) {
        self.gpu_compute_ns += other.gpu_compute_ns;
        self.wait_h2d_ns += other.wait_h2d_ns;
        self.wait_nvme_ns += other.wait_nvme_ns;
        self.wait_cpu_ns += other.wait_cpu_ns;
        self.overhead_ns += other.overhead_ns;
        self.exchange_ns += other.exchange_ns;
        self.compaction_ns += other.compaction_ns;
    }
}

/// What one link or device carried over the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkUse {
    /// `gpu`, `h2d`, `d2h`, `nvme`, `cpu` or `dram`.
    pub name: String,
    /// Bytes carried; for the GPU stream and the CPU, bytes of weights and KV read.
    pub bytes: u64,
    /// Jobs served.
    pub jobs: u64,
    /// Time busy.
    pub busy_ns: u64,
    /// Time idle; `busy_ns + idle_ns` is the span of the run.
    pub idle_ns: u64,
}
