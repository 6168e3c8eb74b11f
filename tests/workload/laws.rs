//! Laws that hold for every workload.

use moesim::serving::RequestSet;
use moesim::serving::workload::{
    Arrivals, Extent, Length, Lengths, PriorityShare, Think, WorkloadSpec, generate,
};
use proptest::prelude::*;

use super::{domain, log, spec, times_ns};

/// Arrivals of an open loop at a rate.
type AtRate = fn(f64) -> Arrivals;

const OPEN: [(f64, AtRate); 5] = [
    (1.0, |rate_per_s| Arrivals::Poisson { rate_per_s }),
    (0.3, |rate_per_s| Arrivals::Gamma { rate_per_s, cv: 0.3 }),
    (1.0, |rate_per_s| Arrivals::Gamma { rate_per_s, cv: 1.0 }),
    (3.0, |rate_per_s| Arrivals::Gamma { rate_per_s, cv: 3.0 }),
    (0.0, |rate_per_s| Arrivals::Uniform { rate_per_s }),
];

fn open() -> impl Strategy<Value = AtRate> {
    (0..OPEN.len()).prop_map(|at| OPEN[at].1)
}

fn length() -> impl Strategy<Value = Length> {
    prop_oneof![
        (1_u32..5_000).prop_map(|tokens| Length::Fixed { tokens }),
        (1.0..2_000.0_f64, 0.0..3.0_f64).prop_map(|(mean, cv)| Length::Lognormal { mean, cv, max: 2_000 }),
    ]
}

/// Specifications of all kinds that can be.
fn specs() -> impl Strategy<Value = WorkloadSpec> {
    let think = prop_oneof![
        (0_u64..1 << 40).prop_map(|ns| Think::Fixed { ns }),
        (0_u64..1 << 40).prop_map(|mean_ns| Think::Exponential { mean_ns }),
    ];
    let arrivals = prop_oneof![
        (open(), -3.0..4.0_f64).prop_map(|(of, power)| of(10_f64.powf(power))),
        (1_u32..50, think).prop_map(|(users, think)| Arrivals::Closed { users, think }),
        (0.01..100.0_f64).prop_map(|scale| Arrivals::Log { scale }),
    ];
    let lengths = prop_oneof![
        Just(Lengths::Log),
        Just(Lengths::Empirical { pairs: log(20).pairs().into() }),
        (length(), length()).prop_map(|(prompt, output)| Lengths::Each { prompt, output }),
    ];
    let domains = prop_oneof![
        Just(Vec::new()),
        Just(vec![domain("a", 1.0, 0.0), domain("b", 0.0, 1.0), domain("c", 0.0, 2.0)]),
    ];
    let extent = prop_oneof![(1_u32..60).prop_map(|count| Extent::Requests { count }), Just(Extent::Log),];
    (arrivals, lengths, domains, extent, any::<u64>(), any::<bool>()).prop_map(
        |(arrivals, lengths, domains, extent, seed, urgent)| WorkloadSpec {
            lengths,
            extent,
            domains,
            priorities: if urgent { vec![PriorityShare { priority: 9, share: 2.0 }] } else { Vec::new() },
            log: Some(log(60)),
            seed,
            ..spec(arrivals)
        },
    )
}

/// How often each domain comes up among requests `from..to`.
fn counts(set: &RequestSet, from: usize, to: usize) -> Vec<usize> {
    let of = |domain: usize| {
        set.requests[from..to].iter().filter(|request| usize::from(request.domain) == domain).count()
    };
    (0..set.domains.len()).map(of).collect()
}

proptest! {
    /// The shape of every workload: in order of arrival from 0, tokens at least 1, domains and hashes that exist, as many
    /// requests as asked for, and one thought for each request of a closed loop.
    #[test]
    fn every_workload_is_whole(spec in specs()) {
        let set = generate(&spec).unwrap();
        prop_assert_eq!(&set, &generate(&spec).unwrap());
        let expected = match spec.extent {
            Extent::Requests { count } => count as usize,
            _ => 60,
        };
        prop_assert_eq!(set.requests.len(), expected);
        prop_assert_eq!(set.requests[0].arrival.as_ns(), 0);
        prop_assert!(set.requests.is_sorted_by_key(|request| request.arrival));
        for request in &set.requests {
            prop_assert!(request.prompt_tokens > 0 && request.output_tokens > 0);
            prop_assert!(usize::from(request.domain) < set.domains.len().max(1));
            prop_assert!(request.hashes.0 <= request.hashes.1 && request.hashes.1 as usize <= set.hashes.len());
            let hashed = request.hashes.1 - request.hashes.0;
            prop_assert!(hashed <= request.prompt_tokens.div_ceil(set.hash_tokens.max(1)));
        }
        match (&set.closed, &spec.arrivals) {
            (Some(closed), Arrivals::Closed { users, .. }) => {
                prop_assert_eq!((closed.users, closed.think_ns.len()), (*users, expected));
                prop_assert!(set.requests.iter().all(|request| request.arrival.as_ns() == 0));
            }
            (closed, arrivals) => {
                let wants_users = matches!(arrivals, Arrivals::Closed { .. });
                prop_assert!(closed.is_none() && !wants_users);
            }
        }
    }

    /// One seed at two rates: the same gaps, scaled, and everything else alike. Each time is rounded to 1 ns.
    #[test]
    fn rates_are_paired(of in open(), seed in any::<u64>(), low in 0.1..10.0_f64, factor in 1.0..100.0_f64) {
        let at = |rate_per_s| {
            let lognormal = Length::Lognormal { mean: 500.0, cv: 1.0, max: 9_000 };
            let lengths = Lengths::Each { prompt: lognormal, output: lognormal };
            let domains = vec![domain("a", 1.0, 2.0), domain("b", 2.0, 1.0)];
            generate(&WorkloadSpec { lengths, domains, seed, ..spec(of(rate_per_s)) }).unwrap()
        };
        let (slow, fast) = (at(low), at(low * factor));
        for (one, other) in slow.requests.iter().zip(&fast.requests) {
            let (slow_ns, fast_ns) = (one.arrival.as_ns() as f64, other.arrival.as_ns() as f64);
            prop_assert!((fast_ns * factor - slow_ns).abs() <= 0.51 + 0.51 * factor + slow_ns * 1e-14);
            prop_assert_eq!(moesim::serving::Request { arrival: one.arrival, ..*other }, *one);
        }
    }

    /// A longer workload begins with the shorter one; a duration gives those of the count that come before it.
    #[test]
    fn a_longer_workload_begins_alike(of in open(), seed in any::<u64>(), count in 1_u32..100) {
        let lognormal = Length::Lognormal { mean: 500.0, cv: 1.0, max: 100_000 };
        let whole = WorkloadSpec {
            lengths: Lengths::Each { prompt: lognormal, output: lognormal },
            domains: vec![domain("a", 1.0, 1.0), domain("b", 2.0, 2.0)],
            priorities: vec![PriorityShare { priority: 1, share: 1.0 }, PriorityShare { priority: 2, share: 1.0 }],
            seed,
            ..spec(of(2.0))
        };
        let all = generate(&whole).unwrap();
        let first = generate(&WorkloadSpec { extent: Extent::Requests { count }, ..whole.clone() }).unwrap();
        prop_assert_eq!(&first.requests[..], &all.requests[..count as usize]);
        let ns = 20_000_000_000;
        let early = generate(&WorkloadSpec { extent: Extent::Duration { ns }, ..whole }).unwrap();
        let before = all.requests.iter().filter(|request| request.arrival.as_ns() < ns).count();
        let shared = before.min(early.requests.len());
        prop_assert_eq!(&early.requests[..shared], &all.requests[..shared]);
        prop_assert!(early.requests.len() == before || before == all.requests.len());
        prop_assert!(early.requests.iter().all(|request| request.arrival.as_ns() < ns));
    }

    /// Thoughts: all alike, or of the mean asked for and paired across means.
    #[test]
    fn users_think_as_long_as_they_should(seed in any::<u64>(), ns in 0_u64..1 << 40) {
        let thoughts = |think| {
            let extent = Extent::Requests { count: 4_000 };
            let spec = WorkloadSpec { extent, seed, ..spec(Arrivals::Closed { users: 3, think }) };
            generate(&spec).unwrap().closed.unwrap().think_ns
        };
        let fixed = thoughts(Think::Fixed { ns });
        prop_assert!(fixed.iter().all(|thought| *thought == ns));
        let drawn = thoughts(Think::Exponential { mean_ns: ns });
        let mean = drawn.iter().map(|thought| *thought as f64).sum::<f64>() / 4_000.0;
        // Five standard errors.
        prop_assert!((mean - ns as f64).abs() <= ns as f64 * 5.0 / 4_000_f64.sqrt() + 1.0, "{} {}", mean, ns);
        let twice = thoughts(Think::Exponential { mean_ns: 2 * ns });
        prop_assert!(drawn.iter().zip(&twice).all(|(one, two)| (2 * one).abs_diff(*two) <= 2));
    }

    /// The parts of a replay at one scale are those of the log, scaled.
    #[test]
    fn a_replay_scales_the_log(scale in 0.01..100.0_f64) {
        let replay = WorkloadSpec { extent: Extent::Log, log: Some(log(60)), ..spec(Arrivals::Log { scale }) };
        for (time_ns, row) in times_ns(&replay).iter().zip(&log(60).rows) {
            prop_assert!((*time_ns as f64 * scale - row.arrival_ns as f64).abs() <= 0.51 * scale + 1e-4);
        }
    }
}

/// Mean and spread of the gaps, over 100,000 requests.
#[test]
fn gaps_have_their_mean_and_cv() {
    for (cv, of) in OPEN {
        let extent = Extent::Requests { count: 100_000 };
        let times = times_ns(&WorkloadSpec { extent, ..spec(of(8.0)) });
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 125e6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 4.0 * cv / 316.0 + 1e-8, "cv {cv}: mean {mean}");
        assert!((variance.sqrt() - cv).abs() < 0.03 * cv + 1e-8, "cv {cv}: found {}", variance.sqrt());
    }
}

/// A Poisson process has as many requests in a second as their spread says: the counts' variance is their mean.
#[test]
fn poisson_counts_have_their_variance() {
    let extent = Extent::Requests { count: 100_000 };
    let times = times_ns(&WorkloadSpec { extent, ..spec(Arrivals::Poisson { rate_per_s: 20.0 }) });
    let seconds = usize::try_from(times[times.len() - 1] / 1_000_000_000).unwrap();
    let mut counts = vec![0.0; seconds + 1];
    for time_ns in times {
        counts[usize::try_from(time_ns / 1_000_000_000).unwrap()] += 1.0;
    }
    counts.truncate(seconds);
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / counts.len() as f64;
    assert!((variance / mean - 1.0).abs() < 0.1, "mean {mean}, variance {variance}");
}

#[test]
fn gamma_of_cv_one_is_poisson() {
    let gamma = times_ns(&spec(Arrivals::Gamma { rate_per_s: 3.0, cv: 1.0 }));
    assert_eq!(gamma, times_ns(&spec(Arrivals::Poisson { rate_per_s: 3.0 })));
}

#[test]
fn uniform_gaps_do_not_wander() {
    let extent = Extent::Requests { count: 1_000_000 };
    let times = times_ns(&WorkloadSpec { extent, ..spec(Arrivals::Uniform { rate_per_s: 3.0 }) });
    // 999,999 / 3 seconds.
    assert_eq!(times[999_999], 333_333_000_000_000);
}

/// Each pair comes up as often as any other, and no pair that is not there.
#[test]
fn empirical_lengths_are_drawn_evenly() {
    let pairs = log(10).pairs();
    let lengths = Lengths::Empirical { pairs: pairs.clone().into() };
    let extent = Extent::Requests { count: 10_000 };
    let set =
        generate(&WorkloadSpec { lengths, extent, ..spec(Arrivals::Uniform { rate_per_s: 1.0 }) }).unwrap();
    for pair in pairs {
        let same = set.requests.iter().filter(|r| (r.prompt_tokens, r.output_tokens) == pair).count();
        // 1,000 expected; the standard deviation is 30.
        assert!((880..1_120).contains(&same), "{pair:?}: {same}");
    }
}

/// A mix that stays has its shares; one that drifts begins with the one and ends with the other.
#[test]
fn domains_have_their_shares() {
    let extent = Extent::Requests { count: 20_000 };
    let drawn = |domains| {
        generate(&WorkloadSpec { domains, extent, ..spec(Arrivals::Uniform { rate_per_s: 1.0 }) }).unwrap()
    };
    let fixed = drawn(vec![domain("a", 1.0, 1.0), domain("b", 3.0, 3.0), domain("never", 0.0, 0.0)]);
    let found = counts(&fixed, 0, 20_000);
    // 5,000 expected; the standard deviation is 61.
    assert!(found[0].abs_diff(5_000) < 300 && found[2] == 0, "{found:?}");

    let drifting = drawn(vec![domain("old", 10.0, 0.0), domain("new", 0.0, 1.0)]);
    assert_eq!((drifting.requests[0].domain, drifting.requests[19_999].domain), (0, 1));
    let new: Vec<usize> = (0..4).map(|part| counts(&drifting, part * 5_000, (part + 1) * 5_000)[1]).collect();
    for (found, expected) in new.into_iter().zip([625, 1_875, 3_125, 4_375_usize]) {
        // The standard deviation is 34 at most.
        assert!(found.abs_diff(expected) < 150, "{found} of 5,000, {expected} expected");
    }
}

#[test]
fn priorities_have_their_shares() {
    let share = |priority, share| PriorityShare { priority, share };
    let spec = WorkloadSpec {
        priorities: vec![share(0, 0.1), share(5, 0.3), share(9, 0.0)],
        extent: Extent::Requests { count: 20_000 },
        ..spec(Arrivals::Uniform { rate_per_s: 1.0 })
    };
    let set = generate(&spec).unwrap();
    let of = |priority| set.requests.iter().filter(|request| request.priority == priority).count();
    assert!(of(0).abs_diff(5_000) < 300, "{}", of(0));
    assert_eq!((of(0) + of(5), of(9)), (20_000, 0));
}
