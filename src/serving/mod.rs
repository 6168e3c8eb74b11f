//! What a pass costs: GPU work by roofline, the grouped kernel of the routed experts, and experts on the CPU.
//!
//! Under a load of requests: the requests, KV memory, the scheduler that batches them, and how GPUs share the work. All of
//! it is state and formulas; the clock is the simulator's.

mod cpu;
mod experts;
mod kernel;
pub mod kv;
pub mod parallel;
mod pass;
mod rates;
mod request;
pub mod scheduler;
mod shards;
mod shares;
mod work;
pub mod workload;

pub use cpu::CpuRates;
pub use experts::ExpertCosts;
pub use kernel::{MoeKernel, activation_bytes};
pub use pass::{PassCosts, StretchCost, WeightSizes};
pub use rates::{GpuRates, Overheads};
pub use request::{ClosedLoop, Request, RequestId, RequestSet, RequestView};
pub use shards::{Shard, Shards};
pub use shares::{ExpectedPass, ExpertShares, RoutingShares};
pub use work::{NextRuns, SequenceGroup, Work};
