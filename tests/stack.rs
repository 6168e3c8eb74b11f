//! One pass for all capacities finds what a replay of each capacity finds, event by event.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "cache_laws/setup.rs"]
mod setup;

use moesim::cache::replay::{MissCounts, ReplayTask};
use moesim::cache::stack::{COLD, Need, StackKind, StackTask};
use moesim::cache::{Admission, CacheShape, Future, Grouping, Registry, Scope};
use moesim::trace::{Pass, Trace};
use proptest::prelude::*;
use setup::{groupings, pass_list, scopes, traces};

struct Case {
    trace: Trace,
    passes: Vec<Pass>,
    future: Future,
    grouping: Grouping,
    scope: Scope,
    clear_between: bool,
    sizes: Vec<u64>,
}

impl Case {
    fn new(trace: Trace, grouping: Grouping, scope: Scope, clear_between: bool, sizes: Vec<u64>) -> Self {
        let passes = pass_list(&trace);
        let future = Future::of(&trace, &passes, grouping).unwrap();
        Self { trace, passes, future, grouping, scope, clear_between, sizes }
    }

    /// A replay with this capacity in every pool.
    fn replayed(&self, policy: &str, capacity: u64) -> MissCounts {
        let layers = u32::try_from(self.sizes.len()).unwrap();
        let shape = CacheShape {
            layers,
            experts: self.trace.header().experts,
            sizes: self.sizes.clone(),
            scope: self.scope,
            pool_capacity: vec![capacity; if self.scope == Scope::Global { 1 } else { self.sizes.len() }],
            pinned: Vec::new(),
        };
        let registry = Registry::default();
        let row = registry.find(policy).unwrap();
        row.replay(&ReplayTask {
            shape: &shape,
            trace: &self.trace,
            passes: &self.passes,
            future: row.needs.future.then_some(&self.future),
            grouping: self.grouping,
            admission: Admission::Always,
            clear_between: self.clear_between,
            profile: &[],
            costs: &[],
            seed: 0,
        })
    }

    fn task(&self) -> StackTask<'_> {
        StackTask {
            trace: &self.trace,
            passes: &self.passes,
            future: Some(&self.future),
            grouping: self.grouping,
            clear_between: self.clear_between,
            scope: self.scope,
            sizes: &self.sizes,
        }
    }

    /// What one pass says that a capacity misses.
    fn passed(&self, kind: StackKind, capacity: u64) -> MissCounts {
        let mut counts = MissCounts::none(self.trace.sequences().len(), self.sizes.len());
        self.task().needs(kind, |Need { pass, layer, room }| {
            counts.book(&self.passes[pass], layer, u64::from(room == COLD || room > capacity));
        });
        counts
    }

    fn check(&self, kind: StackKind, policy: &str) -> Result<(), TestCaseError> {
        let total: u64 = self.sizes.iter().sum::<u64>() * u64::from(self.trace.header().experts);
        for capacity in 0..=total {
            let (passed, replayed) = (self.passed(kind, capacity), self.replayed(policy, capacity));
            prop_assert_eq!(passed.by_sequence, replayed.by_sequence, "{} at {}", policy, capacity);
            prop_assert_eq!(passed.by_layer, replayed.by_layer, "{} at {}", policy, capacity);
        }
        Ok(())
    }
}

fn sizes(layers: usize, drawn: &[u64]) -> Vec<u64> {
    drawn.iter().cycle().take(layers).copied().collect()
}

proptest! {
    #[test]
    fn lru_of_any_sizes(trace in traces(), grouping in groupings(), scope in scopes(), clear in any::<bool>(), drawn in prop::collection::vec(1_u64..4, 3)) {
        let sizes = sizes(trace.header().layers(), &drawn);
        Case::new(trace, grouping, scope, clear, sizes).check(StackKind::Recency, "lru")?;
    }

    #[test]
    fn belady_of_one_size(trace in traces(), grouping in groupings(), clear in any::<bool>(), size in 1_u64..3) {
        let sizes = vec![size; trace.header().layers()];
        Case::new(trace, grouping, Scope::Global, clear, sizes).check(StackKind::Future, "belady")?;
    }

    #[test]
    fn belady_by_layer_of_any_sizes(trace in traces(), grouping in groupings(), clear in any::<bool>(), drawn in prop::collection::vec(1_u64..4, 3)) {
        let sizes = sizes(trace.header().layers(), &drawn);
        Case::new(trace, grouping, Scope::PerLayer, clear, sizes).check(StackKind::Future, "belady")?;
    }
}

/// Where one pass is not enough it says so, and there it would be wrong: with experts of sizes 1 and 2 some capacity of a
/// replay disagrees.
#[test]
fn belady_over_sizes_that_differ_is_left_to_replay() {
    let trace = setup::trace(
        (3, 5, 2),
        &[(0, 40)],
        &(0..=250).map(|i: u8| i.wrapping_mul(37) ^ (i >> 2)).collect::<Vec<u8>>(),
    );
    let case = Case::new(trace, Grouping::Layer, Scope::Global, false, vec![1, 3, 2]);
    assert!(case.task().applies(StackKind::Recency));
    assert!(!case.task().applies(StackKind::Future));
}
