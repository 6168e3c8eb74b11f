//! Laws of time and bytes over every kind of placement, miss, prefetch and machine.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "timing_laws/any.rs"]
mod any;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "sim_laws/bench.rs"]
mod bench;

use moesim::sim::simulate;
use proptest::prelude::*;

use any::{DIMENSIONS, caches, extras, placements, rates, sequences, ways};
use bench::{Bench, check_books};

fn texts(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is asked for is refused with a place, cannot run for a stated reason, or runs, twice alike, with books
    /// that balance.
    #[test]
    fn anything_is_refused_or_balances(
        sequences in sequences(), cache in caches(), placement in placements(), way in ways(), rates in rates(), extra in extras(),
    ) {
        let bench = Bench::weighted(DIMENSIONS, &sequences);
        let settings = [cache, placement, way, rates, extra].concat();
        match bench.plan(&texts(&settings)) {
            Err(error) => {
                for problem in error.problems() {
                    let text = problem.to_string();
                    prop_assert!(text.starts_with("--set ") || text.contains("bench.toml:"), "{}", text);
                }
            }
            Ok(plan) if plan.fits() => {
                let summary = simulate(&plan).unwrap();
                check_books(&plan, &summary);
                prop_assert_eq!(summary, simulate(&plan).unwrap(), "two runs are one");
            }
            Ok(_) => {}
        }
    }
}
