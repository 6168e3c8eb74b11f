//! Expert caches: the mechanism, and the policies that order it, one file each.
//!
//! A policy is added in one file under `policies/` and one row in [`registry`]; a user's own policy needs only the trait
//! ([`Policy`]) and a [`PolicyRow`] handed to the planner, without touching the crate (`examples/custom_policy.rs`).
//! The conformance suite in [`conformance`] holds for every one of them.

mod appearances;
pub mod conformance;
mod counting_bloom;
mod future;
mod indexed_heap;
mod mechanism;
mod order_list;
mod order_lists;
mod policies;
mod policy;
mod rank_set;
pub mod registry;
mod regret;
pub mod replay;
mod segment_list;
pub mod stack;
mod swept_queue;

pub use appearances::Appearances;
pub use counting_bloom::CountingBloom;
pub use future::{Future, Grouping};
pub use indexed_heap::IndexedHeap;
pub use mechanism::{Admission, CacheShape, Candidates, ExpertCache, Lookup, Scope};
pub use order_list::OrderList;
pub use order_lists::OrderLists;
pub use policies::{
    ActivationAware, AdaptiveReplacement, Belady, BeladySize, Clock, Fifo, GateWeight, Gdsf, LayerDistance,
    LayerLfu, LayerLru, LeCaR, Lfu, LfuDa, LfuEma, LfuPerfect, LfuWindow, Lirs, Lru, Mru, PinLru, Random,
    S3Fifo, Sieve, Slru, Static, TwoQ, Unbounded, WTinyLfu,
};
pub use policy::{Access, NEVER, Policy, PolicyInput};
pub use rank_set::RankSet;
pub use registry::{Needs, PolicyRow, Registry};
pub use segment_list::{NOWHERE, SegmentList};
