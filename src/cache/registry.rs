//! The policies by name. A registry sits above the trait and its implementations, so that no circle forms.

use std::fmt;
use std::sync::Arc;

use super::policies::{Belady, Fifo, Lfu, Lru, Random, Static};
use super::{NEVER, Policy};
use crate::rng::{Purpose, stream};

/// What a policy must be told to work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The next use of every object: the policy is an oracle.
    pub future: bool,
    /// How often each expert was asked for in a profile.
    pub profile: bool,
}

/// What one pool's policy is built from.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInput<'a> {
    /// Number of the pool: 0, or the layer where each layer has its own.
    pub pool: u32,
    /// Objects in the pool, numbered from 0.
    pub objects: u32,
    /// Experts per layer: with one pool, object = layer * experts + expert.
    pub experts: u32,
    /// The scenario's seed.
    pub seed: u64,
    /// Selections of each object in the profile; empty unless the policy needs it.
    pub profile: &'a [u64],
    /// First layer event that asks for each object; empty unless the policy needs the future.
    pub first_events: &'a [u64],
}

/// Builds the policy of one pool.
pub type BuildPolicy = Arc<dyn Fn(&PolicyInput<'_>) -> Box<dyn Policy> + Send + Sync>;

/// One policy as the rest of the program knows it.
#[derive(Clone)]
pub struct PolicyRow {
    /// Name in scenarios.
    pub name: String,
    /// One line for lists.
    pub summary: String,
    /// What it must be told.
    pub needs: Needs,
    /// Builds it.
    pub build: BuildPolicy,
}

impl fmt::Debug for PolicyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyRow")
            .field("name", &self.name)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

impl PolicyRow {
    /// A row for a policy that needs to be told nothing.
    pub fn new<P: Policy + 'static>(
        name: &str,
        summary: &str,
        build: impl Fn(&PolicyInput<'_>) -> P + Send + Sync + 'static,
    ) -> Self {
        let build: BuildPolicy = Arc::new(move |input| Box::new(build(input)));
        Self { name: name.to_owned(), summary: summary.to_owned(), needs: Needs::default(), build }
    }

    /// The same row, saying what the policy needs.
    #[must_use]
    pub fn needing(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }
}

/// All policies that a scenario may name.
#[derive(Clone, Debug)]
pub struct Registry {
    rows: Vec<PolicyRow>,
}

impl Default for Registry {
    /// The built-in policies.
    fn default() -> Self {
        let future = Needs { future: true, ..Needs::default() };
        let profile = Needs { profile: true, ..Needs::default() };
        let rows = vec![
            PolicyRow::new("lru", "least recently used", |input| Lru::new(input.objects)),
            PolicyRow::new("lfu", "least frequently used, counts survive eviction", |input| {
                Lfu::new(input.objects)
            }),
            PolicyRow::new("fifo", "first in, first out", |input| Fifo::new(input.objects)),
            PolicyRow::new("random", "a random victim: the floor", |input| {
                Random::new(
                    input.objects,
                    stream(input.seed, Purpose::CacheVictims, u64::from(input.pool), 0),
                )
            }),
            PolicyRow::new("static", "the hottest K experts of each layer by a profile", |input| {
                let uniform = vec![0; input.objects as usize];
                let counts = if input.profile.is_empty() { &uniform } else { input.profile };
                Static::new(counts, input.experts)
            })
            .needing(profile),
            PolicyRow::new("belady", "farthest next use first: the bound", |input| {
                let unknown = vec![NEVER; input.objects as usize];
                let first = if input.first_events.is_empty() { &unknown } else { input.first_events };
                Belady::new(first)
            })
            .needing(future),
        ];
        Self { rows }
    }
}

impl Registry {
    /// Adds a policy, or replaces the one of the same name.
    #[must_use]
    pub fn with(mut self, row: PolicyRow) -> Self {
        self.rows.retain(|known| known.name != row.name);
        self.rows.push(row);
        self
    }

    /// The policy of this name.
    pub fn find(&self, name: &str) -> Option<&PolicyRow> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Every policy, built-in ones first.
    pub fn rows(&self) -> &[PolicyRow] {
        &self.rows
    }
}
