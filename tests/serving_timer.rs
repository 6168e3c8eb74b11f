//! The closed form of passes whose experts all lie in GPU memory against the simulation of every GPU's devices: equal to
//! the nanosecond.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/any.rs"]
mod any;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use moesim::metrics::{GpuUse, Summary};
use moesim::plan::Plan;
use proptest::prelude::*;

use any::{arrivals, layouts, one_of, scheduling};
use serving::{bench, of, plan, serve};

fn event_driven(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.serving.as_mut().unwrap().is_resident = false;
    plan
}

fn assert_same(closed: &Summary, events: &Summary) {
    let (one, other) = (of(closed), of(events));
    assert_eq!(closed.span_ns, events.span_ns);
    for (what, one, other) in [
        ("ttft", &one.ttft_ns, &other.ttft_ns),
        ("tpot", &one.tpot_ns, &other.tpot_ns),
        ("itl", &one.itl_ns, &other.itl_ns),
        ("e2e", &one.e2e_ns, &other.e2e_ns),
        ("queue", &one.queue_ns, &other.queue_ns),
        ("passes", &one.pass_ns, &other.pass_ns),
        ("batch", &one.batch, &other.batch),
    ] {
        assert_eq!(one, other, "{what}");
    }
    assert_eq!((one.requests, one.tokens, one.kv), (other.requests, other.tokens, other.kv));
    assert_eq!(one.expert_load, other.expert_load);
    assert_eq!(one.ttft_ns_percentiles, other.ttft_ns_percentiles);
    let counts = |summary: &Summary| {
        [summary.prefill, summary.decode]
            .map(|counts| (counts.tokens, counts.selections, counts.lookups, counts.hits))
    };
    assert_eq!(counts(closed), counts(events));
}

/// Whether the event-driven timer has a simulation for each GPU that differs from others: an expert rank of several
/// data-parallel ranks stands for the one with most tokens.
fn is_exact(plan: &Plan) -> bool {
    let layout = &plan.serving.as_ref().unwrap().layout;
    layout.moe_tp() <= layout.tp
}

#[test]
fn both_timers_agree() {
    let bench = bench();
    let config = ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() };
    let spread = one_of(&[
        "",
        "parallel.placement=\"round-robin\"",
        "parallel.placement=\"load-balanced\"",
        "parallel.exchange=\"all-reduce\"",
        "parallel.exchange=\"all-to-all\"",
        "parallel.node_gpus=2",
        "parallel.replicas=2",
    ]);
    let redundant = one_of(&[
        "parallel.dp=2 & parallel.ep=2 & parallel.redundant_experts=2",
        "parallel.tp=4 & parallel.ep=4 & parallel.redundant_experts=4",
        "parallel.dp=4 & parallel.ep=4 & parallel.redundant_experts=8",
    ]);
    let layout = prop_oneof![1 => Just(Vec::new()).boxed(), 4 => layouts(), 2 => redundant];
    proptest!(config, |(load in arrivals(), rules in scheduling(), layout in layout, spread in spread)| {
        let settings = [load, rules, layout, spread, vec!["placement.experts=\"vram\"".to_owned()]].concat();
        let plan = plan(&bench, &settings);
        prop_assume!(plan.fits() && is_exact(&plan));
        prop_assert!(plan.serving.as_ref().unwrap().is_resident);
        let (closed, events) = (serve(&plan), serve(&event_driven(&plan)));
        assert_same(&closed, &events);
        let gpus = |summary: &Summary| -> Vec<(u64, u64)> {
            let active = |gpu: &GpuUse| (gpu.busy_ns, gpu.wait_ns + gpu.exchange_ns);
            of(summary).gpu_use.iter().map(active).collect()
        };
        prop_assert_eq!(gpus(&closed), gpus(&events));
    });
}
