//! Laws of serving, over scenarios of every kind: requests, tokens, bytes and time are conserved, nothing stands idle while
//! work waits, and one seed gives one result.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/any.rs"]
mod any;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use proptest::prelude::*;

use any::{arrivals, experts, fleets, scheduling};
use serving::{Bench, bench, of, plan, serve};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() }
}

/// The books of a run are in order, and it can be run again; what does not fit is passed by.
fn in_order(bench: &Bench, settings: &[String]) -> Result<(), TestCaseError> {
    let plan = plan(bench, settings);
    if !plan.fits() {
        return Ok(());
    }
    let summary = serve(&plan);
    prop_assert_eq!(&moesim::sim::simulate(&plan).unwrap(), &summary);
    Ok(())
}

/// The books of any deployment of one GPU are in order, whoever is served, and the same seed gives the same bytes.
#[test]
fn one_gpu() {
    let bench = bench();
    proptest!(config(250), |(load in arrivals(), rules in scheduling(), experts in experts())| {
        let settings = [load, rules, experts].concat();
        in_order(&bench, &settings)?;
    });
}

/// The same of several GPUs and replicas.
#[test]
fn many_gpus() {
    let bench = bench();
    proptest!(config(200), |(load in arrivals(), rules in scheduling(), fleet in fleets())| {
        let settings = [load, rules, fleet].concat();
        in_order(&bench, &settings)?;
    });
}

/// Prompts that begin alike are computed once where there is room, and nothing else changes.
#[test]
fn prefixes_are_computed_once() {
    let bench = bench();
    for log in ["chat.jsonl", "mooncake.jsonl"] {
        let run = |reuse: bool| {
            let settings = [
                "placement.experts=\"vram\"".to_owned(),
                "requests.arrivals=\"log\"".to_owned(),
                format!("requests.log=\"@/{log}\""),
                format!("kv.prefix_reuse={reuse}"),
            ];
            of(&serve(&plan(&bench, &settings))).clone()
        };
        let (without, with) = (run(false), run(true));
        assert_eq!((with.requests, with.tokens.output), (without.requests, without.tokens.output));
        assert_eq!(without.tokens.prefilled, without.tokens.prompt);
        assert!(with.tokens.prefix_hits * 3 > with.tokens.prompt, "{log}: {:?}", with.tokens);
        assert_eq!(with.tokens.prefilled + with.tokens.prefix_hits, with.tokens.prompt);
        assert!(with.ttft_ns.sum < without.ttft_ns.sum, "{log}");
    }
}
