//! Many points at once: plan every one, simulate them on all cores, keep what is finished.
//!
//! A row depends on its point alone, so the rows of a sweep are the same for any number of threads and any order of
//! work, and the same as the row of the point run by itself. What a sweep needs the wall clock for (progress) is left to
//! whoever watches it.

mod capacity;
mod explain;
mod journal;
mod run;
mod sensitivity;

pub use capacity::{CapacityQuestion, capacity};
pub use explain::{explain, explain_point};
pub use journal::Journal;
pub use run::{Stop, check, fingerprint, record_point, row_of, run_planned, run_point, run_points};
pub use sensitivity::{SensitivityQuestion, sensitivity};
