//! For the tests of single policies: the suite's streams, driven through a cache of one's own making.

use super::script::{EXPERTS, LAYERS, Script};
use crate::cache::{Access, CacheShape, ExpertCache, Lookup, Policy, PolicyInput, Scope};

/// Room for so many experts of these sizes on average, by pool.
fn shape(scope: Scope, sizes: [u64; LAYERS as usize], room: u64) -> CacheShape {
    let pool_capacity = match scope {
        Scope::Global => vec![sizes.iter().sum::<u64>() * room / u64::from(LAYERS)],
        Scope::PerLayer => sizes.iter().map(|size| size * room).collect(),
    };
    CacheShape {
        layers: LAYERS,
        experts: EXPERTS,
        sizes: sizes.to_vec(),
        scope,
        pool_capacity,
        pinned: Vec::new(),
    }
}

/// What a policy is driven with.
#[derive(Clone, Debug)]
pub(in crate::cache) struct Driven {
    pub(in crate::cache) seed: u64,
    pub(in crate::cache) shape: CacheShape,
    pub(in crate::cache) filled: bool,
    /// Every selection is an event of its own.
    pub(in crate::cache) singly: bool,
}

impl Driven {
    /// What each selection found. Everybody is told the future; even seeds have no gate weights.
    pub(in crate::cache) fn run<P: Policy>(&self, build: impl Fn(PolicyInput<'_>) -> P) -> Vec<Lookup> {
        let script = Script::generate(self.seed);
        let script = if self.singly { script.singly() } else { script };
        let mut cache = ExpertCache::new(self.shape.clone(), |input| {
            let first = (input.pool * input.objects) as usize;
            let first_events = &script.first_events[first..first + input.objects as usize];
            build(PolicyInput { first_events, ..input })
        });
        if self.filled {
            cache.fill(&script.first_events, &[]);
        }
        let mut found = Vec::new();
        for (number, event) in (0_u64..).zip(&script.events) {
            if event.begins && number > 0 {
                cache.begin_sequence();
            }
            cache.begin_event();
            for one in &event.selections {
                let access = Access { event: number, next_event: one.next_event, weight: one.weight };
                found.push(cache.select(event.layer, one.expert, &access));
            }
            cache.end_event(event.layer);
        }
        found
    }

    /// Every seed and room, globally and by layer, from empty and filled, event by event and one selection at a time.
    pub(in crate::cache) fn all(sizes: [u64; LAYERS as usize]) -> Vec<Self> {
        let mut all = Vec::new();
        for seed in 0..4 {
            for (scope, objects) in [(Scope::Global, EXPERTS * LAYERS), (Scope::PerLayer, EXPERTS)] {
                for room in [1, 3, objects / 3, objects / 2, objects - 1] {
                    for (filled, singly) in [(false, false), (true, false), (false, true)] {
                        let shape = shape(scope, sizes, u64::from(room));
                        all.push(Self { seed, shape, filled, singly });
                    }
                }
            }
        }
        all
    }
}
