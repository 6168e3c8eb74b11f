//! The memory ledger: who owns which bytes of VRAM, DRAM and NVMe, and what does not fit; and allocators of VRAM.
//!
//! The ledger is filled while planning, before anything runs. It leaves out what changes from pass to pass: the
//! transient overshoot of a cache is measured by the simulation, and so is what an [`allocator`] makes of its requests.

pub mod allocator;
mod ledger;
mod textbook;
mod workspace;

pub use ledger::{Ledger, Tier};
pub use textbook::textbook_activations;
pub use workspace::{workspace, workspace_parts};
