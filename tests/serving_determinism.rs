//! Requests served on one thread and on two: the same files, to the byte.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "common/binary.rs"]
mod binary;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use binary::{Said, assert_same_files, program};

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
count = 50
prompt_tokens = 40
output_tokens = 12
prompt_cv = 1.0
[kv]
capacity = "2 MiB"
[scheduler]
max_batch = 8
[sweep]
cache.policy = ["lru", "random"]
requests.rate = ["5 /s", "80 /s", "1000 /s"]
scheduler.preemption = ["recompute", "swap"]
seed = [1, 2]
"#;

#[test]
fn any_number_of_threads() {
    let bench = serving::bench();
    let folder = bench.folder();
    std::fs::write(folder.join("load.toml"), SCENARIO).unwrap();
    let succeed = |args: &[&str]| {
        let said: Said = program(folder).args(args).output().unwrap().into();
        assert_eq!(said.code, Some(0), "{said:?}");
        said.stdout
    };
    for threads in ["1", "2"] {
        succeed(&["sweep", "load.toml", "--threads", threads, "--output", threads, "--quiet"]);
    }
    assert_same_files(&folder.join("1"), &folder.join("2"));
    let alone = succeed(&["run", "load.toml", "--point", "22", "--json"]);
    assert_eq!(alone, succeed(&["run", "load.toml", "--point", "22", "--json"]));
    let preempts = |line: &str| line.trim().starts_with("\"preemptions\": ") && !line.contains(": 0");
    assert!(alone.lines().any(preempts), "the scenario has too much memory for the test");
}
