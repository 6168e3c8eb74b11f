//! Requests served on one thread and on two: the same files, to the byte.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use binary::{Desk, assert_same_files, shipped};

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "common/binary.rs"]
mod binary;

fn scenario() -> String {
    format!(
        r#"
seed = 5
model.name = "gpt-oss-20b"
quant.scheme = "mxfp4"
hardware.gpu = "rtx4090"
[placement]
experts = "dram"
[cache]
capacity = "4 GiB"
[workload]
trace = "{}"
[requests]
arrivals = "gamma"
rate = "1 /s"
cv = 2.0
count = 12
prompt_tokens = 40
output_tokens = 12
prompt_cv = 1.0
[kv]
capacity = "40 MiB"
[scheduler]
max_batch = 8
[sweep]
cache.policy = ["lru", "random"]
requests.rate = ["0.5 /s", "8 /s"]
scheduler.preemption = ["recompute", "swap"]
seed = [1, 2]
"#,
        shipped("gpt-oss-20b")
    )
}

#[test]
fn any_number_of_threads() {
    let desk = Desk::new();
    desk.write("load.toml", scenario());
    for threads in ["1", "2"] {
        desk.succeed(&["sweep", "load.toml", "--threads", threads, "--output", threads, "--quiet"]);
    }
    assert_same_files(&desk.path().join("1"), &desk.path().join("2"));
    let alone = desk.succeed(&["run", "load.toml", "--point", "5", "--json"]);
    assert_eq!(alone, desk.succeed(&["run", "load.toml", "--point", "5", "--json"]));
    assert!(alone.contains("\"serving\""), "{alone}");
}
