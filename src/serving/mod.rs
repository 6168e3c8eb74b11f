//! What a pass costs: GPU work by roofline, the grouped kernel of the routed experts, and experts on the CPU.
//!
//! Requests, schedulers and parallelism are not here: a pass arrives with its tokens and contexts decided.

mod cpu;
mod experts;
mod kernel;
mod pass;
mod rates;
mod request;
pub mod workload;

pub use cpu::CpuRates;
pub use experts::ExpertCosts;
pub use kernel::{MoeKernel, activation_bytes};
pub use pass::{PassCosts, StretchCost, WeightSizes};
pub use rates::{GpuRates, Overheads};
pub use request::{ClosedLoop, Request, RequestId, RequestSet, RequestView};
