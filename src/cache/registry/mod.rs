//! The policies by name. A registry sits above the trait and its implementations, so that no circle forms.

mod builtin;

use std::fmt;
use std::sync::Arc;

use super::replay::{MissCounts, ReplayTask};
use super::stack::StackKind;
use super::{Policy, PolicyInput, Scope};

/// What a policy must be told to work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The next use of every object: the policy is an oracle.
    pub future: bool,
    /// How often each expert was asked for in a profile.
    pub profile: bool,
    /// Room without limit: the policy never evicts, and is a bound.
    pub unlimited: bool,
}

impl Needs {
    /// Whether a policy with these needs is a bound, which no engine could run.
    pub fn is_bound(self) -> bool {
        self.future || self.unlimited
    }
}

/// Builds the policy of one pool.
pub type BuildPolicy = Arc<dyn Fn(&PolicyInput<'_>) -> Box<dyn Policy> + Send + Sync>;

/// Replays a task, the policy's own code compiled into the loop.
type ReplayPolicy = Arc<dyn Fn(&ReplayTask<'_>) -> MissCounts + Send + Sync>;

/// One policy as the rest of the program knows it.
#[derive(Clone)]
pub struct PolicyRow {
    /// Name in scenarios.
    pub name: String,
    /// One line for lists.
    pub summary: String,
    /// What it must be told.
    pub needs: Needs,
    /// How the policy divides the cache, where that is part of what it is; else the user chooses.
    pub scope: Option<Scope>,
    /// The stack algorithm that it is, where one pass over a trace can stand for replays at all capacities.
    pub stack: Option<StackKind>,
    /// Builds it.
    pub build: BuildPolicy,
    replay: ReplayPolicy,
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
        let build = Arc::new(build);
        let compiled = Arc::clone(&build);
        Self {
            name: name.to_owned(),
            summary: summary.to_owned(),
            needs: Needs::default(),
            scope: None,
            stack: None,
            build: Arc::new(move |input| Box::new(build(input))),
            replay: Arc::new(move |task| task.run(|input| compiled(input))),
        }
    }

    /// Counts the misses of a replay. No call of the policy goes through a table of functions, so this is the fastest way
    /// there is for many capacities and policies.
    pub fn replay(&self, task: &ReplayTask<'_>) -> MissCounts {
        (self.replay)(task)
    }

    /// The same row, saying what the policy needs.
    #[must_use]
    pub fn needing(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    /// The same row, saying which stack algorithm the policy is.
    #[must_use]
    pub fn stacked(mut self, kind: StackKind) -> Self {
        self.stack = Some(kind);
        self
    }

    /// The same row, saying how the policy divides the cache.
    #[must_use]
    pub fn scoped(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
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
        Self { rows: builtin::rows() }
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
