//! In-cache LFU against a model that searches a plain list, event by event.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use moesim::cache::{Access, CacheShape, ExpertCache, NEVER, Registry, Scope};
use proptest::prelude::*;

const EXPERTS: u32 = 9;

/// What is resident: the object, in how many events it was asked for since it came, and when last.
#[derive(Clone, Copy, Debug)]
struct Resident {
    object: u32,
    uses: u64,
    touched: u64,
}

#[derive(Default)]
struct Model {
    resident: Vec<Resident>,
    touches: u64,
}

impl Model {
    fn serve(&mut self, event: &[u32], slots: usize) {
        for (at, object) in event.iter().enumerate() {
            self.touches += 1;
            let first = u64::from(!event[..at].contains(object));
            match self.resident.iter_mut().find(|one| one.object == *object) {
                Some(one) => *one = Resident { uses: one.uses + first, touched: self.touches, ..*one },
                None => self.resident.push(Resident { object: *object, uses: 1, touched: self.touches }),
            }
        }
        while self.resident.len() > slots {
            let others = self.resident.iter().filter(|one| !event.contains(&one.object));
            let Some(victim) = others.min_by_key(|one| (one.uses, one.touched)).copied() else { break };
            self.resident.retain(|one| one.object != victim.object);
        }
    }

    fn objects(&self) -> Vec<u32> {
        let mut objects: Vec<u32> = self.resident.iter().map(|one| one.object).collect();
        objects.sort_unstable();
        objects
    }
}

fn check(events: &[Vec<u32>], slots: u64) -> Result<(), TestCaseError> {
    let shape = CacheShape {
        layers: 1,
        experts: EXPERTS,
        sizes: vec![1],
        scope: Scope::Global,
        pool_capacity: vec![slots],
        pinned: Vec::new(),
    };
    let registry = Registry::default();
    let mut cache = ExpertCache::new(shape, |input| (registry.find("lfu").unwrap().build)(&input));
    let mut model = Model::default();
    for (number, event) in (0_u64..).zip(events) {
        cache.begin_event();
        for expert in event {
            cache.select(0, *expert, &Access { event: number, next_event: NEVER, weight: 0 });
        }
        cache.end_event(0);
        model.serve(event, usize::try_from(slots).unwrap());
        let held: Vec<u32> = (0..EXPERTS).filter(|expert| cache.is_resident(0, *expert)).collect();
        prop_assert_eq!(held, model.objects(), "after event {}", number);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_access_at_a_time(stream in prop::collection::vec(0..EXPERTS, 1..150), slots in 0..EXPERTS as u64) {
        let events: Vec<Vec<u32>> = stream.into_iter().map(|expert| vec![expert]).collect();
        check(&events, slots)?;
    }

    #[test]
    fn events_of_several(events in prop::collection::vec(prop::collection::vec(0..EXPERTS, 1..6), 1..60), slots in 0..EXPERTS as u64) {
        check(&events, slots)?;
    }
}
