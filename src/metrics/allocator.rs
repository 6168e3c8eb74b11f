//! What an allocator of GPU memory made of its requests over a run.

use serde::{Deserialize, Serialize};

use super::Quantiles;

/// An allocator over a run; of several GPUs, the first. All bytes are of GPU memory less the framework and the reserve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocatorSummary {
    /// `slots` or `caching`.
    pub kind: String,
    /// Bytes that it may take.
    pub capacity_bytes: u64,
    /// Requests that it served.
    pub allocations: u64,
    /// Blocks that came back.
    pub frees: u64,
    /// Most bytes asked for and not given back.
    pub allocated_peak_bytes: u64,
    /// Most bytes taken from the device.
    pub reserved_peak_bytes: u64,
    /// Most segments held at the end of a pass.
    pub segments_max: u64,
    /// Share of what is reserved that nobody asked for, in millionths: mean over passes, as each ends.
    pub fragmentation_mean_ppm: u64,
    /// The same: the largest.
    pub fragmentation_max_ppm: u64,
    /// Times that all cached segments went back to the device because it had no room for another.
    pub flushes: u64,
    /// Times that blocks were moved together, forced ones included.
    pub compactions: u64,
    /// Of these, before their time, because a request could not be served.
    pub compactions_forced: u64,
    /// Time of all compactions.
    pub compaction_ns: u64,
    /// Time of the longest.
    pub compaction_ns_max: u64,
    /// Bytes that compactions moved.
    pub moved_bytes: u64,
    /// Time of each decode pass, or under load between tokens.
    pub latency_ns: Quantiles,
    /// The same passes with the time of compactions taken out.
    pub latency_without_ns: Quantiles,
    /// The run in slices of equally many passes, some hundred at most.
    pub slices: Vec<AllocatorSlice>,
    /// Why the run ended before its time, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_memory: Option<String>,
}

impl AllocatorSummary {
    /// Nanoseconds by which compaction raises the 99th percentile of the latency.
    pub fn p99_effect_ns(&self) -> u64 {
        self.latency_ns.p99.saturating_sub(self.latency_without_ns.p99)
    }
}

/// Some passes of a run. Levels are means over the passes, each as it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocatorSlice {
    /// Begin in nanoseconds of simulated time.
    pub begin_ns: u64,
    /// Length.
    pub span_ns: u64,
    /// Passes that ended in it.
    pub passes: u64,
    /// Bytes asked for and not given back.
    pub allocated_bytes: u64,
    /// Bytes taken from the device.
    pub reserved_bytes: u64,
    /// Compactions in it.
    pub compactions: u64,
    /// Flushes in it.
    pub flushes: u64,
}
