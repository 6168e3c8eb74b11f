//! The simulator: owns all state of a run, one match on the event, nothing global.
//!
//! Passes are served one after another. In each MoE layer the stretch before the experts (attention, router, shared
//! experts) runs first; then the router's choice is known and the layer event is put to the expert cache
//! (`miss.rs` decides what becomes of each expert that is missing, `fetch.rs` moves it, `prefetching.rs` moves what the
//! layers ahead are expected to ask for). Resident experts compute at once. The layer ends when all its experts have.
//!
//! [`Overlap`](crate::plan::Overlap) decides what runs side by side:
//!
//! - `None`: copies are synchronous. They begin when the resident experts have computed, and all missing experts compute
//!   in one launch when the last has arrived.
//! - `WithinLayer`: copies begin as soon as the router's choice is known, each missing expert computes as it arrives, and
//!   the layer ends when its copies have, prefetches too.
//! - `AcrossLayers`: the same, but prefetches run on into the next layers.
//!
//! In every case an NVMe read of one expert overlaps the copy of another, since they use different devices.

mod allocating;
mod books;
mod cost;
mod cpu;
mod event;
mod fabric;
mod faster;
mod fetch;
mod foretold;
mod layer;
mod miss;
mod pace;
mod prefetching;
mod recorder;
mod run;
mod serve;
mod vram;
mod vram_history;

pub use run::{record, simulate};
