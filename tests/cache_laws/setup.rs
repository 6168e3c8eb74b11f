//! Small generated traces, and ways to run a cache over them.

use moesim::cache::replay::{ReplayCounts, replay};
use moesim::cache::{
    CacheShape, ExpertCache, Future, Grouping, Lookup, Policy, PolicyInput, Registry, Scope,
};
use moesim::trace::{
    Ids, NO_EXPERT_U8, NO_EXPERT_U16, Pass, PassOptions, Phase, Trace, TraceBuilder, TraceHeader, passes,
};
use proptest::prelude::*;

pub(crate) const POLICIES: [&str; 5] = ["lru", "lfu-perfect", "fifo", "static", "belady"];

/// Layers, experts per layer and top-k.
pub(crate) type Dimensions = (usize, u32, usize);

/// A trace of sequences with `(prompt rows, decode rows)`. The ids are read off `bytes`, which repeat; an expert drawn
/// twice in one layer of a token leaves its slot empty.
pub(crate) fn trace(
    (layers, experts, top_k): Dimensions,
    sequences: &[(usize, usize)],
    bytes: &[u8],
) -> Trace {
    let layer_ids = (0..u32::try_from(layers).unwrap()).collect();
    let top = u32::try_from(top_k).unwrap();
    let header = TraceHeader { layer_ids, experts, top_k: top, ..TraceHeader::default() };
    let mut builder = TraceBuilder::new(header).unwrap();
    let mut draws = bytes.iter().cycle();
    for (prompt, decode) in sequences {
        builder.begin_sequence("", *prompt as u64).unwrap();
        for row in 0..prompt + decode {
            let mut ids = Vec::new();
            for _ in 0..layers {
                let mut chosen = Vec::new();
                for _ in 0..top_k {
                    let expert = u16::from(*draws.next().unwrap()) % u16::try_from(experts).unwrap();
                    chosen.push(if chosen.contains(&expert) { NO_EXPERT_U16 } else { expert });
                }
                ids.extend(chosen);
            }
            let phase = if row < *prompt { Phase::Prefill } else { Phase::Decode };
            builder.push(phase, &ids).unwrap();
        }
    }
    builder.finish().unwrap()
}

pub(crate) fn traces() -> impl Strategy<Value = Trace> {
    let dimensions = (1..4_usize, 2..7_u32, 1..4_usize);
    let sequences = prop::collection::vec((0..4_usize, 1..9_usize), 1..4);
    (dimensions, sequences, prop::collection::vec(any::<u8>(), 1..200)).prop_map(
        |((layers, experts, top_k), sequences, bytes)| {
            trace((layers, experts, top_k.min(experts as usize)), &sequences, &bytes)
        },
    )
}

/// Prompts in passes of two tokens, so that there are several events of more than one token.
pub(crate) fn pass_list(trace: &Trace) -> Vec<Pass> {
    passes(trace, &PassOptions { prefill_chunk: 2, ..PassOptions::default() })
}

/// The selections of one layer event, with their id slots.
#[derive(Clone, Debug)]
pub(crate) struct LayerEvent {
    pub(crate) layer: u32,
    pub(crate) selections: Vec<(usize, u32)>,
}

/// The layer events in order; with [`Grouping::Access`] every selection is one.
pub(crate) fn events(trace: &Trace, passes: &[Pass], grouping: Grouping) -> Vec<LayerEvent> {
    let header = trace.header();
    let (slots, top_k) = (header.slots_per_token(), header.top_k as usize);
    let Ids::U8(ids) = trace.ids() else { panic!("small traces have narrow ids") };
    let mut list = Vec::new();
    for pass in passes {
        for layer in 0..header.layers() {
            let rows = pass.first_row..pass.first_row + pass.rows;
            let starts = rows.map(|row| usize::try_from(row).unwrap() * slots + layer * top_k);
            let all = starts.flat_map(|start| start..start + top_k);
            let used = all.filter(|slot| ids[*slot] != NO_EXPERT_U8);
            let selections: Vec<(usize, u32)> = used.map(|slot| (slot, u32::from(ids[slot]))).collect();
            let layer = u32::try_from(layer).unwrap();
            match grouping {
                Grouping::Layer => list.push(LayerEvent { layer, selections }),
                Grouping::Access => {
                    list.extend(
                        selections.into_iter().map(|one| LayerEvent { layer, selections: vec![one] }),
                    );
                }
            }
        }
    }
    list
}

/// One way to run a cache over a trace.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) policy: &'static str,
    pub(crate) shape: CacheShape,
    pub(crate) filled: bool,
    pub(crate) profile: Vec<u64>,
}
pub(crate) fn build(setup: &Setup, first_events: &[u64]) -> ExpertCache<Box<dyn Policy>> {
    let registry = Registry::default();
    let row = registry.find(setup.policy).unwrap();
    let shape = setup.shape.clone();
    let mut cache = ExpertCache::new(shape, |input| {
        let range = (input.pool * input.objects) as usize..((input.pool + 1) * input.objects) as usize;
        (row.build)(&PolicyInput {
            seed: 7,
            profile: &setup.profile[range.clone()],
            first_events: first_events.get(range).unwrap_or_default(),
            ..input
        })
    });
    if setup.filled {
        cache.fill(first_events, &[]);
    }
    cache
}

/// What each selection found, in the order of the events, and the counts.
pub(crate) fn run(setup: &Setup, trace: &Trace, grouping: Grouping) -> (Vec<(usize, Lookup)>, ReplayCounts) {
    let passes = pass_list(trace);
    let future = Future::of(trace, &passes, grouping).unwrap();
    let mut cache = build(setup, &future.first_events());
    let mut found = Vec::new();
    let counts = replay(&mut cache, trace, &passes, Some(&future), grouping, |slot, lookup| {
        found.push((slot, lookup));
    });
    (found, counts)
}

pub(crate) fn hits(counts: &ReplayCounts) -> u64 {
    counts.prefill.hits + counts.decode.hits
}

/// Global or per-layer pools; `room` counts units of capacity per pool.
pub(crate) fn shape(trace: &Trace, sizes: Vec<u64>, scope: Scope, room: u64, pinned: Vec<u32>) -> CacheShape {
    let layers = u32::try_from(trace.header().layers()).unwrap();
    let pools = if scope == Scope::Global { 1 } else { layers as usize };
    CacheShape {
        layers,
        experts: trace.header().experts,
        sizes,
        scope,
        pool_capacity: vec![room; pools],
        pinned,
    }
}

pub(crate) fn uniform(trace: &Trace, policy: &'static str, scope: Scope, room: u64) -> Setup {
    let layers = trace.header().layers();
    let profile = vec![0; layers * trace.header().experts as usize];
    let shape = shape(trace, vec![1; layers], scope, room, Vec::new());
    Setup { policy, shape, filled: false, profile }
}

pub(crate) fn scopes() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::Global), Just(Scope::PerLayer)]
}

/// A trace with a setup of every freedom: sizes by layer, pools, pins, profile, start.
pub(crate) fn setups() -> impl Strategy<Value = (Trace, Setup)> {
    let free = (prop::collection::vec(1..5_u64, 3), scopes(), 0..30_u64);
    let more = (prop::sample::select(&POLICIES[..]), any::<bool>(), prop::collection::vec(0..4_u64, 18));
    (traces(), free, more, prop::collection::vec(any::<u8>(), 0..3)).prop_map(|(trace, free, more, pins)| {
        let (sizes, scope, room) = free;
        let (policy, filled, profile) = more;
        let layers = trace.header().layers();
        let objects = layers * trace.header().experts as usize;
        let pinned = pins.iter().map(|pin| u32::try_from(usize::from(*pin) % objects).unwrap()).collect();
        let shape = shape(&trace, sizes[..layers].to_vec(), scope, room, pinned);
        let setup = Setup { policy, shape, filled, profile: profile[..objects].to_vec() };
        (trace, setup)
    })
}

pub(crate) fn groupings() -> impl Strategy<Value = Grouping> {
    prop_oneof![Just(Grouping::Layer), Just(Grouping::Access)]
}
