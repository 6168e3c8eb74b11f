//! Speed of serving: requests a second of simulation, in closed form and with experts that come and go, and what a running
//! request takes of the scheduler in a pass.
//!
//! `cargo bench --bench serving`. The scenarios are the bars of the issue tracker in small: many requests with routing by
//! shares, fewer routed row by row on eight GPUs, and a cache of experts on one.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should panic")]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moesim::plan::{Inputs, Plan, plan};
use moesim::scenario::ScenarioFile;
use moesim::serving::kv::{KvCache, KvShape};
use moesim::serving::scheduler::{Batch, Scheduler, SchedulerConfig};
use moesim::serving::{RequestId, RequestView};
use moesim::sim::simulate;
use moesim::units::{Bytes, SimTime};

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

/// Decode tokens of all requests together in one measurement.
const TOKENS: u64 = 1_000_000;

/// Serves requests of `output` tokens each, `max_batch` at a time, in a KV cache of so many blocks.
fn schedule(max_batch: u32, output: u32, capacity_blocks: u64) -> u64 {
    let kv = KvCache::new(KvShape::uniform(16, Bytes::new(1)), Bytes::new(capacity_blocks), 0);
    let config = SchedulerConfig { max_batch, token_budget: 8_192, ..SchedulerConfig::default() };
    let mut scheduler = Scheduler::new(config, kv).unwrap();
    let mut left: Vec<u32> = Vec::new();
    let (mut batch, mut slots) = (Batch::default(), 0);
    while slots < TOKENS {
        while scheduler.waiting() < 4 {
            let id = RequestId(u32::try_from(left.len()).unwrap());
            let view = RequestView { id, arrival: SimTime::ZERO, prompt_tokens: 500, priority: 0 };
            left.push(output + id.0 % 7);
            scheduler.arrive(view, &[]);
        }
        assert!(scheduler.next_pass(&mut batch));
        slots += batch.slots.len() as u64;
        scheduler.pass_done(&batch, |id| {
            left[id.index()] -= 1;
            left[id.index()] == 0
        });
    }
    slots
}

fn scheduling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduling");
    group.sample_size(10).throughput(Throughput::Elements(TOKENS));
    for (max_batch, output, blocks) in [
        (16, 200, 1 << 30),
        (256, 200, 1 << 30),
        (256, 2_000, 1 << 30),
        (2_048, 500, 1 << 30),
        (256, 500, 8_000),
    ] {
        group.bench_function(
            format!("{max_batch} requests of {output} tokens, {blocks} blocks"),
            |bencher| {
                bencher.iter(|| black_box(schedule(max_batch, output, blocks)));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, serving, scheduling);
criterion_main!(benches);
