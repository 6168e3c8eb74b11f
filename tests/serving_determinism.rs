//! Requests served on one thread and on two, alone and in a sweep: the same rows, to the byte. That files of equal rows are
//! equal is in `determinism.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use moesim::metrics::Row;
use moesim::plan::Inputs;
use moesim::scenario::ScenarioFile;
use moesim::sweep::{Stop, run_point, run_points};

const SCENARIO: &str = r#"
seed = 5
model.config = "config.json"
hardware.gpu = "rtx4090"
[placement]
experts = "dram"
[cache]
capacity = "60 MB"
[workload]
trace = "trace.moetrace"
[requests]
arrivals = "gamma"
rate = "1 /s"
cv = 2.0
count = 30
prompt_tokens = 40
output_tokens = 12
prompt_cv = 1.0
[kv]
capacity = "1 MiB"
[scheduler]
max_batch = 8
[sweep]
cache.policy = ["lru", "random"]
requests.rate = ["5 /s", "1000 /s"]
scheduler.preemption = ["recompute", "swap"]
seed = [1, 2]
"#;

fn json(rows: &[Row]) -> String {
    serde_json::to_string_pretty(rows).unwrap()
}

#[test]
fn any_number_of_threads() {
    let bench = serving::bench();
    let file = ScenarioFile::parse(SCENARIO, &bench.folder().join("load.toml"), &[]).unwrap();
    let all: Vec<usize> = (0..file.len()).collect();
    let swept = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run_points(&file, &all, &Inputs::default(), &Stop::default(), |_| Ok(())).unwrap())
    };
    let (one, two) = (swept(1), swept(2));
    assert_eq!(json(&one), json(&two));
    assert_eq!(one.len(), 16);
    let alone = run_point(&file, 15, &Inputs::default()).unwrap();
    assert_eq!(json(&[alone]), json(&one[15..]));
    let preempted = |row: &Row| row.summary().is_some_and(|summary| serving::of(summary).kv.preemptions > 0);
    assert!(one.iter().any(preempted), "the scenario has too much memory for the test");
}
