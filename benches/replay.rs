//! Speed of the hot paths: a replay of a memory-mapped trace through the expert cache, and a simulation with timing.
//!
//! `cargo bench`. The trace is generated: the shape of gpt-oss-120b (36 layers x 128 experts, top-4) with the statistics
//! of the shipped trace, long enough that nothing but the cache and the trace's pages matter.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should panic")]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moesim::cache::replay::replay;
use moesim::cache::{CacheShape, ExpertCache, Future, Grouping, Lru, PolicyInput, Registry, Scope};
use moesim::plan::{Inputs, plan};
use moesim::scenario::ScenarioFile;
use moesim::sim::simulate;
use moesim::trace::{Compression, PassOptions, Trace, TraceBuilder, open, passes, write_file};

/// How often the shipped trace is repeated, one sequence after another.
const REPEATS: usize = 12;

/// The shipped trace, repeated, written to a file and mapped.
fn long_trace(folder: &Path) -> Trace {
    let shipped = open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/gpt-oss-120b.moetrace")).unwrap();
    let mut builder = TraceBuilder::new(shipped.header().clone()).unwrap();
    let slots = shipped.header().slots_per_token();
    let layers = shipped.header().layers();
    let top_k = shipped.header().top_k as usize;
    for _ in 0..REPEATS {
        for sequence in shipped.sequences() {
            builder.begin_sequence("", sequence.prompt_length).unwrap();
            for token in sequence.first_token..sequence.first_token + sequence.tokens {
                let mut row = Vec::with_capacity(slots);
                for layer in 0..u16::try_from(layers).unwrap() {
                    let of_rank = |rank| shipped.expert(token, moesim::units::LayerIndex(layer), rank);
                    row.extend((0..top_k).map(|rank| of_rank(rank).unwrap_or(u16::MAX)));
                }
                builder.push(moesim::trace::Phase::Decode, &row).unwrap();
            }
        }
    }
    let path = folder.join("long.moetrace");
    write_file(&builder.finish().unwrap(), Compression::None, &path).unwrap();
    open(&path).unwrap()
}

/// A global pool that holds `percent` of all experts, one unit each.
fn shape(trace: &Trace, percent: u64) -> CacheShape {
    let header = trace.header();
    let layers = u32::try_from(header.layers()).unwrap();
    let objects = u64::from(layers * header.experts);
    CacheShape {
        layers,
        experts: header.experts,
        sizes: vec![1; layers as usize],
        scope: Scope::Global,
        pool_capacity: vec![objects * percent / 100],
        pinned: Vec::new(),
    }
}

fn replays(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let trace = long_trace(folder.path());
    let passes = passes(&trace, &PassOptions::default());
    let accesses = trace.tokens() * trace.header().slots_per_token() as u64;
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(accesses)).sample_size(20);
    for percent in [10, 30, 60] {
        group.bench_function(format!("lru, {percent} % of all experts"), |bencher| {
            bencher.iter(|| {
                let shape = shape(&trace, percent);
                let objects = shape.layers * shape.experts;
                let mut cache = ExpertCache::new(shape, |_| Lru::new(objects));
                black_box(replay(&mut cache, &trace, &passes, None, Grouping::Layer, |_, _| ()))
            });
        });
    }
    let future = Future::of(&trace, &passes, Grouping::Layer).unwrap();
    let first_events = future.first_events();
    for row in Registry::default().rows() {
        let profile: Vec<u64> =
            (0..u64::from(trace.header().experts) * trace.header().layers() as u64).collect();
        group.bench_function(format!("{} behind the trait object, 30 %", row.name), |bencher| {
            bencher.iter(|| {
                let mut cache = ExpertCache::new(shape(&trace, 30), |input| {
                    let (profile, first_events) = (profile.as_slice(), first_events.as_slice());
                    (row.build)(&PolicyInput { profile, first_events, ..input })
                });
                black_box(replay(&mut cache, &trace, &passes, Some(&future), Grouping::Layer, |_, _| ()))
            });
        });
    }
    group.finish();
}

fn simulations(criterion: &mut Criterion) {
    let text = "[model]\nname = \"gpt-oss-120b\"\n[quant]\nscheme = \"mxfp4\"\n[hardware]\ngpu = \"rtx4090\"\n\
                [cache]\ncapacity = \"30 %\"\n[workload]\ntrace = \"traces/gpt-oss-120b.moetrace\"\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench.toml");
    let scenario = ScenarioFile::parse(text, &path, &[]).unwrap();
    let inputs = Inputs::default();
    let plan = plan(&scenario.point(0).unwrap(), &inputs).unwrap();
    let header = plan.workload.trace.header();
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements(plan.workload.trace.tokens() * header.slots_per_token() as u64));
    group.bench_function("gpt-oss-120b, lru, 30 %", |bencher| {
        bencher.iter(|| black_box(simulate(&plan).unwrap()));
    });
    group.finish();
}

criterion_group!(benches, replays, simulations);
criterion_main!(benches);
