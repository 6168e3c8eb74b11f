//! moesim: a trace-driven discrete-event simulator of mixture-of-experts serving.

#![deny(unsafe_code)]

pub mod cache;
pub mod catalogue;
pub mod cli;
pub mod engine;
pub mod error;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod report;
pub mod resource;
pub mod rng;
pub mod scenario;
pub mod serving;
pub mod sim;
pub mod sweep;
pub mod trace;
pub mod units;
