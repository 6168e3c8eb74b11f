//! What models take in memory, stored and laid out in several ways, and what offloading their experts costs in latency.
//!
//! Everything comes from plans and runs of scenarios that are written here, so that a table of memory and a simulation
//! cannot disagree. The one exception is the counting of introductory texts, which keeps every activation and nothing of
//! the engine. Left out: what an allocator loses to fragments, and peaks within a pass.

mod ask;
mod build;
mod offload;
mod scenario;

pub use ask::{FootprintAsk, ModelAsk};
pub use build::{footprints, textbook};
