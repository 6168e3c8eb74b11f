//! How long a running request takes in a pass. `cargo test --release --test scheduler_laws -- --ignored --nocapture`.

#![allow(clippy::disallowed_types, clippy::print_stdout, reason = "a measurement, run by hand")]

use std::time::Instant;

use moesim::serving::kv::{KvCache, KvShape};
use moesim::serving::scheduler::{Batch, Scheduler, SchedulerConfig};
use moesim::serving::{RequestId, RequestView};
use moesim::units::{Bytes, SimTime};

/// Decode tokens of all requests together.
const TOKENS: u64 = 25_000_000;

/// Nanoseconds per request and pass with `max_batch` requests that decode `output` tokens each.
fn measure(max_batch: u32, output: u32, capacity_blocks: u64) -> (f64, u64) {
    let kv = KvCache::new(KvShape::uniform(16, Bytes::new(1)), Bytes::new(capacity_blocks), 0);
    let config = SchedulerConfig { max_batch, token_budget: 8_192, ..SchedulerConfig::default() };
    let mut scheduler = Scheduler::new(config, kv).unwrap();
    let mut left: Vec<u32> = Vec::new();
    let (mut batch, mut slots, mut preempted) = (Batch::default(), 0, 0);
    let begin = Instant::now();
    while slots < TOKENS {
        while scheduler.waiting() < 4 {
            let id = RequestId(u32::try_from(left.len()).unwrap());
            let view = RequestView { id, arrival: SimTime::ZERO, prompt_tokens: 500, priority: 0 };
            left.push(output + id.0 % 7);
            scheduler.arrive(view, &[]);
        }
        assert!(scheduler.next_pass(&mut batch));
        slots += batch.slots.len() as u64;
        preempted += batch.preempted.len() as u64;
        scheduler.pass_done(&batch, |id| {
            left[id.index()] -= 1;
            left[id.index()] == 0
        });
    }
    (begin.elapsed().as_nanos() as f64 / slots as f64, preempted)
}

#[test]
#[ignore = "a measurement"]
fn a_decode_token() {
    for (max_batch, output, blocks) in [
        (16, 200, 1 << 30),
        (256, 200, 1 << 30),
        (256, 2_000, 1 << 30),
        (2_048, 500, 1 << 30),
        (256, 500, 8_000),
    ] {
        let (ns, preempted) = measure(max_batch, output, blocks);
        println!("{max_batch} requests of {output} tokens: {ns:.1} ns each and pass, {preempted} preempted");
    }
}
