//! A recommendation and everything that it rests on.
//!
//! Rows carry the number of their candidate, and whatever a report says names the row that it is taken from.

mod metric;

pub use metric::{Latency, LatencyAt, Metric, MetricUnit};

use serde::{Deserialize, Serialize};

use super::{Explanation, LaunchLine, Row, SeriesErrors};

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Of what.
    pub metric: Metric,
    /// The number it may not pass: at most, or at least where more is better.
    pub value: u64,
    /// As it was written: `tpot_p99 < 50 ms`.
    pub text: String,
}

impl Limit {
    /// Whether a value of the metric is within the limit.
    pub fn allows(&self, value: u64) -> bool {
        if self.metric.more_is_better() { value >= self.value } else { value <= self.value }
    }

    /// By how much a value is beyond the limit, in parts per million of the limit; zero within it.
    pub fn excess_ppm(&self, value: u64) -> u64 {
        let (over, whole) = if self.metric.more_is_better() {
            // Half of a rate is as far off as twice a time.
            (self.value.saturating_sub(value), value)
        } else {
            (value.saturating_sub(self.value), self.value)
        };
        u64::try_from(u128::from(over) * 1_000_000 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
    }
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Its settings contradict each other.
    Refused(String),
    /// It does not fit, for these reasons.
    CannotRun(Vec<String>),
    /// A number that a limit or an objective needs is not known: its name and what is missing.
    Unknown(Metric, String),
    /// Its copies alone are too slow for the load: output tokens a second, asked and possible, in thousandths.
    CannotKeepUp {
        /// What the load asks for.
        asked: u64,
        /// What the link allows at best.
        allowed: u64,
    },
    /// Even its bound is beyond a limit: which, and the best it could reach.
    BeyondLimit {
        /// Position in the limits.
        limit: usize,
        /// The best possible value.
        bound: u64,
    },
    /// It was not simulated, since this candidate is better than its bound in everything.
    Dominated(u64),
    /// It was simulated, and requests came faster than it could serve them.
    Saturated,
    /// It was simulated and breaks these limits, by position.
    Breaks(Vec<usize>),
    /// It was simulated and this one is better.
    Beaten(u64),
    /// It was simulated, and nothing is better in everything.
    Front,
    /// It does not belong to what was asked: reached only by a search next to it.
    Open,
}

impl Fate {
    /// Name in data files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::CannotRun(_) => "cannot-run",
            Self::Unknown(..) => "unknown",
            Self::CannotKeepUp { .. } => "cannot-keep-up",
            Self::BeyondLimit { .. } => "beyond-limit",
            Self::Dominated(_) => "dominated",
            Self::Saturated => "saturated",
            Self::Breaks(_) => "breaks-limit",
            Self::Beaten(_) => "beaten",
            Self::Front => "front",
            Self::Open => "open",
        }
    }
}

/// One configuration that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its number; that of its row, where it was simulated.
    pub index: u64,
    /// What it is, one value for each of [`Advice::dimensions`].
    pub choice: Vec<String>,
    /// The settings that make the scenario this configuration, as `--set` takes them.
    pub settings: Vec<(String, String)>,
    /// The best that its metrics could be, for each of [`Advice::objectives`]; nothing where it was not screened.
    pub bound: Vec<u64>,
    /// What became of it.
    pub fate: Fate,
}

/// A row next to the recommended one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its candidate.
    pub index: u64,
    /// What it has less of: price, or VRAM where prices are not known; time, for the faster one.
    pub metric: Metric,
    /// Limits that it breaks, by position.
    pub breaks: Vec<usize>,
}

/// What a limit alone stands in the way of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relaxed {
    /// Position in the limits.
    pub limit: usize,
    /// The candidate that keeps all other limits and comes nearest to this one.
    pub index: u64,
    /// Its value.
    pub value: u64,
}

/// Predictions of an engine profile against published measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Series of measurements whose scenario has the profile: name, title, errors, and whether parameters were fitted to it.
    pub series: Vec<TrustSeries>,
    /// The profile.
    pub engine: String,
}

/// One series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrustSeries {
    /// Its name.
    pub id: String,
    /// Machine, engine, model.
    pub title: String,
    /// Where the measurements were published.
    pub source: String,
    /// Rows.
    pub rows: usize,
    /// Parameters that were fitted to these very rows.
    pub fitted: usize,
    /// How far predictions are off.
    pub errors: SeriesErrors,
}

/// One step of the staged strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// What is done: `as is`, `INT8`, ...
    pub name: String,
    /// The best candidate of the step.
    pub index: Option<u64>,
    /// Why it is not enough; empty where it is.
    pub short: Vec<String>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Name of the question.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// Requests under load, in words; empty where sequences are replayed.
    pub load: String,
    /// The scenario's file as a command line takes it.
    pub file: String,
    /// Names of what candidates differ in.
    pub dimensions: Vec<String>,
    /// What every answer must keep.
    pub limits: Vec<Limit>,
    /// What answers are compared by.
    pub objectives: Vec<Metric>,
    /// The objective that decides.
    pub prefer: Metric,
    /// Objectives that were left out, and why.
    pub notes: Vec<String>,
    /// Every candidate, by number.
    pub candidates: Vec<Candidate>,
    /// Every row that was simulated, by number.
    pub rows: Vec<Row>,
    /// The answer, where one keeps all limits.
    pub recommended: Option<u64>,
    /// Without one: the configuration that comes nearest to all limits.
    pub nearest: Option<u64>,
    /// Without one: what giving up each limit alone would bring; limits that cannot help alone are left out.
    pub relaxed: Vec<Relaxed>,
    /// A cheaper configuration.
    pub cheaper: Option<Neighbour>,
    /// A faster configuration.
    pub faster: Option<Neighbour>,
    /// What limits the recommended (or nearest) configuration.
    pub explanation: Option<Explanation>,
    /// How far to trust it.
    pub trust: Option<Trust>,
    /// How to start it.
    pub launch: Vec<LaunchLine>,
    /// Steps of the staged strategy.
    pub stages: Vec<Stage>,
}

impl Advice {
    /// The row of a candidate, where it was simulated.
    pub fn row(&self, index: u64) -> Option<&Row> {
        self.rows.binary_search_by_key(&index, |row| row.index).ok().map(|at| &self.rows[at])
    }

    /// The candidate with this number.
    pub fn candidate(&self, index: u64) -> Option<&Candidate> {
        self.candidates.get(usize::try_from(index).ok()?)
    }

    /// Candidates that nothing is better than.
    pub fn front(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.fate == Fate::Front)
    }

    /// The candidate that the page speaks of: the recommended one, else the nearest.
    pub fn subject(&self) -> Option<u64> {
        self.recommended.or(self.nearest)
    }
}
