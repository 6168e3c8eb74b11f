//! Workloads: laws of arrivals, lengths and mixes, what pairs across a sweep, request logs, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod common;
#[path = "workload/laws.rs"]
mod laws;
#[path = "workload/logs.rs"]
mod logs;

use std::sync::Arc;

use moesim::serving::workload::{
    Arrivals, DomainShare, Extent, Length, Lengths, LogRow, PriorityShare, RequestLog, Think, WorkloadSpec,
    generate,
};

/// A hundred requests of fixed lengths; each test changes what it is about.
fn spec(arrivals: Arrivals) -> WorkloadSpec {
    WorkloadSpec {
        arrivals,
        lengths: Lengths::Each {
            prompt: Length::Fixed { tokens: 100 },
            output: Length::Fixed { tokens: 10 },
        },
        extent: Extent::Requests { count: 100 },
        domains: Vec::new(),
        priorities: Vec::new(),
        log: None,
        seed: 7,
    }
}

/// Requests a second apart, of 10, 20, ... and 1, 2, ... tokens, each prompt of one block.
fn log(rows: u32) -> Arc<RequestLog> {
    let row = |at: u32| LogRow {
        arrival_ns: u64::from(at) * 1_000_000_000,
        prompt_tokens: 10 * (at + 1),
        output_tokens: at + 1,
        priority: u8::from(at == 1),
        domain: u16::from(at == 1),
        hashes: (at, at + 1),
    };
    Arc::new(RequestLog {
        name: "log.csv".to_owned(),
        rows: (0..rows).map(row).collect(),
        hashes: (0..u64::from(rows)).collect(),
        hash_tokens: 512,
        domains: vec!["chat".to_owned(), "code".to_owned()],
        notes: vec!["log.csv: read".to_owned()],
    })
}

fn domain(name: &str, begin: f64, end: f64) -> DomainShare {
    DomainShare { name: name.to_owned(), begin, end }
}

fn times_ns(spec: &WorkloadSpec) -> Vec<u64> {
    generate(spec).unwrap().requests.iter().map(|request| request.arrival.as_ns()).collect()
}

#[track_caller]
fn refuses(spec: &WorkloadSpec, expected: &str) {
    assert_eq!(generate(spec).unwrap_err().to_string(), expected);
}

#[test]
fn a_log_is_replayed_with_all_it_says() {
    let replay = WorkloadSpec {
        lengths: Lengths::Log,
        extent: Extent::Log,
        log: Some(log(3)),
        ..spec(Arrivals::Log { scale: 1.0 })
    };
    let set = generate(&replay).unwrap();
    let told: Vec<_> = set
        .requests
        .iter()
        .map(|r| (r.arrival.as_ns(), r.prompt_tokens, r.output_tokens, r.priority, r.domain, r.hashes))
        .collect();
    assert_eq!(
        told,
        [
            (0, 10, 1, 0, 0, (0, 1)),
            (1_000_000_000, 20, 2, 1, 1, (1, 2)),
            (2_000_000_000, 30, 3, 0, 0, (2, 3))
        ]
    );
    assert_eq!((set.hashes, set.hash_tokens, set.closed), (vec![0, 1, 2], 512, None));
    assert_eq!((set.domains.join(" "), set.notes.join(" ")), ("chat code".into(), "log.csv: read".into()));
    assert_eq!((replay.load(), replay.rate_per_s()), ("log.csv, 1.000 requests/s".into(), Some(1.0)));

    let faster = WorkloadSpec { arrivals: Arrivals::Log { scale: 4.0 }, ..replay.clone() };
    assert_eq!(times_ns(&faster), [0, 250_000_000, 500_000_000]);
    assert_eq!(faster.load(), "log.csv at 4 times, 4.000 requests/s");
    let slower = WorkloadSpec { arrivals: Arrivals::Log { scale: 0.5 }, ..replay.clone() };
    assert_eq!(times_ns(&slower), [0, 2_000_000_000, 4_000_000_000]);
    let shorter = WorkloadSpec { extent: Extent::Requests { count: 2 }, ..replay };
    assert_eq!(generate(&shorter).unwrap().hashes, [0, 1]);
}

/// A duration ends before the request that comes at its end.
#[test]
fn a_duration_is_a_limit() {
    for (ns, expected) in [(1, 1), (999_999_999, 4), (1_000_000_000, 4), (1_000_000_001, 5)] {
        let of = |arrivals| WorkloadSpec { extent: Extent::Duration { ns }, ..spec(arrivals) };
        assert_eq!(times_ns(&of(Arrivals::Uniform { rate_per_s: 4.0 })).len(), expected, "{ns}");
        let replay = WorkloadSpec { log: Some(log(9)), ..of(Arrivals::Log { scale: 4.0 }) };
        assert_eq!(times_ns(&replay).len(), expected, "{ns}");
    }
    let long = WorkloadSpec {
        lengths: Lengths::Log,
        extent: Extent::Duration { ns: 3_600_000_000_000 },
        log: Some(log(5)),
        ..spec(Arrivals::Poisson { rate_per_s: 1.0 })
    };
    let set = generate(&long).unwrap();
    assert_eq!(set.requests.len(), 5);
    assert_eq!(
        set.notes,
        ["log.csv: read", "log.csv: ends after 5 requests, before the time of the workload is over"]
    );
}

/// What the workload says itself goes before what the log says, and the notes say so.
#[test]
fn what_is_not_the_logs_is_said() {
    let mixed = WorkloadSpec {
        extent: Extent::Log,
        log: Some(log(3)),
        domains: vec![domain("law", 1.0, 1.0)],
        priorities: vec![PriorityShare { priority: 3, share: 1.0 }],
        ..spec(Arrivals::Log { scale: 1.0 })
    };
    let set = generate(&mixed).unwrap();
    assert_eq!(
        set.notes,
        [
            "log.csv: read",
            "log.csv: hashes of prompt blocks are left out, since lengths are not the log's",
            "log.csv: its domains are left out for those of the workload",
            "log.csv: its priorities are left out for those of the workload",
        ]
    );
    assert!(set.requests.iter().all(|r| (r.priority, r.domain, r.hashes) == (3, 0, (0, 0))));
    assert_eq!((set.hash_tokens, set.hashes.len(), set.domains), (0, 0, vec!["law".to_owned()]));
}

#[test]
fn loads_are_said_in_words() {
    let think = Think::Fixed { ns: 0 };
    for (arrivals, rate_per_s, words) in [
        (Arrivals::Poisson { rate_per_s: 4.0 }, Some(4.0), "poisson, 4 requests/s"),
        (Arrivals::Gamma { rate_per_s: 0.5, cv: 2.0 }, Some(0.5), "gamma of cv 2, 0.5 requests/s"),
        (Arrivals::Uniform { rate_per_s: 1.5 }, Some(1.5), "uniform, 1.5 requests/s"),
        (Arrivals::Closed { users: 32, think }, None, "closed loop, 32 users"),
        (Arrivals::Closed { users: 1, think }, None, "closed loop, 1 user"),
    ] {
        let spec = spec(arrivals);
        assert_eq!((spec.rate_per_s(), spec.load().as_str()), (rate_per_s, words));
    }
}

fn poisson() -> Arrivals {
    Arrivals::Poisson { rate_per_s: 1.0 }
}

#[test]
fn rates_that_cannot_be() {
    for (rate_per_s, found) in
        [(0.0, "0"), (-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf"), (2e9, "2000000000")]
    {
        let expected = format!("rate of arrivals is {found} requests/s, expected above 0, up to 1000000000");
        refuses(&spec(Arrivals::Poisson { rate_per_s }), &expected);
        refuses(&spec(Arrivals::Uniform { rate_per_s }), &expected);
        refuses(&spec(Arrivals::Gamma { rate_per_s, cv: 1.0 }), &expected);
        if found != "2000000000" {
            let replay = WorkloadSpec { log: Some(log(100)), ..spec(Arrivals::Log { scale: rate_per_s }) };
            refuses(&replay, &format!("scale of the log's rate is {found}, expected above 0, up to 1000000"));
        }
    }
}

#[test]
fn arrivals_that_cannot_be() {
    let second = Extent::Duration { ns: 1_000_000_000 };
    for (spec, expected) in [
        (
            spec(Arrivals::Gamma { rate_per_s: 1.0, cv: 0.0 }),
            "cv of gamma arrivals is 0, expected 0.01 to 20 (1 is poisson, equal gaps are uniform)",
        ),
        (
            spec(Arrivals::Closed { users: 0, think: Think::Fixed { ns: 0 } }),
            "a closed loop of 0 users, expected 1 or more",
        ),
        (
            spec(Arrivals::Closed { users: 1, think: Think::Exponential { mean_ns: u64::MAX } }),
            "think time is 18446744073709551615 ns, expected at most ten days",
        ),
        (spec(Arrivals::Log { scale: 1.0 }), "arrivals of a log, and there is none, expected a request log"),
        (
            spec(Arrivals::Uniform { rate_per_s: 1e-9 }),
            "request 4 comes more than 100 years after the first, expected a higher rate, or fewer requests",
        ),
        (
            WorkloadSpec { extent: second, ..spec(Arrivals::Uniform { rate_per_s: 1e8 }) },
            "more than 10000000 requests come within the workload's time, expected a lower rate, or a shorter time",
        ),
    ] {
        refuses(&spec, expected);
    }
}

#[test]
fn lengths_that_cannot_be() {
    let answers = |mean, cv| Lengths::Each {
        prompt: Length::Fixed { tokens: 1 },
        output: Length::Lognormal { mean, cv, max: 9 },
    };
    let empirical = |pairs: &[(u32, u32)]| Lengths::Empirical { pairs: pairs.into() };
    for (lengths, expected) in [
        (Lengths::Log, "lengths of a log, and there is none, expected a request log"),
        (empirical(&[]), "no lengths to draw from, expected one pair or more"),
        (empirical(&[(5, 5), (5, 0)]), "pair 1 of lengths is (5, 0), expected 1 token or more each"),
        (answers(f64::NAN, 1.0), "mean length of answers is NaN tokens, expected 1 to 9 (the longest)"),
        (answers(10.0, 1.0), "mean length of answers is 10 tokens, expected 1 to 9 (the longest)"),
        (answers(5.0, -1.0), "cv of the length of answers is -1, expected 0 to 20"),
        (answers(5.0, f64::NAN), "cv of the length of answers is NaN, expected 0 to 20"),
    ] {
        refuses(&WorkloadSpec { lengths, ..spec(poisson()) }, expected);
    }
}

#[test]
fn extents_that_cannot_be() {
    let many = |extent| WorkloadSpec { extent, ..spec(poisson()) };
    let closed = Arrivals::Closed { users: 1, think: Think::Fixed { ns: 1 } };
    for (spec, expected) in [
        (many(Extent::Requests { count: 0 }), "a workload of 0 requests, expected 1 to 10000000"),
        (
            many(Extent::Requests { count: 10_000_001 }),
            "a workload of 10000001 requests, expected 1 to 10000000",
        ),
        (many(Extent::Duration { ns: 0 }), "a workload of 0 ns, expected a longer time"),
        (
            WorkloadSpec { extent: Extent::Duration { ns: 1 }, ..spec(closed) },
            "the extent of a closed loop is a time, but its requests come when answers do, expected a number of \
             requests",
        ),
        (many(Extent::Log), "as many requests as a log has, and there is none, expected a request log"),
        (
            WorkloadSpec { log: Some(log(0)), ..many(Extent::Log) },
            "log.csv has no requests, expected one or more",
        ),
        (
            WorkloadSpec { log: Some(log(3)), ..spec(Arrivals::Log { scale: 1.0 }) },
            "100 requests of log.csv, which has 3, expected at most 3",
        ),
        (
            WorkloadSpec { log: Some(log(3)), lengths: Lengths::Log, ..spec(poisson()) },
            "100 requests of log.csv, which has 3, expected at most 3, or lengths drawn from it (empirical)",
        ),
    ] {
        refuses(&spec, expected);
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let share = |priority, share| PriorityShare { priority, share };
    let broken = WorkloadSpec {
        lengths: Lengths::Each {
            prompt: Length::Fixed { tokens: 0 },
            output: Length::Lognormal { mean: 0.5, cv: 1.0, max: 0 },
        },
        domains: vec![domain("", 0.0, -1.0), domain("a", 0.0, f64::NAN), domain("a", 0.0, 1.0)],
        priorities: vec![share(1, 0.0), share(1, 0.0)],
        ..spec(Arrivals::Gamma { rate_per_s: 0.0, cv: 99.0 })
    };
    refuses(
        &broken,
        "rate of arrivals is 0 requests/s, expected above 0, up to 1000000000\n\
         cv of gamma arrivals is 99, expected 0.01 to 20 (1 is poisson, equal gaps are uniform)\n\
         length of prompts is 0 tokens, expected 1 or more\n\
         longest of answers is 0 tokens, expected 1 or more\n\
         mean length of answers is 0.5 tokens, expected 1 to 1 (the longest)\n\
         domain 0 has no name, expected one\n\
         share of domain \"\" at the last request is -1, expected 0 or more, up to 1000000000\n\
         share of domain \"a\" at the last request is NaN, expected 0 or more, up to 1000000000\n\
         domain \"a\" stands there twice, expected each once\n\
         shares of all domains at the first request are 0, expected one above 0\n\
         priority 1 stands there twice, expected each once\n\
         shares of all priorities are 0, expected one above 0",
    );
}

/// Pins what a seed gives; the laws are beside it.
#[test]
fn a_workload_is_pinned() {
    let pinned = WorkloadSpec {
        lengths: Lengths::Each {
            prompt: Length::Lognormal { mean: 1_155.0, cv: 1.0, max: 14_050 },
            output: Length::Lognormal { mean: 211.0, cv: 0.8, max: 1_000 },
        },
        extent: Extent::Requests { count: 4 },
        domains: vec![domain("chat", 3.0, 1.0), domain("code", 1.0, 3.0)],
        priorities: vec![
            PriorityShare { priority: 0, share: 1.0 },
            PriorityShare { priority: 2, share: 3.0 },
        ],
        ..spec(Arrivals::Gamma { rate_per_s: 4.0, cv: 2.0 })
    };
    let set = generate(&pinned).unwrap();
    let told: Vec<_> = set
        .requests
        .iter()
        .map(|r| (r.arrival.as_ns(), r.prompt_tokens, r.output_tokens, r.domain, r.priority))
        .collect();
    assert_eq!(
        told,
        [
            (0, 728, 335, 1, 2),
            (47_865_133, 313, 190, 1, 0),
            (225_317_441, 838, 132, 1, 2),
            (874_664_993, 2167, 186, 1, 0)
        ]
    );
    let closed = WorkloadSpec {
        arrivals: Arrivals::Closed { users: 2, think: Think::Exponential { mean_ns: 1_000_000_000 } },
        ..pinned
    };
    assert_eq!(
        generate(&closed).unwrap().closed.unwrap().think_ns,
        [3_114_401_856, 1_751_942_759, 160_496_780, 981_605_158]
    );
}
