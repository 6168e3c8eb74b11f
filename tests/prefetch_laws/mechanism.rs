//! What the mechanism keeps, whatever it is driven with.

use moesim::metrics::PrefetchCounts;
use moesim::prefetch::{Claim, Observed, PrefetchShape, Prefetcher, Request, Target};
use proptest::prelude::*;

use super::Lawless;
use super::drive::{Driver, Run, build, needs, runs};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes stay within the budget, nothing is requested twice or while resident, and everything issued is used,
    /// cancelled, wasted or still held. The checks stand with the driver, after each of its steps.
    #[test]
    fn the_mechanism_keeps_account(run in runs()) {
        let counts = Driver::new(&run).finish();
        prop_assert_eq!(counts.issued, counts.used + counts.cancelled + counts.wasted);
        if run.shape.depth == 0 || run.shape.limit == 0 || run.predictor == "none" {
            prop_assert_eq!(counts, PrefetchCounts::default());
        }
    }

    /// With the truth at hand nothing is loaded in vain.
    #[test]
    fn the_oracle_wastes_nothing(run in runs()) {
        let run = Run { predictor: "oracle", ..run };
        let counts = Driver::new(&run).finish();
        prop_assert_eq!((counts.cancelled, counts.wasted, counts.wasted_bytes), (0, 0, 0));
    }

    /// What a wider budget changes is only what found no room.
    #[test]
    fn a_large_budget_drops_nothing(run in runs()) {
        let shape = PrefetchShape { budget: 1 << 40, ..run.shape.clone() };
        let counts = Driver::new(&Run { shape, ..run }).finish();
        prop_assert_eq!(counts.dropped_for_budget, 0);
    }
}

/// One expert through all that can become of it.
#[test]
fn a_prefetch_waits_moves_and_is_claimed_or_dropped() {
    let shape = PrefetchShape { layers: 2, experts: 4, sizes: vec![10, 7], budget: 20, depth: 1, limit: 4 };
    let mut prefetcher = Prefetcher::new(shape, build("oracle", 2, 4, None), needs("oracle"));
    let plan = |prefetcher: &mut Prefetcher, truth: &[u32]| {
        let mut requests = Vec::new();
        let truth = |target: Target, out: &mut Vec<u32>| {
            assert_eq!((target.layer, target.distance, target.next_pass), (1, 1, false));
            out.extend(truth);
        };
        prefetcher.plan(0, 1, truth, |object| object == 7, &mut requests);
        requests
    };
    prefetcher.observe(&Observed { layer: 0, experts: &[0], pass: 0 });
    let requests = plan(&mut prefetcher, &[2, 3, 0, 1]);
    // Expert 3 is resident, and a third one exceeds the budget of 20.
    assert_eq!(requests, [Request { object: 6, bytes: 7 }, Request { object: 4, bytes: 7 }]);
    assert!(plan(&mut prefetcher, &[2]).is_empty(), "on its way");
    prefetcher.started(6);
    assert_eq!((prefetcher.state(6), prefetcher.state(4)), (Claim::InFlight, Claim::Waiting));
    prefetcher.arrived(6);
    assert_eq!((prefetcher.claim(6), prefetcher.claim(5)), (Claim::Ready, Claim::Absent));
    assert_eq!(prefetcher.held_bytes(), 7);
    let mut cancelled = Vec::new();
    prefetcher.event_over(1, &mut cancelled);
    assert_eq!(cancelled, [4]);
    // In flight when asked for, in flight when dropped, ready when dropped.
    plan(&mut prefetcher, &[0, 1]);
    [4, 5].iter().for_each(|object| prefetcher.started(*object));
    assert_eq!(prefetcher.claim(4), Claim::InFlight);
    cancelled.clear();
    prefetcher.event_over(1, &mut cancelled);
    prefetcher.wasted(3);
    assert_eq!(cancelled, [5]);
    prefetcher.arrived(5);
    assert_eq!(prefetcher.state(5), Claim::Absent, "what was dropped does not come back");
    plan(&mut prefetcher, &[0]);
    prefetcher.started(4);
    prefetcher.arrived(4);
    cancelled.clear();
    prefetcher.end_of_sequence(&mut cancelled);
    assert!(cancelled.is_empty() && prefetcher.held() == 0);
    let expected = PrefetchCounts {
        predicted: 8,
        issued: 5,
        issued_bytes: 35,
        used: 2,
        late: 1,
        cancelled: 1,
        wasted: 2,
        wasted_bytes: 10,
        dropped_for_budget: 1,
        already_resident: 1,
        already_held: 1,
    };
    assert_eq!(prefetcher.counts(), expected);
    assert!(prefetcher.counts().useful().is_some());
    let mut twice = expected;
    twice.add(&expected);
    assert_eq!((twice.predicted, twice.already_held), (16, 2));
}

/// A predictor that breaks its contract costs transfers, not conservation.
#[test]
fn a_lawless_predictor_is_held_to_its_contract() {
    for (number, expected) in [(0, vec![4]), (1, vec![]), (2, vec![4, 5])] {
        let shape =
            PrefetchShape { layers: 2, experts: 4, sizes: vec![1; 2], budget: 99, depth: 1, limit: 2 };
        let mut prefetcher = Prefetcher::new(shape, Box::new(Lawless(number, 0)), needs("none"));
        let mut requests = Vec::new();
        prefetcher.plan(0, 9, |_, _| unreachable!("it needs no truth"), |_| false, &mut requests);
        let objects: Vec<u32> = requests.iter().map(|request| request.object).collect();
        assert_eq!(objects, expected);
        assert_eq!(prefetcher.held(), objects.len() as u64);
    }
}

/// What is loaded after the last layer is for the first of the next pass, and not after the last pass.
#[test]
fn plans_wrap_into_the_next_pass_and_no_further() {
    let shape = PrefetchShape { layers: 3, experts: 4, sizes: vec![1; 3], budget: 99, depth: 9, limit: 1 };
    for (events_left, expected) in [(0, vec![]), (1, vec![0]), (2, vec![0, 4]), (99, vec![0, 4, 8])] {
        let mut prefetcher = Prefetcher::new(shape.clone(), build("oracle", 3, 4, None), needs("oracle"));
        let mut requests = Vec::new();
        let truth = |target: Target, out: &mut Vec<u32>| {
            assert!(target.next_pass);
            out.push(0);
        };
        prefetcher.plan(2, events_left, truth, |_| false, &mut requests);
        let objects: Vec<u32> = requests.iter().map(|request| request.object).collect();
        assert_eq!(objects, expected, "{events_left} events left");
    }
}
