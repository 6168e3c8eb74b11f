//! ARC against the figure of its paper, written down with vectors: after each access both hold the same objects.

use moesim::cache::{Access, CacheShape, ExpertCache, NEVER, Registry, Scope};
use proptest::prelude::*;

/// One object of the target length. All quotients of numbers up to 16 are whole multiples of its parts, so the target is
/// exact: the lists of L2 are never longer than twice the cache.
const OBJECT: usize = 720_720;
const MAX_SLOTS: usize = 8;

/// Megiddo and Modha, "ARC: A self-tuning, low overhead replacement cache", FAST 2003, figure 4. Lists go from the least
/// recently used to the most.
#[derive(Default)]
struct Paper {
    c: usize,
    p: usize,
    t1: Vec<u32>,
    t2: Vec<u32>,
    b1: Vec<u32>,
    b2: Vec<u32>,
}

/// Takes an object out of a list it may be in.
fn take(list: &mut Vec<u32>, object: u32) -> bool {
    let before = list.len();
    list.retain(|other| *other != object);
    list.len() < before
}

impl Paper {
    fn request(&mut self, x: u32) {
        if take(&mut self.t1, x) || take(&mut self.t2, x) {
            // Case I.
            self.t2.push(x);
        } else if self.b1.contains(&x) {
            // Case II.
            let step = (self.b2.len() * OBJECT / self.b1.len()).max(OBJECT);
            self.p = (self.p + step).min(self.c * OBJECT);
            self.replace(false);
            take(&mut self.b1, x);
            self.t2.push(x);
        } else if self.b2.contains(&x) {
            // Case III.
            let step = (self.b1.len() * OBJECT / self.b2.len()).max(OBJECT);
            self.p = self.p.saturating_sub(step);
            self.replace(true);
            take(&mut self.b2, x);
            self.t2.push(x);
        } else {
            self.make_room();
            self.t1.push(x);
        }
    }

    /// Case IV.
    fn make_room(&mut self) {
        let total = self.t1.len() + self.t2.len() + self.b1.len() + self.b2.len();
        if self.t1.len() + self.b1.len() == self.c {
            if self.t1.len() < self.c {
                self.b1.remove(0);
                self.replace(false);
            } else {
                self.t1.remove(0);
            }
        } else if total >= self.c {
            if total == 2 * self.c {
                self.b2.remove(0);
            }
            self.replace(false);
        }
    }

    fn replace(&mut self, in_b2: bool) {
        let length = self.t1.len() * OBJECT;
        if !self.t1.is_empty() && (length > self.p || (in_b2 && length == self.p)) {
            self.b1.push(self.t1.remove(0));
        } else {
            self.b2.push(self.t2.remove(0));
        }
    }

    fn resident(&self) -> Vec<u32> {
        let mut resident = [self.t1.clone(), self.t2.clone()].concat();
        resident.sort_unstable();
        resident
    }
}

/// Objects in phases of a few at a time, so that lists fill, empty and find their way back.
fn requests() -> impl Strategy<Value = Vec<u32>> {
    let phase = (0_u32..16, 1_u32..20, prop::collection::vec(any::<u32>(), 1..60));
    prop::collection::vec(phase, 1..8).prop_map(|phases| {
        let of_phase = |(first, width, draws): (u32, u32, Vec<u32>)| {
            draws.into_iter().map(move |draw| (first + draw % width) % 24)
        };
        phases.into_iter().flat_map(of_phase).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arc_holds_what_its_paper_says(slots in 1..=MAX_SLOTS, requests in requests()) {
        let shape = CacheShape {
            layers: 1,
            experts: 24,
            sizes: vec![1],
            scope: Scope::Global,
            pool_capacity: vec![slots as u64],
            pinned: Vec::new(),
        };
        let registry = Registry::default();
        let row = registry.find("arc").expect("arc is registered");
        let mut cache = ExpertCache::new(shape, |input| (row.build)(&input));
        let mut paper = Paper { c: slots, ..Paper::default() };
        for (event, request) in (0..).zip(requests) {
            cache.begin_event();
            cache.select(0, request, &Access { event, next_event: NEVER, weight: 0 });
            cache.end_event(0);
            paper.request(request);
            let resident: Vec<u32> = (0..24).filter(|expert| cache.is_resident(0, *expert)).collect();
            prop_assert_eq!(resident, paper.resident(), "after access {}", event);
        }
    }
}
