//! What a simulation says of itself: integer counters, and the [`Row`] that a report is made of.
//!
//! This is the only thing reports see. Everything is data: no room above is named here, and nothing is computed from
//! the wall clock. Rows are serialised to the sweep's journal, from which `--resume` reads finished points back.

pub mod advice;
mod allocator;
mod capacity;
mod cost;
mod counts;
mod curve;
mod deployment;
mod effect;
mod explanation;
mod footprint;
mod launch;
mod prefetch;
mod quality;
mod quantile;
mod row;
mod sensitivity;
mod serving;
mod summary;
pub mod timeline;
mod validation;
mod verdict;

pub use allocator::{AllocatorSlice, AllocatorSummary};
pub use capacity::{Capacity, CapacityLimit, CapacityProbe, LimitFound};
pub use cost::{CostBasis, NoPayback, PricePart};
pub use counts::{AccessCounts, LinkUse, PhaseCounts, TimeShares};
pub use curve::{CurveCapacity, CurvePoint, CurveSequence, Drift, PolicyCurve, TraceCurves};
pub use deployment::{Agreement, Deployment, DeploymentRow, MemoryCount, Quote};
pub use effect::{Effect, EffectChart, EffectValue};
pub use explanation::{Explanation, Relief, Relieved};
pub use footprint::{Degrees, ExpertRoom, Footprint, FootprintPart, OffloadRun};
pub use launch::{LaunchCheck, LaunchLine};
pub use prefetch::PrefetchCounts;
pub use quality::{Quality, QualityPart, percent_words};
pub use quantile::{Quantiles, quantile};
pub use row::{ConfigLabels, LedgerLine, Outcome, Row, TierNeed};
pub use sensitivity::{
    Parameter, PromptRange, Sensitivity, SensitivityBar, SensitivityEnd, SensitivityMetric, Varied,
};
pub use serving::{
    ExpertLoad, Goodput, GpuUse, KvUse, RequestCounts, ServingSlice, ServingSummary, TokenCounts,
};
pub use summary::{SequenceSummary, Summary};
pub use validation::{FittedParameter, Held, SeriesErrors, Statistic, ValidationRow, ValidationSeries};
pub use verdict::{
    CONTESTED_RATE, CapacityVerdict, CurveWarning, DISTANCE_MIN_POINTS, DRIFT_POINTS, Judged, LruEquivalent,
    MISMATCH_POINTS, Overall, POLICY_FAILURE_POINTS, PairedDifference, Ranked, Situation, Standing, Verdict,
    WORKING_SET_RATE, Winner,
};
