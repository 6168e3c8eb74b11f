//! Policies that count uses, against models that note everything down and search lists: the same objects are resident
//! after every event of small random traces, group-atomic and one access at a time.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use moesim::cache::{Access, CacheShape, ExpertCache, LfuEma, LfuWindow, NEVER, Registry, Scope};
use proptest::prelude::*;

const EXPERTS: u32 = 9;

/// A resident expert.
#[derive(Clone, Debug)]
struct Resident {
    expert: u32,
    /// The event that brought it.
    since: usize,
    /// Age and uses when an event last asked for it (GDSF).
    key: u64,
}

/// A cache of experts of one size, in a list.
#[derive(Clone, Debug)]
struct Naive {
    policy: &'static str,
    capacity: usize,
    residents: Vec<Resident>,
    /// All events so far, with every selection.
    history: Vec<Vec<u32>>,
    age: u64,
}

impl Naive {
    /// The events, by number, that asked for an expert.
    fn uses(&self, expert: u32) -> impl Iterator<Item = usize> + '_ {
        self.history.iter().enumerate().filter(move |(_, event)| event.contains(&expert)).map(|(at, _)| at)
    }

    fn serve(&mut self, event: &[u32]) {
        let now = self.history.len();
        self.history.push(event.to_vec());
        for expert in event {
            if !self.residents.iter().any(|resident| resident.expert == *expert) {
                self.residents.push(Resident { expert: *expert, since: now, key: 0 });
            }
        }
        for at in 0..self.residents.len() {
            let Resident { expert, since, .. } = self.residents[at];
            if event.contains(&expert) {
                self.residents[at].key =
                    self.age + self.uses(expert).filter(|at| *at >= since).count() as u64;
            }
        }
        while self.residents.len() > self.capacity {
            let others = self.residents.iter().filter(|resident| !event.contains(&resident.expert));
            let Some(victim) = others.min_by_key(|resident| self.rank(resident)).cloned() else { break };
            self.age = self.age.max(victim.key);
            self.residents.retain(|resident| resident.expert != victim.expert);
        }
    }

    /// The least of these goes: what the policy counts, then the last use.
    fn rank(&self, resident: &Resident) -> (u64, usize, usize) {
        let (expert, now) = (resident.expert, self.history.len());
        let last = self.uses(expert).last().unwrap();
        let event = &self.history[last];
        let first_place = event.iter().position(|other| *other == expert).unwrap();
        let last_place = event.iter().rposition(|other| *other == expert).unwrap();
        match self.policy {
            "lfu" => {
                let uses = self.uses(expert).filter(|at| *at >= resident.since).count();
                (uses as u64, last, last_place)
            }
            "lfu-perfect" => (self.uses(expert).count() as u64, last, last_place),
            "lfu-window" => {
                let window = now.saturating_sub(LfuWindow::PASSES as usize)..now;
                (self.uses(expert).filter(|at| window.contains(at)).count() as u64, last, first_place)
            }
            "lfu-ema" => {
                let half_life = LfuEma::HALF_LIFE as usize;
                let worth = |at: usize| ((half_life + at % half_life) as u64) << (at / half_life);
                (self.uses(expert).map(worth).sum(), last, last_place)
            }
            "gdsf" => (resident.key, last, first_place),
            other => panic!("no model of {other}"),
        }
    }
}

/// Traces of one layer: events of some selections each, in which experts may come twice, as in a prompt. Long enough for
/// the window to pass and too short for the decayed scores to be divided, which no model here does.
fn traces() -> impl Strategy<Value = Vec<Vec<u32>>> {
    let skewed = (0..EXPERTS, 0..EXPERTS).prop_map(|(a, b)| a.min(b));
    prop::collection::vec(prop::collection::vec(skewed, 1..7), 1..130)
}

/// Resident experts after each event.
fn registered(policy: &str, capacity: u64, events: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let registry = Registry::default();
    let row = registry.find(policy).unwrap();
    let shape = CacheShape {
        layers: 1,
        experts: EXPERTS,
        sizes: vec![1],
        scope: Scope::Global,
        pool_capacity: vec![capacity],
        pinned: Vec::new(),
    };
    let mut cache = ExpertCache::new(shape, |input| (row.build)(&input));
    let serve = |(event, experts): (u64, &Vec<u32>)| {
        cache.begin_event();
        for expert in experts {
            cache.select(0, *expert, &Access { event, next_event: NEVER, weight: 0 });
        }
        cache.end_event(0);
        (0..EXPERTS).filter(|expert| cache.is_resident(0, *expert)).collect()
    };
    (0..).zip(events).map(serve).collect()
}

fn modelled(policy: &'static str, capacity: u64, events: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let capacity = usize::try_from(capacity).unwrap();
    let mut naive = Naive { policy, capacity, residents: Vec::new(), history: Vec::new(), age: 0 };
    let serve = |event: &Vec<u32>| {
        naive.serve(event);
        let mut experts: Vec<u32> = naive.residents.iter().map(|resident| resident.expert).collect();
        experts.sort_unstable();
        experts
    };
    events.iter().map(serve).collect()
}

fn check(policy: &'static str, capacity: u64, events: &[Vec<u32>]) -> Result<(), TestCaseError> {
    let single: Vec<Vec<u32>> = events.iter().flatten().map(|expert| vec![*expert]).collect();
    for events in [events, &single] {
        let pairs = registered(policy, capacity, events).into_iter().zip(modelled(policy, capacity, events));
        for (event, (ours, expected)) in pairs.enumerate() {
            prop_assert_eq!(ours, expected, "{} with {} slots after event {}", policy, capacity, event);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lfu_keeps_what_its_model_keeps(events in traces(), capacity in 0..=u64::from(EXPERTS)) {
        check("lfu", capacity, &events)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_others_keep_what_theirs_keep(
        policy in prop::sample::select(vec!["lfu-perfect", "lfu-window", "lfu-ema", "gdsf"]),
        events in traces(), capacity in 0..=u64::from(EXPERTS),
    ) {
        check(policy, capacity, &events)?;
    }
}
