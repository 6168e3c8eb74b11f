//! The simulator: owns all state of a run, one match on the event, nothing global.
//!
//! One sequence is served at a time, pass after pass. In each MoE layer the GPU first works through the stretch before
//! the experts (attention, router, shared experts); then the router's choice is known and the layer event is put to the
//! expert cache. Resident experts compute at once. Missing ones are fetched, from NVMe through host memory or from host
//! memory directly, and compute when they have arrived. The layer ends when all of its experts have computed.
//!
//! [`Overlap`](crate::plan::Overlap) decides what runs side by side:
//!
//! - `None`: copies are synchronous. They begin when the resident experts have computed, and all missing experts compute
//!   in one launch when the last has arrived.
//! - `WithinLayer`: copies begin as soon as the router's choice is known, and each missing expert computes as it arrives.
//!
//! Either way, an NVMe read of one expert overlaps the copy of another, since they use different devices.

mod books;
mod cost;
mod cpu;
mod event;
mod fabric;
mod faster;
mod fetch;
mod layer;
mod miss;
mod prefetching;
mod run;

pub use run::simulate;
