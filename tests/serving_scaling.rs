//! What must follow when one thing about a deployment changes.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/any.rs"]
mod any;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use moesim::metrics::{Quantiles, ServingSummary};
use moesim::plan::Plan;
use moesim::serving::parallel::Exchange;
use moesim::units::{Bandwidth, SimDuration};
use proptest::prelude::*;

use any::{arrivals, experts, layouts, one_of, scheduling};
use serving::{bench, of, plan, serve};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn served(plan: &Plan) -> ServingSummary {
    of(&serve(plan)).clone()
}

/// Everybody comes at once and nobody comes later.
const AT_ONCE: &[&str] = &["requests.arrivals=\"closed\"", "requests.users=1000"];

fn lengths() -> any::Settings {
    one_of(&[
        "requests.count=40 & requests.prompt_tokens=30 & requests.output_tokens=8",
        "requests.count=25 & requests.prompt_tokens=20 & requests.output_tokens=12 & requests.prompt_cv=1.5 & requests.output_cv=1.0 & requests.tokens_max=120",
        "requests.count=33 & requests.log=\"@/log.csv\" & requests.lengths=\"empirical\"",
    ])
}

fn with(fixed: &[&str], drawn: &[Vec<String>]) -> Vec<String> {
    fixed.iter().map(|one| (*one).to_owned()).chain(drawn.concat()).collect()
}

/// While work waits, no GPU stands idle: where everybody is there from the start, passes follow each other without a gap.
#[test]
fn no_gpu_is_idle_while_work_waits() {
    let bench = bench();
    proptest!(config(120), |(lengths in lengths(), rules in scheduling(), experts in experts())| {
        let plan = plan(&bench, &with(AT_ONCE, &[lengths, rules, experts]));
        prop_assume!(plan.fits());
        let found = served(&plan);
        prop_assert_eq!(found.pass_ns.sum, found.span_ns);
    });
}

/// Who is served when does not depend on how long passes take, where everybody is there from the start: a GPU that is
/// faster at everything is done no later.
#[test]
fn a_faster_gpu_never_lowers_throughput_at_saturation() {
    let bench = bench();
    let layout = prop_oneof![1 => Just(Vec::new()).boxed(), 2 => layouts()];
    proptest!(config(60), |(lengths in lengths(), rules in scheduling(), layout in layout, times in 2..9_u64)| {
        let slow = plan(&bench, &with(&[AT_ONCE, &["placement.experts=\"vram\""]].concat(), &[lengths, rules, layout]));
        // A pipeline's next pass holds what has left it, which times decide.
        prop_assume!(slow.fits() && slow.serving.as_ref().unwrap().layout.pp == 1);
        let mut fast = slow.clone();
        fast.costs = slow.costs.with_rates(|mut rates| {
            rates.memory = Bandwidth::from_bytes_per_s(rates.memory.bytes_per_s() * times).unwrap();
            rates
        });
        let (slow, fast) = (served(&slow), served(&fast));
        prop_assert!(fast.span_ns <= slow.span_ns);
        prop_assert_eq!((fast.tokens, fast.passes), (slow.tokens, slow.passes));
    });
}

/// All values but how many there are.
fn values(of: &Quantiles) -> [u64; 8] {
    [of.min, of.p10, of.p50, of.p90, of.p95, of.p99, of.max, of.sum / of.count.max(1)]
}

/// Equal gaps, dealt to replicas in turn, are equal gaps for each.
#[test]
fn twice_the_replicas_at_twice_the_rate_serve_alike() {
    let bench = bench();
    for rate in [10, 50, 250, 500] {
        for batch in [1, 4, 64] {
            let run = |replicas: u64| {
                served(&plan(
                    &bench,
                    &[
                        "placement.experts=\"vram\"".to_owned(),
                        "requests.arrivals=\"uniform\"".to_owned(),
                        "requests.routing=\"counts\"".to_owned(),
                        "requests.prompt_tokens=20".to_owned(),
                        "requests.output_tokens=3".to_owned(),
                        format!("requests.rate=\"{} /s\"", rate * replicas),
                        format!("requests.count={}", 200 * replicas),
                        format!("scheduler.max_batch={batch}"),
                        format!("parallel.replicas={replicas}"),
                    ],
                ))
            };
            let (one, two, four) = (run(1), run(2), run(4));
            for more in [&two, &four] {
                let all = |found: &ServingSummary| {
                    [found.ttft_ns, found.e2e_ns, found.queue_ns].map(|of| values(&of))
                };
                assert_eq!(all(&one), all(more), "{rate} /s, {batch} at once");
            }
        }
    }
}

/// Random arrivals dealt in turn come to each replica more evenly, and so wait no longer.
#[test]
fn twice_the_replicas_at_twice_the_rate_wait_no_longer() {
    let bench = bench();
    for (rate, most_permille) in [(1, 1010), (250, 1000)] {
        let run = |replicas: u64, routing: &str| {
            served(&plan(
                &bench,
                &[
                    "placement.experts=\"vram\"".to_owned(),
                    "requests.arrivals=\"poisson\"".to_owned(),
                    "requests.routing=\"counts\"".to_owned(),
                    "requests.prompt_tokens=20".to_owned(),
                    "requests.output_tokens=3".to_owned(),
                    format!("requests.rate=\"{} /s\"", rate * replicas),
                    format!("requests.count={}", 4000 * replicas),
                    "scheduler.max_batch=1".to_owned(),
                    format!("parallel.replicas={replicas}"),
                    format!("parallel.routing={routing:?}"),
                ],
            ))
        };
        let mean = |found: &ServingSummary| found.ttft_ns.sum / found.ttft_ns.count;
        let one = mean(&run(1, "round-robin"));
        for routing in ["round-robin", "least-loaded"] {
            let two = mean(&run(2, routing));
            assert!(two * 1000 <= one * most_permille, "{rate} /s, {routing}: {two} and {one} ns");
            // A request takes at least as long as one that never waits, which at the lower rate is nearly all of it.
            assert!(rate > 1 || two * 100 >= one * 95, "{rate} /s, {routing}: {two} and {one} ns");
        }
    }
}

/// The same requests come, nearer to each other or farther apart.
#[test]
fn the_rate_scales_time_and_nothing_else() {
    let bench = bench();
    let process = one_of(&["\"poisson\"", "\"gamma\" & requests.cv=2.0", "\"uniform\""]);
    proptest!(config(30), |(process in process, lengths in lengths(), rate in 1..100_u32, times in 2..50_u32)| {
        let at = |rate: u32| {
            let own = [format!("requests.arrivals={}", process[0]), format!("requests.rate=\"{rate} /s\"")];
            let home = ["placement.experts=\"vram\"".to_owned()];
            let plan = plan(&bench, &[&home[..], &own, &process[1..], &lengths].concat());
            plan.serving.unwrap().requests.requests.clone()
        };
        let (slow, fast) = (at(rate), at(rate * times));
        prop_assert_eq!(slow.len(), fast.len());
        for (slow, fast) in slow.iter().zip(&fast) {
            prop_assert_eq!((slow.prompt_tokens, slow.output_tokens), (fast.prompt_tokens, fast.output_tokens));
            let ns = |arrival: moesim::units::SimTime| arrival.since(moesim::units::SimTime::ZERO).as_ns();
            let (slow, fast) = (ns(slow.arrival), ns(fast.arrival) * u64::from(times));
            prop_assert!(slow.abs_diff(fast) <= 2 * u64::from(times), "{slow} and {fast}");
        }
    });
}

/// Prompts in pieces are the same prompts.
#[test]
fn chunked_or_not_the_tokens_are_the_same() {
    let bench = bench();
    proptest!(config(40), |(load in arrivals(), experts in experts(), budget in 1..40_u32)| {
        let kv = ["kv.capacity=\"20 %\"".to_owned(), "scheduler.max_batch=1".to_owned()];
        let run = |rule: &str| {
            let own = [format!("scheduler.token_budget={budget}"), format!("scheduler.chunked_prefill={rule}")];
            plan(&bench, &[&load[..], &experts, &kv, &own].concat())
        };
        let (chunked, whole) = (run("true"), run("false"));
        prop_assume!(chunked.fits() && whole.fits());
        let (chunked, whole) = (served(&chunked), served(&whole));
        prop_assert_eq!((chunked.requests, chunked.tokens), (whole.requests, whole.tokens));
        prop_assert!(chunked.passes >= whole.passes);
    });
}

/// The same links, with no end of bandwidth, and with no latency where asked for.
fn endless(plan: &Plan, instant: bool) -> Plan {
    let mut plan = plan.clone();
    let links = &mut plan.serving.as_mut().unwrap().links.interconnect;
    let fast = Bandwidth::from_bytes_per_s(u64::MAX).unwrap();
    for link in [&mut links.near, &mut links.far] {
        for exchange in [&mut link.all_reduce, &mut link.gather, &mut link.all_to_all, &mut link.send] {
            *exchange = Exchange { bandwidth: fast, ..*exchange };
            if instant {
                (exchange.latency, exchange.step) = (SimDuration::ZERO, SimDuration::ZERO);
            }
        }
    }
    plan
}

/// Without latency and with no end of bandwidth, what remains of exchanges is their rounding up and waits for slower GPUs:
/// where all do the same, nothing.
#[test]
fn links_without_end_cost_latency_alone() {
    let bench = bench();
    let alike = one_of(&["parallel.tp=2", "parallel.tp=4", "parallel.tp=8"]);
    proptest!(config(30), |(load in arrivals(), layout in alike)| {
        let plan = plan(&bench, &with(&["placement.experts=\"vram\""], &[load, layout]));
        prop_assume!(plan.fits());
        let exchanged = |plan: &Plan| served(plan).gpu_use.iter().map(|gpu| gpu.exchange_ns).max().unwrap();
        let found = served(&endless(&plan, true));
        let layers = u64::from(plan.cache.shape.layers);
        for gpu in &found.gpu_use {
            // After attention and after the experts of each layer, on up to eight GPUs, each step rounded up.
            prop_assert!(gpu.exchange_ns <= found.passes * layers * 2 * 16, "{gpu:?}, {} passes", found.passes);
        }
        let latency = exchanged(&endless(&plan, false));
        prop_assert!(exchanged(&endless(&plan, true)) <= latency && latency <= exchanged(&plan));
    });
    // Twice the tokens cost no more latency.
    let once = |prompt: u32| {
        let plan = plan(
            &bench,
            &[
                "placement.experts=\"vram\"".to_owned(),
                "parallel.tp=4".to_owned(),
                "requests.arrivals=\"uniform\"".to_owned(),
                "requests.rate=\"1 /s\"".to_owned(),
                "requests.count=1".to_owned(),
                "requests.output_tokens=1".to_owned(),
                format!("requests.prompt_tokens={prompt}"),
            ],
        );
        let found = served(&endless(&plan, false));
        (found.passes, found.gpu_use[0].exchange_ns)
    };
    let (few, many) = (once(16), once(1024));
    assert_eq!(few.0, many.0);
    assert!(many.1.abs_diff(few.1) <= 4 * 2 * 16, "{few:?} and {many:?}");
}
