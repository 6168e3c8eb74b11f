//! What hit-rate curves show: which policy wins, by how much, whether the difference is real, and where no policy helps.
//!
//! Rates and shares are between 0 and 1; differences of rates are in percentage points.

use serde::Serialize;

use super::CurveCapacity;

/// Where LRU and Belady lie closer together, in percentage points, no share of their distance is worked out: it would be
/// the quotient of two roundings. A lead over LRU that is smaller is none.
pub const DISTANCE_MIN_POINTS: f64 = 0.1;

/// LRU, or the policy that is judged, is far below Belady from so many percentage points on. The hit rate of one and the
/// same policy differs by about as much from prompt to prompt, so that a smaller distance would hardly be noticed.
pub const POLICY_FAILURE_POINTS: f64 = 10.0;

/// Belady is low below this rate: then even foresight saves less than half of the copies that having no cache would cost,
/// so that no policy can do much and more memory can.
pub const WORKING_SET_RATE: f64 = 0.5;

/// A policy is far below LRU from so many percentage points on. It is a mismatch only where a random victim serves as
/// much, which makes half of the distance of a policy failure enough.
pub const MISMATCH_POINTS: f64 = 5.0;

/// Popularity drifts where the earlier half's hottest experts serve so many percentage points less of the later half
/// than its own do: from there on, a profile loses about what separates LRU from Belady where a policy is said to fail.
pub const DRIFT_POINTS: f64 = 10.0;

/// Policies are ranked at the capacities where Belady hits no more than this; above it there is little left to win, and
/// shares of small distances would decide.
pub const CONTESTED_RATE: f64 = 0.95;

/// What holds LRU, or another policy, back at one capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Situation {
    /// The capacity is below the experts of one token in all layers: LRU evicts each before it is asked for again.
    BelowCycle,
    /// Even Belady hits less than [`WORKING_SET_RATE`]: more memory helps, a better policy hardly does.
    WorkingSetFailure,
    /// Belady is high and the policy at least [`POLICY_FAILURE_POINTS`] below it: a better policy could help.
    PolicyFailure,
    /// Belady is high and the policy not far below it.
    Fine,
}

/// The memory with which LRU would hit as much: the smallest number of slots in one pool for all layers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LruEquivalent {
    /// Experts of average size.
    pub experts: u64,
    /// Bytes, where the size of an expert is known.
    pub bytes: Option<u64>,
    /// By how much that is more than the capacity, as a share of it; negative where it is less.
    pub more: f64,
}

/// One policy at one capacity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Share of the judged lookups that hit.
    pub hit_rate: f64,
    /// How much higher that is than LRU's, in percentage points; `None` where LRU's is not known.
    pub over_lru_points: Option<f64>,
    /// Share of the distance from LRU to Belady that it recovers; `None` where they are closer than
    /// [`DISTANCE_MIN_POINTS`] or not known. Negative below LRU.
    pub recovered: Option<f64>,
    /// What holds it back; `None` where Belady is not known.
    pub situation: Option<Situation>,
    /// LRU with as many hits.
    pub lru_equivalent: Option<LruEquivalent>,
    /// Whether it may win here: an engine could run it, its profile is not of the sequences it is judged on, and it
    /// keeps to the capacity.
    pub competes: bool,
}

/// Differences between a policy and LRU, sequence by sequence.
///
/// Each sequence counts alike, so the mean is not the difference of the rates over all lookups. Sequences may share what the
/// cache holds between them, and the policy was chosen as the best on these very sequences; both make the interval
/// somewhat too narrow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PairedDifference {
    /// Sequences with lookups of the judged phase.
    pub sequences: u64,
    /// Mean difference of hit rates, in percentage points.
    pub mean_points: f64,
    /// Lower end of its 95 % interval by Student's t distribution.
    pub low_points: f64,
    /// Upper end.
    pub high_points: f64,
    /// Whether the interval leaves out zero.
    pub significant: bool,
}

/// The best of the policies that compete.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Winner {
    /// Its position among the policies.
    pub curve: usize,
    /// Its name.
    pub name: String,
    /// Its lead over LRU; `None` where it is LRU, where LRU was not replayed, or where there are fewer than two sequences.
    pub paired: Option<PairedDifference>,
}

/// All policies at one capacity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CapacityVerdict {
    /// The capacity.
    pub capacity: CurveCapacity,
    /// LRU's hit rate in one pool for all layers.
    pub lru_hit_rate: Option<f64>,
    /// That of Belady's rule; `None` where experts differ in size and it was not replayed.
    pub belady_hit_rate: Option<f64>,
    /// That of random victims; `None` where they were not replayed.
    pub random_hit_rate: Option<f64>,
    /// What holds LRU back; `None` where Belady is not known.
    pub situation: Option<Situation>,
    /// The policies, in the order of the curves.
    pub policies: Vec<Judged>,
    /// The best of those that compete; LRU where none leads it by [`DISTANCE_MIN_POINTS`].
    pub winner: Option<Winner>,
}

/// Why a policy is in the ranking but cannot win it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It can win.
    Candidate,
    /// No engine can run it.
    Bound,
    /// It was profiled on the sequences that it is judged on.
    InSample,
    /// It holds more than the capacity somewhere in the range.
    ExceedsCapacity,
}

/// A policy over all contested capacities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// Its position among the policies.
    pub curve: usize,
    /// Its name.
    pub name: String,
    /// Whether it can win.
    pub standing: Standing,
    /// Mean share of the distance from LRU to Belady that it recovers.
    pub mean_recovered: f64,
    /// Mean difference to LRU, in percentage points.
    pub mean_over_lru_points: f64,
    /// Contested capacities at which it is the winner.
    pub wins: u64,
}

/// Which policy is best over a range of capacities.
///
/// *Contested* are the capacities from the cycle on at which Belady hits at most [`CONTESTED_RATE`] and at least
/// [`DISTANCE_MIN_POINTS`] more than LRU. The overall winner is the candidate with the highest mean share recovered over them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overall {
    /// Positions of the contested capacities, from small to large.
    pub contested: Vec<usize>,
    /// All policies, the highest mean share first.
    pub ranking: Vec<Ranked>,
    /// The best candidate, with the mean of its leads over LRU at the contested capacities; LRU where none leads it by
    /// [`DISTANCE_MIN_POINTS`] in the mean.
    pub winner: Option<Winner>,
}

/// Something that a reader must know before trusting the numbers. Capacities are given by position, from small to large.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CurveWarning {
    /// Capacities below the experts of one token in all layers.
    BelowCycle {
        /// Which.
        capacities: Vec<usize>,
        /// Experts of one token in all layers.
        cycle_experts: u64,
    },
    /// A policy that does not suit the trace: far below LRU and no better than a random victim.
    Mismatch {
        /// Its name.
        policy: String,
        /// Where, among the capacities from the cycle on.
        capacities: Vec<usize>,
        /// Where it is farthest below LRU.
        worst: usize,
    },
    /// The popularity of experts moves within the trace.
    Drift {
        /// Share of the later half's selections that its own hottest experts serve.
        own: f64,
        /// Share that the earlier half's hottest experts serve.
        carried: f64,
    },
    /// Policies that were profiled on the sequences that they are judged on.
    InSample {
        /// Their names.
        policies: Vec<String>,
    },
    /// A policy that holds more than the capacity, since every layer has room for the experts of one token.
    ExceedsCapacity {
        /// Its name.
        policy: String,
        /// Where.
        capacities: Vec<usize>,
        /// What it holds at the smallest of them, in the unit of the sizes.
        room: u64,
    },
    /// Fewer than two sequences have lookups of the judged phase, so that no interval can be given.
    TooFewSequences {
        /// How many have.
        sequences: u64,
    },
    /// LRU was not replayed, so that there are no differences by sequence.
    NoLru,
    /// Experts differ in size and Belady's rule was not replayed, so that nothing is known of the distance to it.
    NoBelady,
    /// Experts differ in size, so that Belady's rule is not a strict bound.
    SizesDiffer,
}

/// What is concluded of one trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Name of the trace.
    pub trace: String,
    /// Sequences with lookups of the judged phase.
    pub judged_sequences: u64,
    /// Positions of the capacities from small to large.
    pub ascending: Vec<usize>,
    /// The capacities, in the order asked for.
    pub capacities: Vec<CapacityVerdict>,
    /// Over a range of capacities; `None` where none is contested.
    pub overall: Option<Overall>,
    /// What to know before trusting it.
    pub warnings: Vec<CurveWarning>,
}
