//! One server and one queue: waiting times of a million requests are those of theory, and of Lindley's recursion to the
//! nanosecond. Exponential service is in `src/sim/serve/queue.rs`.

#![allow(clippy::print_stdout, reason = "a test may say how near it came")]
#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use moesim::plan::Plan;
use proptest::prelude::*;

use serving::{Bench, bench, of, serve};

/// One request at a time, each of one pass.
const ONE_BY_ONE: &[&str] = &[
    "placement.experts=\"vram\"",
    "requests.routing=\"counts\"",
    "requests.prompt_tokens=16",
    "requests.output_tokens=1",
    "scheduler.max_batch=1",
    "scheduler.token_budget=16",
];

fn plan(bench: &Bench, arrivals: &str, rate_per_s: f64, count: u32) -> Plan {
    let own = [
        format!("requests.arrivals={arrivals:?}"),
        format!("requests.rate=\"{rate_per_s:.3} /s\""),
        format!("requests.count={count}"),
    ];
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    bench.plan(&[ONE_BY_ONE, &own].concat()).unwrap()
}

/// How long the only pass of a request takes.
fn service_ns(bench: &Bench) -> u64 {
    of(&serve(&plan(bench, "uniform", 1.0, 1))).ttft_ns.max
}

/// Sum of the waits of requests that come at these times and are served one after another for `service_ns` each.
fn lindley(plan: &Plan, service_ns: u64) -> u64 {
    let (mut free_ns, mut waits_ns) = (0, 0);
    for request in &plan.serving.as_ref().unwrap().requests.requests {
        let arrival_ns = request.arrival.since(moesim::units::SimTime::ZERO).as_ns();
        let begin_ns = arrival_ns.max(free_ns);
        waits_ns += begin_ns - arrival_ns;
        free_ns = begin_ns + service_ns;
    }
    waits_ns
}

/// M/D/1: the mean wait is `rho / (2 (1 - rho))` services (Pollaczek and Khinchine).
fn m_d_1(utilisation: f64) {
    let bench = bench();
    let service_ns = service_ns(&bench);
    let plan = plan(&bench, "poisson", utilisation * 1e9 / service_ns as f64, 1_000_000);
    let summary = serve(&plan);
    let found = of(&summary);
    assert_eq!(found.requests.finished, 1_000_000);
    assert_eq!(found.queue_ns.sum, lindley(&plan, service_ns));
    assert_eq!(found.ttft_ns.sum, found.queue_ns.sum + 1_000_000 * service_ns);
    let mean = found.queue_ns.sum as f64 / 1e6;
    let theory = utilisation / (2.0 * (1.0 - utilisation)) * service_ns as f64;
    let off = (mean / theory - 1.0) * 100.0;
    println!(
        "M/D/1 at {utilisation}: service {service_ns} ns, mean wait {mean:.0} ns, theory {theory:.0} ns, {off:+.2} %"
    );
    assert!(off.abs() < 2.0, "{off:+.2} %");
    let busy = found.gpu_use[0].busy_ns as f64 / found.span_ns as f64;
    assert!((busy / utilisation - 1.0).abs() < 0.01, "{busy}");
}

#[test]
fn m_d_1_half_busy() {
    m_d_1(0.5);
}

#[test]
fn m_d_1_four_fifths_busy() {
    m_d_1(0.8);
}

/// Whatever the arrivals, waits are those of the recursion: nothing is served late.
#[test]
fn waits_are_lindleys() {
    let bench = bench();
    let service_ns = service_ns(&bench);
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(
        cv in 1..40_u32, utilisation in 1..150_u32, count in 1..400_u32, seed in 0..9_u32,
        policy in prop::sample::select(&["fcfs", "shortest-prefill-first", "priority"][..]),
        batching in prop::sample::select(&["static", "continuous"][..]),
    )| {
        let rate = f64::from(utilisation) / 100.0 * 1e9 / service_ns as f64;
        let own = [
            "requests.arrivals=\"gamma\"".to_owned(),
            format!("requests.rate=\"{rate:.3} /s\""),
            format!("requests.cv={}.{}", cv / 10, cv % 10),
            format!("requests.count={count}"),
            format!("seed={seed}"),
            format!("scheduler.policy={policy:?}"),
            format!("scheduler.batching={batching:?}"),
        ];
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let plan = bench.plan(&[ONE_BY_ONE, &own].concat()).unwrap();
        let summary = serve(&plan);
        prop_assert_eq!(of(&summary).queue_ns.sum, lindley(&plan, service_ns));
    });
}
