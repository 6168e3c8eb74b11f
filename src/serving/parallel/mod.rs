//! One model on many GPUs: who holds which weights, who computes which tokens, and what it costs to exchange them.
//!
//! A replica is laid out by a [`Layout`]: pipeline stages, and within a stage attention by tensor and data parallelism
//! and experts by expert and tensor parallelism. [`layer_share`] and [`outside_share`] say what one GPU holds,
//! [`kv_divisor`] how much of a sequence's cache. A [`Placement`] gives every expert its ranks and splits a pass's
//! tokens among them; an [`Interconnect`] says how long ranks take to exchange bytes.
//!
//! Several replicas behind a router are not here: they share nothing. Context parallelism and moving experts between
//! ranks while serving are left out.

mod balance;
mod exchange;
mod layout;
mod placement;
mod shares;

pub use exchange::{Exchange, Interconnect, Link};
pub use layout::{GPUS_MAX, Layout};
pub use placement::{Placement, PlacementShape, RankLoad, Strategy};
pub use shares::{gpu_share, kv_divisor, layer_share, outside_share};
