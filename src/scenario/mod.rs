//! What the user wrote: a TOML file, its command-line overrides and its sweep axes.
//!
//! [`Scenario::load`] reads a file and refuses what it does not know, reporting every unknown key and every bad value at
//! once, each with its line and column. The [`ScenarioFile`] that comes out is a grid of points, the cartesian product of
//! the axes in `[sweep]`; [`ScenarioFile::point`] gives one of them as a typed [`Scenario`] of optional fields.
//!
//! Nothing is resolved here: names are not looked up in the catalogue, defaults are not filled in, no trace is opened.
//! That is the plan's work, which reports its own problems at [`Places::of`] the key concerned.
//!
//! Paths in a scenario file start at the file's folder; paths given with `--set`, and `output.folder` always, start at
//! the current folder.

mod axes;
mod check;
mod choice;
mod choice_advise;
mod choice_serving;
mod document;
mod file;
mod given;
mod keys;
mod money;
mod numbers;
mod percent;
mod places;
mod range;
mod schema;
mod schema_advise;
mod schema_allocator;
mod schema_cost;
mod schema_serving;
mod section;
mod set;
mod slo;
mod tree;
mod values;

pub use axes::{Axis, AxisValue};
pub use choice::{
    AdmissionRule, AllocatorRule, Between, CacheScope, CacheStart, Copies, ExpertHome, KvGrowth, MissAction,
    NvmePath, Overcommit, Overlap, ReplayMode, Router, Tiers,
};
pub use choice_advise::{AdviseStrategy, PlacementFamily};
pub use choice_serving::{
    ArrivalProcess, BatchOrder, Batching, ExchangeKind, LengthSource, PlacementRule, PreemptionRule,
    ReplicaRouting, RequestRouting, SchedulerPolicy, ThinkTime,
};
pub use document::{Document, Setting};
pub use file::{POINTS_MAX, PointScenario, ScenarioFile};
pub use keys::{KeyDoc, keys};
pub use money::{Dollars, Lifetime, PriceDate, Wattage};
pub use numbers::{Factor, Rate, millionths};
pub use percent::Percent;
pub use places::Places;
pub use schema::{
    CacheSection, EngineSection, HardwareSection, ModelSection, OutputSection, PlacementSection,
    PrefetchSection, QuantSection, Scenario, WorkloadSection,
};
pub use schema_advise::AdviseSection;
pub use schema_allocator::AllocatorSection;
pub use schema_cost::CostSection;
pub use schema_serving::{
    KvSection, ParallelSection, RequestsSection, RouterSection, SchedulerSection, SloSection,
};
pub use slo::{LatencyLimit, LatencyMetric, Statistic, parse_slo};
pub use values::{CacheCapacity, HitRate, KvCapacity, PinnedExpert, Reserve};
