//! Policies beside models of them that are written plainly: queues are vectors, everything is searched for, and a
//! model evicts before it inserts where its policy was defined so. After every event both must hold the same experts.
//!
//! An event is one access, or what several tokens ask for at once. The models share no code with the policies.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "policy_naive/models.rs"]
mod models;

use models::{Clock, Event, Fifo, Lru, Model, S3Fifo, Sieve, Slru};
use moesim::cache::{Access, CacheShape, ExpertCache, Policy, Registry, Scope};
use proptest::prelude::*;

/// Enough that a tenth of the slots is more than one.
const EXPERTS: u32 = 48;

/// The model of a policy with so many slots.
type Build = fn(usize) -> Box<dyn Model>;

const MODELS: [(&str, Build); 6] = [
    ("lru", |slots| Box::new(Lru::new(slots))),
    ("fifo", |slots| Box::new(Fifo::new(slots))),
    ("clock", |slots| Box::new(Clock::new(slots))),
    ("sieve", |slots| Box::new(Sieve::new(slots))),
    ("slru", |slots| Box::new(Slru::new(slots))),
    ("s3-fifo", |slots| Box::new(S3Fifo::new(slots))),
];

fn cache(policy: &str, slots: usize) -> ExpertCache<Box<dyn Policy>> {
    let registry = Registry::default();
    let row = registry.find(policy).unwrap();
    let shape = CacheShape {
        layers: 1,
        experts: EXPERTS,
        sizes: vec![1],
        scope: Scope::Global,
        pool_capacity: vec![slots as u64],
        pinned: Vec::new(),
    };
    ExpertCache::new(shape, |input| (row.build)(&input))
}

fn serve(cache: &mut ExpertCache<Box<dyn Policy>>, number: usize, event: &[u32]) {
    cache.begin_event();
    for expert in event {
        let access = Access { event: number as u64, next_event: moesim::cache::NEVER, weight: 0 };
        cache.select(0, *expert, &access);
    }
    cache.end_event(0);
}

fn resident(cache: &ExpertCache<Box<dyn Policy>>) -> Vec<u32> {
    (0..EXPERTS).filter(|expert| cache.is_resident(0, *expert)).collect()
}

fn agree(slots: usize, events: &[Vec<u32>]) -> Result<(), TestCaseError> {
    for (policy, build) in MODELS {
        let mut cache = cache(policy, slots);
        let mut model = build(slots);
        for (number, event) in events.iter().enumerate() {
            serve(&mut cache, number, event);
            model.serve(&Event::of(event));
            let mut expected = model.resident();
            expected.sort_unstable();
            prop_assert_eq!(
                resident(&cache),
                expected,
                "{} with {} slots, after event {} of {:?}",
                policy,
                slots,
                number,
                events
            );
        }
    }
    Ok(())
}

/// An expert; low ones are popular.
fn expert(experts: u32) -> impl Strategy<Value = u32> {
    (0..experts, 0..experts, 0..experts).prop_map(|(a, b, c)| a.min(b).min(c))
}

/// Slots, and a stream of events of so many selections, over few experts or many.
fn streams(
    selections: std::ops::RangeInclusive<usize>,
    events: usize,
) -> impl Strategy<Value = (usize, Vec<Vec<u32>>)> {
    (0_usize..=32, 4..=EXPERTS).prop_flat_map(move |(slots, experts)| {
        let event = prop::collection::vec(expert(experts), selections.clone());
        (Just(slots), prop::collection::vec(event, 1..events))
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn one_access_at_a_time((slots, events) in streams(1..=1, 300)) {
        agree(slots, &events)?;
    }

    /// Events of one token or several, some of them larger than the cache.
    #[test]
    fn events_of_several_selections((slots, events) in streams(1..=12, 120)) {
        agree(slots, &events)?;
    }
}

proptest! {
    #![proptest_config(config(200))]

    /// Whatever room there is from one event to the next, it is kept to, and no more is given up than must be.
    #[test]
    fn room_that_changes(
        (slots, events) in streams(1..=6, 120),
        rooms in prop::collection::vec(0_u64..=32, 1..12),
    ) {
        for (policy, _) in MODELS {
            let mut cache = cache(policy, slots);
            let mut room = slots as u64;
            for (number, event) in events.iter().enumerate() {
                if number % 10 == 9 {
                    room = rooms[number / 10 % rooms.len()];
                    cache.set_capacity(room);
                }
                let event = Event::of(event);
                let missing = event.experts.iter().filter(|expert| !cache.is_resident(0, **expert)).count();
                let held = cache.used() + missing as u64;
                serve(&mut cache, number, &event.selections);
                prop_assert_eq!(cache.used(), held.min(room.max(event.experts.len() as u64)), "{}", policy);
            }
        }
    }
}
