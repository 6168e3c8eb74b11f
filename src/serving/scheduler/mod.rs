//! Who is in the next pass of one rank: continuous or static batching over a paged KV cache.
//!
//! A state machine without a clock and without chance: it hears of arrivals and of passes that ended, and fills the next
//! pass. It is never told how long an answer will be. Rules are those of vLLM's V1 scheduler
//! (`vllm/v1/core/sched/scheduler.py`, 2025) unless an item says otherwise; admission keeps no blocks back (no watermark).
//! Left out: several ranks and replicas (each has a scheduler of its own, and a router in front), speculative decoding,
//! and requests that are cancelled.

mod admit;
mod batch;
mod config;
mod entry;
mod passes;
mod preempt;
mod rank;
mod waiting;

pub use batch::{Batch, Slot};
pub use config::{Batching, PassOrder, Preemption, SchedulerConfig, SchedulingPolicy};
pub use rank::{Arrival, Rejection, Scheduler};
