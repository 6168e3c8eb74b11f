//! What a GPU reaches with an engine, and the time that the engine adds.

use crate::units::{Bandwidth, Bytes, FlopRate, SimDuration};

/// What the GPU reaches after the engine's efficiencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuRates {
    /// Dense matrix rate, operations per second.
    pub compute: FlopRate,
    /// Memory bandwidth, bytes per second.
    pub memory: Bandwidth,
}

impl GpuRates {
    /// Roofline time of an operation.
    pub fn time(&self, flops: u64, bytes: Bytes) -> SimDuration {
        self.compute.time_for(flops).max(self.memory.time_for(bytes))
    }
}

/// Time the engine adds on top of the roofline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overheads {
    /// Once per pass: sampling, host work, graph launch.
    pub per_pass: SimDuration,
    /// Once per sequence in a pass: its part of the scheduler's, the sampler's and the server's work.
    pub per_request: SimDuration,
    /// Once per model layer, whether or not its operations are replayed as a graph.
    pub per_layer: SimDuration,
    /// Once per launch of a group of routed experts, and what one launch from the host costs.
    pub launch: SimDuration,
    /// Operations of one layer that the host launches one by one where nothing is captured, expert groups left out.
    pub launches_per_layer: u32,
    /// Operations are replayed as graphs, so that the host launches none of a layer's operations itself.
    pub graphs: bool,
}

impl Overheads {
    /// What a pass over so many sequences costs beside its layers.
    pub fn of_pass(&self, sequences: u64) -> SimDuration {
        self.per_pass + self.per_request.times(sequences)
    }

    /// What one layer costs beside its operations.
    pub fn of_layer(&self) -> SimDuration {
        let launches = if self.graphs { 0 } else { u64::from(self.launches_per_layer) };
        self.per_layer + self.launch.times(launches)
    }
}
