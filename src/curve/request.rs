//! What is compared: a trace, series and capacities.

use crate::cache::{Admission, CacheShape, Grouping, PolicyRow, Scope};
use crate::trace::{PassOptions, Trace};

/// A policy with what was added to it.
#[derive(Clone, Debug)]
pub struct Series {
    /// The policy.
    pub row: PolicyRow,
    /// Whether what misses comes to stay.
    pub admission: Admission,
    /// Whether every layer's share has room for the experts of one token, even where all shares then exceed the capacity.
    /// Of meaning only where each layer has its own share.
    pub floor: bool,
}

impl Series {
    /// A policy with nothing added.
    pub fn plain(row: PolicyRow) -> Self {
        Self { row, admission: Admission::Always, floor: false }
    }

    /// Its name: the policy, `+floor`, and `/` with the admission where it is not the usual one.
    pub fn name(&self) -> String {
        let floor = if self.floor { "+floor" } else { "" };
        let admission = Admission::ALL.into_iter().find(|(_, kind)| *kind == self.admission);
        match admission {
            Some((name, kind)) if kind != Admission::Always => format!("{}{floor}/{name}", self.row.name),
            _ => format!("{}{floor}", self.row.name),
        }
    }

    /// How it divides the cache: one pool, unless the policy is one of shares.
    pub fn scope(&self) -> Scope {
        self.row.scope.unwrap_or(Scope::Global)
    }
}

/// A capacity as the user gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapacityAsked {
    /// Share of all experts in parts per million.
    Share(u64),
    /// Bytes; of use only where the size of an expert is known.
    Bytes(u64),
    /// Experts of average size.
    Experts(u64),
}

/// One trace and what is asked of it.
#[derive(Debug)]
pub struct CurveRequest<'a> {
    /// Name for reports.
    pub name: String,
    /// The routing.
    pub trace: &'a Trace,
    /// Which part of it is replayed.
    pub options: PassOptions,
    /// What one event is.
    pub grouping: Grouping,
    /// Whether the cache is emptied between sequences.
    pub clear_between: bool,
    /// Policies.
    pub series: &'a [Series],
    /// Capacities.
    pub capacities: &'a [CapacityAsked],
    /// Size of one expert by layer, in bytes; empty where it is not known.
    pub expert_bytes: Vec<u64>,
    /// Name and counts `[layer * experts + expert]` of another trace, for policies that need a profile.
    pub profile: Option<(String, Vec<u64>)>,
    /// Seed of policies that draw.
    pub seed: u64,
}

impl CurveRequest<'_> {
    /// Size of one expert by layer: bytes, or one where they are not known.
    pub(super) fn sizes(&self) -> Vec<u64> {
        if self.expert_bytes.is_empty() {
            vec![1; self.trace.header().layers()]
        } else {
            self.expert_bytes.clone()
        }
    }

    /// The room of a capacity in the unit of the sizes, never more than all experts take.
    pub(super) fn room(&self, asked: CapacityAsked) -> u64 {
        let sizes = self.sizes();
        let experts = u128::from(self.trace.header().experts);
        let total = sizes.iter().map(|size| u128::from(*size)).sum::<u128>() * experts;
        let room = match asked {
            CapacityAsked::Share(ppm) => total * u128::from(ppm) / 1_000_000,
            CapacityAsked::Bytes(bytes) => u128::from(bytes),
            CapacityAsked::Experts(count) => {
                let objects = experts * sizes.len() as u128;
                (total * u128::from(count)).checked_div(objects).unwrap_or(0)
            }
        };
        u64::try_from(room.min(total)).unwrap_or(u64::MAX)
    }

    /// The cache of a series at a capacity.
    pub(super) fn shape(&self, series: &Series, room: u64) -> CacheShape {
        let sizes = self.sizes();
        let header = self.trace.header();
        let one_each: u128 = sizes.iter().map(|size| u128::from(*size)).sum();
        let share = |size: &u64| {
            let share = u128::from(room) * u128::from(*size) / one_each.max(1);
            let least = if series.floor { size * u64::from(header.top_k) } else { 0 };
            u64::try_from(share).unwrap_or(u64::MAX).max(least)
        };
        CacheShape {
            layers: u32::try_from(sizes.len()).unwrap_or(u32::MAX),
            experts: header.experts,
            scope: series.scope(),
            pool_capacity: match series.scope() {
                Scope::Global => vec![room],
                Scope::PerLayer => sizes.iter().map(share).collect(),
            },
            sizes,
            pinned: Vec::new(),
        }
    }
}
