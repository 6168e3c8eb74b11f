//! Routing traces: format, importers, statistics.

mod batch;
mod builder;
mod continuation;
mod counts;
mod csv_twin;
mod data;
pub mod format;
pub mod import;
mod merge;
mod mmap;
mod passes;
pub mod stats;
pub mod synthetic;

pub use batch::{Batched, batched};
pub use builder::{Phase, TraceBuilder, check_header};
pub use continuation::{CONTINUATION, Continued, RequestRouting, RequestSources, continued};
pub use counts::RoutingCounts;
pub use csv_twin::{write_csv, write_csv_file};
pub use data::{ExpertNumber, Ids, NO_EXPERT_U8, NO_EXPERT_U16, SequenceMeta, Trace, TraceHeader};
pub use format::{Compression, write, write_file};
pub use import::{ImportOptions, Imported, open};
pub use merge::ExpertGroups;
pub use passes::{Pass, PassOptions, RowRun, RowRuns, passes};
