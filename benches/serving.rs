//! Speed of serving: requests a second of simulation, in closed form and with experts that come and go.
//!
//! `cargo bench --bench serving`. The scenarios are the bars of the issue tracker in small: many requests with routing by
//! shares, fewer routed row by row on eight GPUs, and a cache of experts on one.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should panic")]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moesim::plan::{Inputs, Plan, plan};
use moesim::scenario::ScenarioFile;
use moesim::sim::simulate;

/// 1,024 tokens in, 256 out, 60 requests a second over four replicas.
const SHARES: &str = r#"
model.name = "gpt-oss-120b"
quant = { scheme = "mxfp4", kv = "bf16" }
hardware.gpu = "h200-sxm"
engine.profile = "vllm"
placement.experts = "vram"
workload.trace = "traces/gpt-oss-120b.moetrace"
requests = { arrivals = "poisson", rate = "60 /s", count = 5000, prompt_tokens = 1024, output_tokens = 256, routing = "counts" }
parallel.replicas = 4
"#;

/// Lengths of a conversation log, row by row on eight GPUs.
const ROWS: &str = r#"
model.name = "qwen3-235b-a22b"
quant.scheme = "fp8"
hardware.gpu = "h100-sxm"
engine.profile = "vllm"
placement.experts = "vram"
workload.router = "typical"
requests = { arrivals = "poisson", rate = "5.5 /s", count = 300, prompt_tokens = 1155, output_tokens = 211 }
parallel = { tp = 8, ep = 8 }
"#;

/// Experts in host memory, half of them cached.
const CACHED: &str = r#"
model.name = "qwen3-30b-a3b"
quant.scheme = "q4_k_m"
hardware.gpu = "rtx4090"
engine.profile = "vllm"
cache.capacity = "50 %"
workload.trace = "traces/qwen3-30b-a3b.moetrace"
requests = { arrivals = "poisson", rate = "0.5 /s", count = 20, prompt_tokens = 512, output_tokens = 64 }
"#;

fn planned(text: &str) -> Plan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench.toml");
    let scenario = ScenarioFile::parse(text, &file, &[]).unwrap();
    plan(&scenario.point(0).unwrap(), &Inputs::default()).unwrap()
}

fn serving(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("serving");
    group.sample_size(10);
    for (name, text) in [("shares, 4 replicas", SHARES), ("rows, 8 GPUs", ROWS), ("cached, 1 GPU", CACHED)] {
        let plan = planned(text);
        let requests = plan.serving.as_ref().unwrap().requests.requests.len() as u64;
        group.throughput(Throughput::Elements(requests));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(simulate(&plan).unwrap())));
    }
    group.finish();
}

criterion_group!(benches, serving);
criterion_main!(benches);
