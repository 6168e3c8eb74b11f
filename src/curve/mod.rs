//! Cache policies compared on a trace, without a clock: what each misses at each capacity.
//!
//! A [`CurveRequest`] names a trace, series (a policy with what was added to it) and capacities; [`run_all`] replays all
//! of them on all cores and returns one [`TraceCurves`] for each trace. Series that are stack algorithms take one pass for all
//! capacities, everything else one replay for each; the results are the same.
//!
//! [`judge`] says what the curves show.
//!
//! A policy that needs a profile gets it from another trace, or from the other half of the sequences (every second one),
//! never from the sequences that it is judged on; where the trace has one sequence only, it is marked as judged on its own
//! profile.

mod check;
mod drift;
mod label;
mod merged;
pub mod parse;
mod profile;
mod request;
mod run;
mod stacked;
mod verdict;

pub use check::check;
pub use merged::merged;
pub use profile::profile_of;
pub use request::{CapacityAsked, CurveRequest, Series};
pub use run::{Progress, run_all};
pub use verdict::judge;

#[cfg(doc)]
use crate::metrics::TraceCurves;
