//! What would relieve a configuration: the same point again with one resource at a time improved.

use serde::{Deserialize, Serialize};

use super::{Quantiles, Row, SequenceSummary, Summary};

/// A resource to have more of. Each is doubled, but for overheads, which are halved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relief {
    /// Bytes per second of GPU memory.
    GpuMemory,
    /// Operations per second of the GPU.
    GpuCompute,
    /// Bytes per second of copies, both ways.
    HostLink,
    /// Bytes per second of reads from the drive, alone and together.
    Nvme,
    /// Bytes per second that the CPU's threads read, each and together, and of the memory that they share with copies.
    CpuMemory,
    /// Operations per second of the CPU.
    CpuCompute,
    /// GPU memory for experts.
    ExpertVram,
    /// Host memory for experts that live on NVMe.
    ExpertDram,
    /// The engine's own time: per token, layer and launch.
    Overheads,
}

impl Relief {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::GpuMemory,
        Self::GpuCompute,
        Self::HostLink,
        Self::Nvme,
        Self::CpuMemory,
        Self::CpuCompute,
        Self::ExpertVram,
        Self::ExpertDram,
        Self::Overheads,
    ];
}

/// A point with one resource improved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relieved {
    /// Which.
    pub resource: Relief,
    /// Mean time per output token, over sequences.
    pub tpot_ns: Quantiles,
    /// Time to first token, over sequences that have a prompt.
    pub ttft_ns: Quantiles,
    /// The sequences, in the order of those of the point itself.
    pub sequences: Vec<SequenceSummary>,
}

impl Relieved {
    /// Of the run with the improved resource.
    pub fn new(resource: Relief, summary: Summary) -> Self {
        let Summary { tpot_ns, ttft_ns, sequences, .. } = summary;
        Self { resource, tpot_ns, ttft_ns, sequences }
    }
}

/// A point and what it would be with more of each resource that it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The point as it is.
    pub row: Row,
    /// With one resource improved; empty where the point cannot run.
    pub reliefs: Vec<Relieved>,
}
