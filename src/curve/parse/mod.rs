//! What a person writes on a command line, as a request: capacities, policies, splits and names of traces.

mod capacities;
mod names;
mod series;

pub use capacities::capacities;
pub use names::{Split, trace_names};
pub use series::{admissions, series};
