//! The command `capacity`: the highest rate within limits, found by bisection, with the limit named.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "common/binary.rs"]
mod binary;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use binary::{Said, program};
use moesim::metrics::{Capacity, CapacityLimit};
use serving::Bench;

const SCENARIO: &str = r#"
seed = 5
model.config = "config.json"
hardware.gpu = "rtx4090"
placement.experts = "vram"
workload.trace = "trace.moetrace"
requests = { arrivals = "poisson", rate = "10 /s", count = 200, prompt_tokens = 40, output_tokens = 12 }
# So few that requests which come all at once cannot be served at once.
scheduler = { max_batch = 128, token_budget = 128 }
"#;

fn bench() -> Bench {
    let bench = serving::bench();
    std::fs::write(bench.folder().join("load.toml"), SCENARIO).unwrap();
    bench
}

fn run(bench: &Bench, args: &[&str]) -> Said {
    program(bench.folder())
        .args([&["capacity", "load.toml", "--quiet"], args].concat())
        .output()
        .unwrap()
        .into()
}

fn capacity(bench: &Bench, args: &[&str]) -> Capacity {
    let said = run(bench, &[args, &["--json"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(&said.stdout).unwrap()
}

/// What holds for every answer: rates ascend, all up to the highest sustained one are sustained, and the next is near.
fn check(found: &Capacity, precision_permille: u64) {
    let rates: Vec<u64> = found.probes.iter().map(|probe| probe.rate_millihertz).collect();
    assert!(rates.is_sorted_by(|one, two| one < two), "{rates:?}");
    let (low, high) = (found.sustained_millihertz.unwrap(), found.refused_millihertz.unwrap());
    for probe in &found.probes {
        let kept = probe.limits.iter().all(|limit| limit.found_ns <= limit.at_most_ns) && probe.rejected == 0;
        assert_eq!(kept, probe.is_sustained());
        assert!(kept || probe.rate_millihertz >= high);
    }
    assert!(high > low && high - low <= (low * precision_permille / 1000).max(1), "{low} {high}");
    assert!(found.limit.is_some());
}

#[test]
fn the_bisection_ends_between_a_rate_that_keeps_the_limits_and_one_that_does_not() {
    let bench = bench();
    let found = capacity(&bench, &["--slo", "ttft_p99 < 60 ms, e2e_max < 10 s", "--precision", "2 %"]);
    check(&found, 20);
    assert_eq!(found.slo, "ttft_p99 < 60.0 ms, e2e_max < 10.0 s");
    // From another rate the search comes to the same neighbourhood.
    let other = capacity(
        &bench,
        &[
            "--slo",
            "ttft_p99 < 60 ms, e2e_max < 10 s",
            "--precision",
            "2 %",
            "--set",
            "requests.rate=3000 /s",
        ],
    );
    check(&other, 20);
    let (one, two) = (found.sustained_millihertz.unwrap(), other.sustained_millihertz.unwrap());
    assert!(one.abs_diff(two) * 10 <= one, "{one} {two}");
}

#[test]
fn a_looser_limit_never_gives_a_lower_rate() {
    let bench = bench();
    let at = |limit: &str| {
        let slo = format!("ttft_p99 < {limit}");
        capacity(&bench, &["--slo", &slo, "--precision", "5 %"]).sustained_millihertz.unwrap()
    };
    assert!(at("40 ms") <= at("80 ms"));
}

#[test]
fn the_answer_does_not_depend_on_threads() {
    let bench = bench();
    let at = |threads: &str| {
        let args =
            ["--slo", "tpot_p99 < 30 ms, ttft_p99 < 100 ms", "--precision", "5 %", "--threads", threads];
        let said = run(&bench, &args);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.stdout
    };
    assert_eq!(at("1"), at("2"));
}

#[test]
fn the_limit_is_named() {
    let bench = bench();
    let limit = |more: &[&str]| {
        let slo = ["--slo", "ttft_p99 < 100 ms", "--precision", "5 %"];
        capacity(&bench, &[&slo, more].concat()).limit.unwrap()
    };
    assert_eq!(limit(&["--set", "scheduler.max_batch=2"]), CapacityLimit::BatchLimit);
    assert_eq!(limit(&["--set", "kv.capacity=\"400 KiB\""]), CapacityLimit::KvMemory);
    let queue = ["--set", "scheduler.max_batch=2", "--set", "scheduler.max_queue=1"];
    assert_eq!(limit(&queue), CapacityLimit::QueueLimit);
}

#[test]
fn what_cannot_be_answered_is_one_error() {
    let bench = bench();
    let refuse = |args: &[&str], expected: &str| {
        let said = run(&bench, args);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains(expected), "{args:?}: {}", said.stderr);
    };
    refuse(&["--slo", "latency_p99 < 1 s"], "unknown metric \"latency_p99\"");
    refuse(&["--slo", "ttft_p98 < 1 s"], "did you mean \"ttft_p90\"");
    refuse(&["--slo", "ttft_p99 < NaN"], "ttft_p99: found \"NaN\"");
    refuse(&["--slo", ""], "found no limit");
    let closed =
        ["--set", "requests.arrivals=closed", "--set", "requests.users=4", "--set", "requests.rate="];
    let slo = ["--slo", "ttft_p99 < 1 s"];
    let said = run(&bench, &[&slo, &closed[..4]].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    refuse(&[&slo, &["--set", "hardware.vram=10 MiB"][..]].concat(), "cannot run");
}
