//! How fast each policy replays: a table of millions of accesses a second, on one core.
//!
//! `cargo bench --bench policies`, or `cargo bench --bench policies -- lru arc` for some of them. The stream is that of
//! comparisons in the literature: 20 million independent draws from 6,144 objects by Zipf's law, one access at a time,
//! with room for 1,536. The time of Belady includes finding the next uses. Below the table: one pass over a trace of 48
//! layers of 128 experts that gives a layer-by-layer LRU of all 128 capacities.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should panic")]
#![allow(clippy::print_stdout, clippy::disallowed_types, reason = "the table of times is the result")]

use std::hint::black_box;
use std::time::Instant;

use moesim::cache::replay::ReplayTask;
use moesim::cache::stack::{COLD, Need, StackKind, StackTask};
use moesim::cache::{Admission, CacheShape, Future, Grouping, PolicyRow, Registry, Scope};
use moesim::rng::{Purpose, stream};
use moesim::trace::{Pass, PassOptions, Phase, Trace, TraceBuilder, TraceHeader, passes};
use rand::Rng;

const OBJECTS: u16 = 6_144;
const SLOTS: u64 = 1_536;
const ACCESSES: u64 = 20_000_000;
const ROUNDS: usize = 7;

const LAYERS: u16 = 48;
const EXPERTS: u16 = 128;
const TOP_K: u16 = 8;
const TOKENS: u64 = 20_000;

/// Draws ranks with a chance in proportion to one over the rank: a table of steps, searched by halves.
struct Zipf(Vec<u64>);

impl Zipf {
    fn new(ranks: u16) -> Self {
        let mut sum = 0;
        let steps = (1..=u64::from(ranks)).map(|rank| {
            sum += (1 << 40) / rank;
            sum
        });
        Self(steps.collect())
    }

    fn draw(&self, rng: &mut impl Rng) -> u16 {
        let total = *self.0.last().unwrap();
        let at = u64::try_from((u128::from(rng.next_u64()) * u128::from(total)) >> 64).unwrap();
        u16::try_from(self.0.partition_point(|step| *step <= at)).unwrap()
    }
}

/// One prompt of one layer, so that the whole stream is one pass; each access is an event of its own all the same.
fn zipf_stream() -> Trace {
    let zipf = Zipf::new(OBJECTS);
    let mut rng = stream(1, Purpose::SyntheticRouting, 0, 0);
    let header =
        TraceHeader { layer_ids: vec![0], experts: u32::from(OBJECTS), top_k: 1, ..TraceHeader::default() };
    let mut builder = TraceBuilder::new(header).unwrap();
    builder.begin_sequence("", ACCESSES).unwrap();
    for _ in 0..ACCESSES {
        // Popular objects lie scattered, not side by side: 2,731 has no factor in common with 6,144.
        let object = u32::from(zipf.draw(&mut rng)) * 2_731 % u32::from(OBJECTS);
        builder.push(Phase::Prefill, &[u16::try_from(object).unwrap()]).unwrap();
    }
    builder.finish().unwrap()
}

/// Decode of one sequence: in each layer distinct experts, the popular ones more often.
fn decode_trace() -> Trace {
    let zipf = Zipf::new(EXPERTS);
    let mut rng = stream(1, Purpose::SyntheticRouting, 1, 0);
    let header = TraceHeader {
        layer_ids: (0..u32::from(LAYERS)).collect(),
        experts: u32::from(EXPERTS),
        top_k: u32::from(TOP_K),
        ..TraceHeader::default()
    };
    let mut builder = TraceBuilder::new(header).unwrap();
    builder.begin_sequence("", 0).unwrap();
    for _ in 0..TOKENS {
        let mut row: Vec<u16> = Vec::new();
        for layer in 0..LAYERS {
            let first = row.len();
            while row.len() < first + usize::from(TOP_K) {
                let expert = (zipf.draw(&mut rng) * 37 + layer) % EXPERTS;
                if !row[first..].contains(&expert) {
                    row.push(expert);
                }
            }
        }
        builder.push(Phase::Decode, &row).unwrap();
    }
    builder.finish().unwrap()
}

/// Best and median of several rounds, in seconds.
fn timed(mut work: impl FnMut()) -> (f64, f64) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[0], times[ROUNDS / 2])
}

fn print(name: &str, accesses: u64, misses: Option<u64>, (best, median): (f64, f64)) {
    let rate = |seconds: f64| accesses as f64 / seconds / 1e6;
    let misses =
        misses.map_or_else(String::new, |misses| format!("{:.2} %", misses as f64 * 100.0 / accesses as f64));
    println!("{name:<24} {:>8.1} {:>8.1}   {misses:>8}", rate(median), rate(best));
}

fn replay(row: &PolicyRow, trace: &Trace, all: &[Pass], profile: &[u64]) -> u64 {
    let future = row.needs.future.then(|| Future::of(trace, all, Grouping::Access).unwrap());
    let shape = CacheShape {
        layers: 1,
        experts: u32::from(OBJECTS),
        sizes: vec![1],
        scope: Scope::Global,
        pool_capacity: vec![SLOTS],
        pinned: Vec::new(),
    };
    let task = ReplayTask {
        shape: &shape,
        trace,
        passes: all,
        future: future.as_ref(),
        grouping: Grouping::Access,
        admission: Admission::Always,
        clear_between: false,
        profile,
        costs: &[],
        seed: 0,
    };
    row.replay(&task).total().prefill
}

fn one_pass() {
    let trace = decode_trace();
    let all = passes(&trace, &PassOptions::default());
    let sizes = vec![1; usize::from(LAYERS)];
    let task = StackTask {
        trace: &trace,
        passes: &all,
        future: None,
        grouping: Grouping::Layer,
        clear_between: false,
        scope: Scope::PerLayer,
        sizes: &sizes,
    };
    let accesses = TOKENS * u64::from(LAYERS) * u64::from(TOP_K);
    let times = timed(|| {
        let mut needs = vec![[0_u64; EXPERTS as usize + 1]; usize::from(LAYERS)];
        task.needs(StackKind::Recency, |Need { layer, room, .. }| {
            if room != COLD {
                needs[layer as usize][usize::try_from(room).unwrap()] += 1;
            }
        });
        black_box(needs);
    });
    println!("\nlayer-lru at all {EXPERTS} capacities of a {LAYERS} x {EXPERTS} trace in one pass");
    print("one pass", accesses, None, times);
    print("capacity-accesses", accesses * u64::from(EXPERTS), None, times);
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let trace = zipf_stream();
    let all = passes(&trace, &PassOptions::default());
    let profile: Vec<u64> = (0..u64::from(OBJECTS)).collect();
    println!("million accesses a second     median     best     misses");
    for row in Registry::default().rows() {
        if named.is_empty() || named.contains(&row.name) {
            let mut misses = 0;
            let times = timed(|| misses = black_box(replay(row, &trace, &all, &profile)));
            print(&row.name, ACCESSES, Some(misses), times);
        }
    }
    one_pass();
}
