//! Loading experts before their layer asks for them.
//!
//! A [`Predictor`] names experts of a layer ahead; the [`Prefetcher`] turns them into requests, keeps what arrives in a
//! *prefetch buffer* in VRAM beside the expert cache, and counts what became of it. Because the buffer is no part of the
//! cache, what the cache holds, and its hit rate before prefetch, do not depend on the predictor.
//!
//! Order of calls at one layer event: [`Prefetcher::observe`], [`Prefetcher::claim`] for every miss of the cache,
//! [`Prefetcher::event_over`], [`Prefetcher::plan`]. Time is left to the caller: it starts transfers when the link is
//! free and says so with [`Prefetcher::started`] and [`Prefetcher::arrived`].
//!
//! Prefetching into the cache itself (where a wrong guess evicts something useful), and engines that compute with
//! guessed experts instead of the router's, are not modelled.

pub mod conformance;
mod latest;
mod mechanism;
mod predictor;
pub mod predictors;
mod profile;
mod ranking;
mod registry;

pub use mechanism::{Claim, PrefetchShape, Prefetcher, Request, Target};
pub use predictor::{Ask, Observed, Predictor};
pub use profile::Profile;
pub use registry::{BuildPredictor, PredictorInput, PredictorNeeds, PredictorRegistry, PredictorRow};
