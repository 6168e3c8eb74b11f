//! Routing traces: format, importers, statistics.

mod data;
pub mod stats;

pub use data::{Ids, NO_EXPERT_U8, NO_EXPERT_U16, SequenceMeta, Trace, TraceHeader};
