//! Laws of the expert cache, on small generated traces: agreement with an implementation that is written plainly from
//! the semantics and searches lists for everything, and what must hold whatever is replayed.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "cache_laws/plain.rs"]
mod plain;
#[path = "cache_laws/setup.rs"]
mod setup;

use std::sync::{Arc, Mutex};

use moesim::cache::replay::replay;
use moesim::cache::{
    Access, CacheShape, Candidates, ExpertCache, Future, Grouping, Lookup, NEVER, Policy, PolicyRow,
    Registry, Scope,
};
use moesim::trace::Trace;
use proptest::prelude::*;

use plain::Plain;
use setup::{
    Dimensions, POLICIES, Setup, build, events, groupings, hits, pass_list, run, scopes, setups, trace,
    traces, uniform,
};

/// Every policy that an engine could run.
fn engines() -> Vec<&'static str> {
    let registry = Registry::default();
    let rows = registry.rows().iter().filter(|row| !row.needs.is_bound());
    rows.map(|row| &*row.name.clone().leak()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every selection of every policy finds what the plain implementation finds.
    #[test]
    fn agrees_with_the_plain_cache((trace, setup) in setups(), grouping in groupings()) {
        let list = events(&trace, &pass_list(&trace), grouping);
        let mut plain = Plain::new(&setup, &list);
        let expected: Vec<(usize, Lookup)> = (0..list.len())
            .flat_map(|number| {
                let found = plain.serve(number);
                list[number].selections.iter().map(|(slot, _)| *slot).zip(found).collect::<Vec<_>>()
            })
            .collect();
        let (found, _) = run(&setup, &trace, grouping);
        prop_assert_eq!(found, expected);
    }

    /// Driven event by event: pins stay, bytes are those of what is resident, what came in is there or was evicted, and
    /// nothing but an event larger than the room exceeds it.
    #[test]
    fn pins_stay_and_bytes_are_conserved((trace, setup) in setups()) {
        let passes = pass_list(&trace);
        let list = events(&trace, &passes, Grouping::Layer);
        let future = Future::of(&trace, &passes, Grouping::Layer).unwrap();
        let mut cache = build(&setup, &future.first_events());
        let CacheShape { layers, experts, ref sizes, scope, ref pool_capacity, ref pinned } = setup.shape;
        let resident = |cache: &ExpertCache<_>| -> Vec<u32> {
            (0..layers * experts).filter(|object| cache.is_resident(object / experts, object % experts)).collect()
        };
        let size = |object: &u32| sizes[(object / experts) as usize];
        let (mut came, mut overshoot) = (resident(&cache).len() as u64, 0);
        for (number, event) in (0_u64..).zip(&list) {
            cache.begin_event();
            for (slot, expert) in &event.selections {
                let next_event = future.next_event(*slot, event.layer);
                let found = cache.select(event.layer, *expert, &Access { event: number, next_event, weight: 0 });
                came += u64::from(found == Lookup::Miss);
            }
            let pool = |object: &u32| scope == Scope::Global || object / experts == event.layer;
            let room = pool_capacity[if scope == Scope::Global { 0 } else { event.layer as usize }];
            let bytes = |objects: &[u32]| -> u64 { objects.iter().filter(|o| pool(o)).map(size).sum() };
            overshoot = overshoot.max(bytes(&resident(&cache)).saturating_sub(room));
            cache.end_event(event.layer);
            let now = resident(&cache);
            prop_assert_eq!(now.iter().map(size).sum::<u64>(), cache.used());
            prop_assert_eq!(now.len() as u64 + cache.evictions(), came);
            prop_assert!(pinned.iter().all(|pin| now.contains(pin)), "a pin was evicted");
            let own = |object: &&u32| event.selections.iter().any(|(_, e)| event.layer * experts + e == **object);
            prop_assert!(event.selections.iter().all(|(_, e)| cache.is_resident(event.layer, *e)));
            let spared: Vec<u32> = now.iter().filter(|o| pinned.contains(o) || own(o)).copied().collect();
            prop_assert!(bytes(&now) <= room.max(bytes(&spared)), "event {} leaves too much", number);
            if bytes(&spared) > room {
                prop_assert_eq!(bytes(&now), bytes(&spared), "event {} spares strangers", number);
            }
        }
        prop_assert_eq!(cache.overshoot_max(), overshoot);
    }

    /// The counters of a replay add up, and nothing is looked up twice in one event.
    #[test]
    fn counters_add_up((trace, setup) in setups()) {
        let (found, counts) = run(&setup, &trace, Grouping::Layer);
        let passes = pass_list(&trace);
        let list = events(&trace, &passes, Grouping::Layer);
        let mut total = counts.prefill;
        total.add(&counts.decode);
        let count = |wanted: Lookup| found.iter().filter(|(_, lookup)| *lookup == wanted).count() as u64;
        prop_assert_eq!(total.selections, found.len() as u64);
        prop_assert_eq!((total.hits, total.misses), (count(Lookup::Hit), count(Lookup::Miss)));
        prop_assert_eq!(total.hits + total.misses, total.lookups);
        prop_assert_eq!(total.hits_when_needed, total.hits);
        prop_assert_eq!(total.tokens, trace.tokens());
        prop_assert_eq!(total.events, list.len() as u64);
        let decode = trace.sequences().iter().map(|sequence| sequence.tokens - sequence.prefill_tokens);
        prop_assert_eq!(counts.decode.tokens, decode.sum::<u64>());
        prop_assert_eq!(counts.decode.lookups, counts.decode.selections, "one token asks once");
        let missed = list.iter().flat_map(|event| event.selections.iter().map(|(slot, _)| (*slot, event.layer)));
        let layer_of: std::collections::BTreeMap<usize, u32> = missed.collect();
        let bytes: u64 = found.iter().filter(|(_, lookup)| *lookup == Lookup::Miss)
            .map(|(slot, _)| setup.shape.sizes[layer_of[slot] as usize]).sum();
        prop_assert_eq!(total.miss_bytes, bytes);
    }

    /// LRU keeps a prefix of one order whatever the room and the sizes, events larger than the room included: a hit with
    /// less room is a hit with more. In particular hits never fall with capacity.
    #[test]
    fn lru_hits_with_less_room_are_hits_with_more(
        trace in traces(), sizes in prop::collection::vec(1..5_u64, 3), scope in scopes(), grouping in groupings(),
        less in 0..20_u64, more in 0..20_u64,
    ) {
        let layers = trace.header().layers();
        let with_room = |room: u64| {
            let mut setup = uniform(&trace, "lru", scope, room);
            setup.shape.sizes = sizes[..layers].to_vec();
            run(&setup, &trace, grouping).0
        };
        let both = with_room(less).into_iter().zip(with_room(less + more));
        for ((slot, small), (_, large)) in both {
            prop_assert!(small != Lookup::Hit || large == Lookup::Hit, "slot {} with {} and {}", slot, less, more);
        }
    }

    /// Belady's hits never fall with capacity where all experts have one size.
    #[test]
    fn belady_hits_never_fall_with_capacity(trace in traces(), scope in scopes(), grouping in groupings()) {
        let mut before = 0;
        for room in 0..=18 {
            let now = hits(&run(&uniform(&trace, "belady", scope, room), &trace, grouping).1);
            prop_assert!(now >= before, "{} hits with {}, {} with less", now, room, before);
            before = now;
        }
    }

    /// Where all experts have one size no policy beats Belady, from an empty or a filled start.
    #[test]
    fn belady_bounds_every_policy(
        trace in traces(), scope in scopes(), room in 0..19_u64, filled in any::<bool>(), grouping in groupings(),
    ) {
        let with = |policy: &'static str| {
            hits(&run(&Setup { filled, ..uniform(&trace, policy, scope, room) }, &trace, grouping).1)
        };
        let bound = with("belady");
        for policy in engines() {
            prop_assert!(with(policy) <= bound, "{} has {} hits, Belady {}", policy, with(policy), bound);
        }
    }

    /// With room for everything only the first lookup of each expert misses, whatever the policy.
    #[test]
    fn an_infinite_cache_misses_each_expert_once(trace in traces(), scope in scopes(), grouping in groupings()) {
        let list = events(&trace, &pass_list(&trace), grouping);
        let asked = list.iter().flat_map(|event| event.selections.iter().map(|(_, expert)| (event.layer, *expert)));
        let unique = asked.collect::<std::collections::BTreeSet<_>>().len() as u64;
        for policy in engines().into_iter().chain(["belady", "belady-size"]) {
            let setup = uniform(&trace, policy, scope, 18);
            let (_, counts) = run(&setup, &trace, grouping);
            prop_assert_eq!(counts.prefill.misses + counts.decode.misses, unique, "{}", policy);
            let filled = Setup { filled: true, ..setup };
            let (_, counts) = run(&filled, &trace, grouping);
            prop_assert_eq!(counts.prefill.misses + counts.decode.misses, 0, "{} filled", policy);
        }
    }

    /// The cliff: in decode, between two visits to a layer LRU sees all experts of the other layers. With room for no
    /// more than those nothing is left of the layer's own, and nothing ever hits.
    #[test]
    fn lru_hits_nothing_with_room_for_the_other_layers_alone(
        layers in 1..5_usize, experts in 3..7_u32, top_k in 1..4_usize, starts in prop::collection::vec(0..7_u16, 1..80),
    ) {
        let trace = cyclic((layers, experts, top_k), &starts);
        let others = ((layers - 1) * top_k) as u64;
        for room in 0..=others {
            let (_, counts) = run(&uniform(&trace, "lru", Scope::Global, room), &trace, Grouping::Layer);
            // A layer that is alone keeps its own experts from event to event whatever the room.
            prop_assert!(layers == 1 || counts.decode.hits == 0, "room for {} of {}", room, layers * top_k);
        }
    }

    /// Every access is told the event it belongs to and the next event that asks for the same expert, in one numbering.
    #[test]
    fn accesses_know_the_number_of_their_next_event(trace in traces(), scope in scopes(), grouping in groupings()) {
        let passes = pass_list(&trace);
        let future = Future::of(&trace, &passes, grouping).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut cache = ExpertCache::new(uniform(&trace, "lru", scope, 18).shape, |input| {
            Recorder { pool: input.pool, seen: Arc::clone(&seen) }
        });
        replay(&mut cache, &trace, &passes, Some(&future), grouping, |_, _| ());
        let seen = seen.lock().unwrap();
        for (position, (pool, object, access)) in seen.iter().enumerate() {
            let later = seen[position + 1..].iter().filter(|(p, o, _)| (p, o) == (pool, object));
            let next = later.map(|(_, _, later)| later.event).find(|event| *event > access.event);
            prop_assert_eq!(access.next_event, next.unwrap_or(NEVER));
        }
        let first = future.first_events();
        let pool_objects = u32::try_from(first.len()).unwrap() / if scope == Scope::Global { 1 } else { u32::try_from(trace.header().layers()).unwrap() };
        for (object, event) in (0_u32..).zip(&first) {
            let of = |(pool, local, _): &&(u32, u32, Access)| pool * pool_objects + local == object;
            prop_assert_eq!(*event, seen.iter().find(of).map_or(NEVER, |(_, _, access)| access.event));
        }
    }

    /// A cache that was cleared serves the next sequence as a new one does, for every policy without a memory of its own.
    #[test]
    fn clearing_leaves_nothing_behind((trace, setup) in setups(), again in prop::sample::select(vec!["lru", "fifo", "static", "belady"])) {
        let setup = Setup { policy: again, filled: false, ..setup };
        let passes = pass_list(&trace);
        let future = Future::of(&trace, &passes, Grouping::Layer).unwrap();
        let mut cache = build(&setup, &[]);
        let mut twice = [Vec::new(), Vec::new()];
        for found in &mut twice {
            replay(&mut cache, &trace, &passes, Some(&future), Grouping::Layer, |_, lookup| found.push(lookup));
            cache.clear();
            let sizes = &setup.shape.sizes;
            let mut pins = setup.shape.pinned.clone();
            pins.sort_unstable();
            pins.dedup();
            let pinned: u64 = pins.iter().map(|pin| sizes[(pin / setup.shape.experts) as usize]).sum();
            prop_assert_eq!(cache.used(), pinned);
        }
        prop_assert_eq!(&twice[0], &twice[1]);
    }
}

/// A decode-only trace where token `t` asks in every layer for the `top_k` experts from `starts[t]` on.
fn cyclic((layers, experts, top_k): Dimensions, starts: &[u16]) -> Trace {
    let bytes: Vec<u8> = starts
        .iter()
        .flat_map(|start| (0..layers).flat_map(move |layer| (0..top_k).map(move |rank| (start, layer, rank))))
        .map(|(start, layer, rank)| {
            u8::try_from((usize::from(*start) + layer + rank) % experts as usize).unwrap()
        })
        .collect();
    trace((layers, experts, top_k), &[(0, starts.len())], &bytes)
}

/// The cliff is at the working set of a token less that of one layer: with one slot more, the lowest-ranked expert of a
/// layer survives until the layer comes round again.
#[test]
fn the_lru_cliff_ends_one_layer_before_the_tokens_working_set() {
    let trace = cyclic((3, 6, 2), &[0; 10]);
    for (room, expected) in [(4, 0), (5, 27), (6, 54)] {
        let (_, counts) = run(&uniform(&trace, "lru", Scope::Global, room), &trace, Grouping::Layer);
        assert_eq!(counts.decode.hits, expected, "room for {room} of the token's 6 experts");
    }
}

/// Writes down what a policy is told.
struct Recorder {
    pool: u32,
    seen: Arc<Mutex<Vec<(u32, u32, Access)>>>,
}

impl Policy for Recorder {
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.seen.lock().unwrap().push((self.pool, object, *access));
    }

    fn on_insert(&mut self, object: u32, access: &Access) {
        self.on_hit(object, access);
    }

    fn on_remove(&mut self, _object: u32) {}

    fn victim(&mut self, _candidates: &Candidates<'_>) -> Option<u32> {
        None
    }
}

/// The most hits that any sequence of evictions reaches, by trying all of them. Objects are bits.
fn best_hits(events: &[(u32, u32)], room: u32, start: &[u32]) -> u32 {
    let mut states: std::collections::BTreeMap<u32, u32> = start.iter().map(|state| (*state, 0)).collect();
    for (layer_base, asked) in events {
        let asked = asked << layer_base;
        let mut next = std::collections::BTreeMap::new();
        for (state, hits) in &states {
            let hits = hits + (state & asked).count_ones();
            let all = state | asked;
            let keep = all.count_ones().min(room.max(asked.count_ones())) - asked.count_ones();
            let others = all & !asked;
            // Every subset of the others that has the right number of members.
            let mut subset = others;
            loop {
                if subset.count_ones() == keep {
                    let best = next.entry(subset | asked).or_insert(0);
                    *best = hits.max(*best);
                }
                if subset == 0 {
                    break;
                }
                subset = (subset - 1) & others;
            }
        }
        states = next;
    }
    states.into_values().max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Belady is not only better than the other policies here: no choice of victims at all hits more often, whether the
    /// cache starts empty or filled with any set.
    #[test]
    fn belady_is_optimal(
        experts in 2..5_u32, top_k in 1..3_usize, tokens in 1..12_usize, prompt in 0..5_usize,
        bytes in prop::collection::vec(any::<u8>(), 1..100), room in 0..9_u32, filled in any::<bool>(),
    ) {
        let trace = trace((2, experts, top_k), &[(prompt, tokens)], &bytes);
        let list = events(&trace, &pass_list(&trace), Grouping::Layer);
        let masks: Vec<(u32, u32)> = list
            .iter()
            .map(|event| (event.layer * experts, event.selections.iter().fold(0, |mask, (_, e)| mask | 1 << e)))
            .collect();
        let whole = (1_u32 << (2 * experts)) - 1;
        let start: Vec<u32> = (0..=whole)
            .filter(|state| state.count_ones() == if filled { room.min(2 * experts) } else { 0 })
            .collect();
        let setup = Setup { filled, ..uniform(&trace, "belady", Scope::Global, u64::from(room)) };
        let (_, counts) = run(&setup, &trace, Grouping::Layer);
        prop_assert_eq!(hits(&counts), u64::from(best_hits(&masks, room, &start)));
    }
}

/// More room can cost FIFO hits (Belady, Nelson and Shedler, 1969): nine misses with three slots, ten with four.
#[test]
fn fifo_has_beladys_anomaly() {
    let bytes = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5];
    let trace = trace((1, 6, 1), &[(0, bytes.len())], &bytes);
    for (room, misses) in [(3, 9), (4, 10)] {
        let (_, counts) = run(&uniform(&trace, "fifo", Scope::Global, room), &trace, Grouping::Access);
        assert_eq!(counts.decode.misses, misses, "with {room} slots");
    }
}

/// With sizes that differ, farthest first is no bound: what is needed last may be small, and what is kept large.
#[test]
fn belady_is_no_bound_where_sizes_differ() {
    // Layer 0 holds experts of one byte, layer 1 of three; each token asks for one of each.
    let bytes = [0, 0, 1, 1, 2, 0, 0, 1, 1, 0, 2, 1];
    let trace = trace((2, 3, 1), &[(0, bytes.len() / 2)], &bytes);
    let with = |policy: &'static str, room: u64| {
        let mut setup = uniform(&trace, policy, Scope::Global, room);
        setup.shape.sizes = vec![1, 3];
        hits(&run(&setup, &trace, Grouping::Layer).1)
    };
    let beaten = (1..13).any(|room| POLICIES.iter().any(|policy| with(policy, room) > with("belady", room)));
    assert!(beaten, "some room at which another policy has more hits");
}

/// A row added by a user replaces the built-in of the same name and is driven alike.
#[test]
fn a_policy_of_ones_own_is_driven_alike() {
    let own = PolicyRow::new("fifo", "", |input| moesim::cache::Fifo::new(input.objects));
    let registry = Registry::default().with(own);
    assert_eq!(registry.rows().iter().filter(|row| row.name == "fifo").count(), 1);
    moesim::cache::conformance::check(registry.find("fifo").unwrap()).unwrap();
}
