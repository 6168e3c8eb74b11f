//! Routing traces: format, importers, statistics.

mod data;
mod passes;

pub use data::{ExpertNumber, Ids, NO_EXPERT_U8, NO_EXPERT_U16, SequenceMeta, Trace, TraceHeader};
pub use passes::{Pass, PassOptions, Phase, passes};
