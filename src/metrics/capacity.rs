//! The highest rate of requests that a configuration sustains, and what keeps it from more.

use serde::{Deserialize, Serialize};

use super::Row;

/// One limit of a service level, and what a run at some rate had of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitFound {
    /// As written: `ttft_p99 < 2 s`.
    pub limit: String,
    /// Most nanoseconds allowed.
    pub at_most_ns: u64,
    /// Nanoseconds found.
    pub found_ns: u64,
}

impl LimitFound {
    /// Whether it is kept.
    pub fn is_kept(&self) -> bool {
        self.found_ns <= self.at_most_ns
    }
}

/// A run at one rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityProbe {
    /// Requests a second, in thousandths.
    pub rate_millihertz: u64,
    /// Every limit.
    pub limits: Vec<LimitFound>,
    /// Requests were turned away, which no service level allows.
    pub rejected: u64,
    /// The run.
    pub row: Row,
}

impl CapacityProbe {
    /// Whether every limit is kept and nobody is turned away.
    pub fn is_sustained(&self) -> bool {
        self.rejected == 0 && self.limits.iter().all(LimitFound::is_kept)
    }
}

/// What keeps a configuration from a higher rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityLimit {
    /// Requests wait for room in the KV cache.
    KvMemory,
    /// As many requests run as the scheduler lets run.
    BatchLimit,
    /// The queue is full.
    QueueLimit,
    /// GPUs wait for experts from host memory or drives.
    ExpertFetches,
    /// GPUs wait for each other.
    Exchange,
    /// Passes follow one another without a gap.
    GpuTime,
    /// Passes become too long before any of that: more requests in each.
    PassTime,
}

impl CapacityLimit {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::KvMemory => "room in the KV cache",
            Self::BatchLimit => "the most requests that the scheduler lets run at once (scheduler.max_batch)",
            Self::QueueLimit => "the length of the queue (scheduler.max_queue)",
            Self::ExpertFetches => "experts that are fetched from host memory or drives",
            Self::Exchange => "exchanges between GPUs and waits for the slowest",
            Self::GpuTime => "GPU time: passes follow one another without a gap",
            Self::PassTime => "the time of a pass, which grows with the requests in it",
        }
    }
}

/// The answer to a question of capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// The service level as written.
    pub slo: String,
    /// Every run, by ascending rate.
    pub probes: Vec<CapacityProbe>,
    /// Highest rate found that keeps all limits, in thousandths of a request a second; `None` where no rate does.
    pub sustained_millihertz: Option<u64>,
    /// Lowest rate found that does not; `None` where every rate tried is sustained.
    pub refused_millihertz: Option<u64>,
    /// What keeps it from more.
    pub limit: Option<CapacityLimit>,
}

impl Capacity {
    /// The run at a rate.
    pub fn probe(&self, rate_millihertz: u64) -> Option<&CapacityProbe> {
        self.probes.iter().find(|probe| probe.rate_millihertz == rate_millihertz)
    }
}
