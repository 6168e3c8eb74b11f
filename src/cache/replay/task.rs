//! One replay of many: a trace, a shape and a policy give the number of misses, and nothing else is kept.
//!
//! This is the loop that comparisons of policies spend their time in. It is compiled once for each policy, so that no
//! access goes through a table of functions, and allocates nothing between its first event and its last.

use super::Routing;
use crate::cache::{
    Access, Admission, CacheShape, ExpertCache, Future, Grouping, Lookup, Policy, PolicyInput,
};
use crate::metrics::PhaseCounts;
use crate::trace::{ExpertNumber, Ids, Pass, Phase, Trace};

/// Which routing is replayed through which cache.
#[derive(Clone, Copy, Debug)]
pub struct ReplayTask<'a> {
    /// Sizes and limits.
    pub shape: &'a CacheShape,
    /// The routing.
    pub trace: &'a Trace,
    /// The order of passes.
    pub passes: &'a [Pass],
    /// Next uses; needed by policies that read the future.
    pub future: Option<&'a Future>,
    /// What one event is.
    pub grouping: Grouping,
    /// Whether what misses comes to stay.
    pub admission: Admission,
    /// Whether the cache is emptied, and its policy built anew, before each sequence.
    pub clear_between: bool,
    /// Selections of each expert in the profile, `[layer * experts + expert]`; empty unless the policy needs it.
    pub profile: &'a [u64],
    /// What fetching an expert costs, by layer; empty for its bytes.
    pub costs: &'a [u64],
    /// Seed of policies that draw.
    pub seed: u64,
}

/// The count of a phase.
fn of(counts: &mut PhaseCounts, phase: Phase) -> &mut u64 {
    match phase {
        Phase::Prefill => &mut counts.prefill,
        Phase::Decode => &mut counts.decode,
    }
}

/// What a replay found missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissCounts {
    /// By position of the sequence in the trace; zero for sequences that no pass belongs to.
    pub by_sequence: Vec<PhaseCounts>,
    /// By layer.
    pub by_layer: Vec<PhaseCounts>,
    /// The most bytes by which one event exceeded its pool's capacity.
    pub overshoot_max: u64,
}

impl MissCounts {
    /// Nothing found missing yet.
    pub fn none(sequences: usize, layers: usize) -> Self {
        let none = PhaseCounts::default();
        Self { by_sequence: vec![none; sequences], by_layer: vec![none; layers], overshoot_max: 0 }
    }

    /// All sequences together.
    pub fn total(&self) -> PhaseCounts {
        self.by_layer.iter().copied().sum()
    }

    /// Books the misses of one event.
    #[inline]
    pub fn book(&mut self, pass: &Pass, layer: u32, misses: u64) {
        *of(&mut self.by_sequence[pass.sequence as usize], pass.phase) += misses;
        *of(&mut self.by_layer[layer as usize], pass.phase) += misses;
    }

    /// Adds what another part of the trace has missed.
    pub fn add(&mut self, other: &Self) {
        let both = [(&mut self.by_sequence, &other.by_sequence), (&mut self.by_layer, &other.by_layer)];
        for (own, others) in both {
            own.iter_mut().zip(others).for_each(|(own, other)| *own += *other);
        }
        self.overshoot_max = self.overshoot_max.max(other.overshoot_max);
    }
}

impl ReplayTask<'_> {
    /// Replays with the policy that `build` makes for each pool.
    pub fn run<P: Policy>(&self, build: impl Fn(&PolicyInput<'_>) -> P) -> MissCounts {
        match self.trace.ids() {
            Ids::U8(ids) => self.walk(ids, build),
            Ids::U16(ids) => self.walk(ids, build),
        }
    }

    fn cache<P: Policy>(&self, build: impl Fn(&PolicyInput<'_>) -> P) -> ExpertCache<P> {
        let objects = self.shape.pool_objects() as usize;
        ExpertCache::new(self.shape.clone(), |input| {
            let pool = input.pool as usize;
            let layers = input.layers() as usize;
            let input = PolicyInput {
                seed: self.seed,
                profile: self.profile.get(pool * objects..(pool + 1) * objects).unwrap_or_default(),
                costs: self.costs.get(pool * layers..(pool + 1) * layers).unwrap_or(input.costs),
                ..input
            };
            build(&input)
        })
        .with_admission(self.admission)
    }

    fn walk<P: Policy, I: ExpertNumber>(
        &self,
        ids: &[I],
        build: impl Fn(&PolicyInput<'_>) -> P,
    ) -> MissCounts {
        let routing = Routing::new(self.trace, ids, self.future, self.grouping);
        let layers = self.shape.layers;
        let mut cache = self.cache(&build);
        let mut counts = MissCounts::none(self.trace.sequences().len(), layers as usize);
        let mut number = 0;
        let mut sequence = None;
        for pass in self.passes {
            if sequence.replace(pass.sequence).is_some_and(|before| before != pass.sequence) {
                if self.clear_between {
                    counts.overshoot_max = counts.overshoot_max.max(cache.overshoot_max());
                    cache = self.cache(&build);
                }
                cache.begin_sequence();
            }
            for layer in 0..layers {
                let misses = match self.grouping {
                    Grouping::Layer => {
                        let misses = event(&mut cache, &routing, pass, layer, number);
                        number += 1;
                        misses
                    }
                    Grouping::Access => accesses(&mut cache, &routing, pass, layer, &mut number),
                };
                counts.book(pass, layer, misses);
            }
        }
        counts.overshoot_max = counts.overshoot_max.max(cache.overshoot_max());
        counts
    }
}

/// What the policy is told of one selection.
#[inline]
fn access<I: ExpertNumber>(routing: &Routing<'_, I>, slot: usize, layer: u32, event: u64) -> Access {
    Access { event, next_event: routing.next_event(slot, layer), weight: routing.weight(slot) }
}

/// All selections of a pass in a layer are one event.
#[inline]
fn event<P: Policy, I: ExpertNumber>(
    cache: &mut ExpertCache<P>,
    routing: &Routing<'_, I>,
    pass: &Pass,
    layer: u32,
    number: u64,
) -> u64 {
    let mut misses = 0;
    cache.begin_event();
    routing.selections(pass, layer, |slot, expert| {
        let found = cache.select(layer, expert, &access(routing, slot, layer, number));
        misses += u64::from(found == Lookup::Miss);
    });
    cache.end_event(layer);
    misses
}

/// Every selection is an event of its own.
#[inline]
fn accesses<P: Policy, I: ExpertNumber>(
    cache: &mut ExpertCache<P>,
    routing: &Routing<'_, I>,
    pass: &Pass,
    layer: u32,
    number: &mut u64,
) -> u64 {
    let mut misses = 0;
    routing.selections(pass, layer, |slot, expert| {
        let missed = cache.access(layer, expert, &access(routing, slot, layer, *number));
        misses += u64::from(missed);
        *number += 1;
    });
    misses
}
