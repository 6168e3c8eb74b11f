//! moesim: a trace-driven discrete-event simulator of mixture-of-experts serving.
//!
//! Given a model, a machine, a cache policy and a trace of which experts each token chose, it says which bytes lie where,
//! which experts hit, and when each token is out. The `moesim` command is a thin shell around this library.
//!
//! # Data flow
//!
//! Data goes one way, and each step has types of its own:
//!
//! 1. [`scenario`]: what the user wrote, a TOML file with sweep axes. A [`scenario::ScenarioFile`] is a grid of points.
//! 2. [`plan`]: what will run. [`plan::plan`] looks every name up in the [`catalogue`], opens the [`trace`], books every
//!    byte of the [`model`] in the [`memory`] ledger, and makes each default visible. What does not fit is said here.
//! 3. [`sim`]: state and events. [`sim::simulate`] replays the trace through the expert [`cache`], with the [`serving`]
//!    costs of each pass, over the [`resource`]s of the machine, on the clock of the [`engine`].
//! 4. [`metrics`]: integer counters and quantiles. A [`metrics::Row`] is all that a report ever sees.
//! 5. [`report`]: rows to bytes: tables, JSON, pictures.
//!
//! [`sweep`] runs steps 2 to 4 for many points at once, [`validate`] holds them against measurements, and [`cli`] connects the command line to all of them.
//!
//! ```
//! use std::path::Path;
//! use moesim::plan::Inputs;
//! use moesim::scenario::ScenarioFile;
//!
//! let text = r#"
//!     model.name = "qwen3-8b"
//!     quant.scheme = "q4_k_m"
//!     hardware.gpu = "rtx4090"
//!     workload.decode_tokens = 16
//! "#;
//! let scenario = ScenarioFile::parse(text, Path::new("inline.toml"), &[])?;
//! let row = moesim::sweep::run_point(&scenario, 0, &Inputs::default())?;
//! let summary = row.summary().ok_or_else(|| moesim::error::Error::new("it does not fit"))?;
//! assert_eq!(summary.decode.tokens, 16);
//! assert!(summary.tpot_ns.p50 > 0);
//! # Ok::<(), moesim::error::Error>(())
//! ```
//!
//! # Ordering guarantees
//!
//! Events are dispatched by time, then by [`engine::Rank`], then in the order in which they were scheduled, and there is
//! no other source of order. At one instant a transfer ends before a computation ends, and both before new work is handed
//! out. Time is a count of nanoseconds ([`units::SimTime`]) and never goes back.
//!
//! # Determinism
//!
//! The same version of this crate, the same scenario and the same trace give output files that are equal to the byte, for
//! any number of threads, any order of points, and a point alone or within a sweep. To that end time and bytes are
//! integers throughout; every random draw comes from a stream named by its purpose and the scenario's seed ([`rng`]),
//! never from a global generator, and never depends on the number of the point; and nothing reads the wall clock but the
//! progress bar. Configurations that differ only in policy or hardware replay the same routing, so that their
//! differences are paired.
//!
//! # Adding to it
//!
//! A cache policy implements [`cache::Policy`] and gets a [`cache::PolicyRow`] in the registry; [`cache::conformance`]
//! checks it. A program of one's own can do that without touching this crate: see `examples/custom_policy.rs`.

#![deny(unsafe_code)]

pub mod advise;
pub mod cache;
pub mod catalogue;
pub mod cli;
pub mod curve;
pub mod engine;
pub mod error;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod prefetch;
pub mod report;
pub mod resource;
pub mod rng;
pub mod scenario;
pub mod serving;
pub mod sim;
pub mod sweep;
pub mod trace;
pub mod units;
pub mod validate;
