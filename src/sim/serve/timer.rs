//! What times the passes of one replica.

use crate::error::Result;
use crate::metrics::{AccessCounts, AllocatorSummary, LinkUse, TimeShares};
use crate::serving::Work;
use crate::units::{Bytes, SimDuration, SimTime};

/// Where the time of one GPU went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GpuTime {
    /// In its own work, the engine's own time included.
    pub(super) busy: SimDuration,
    /// Waiting for copies, drives or the CPU.
    pub(super) waited: SimDuration,
    /// In exchanges with other GPUs, waits for slower ones included.
    pub(super) exchanged: SimDuration,
}

/// Tokens of experts, for the evenness of their load.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadCounts {
    /// Selections of each expert, `[layer * experts + expert]`.
    pub(super) selections: Vec<u64>,
    /// Layer events with experts on several ranks.
    pub(super) spread_events: u64,
    /// Sum over them of the busiest rank's tokens over the mean rank's, in thousandths.
    pub(super) busiest_permille: u64,
}

/// What one stage of a replica's pipeline did over the run.
#[derive(Clone, Debug, Default)]
pub(super) struct StageBooks {
    pub(super) gpus: Vec<GpuTime>,
    pub(super) prefill: AccessCounts,
    pub(super) decode: AccessCounts,
    /// Of its first GPU.
    pub(super) prefill_time: TimeShares,
    /// Of its first GPU.
    pub(super) decode_time: TimeShares,
    /// Of its first GPU; without those that no device of its own keeps.
    pub(super) links: Vec<LinkUse>,
    pub(super) prefetch: crate::metrics::PrefetchCounts,
    pub(super) overshoot_bytes_max: u64,
    pub(super) events: u64,
    pub(super) load: LoadCounts,
    /// Of its first GPU, where it is simulated.
    pub(super) allocator: Option<Box<AllocatorSummary>>,
}

/// Times the part of a pass that one pipeline stage of a replica has.
pub(super) trait Timer {
    /// The pass whose data-parallel ranks have this work begins at `start`; says when the stage is done with it.
    ///
    /// # Errors
    /// A simulation that does not advance, which would be a bug.
    fn pass(&mut self, start: SimTime, works: &[Work]) -> Result<SimTime>;

    /// Bytes of experts in the memory of all GPUs of the stage.
    fn expert_bytes(&self) -> Bytes;

    /// Lookups and hits so far.
    fn lookups(&self) -> (u64, u64);

    /// How long compactions of GPU memory have held up its passes so far.
    fn compaction_time(&self) -> SimDuration {
        SimDuration::ZERO
    }

    /// The allocator that could not serve a request, where there is one: the last pass came to no end.
    fn out_of_memory(&self) -> Option<Box<AllocatorSummary>> {
        None
    }

    /// Closes the books of a run that took `span`.
    fn finish(self: Box<Self>, span: SimDuration) -> StageBooks;
}
