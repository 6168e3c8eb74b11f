//! What a pass costs on the GPU. Requests, batches and parallelism are not here: one sequence is served at a time.

mod cost;
mod cpu;

pub use cost::{ExpertCosts, GpuRates, Overheads, PassCosts, StretchCost, WeightSizes};
pub use cpu::CpuRates;
