//! Laws of time and bytes over every kind of placement, miss, prefetch and machine.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "timing_laws/any.rs"]
mod any;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "sim_laws/bench.rs"]
mod bench;

use moesim::sim::simulate;
use moesim::units::Bandwidth;
use proptest::prelude::*;

use any::{DIMENSIONS, caches, extras, fetching, one_of, placements, rates, sequences, texts, ways};
use bench::{Bench, Sequence, check_books, small, weight_of};

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Values mistyped by orders of magnitude are refused, cannot run or run, and never stop the program.
    #[test]
    fn extremes_stop_nothing(
        sequences in sequences(), placement in placements(), way in ways(), overlap in one_of(any::OVERLAPS),
        extremes in prop::collection::vec(prop::sample::select(EXTREMES), 1..3),
    ) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let settings = [&texts(&placement)[..], &texts(&way), &texts(&overlap), &extremes].concat();
        if let Ok(plan) = bench.plan(&settings) && plan.fits() {
            check_books(&plan, &simulate(&plan).unwrap());
        }
    }
}

fn span(bench: &Bench, settings: &[&[&str]]) -> u64 {
    bench.run(&settings.concat()).span_ns
}

/// Cores of the CPU idle in most runs; here they compute, undisturbed by the bus.
const CPU: &[&str] = &[
    "hardware.cpu=\"ryzen-7950x\"",
    "hardware.dram_bandwidth=\"9000 GB/s\"",
    "engine.cpu_memory_efficiency=\"0.5 %\"",
];
/// Nothing stays in GPU memory but what is pinned there.
const KEEPS_NOTHING: &[&str] = &["cache.capacity=\"1 B\"", "cache.start=\"empty\""];

/// Values at the ends of what a key takes.
const EXTREMES: &[&str] = &[
    "engine.h2d_bandwidth=\"1 B/s\"",
    "engine.h2d_bandwidth=\"18446744 TB/s\"",
    "engine.h2d_latency=\"18446744073 s\"",
    "engine.h2d_latency=\"100000 s\"",
    "engine.nvme_bandwidth=\"1 B/s\"",
    "engine.nvme_latency=\"18446744073 s\"",
    "engine.nvme_queue_depth=4294967295",
    "engine.kernel_launch=\"1000000000 s\"",
    "engine.per_layer_overhead=\"1000000000 s\"",
    "engine.gpu_memory_efficiency=\"0.0001 %\"",
    "engine.gpu_compute_efficiency=\"0.0001 %\"",
    "engine.cpu_memory_efficiency=\"0.0001 %\"",
    "engine.cpu_thread_bandwidth=\"1 B/s\"",
    "engine.cpu_thread_bandwidth=\"18446744 TB/s\"",
    "engine.cpu_layer_overhead=\"1000000000 s\"",
    "engine.copy_chunk=\"1 KB\"",
    "engine.copy_chunk=\"16777215 TiB\"",
    "hardware.cpu_threads=4294967295",
    "hardware.numa_nodes=4294967295",
    "hardware.dram_bandwidth=\"1 B/s\"",
    "hardware.dram_bandwidth=\"1 KB/s\"",
    "hardware.dram_bandwidth=\"18446744 TB/s\"",
    "prefetch.cost=\"18446744073 s\"",
    "prefetch.experts=4294967295",
    "prefetch.budget=\"1 B\"",
    "placement.hot_experts=4294967295",
    "placement.miss_below=\"100 %\"",
    "cache.slots_per_layer=4294967295",
    "workload.depth=9223372036854775807",
    "workload.context=9223372036854775807",
    "workload.batch=1000",
];

/// Who computes what is missing.
const WORK: &[&str] = &[
    "placement.miss=\"fetch\"",
    "placement.miss=\"cpu\"",
    "placement.n_cpu_moe=1",
    "placement.cpu_layers=2",
    "placement.single_buffer=true",
];

/// The rate of one device, and twice that.
const FASTER: &[(&str, &str)] = &[
    ("engine.h2d_bandwidth=\"3 GB/s\"", "engine.h2d_bandwidth=\"6 GB/s\""),
    ("engine.h2d_bandwidth=\"30 GB/s\"", "engine.h2d_bandwidth=\"60 GB/s\""),
    ("engine.nvme_bandwidth=\"1 GB/s\"", "engine.nvme_bandwidth=\"2 GB/s\""),
    ("engine.nvme_bandwidth=\"12 GB/s\"", "engine.nvme_bandwidth=\"24 GB/s\""),
    ("engine.gpu_memory_efficiency=\"1 %\"", "engine.gpu_memory_efficiency=\"2 %\""),
    ("engine.gpu_memory_efficiency=\"40 %\"", "engine.gpu_memory_efficiency=\"80 %\""),
    ("engine.cpu_thread_bandwidth=\"1 GB/s\"", "engine.cpu_thread_bandwidth=\"2 GB/s\""),
    ("engine.cpu_memory_efficiency=\"10 %\"", "engine.cpu_memory_efficiency=\"20 %\""),
    ("hardware.dram_bandwidth=\"10 GB/s\"", "hardware.dram_bandwidth=\"20 GB/s\""),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Twice the bandwidth of any device never makes a run slower that does the same with every miss. One that chooses for
    /// each miss is an exception: its choice is greedy, as of list scheduling (Graham, "Bounds on multiprocessing timing
    /// anomalies", 1969), and decides what lies in GPU memory later.
    #[test]
    fn a_faster_device_is_never_slower(
        sequences in sequences(), cache in caches(), rates in rates(), overlap in one_of(any::OVERLAPS),
        place in fetching(), work in one_of(WORK), faster in prop::sample::select(FASTER),
    ) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let cpu = vec!["hardware.cpu=\"ryzen-7950x\"".to_owned()];
        let settings = [cache, rates, overlap, place, work, cpu].concat();
        let run = |rate: &str| span(&bench, &[&texts(&settings), &[rate]]);
        let (slow, fast) = (run(faster.0), run(faster.1));
        prop_assert!(fast <= slow, "{} ns, and {} ns with {}", slow, fast, faster.1);
    }

    /// Of a single miss `auto` makes whatever is done first.
    #[test]
    fn a_single_miss_goes_the_faster_way(
        others in prop::collection::vec(prop::collection::vec(1..6_u16, 3), 1..8), rates in rates(),
        overlap in one_of(any::OVERLAPS), nvme in any::<bool>(), direct in any::<bool>(),
    ) {
        // The first expert of each layer is pinned, so each layer event has one hit and one miss.
        let rows: Vec<Vec<u16>> =
            others.iter().map(|row| row.iter().flat_map(|other| [0, *other]).collect()).collect();
        let bench = Bench::new(DIMENSIONS, &[Sequence { prompt: Vec::new(), decode: rows }]);
        let room = format!("cache.capacity=\"{} B\"", 3 * small::EXPERT_BYTES);
        let pins = ["cache.pin=[\"0:0\", \"1:0\", \"2:0\"]", &room, "cache.start=\"empty\""];
        let home = [if nvme { any::HOMES[1] } else { any::HOMES[0] }];
        let path = [if direct { "engine.nvme_path=\"vram\"" } else { "engine.nvme_path=\"dram\"" }];
        // No bus, since the estimate leaves it out.
        let wide = ["hardware.cpu=\"ryzen-7950x\"", "hardware.dram_bandwidth=\"9000 GB/s\""];
        let settings = [&texts(&rates)[..], &wide, &texts(&overlap), &pins, &home, &path].concat();
        let run = |action: &str| bench.run(&[&settings[..], &[action]].concat());
        let (fetch, cpu, auto) = (run("placement.miss=\"fetch\""), run("placement.miss=\"cpu\""), run("placement.miss=\"auto\""));
        prop_assert_eq!((fetch.decode.misses, cpu.decode.misses), (auto.decode.misses, auto.decode.misses));
        prop_assert_eq!(auto.span_ns, fetch.span_ns.min(cpu.span_ns), "fetch {}, cpu {}", fetch.span_ns, cpu.span_ns);
    }

    /// Of several misses `auto` may choose badly, one by one as it does, but never worse than the worse of both ways.
    #[test]
    fn auto_is_not_worse_than_the_worse(
        sequences in sequences(), rates in rates(), overlap in one_of(any::OVERLAPS), home in one_of(any::HOMES),
    ) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let settings = [&texts(&rates)[..], CPU, &texts(&overlap), &texts(&home), KEEPS_NOTHING].concat();
        let run = |action: &str| bench.run(&[&settings[..], &[action]].concat());
        let (fetch, cpu, auto) = (run("placement.miss=\"fetch\""), run("placement.miss=\"cpu\""), run("placement.miss=\"auto\""));
        prop_assert!(auto.span_ns <= fetch.span_ns.max(cpu.span_ns),
            "fetch {}, cpu {}, auto {}", fetch.span_ns, cpu.span_ns, auto.span_ns);
    }

    /// A bus that cannot bind changes nothing, and one that can never makes a run faster.
    #[test]
    fn a_bus_only_slows(
        sequences in sequences(), cache in caches(), rates in rates(), overlap in one_of(any::OVERLAPS), place in fetching(),
        action in one_of(&["placement.miss=\"fetch\"", "placement.miss=\"cpu\""]), narrow in 1..40_u64,
    ) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let settings = [cache, rates, overlap, place, action].concat();
        let mut plan = bench.plan(&[&texts(&settings)[..], &["hardware.cpu=\"ryzen-7950x\""]].concat()).unwrap();
        prop_assume!(plan.fits());
        let mut with = |bus: Option<u64>| {
            plan.machine.dram_bus = bus.and_then(Bandwidth::from_bytes_per_s);
            bench::run(&plan)
        };
        let free = with(None);
        let mut wide = with(Some(1 << 50));
        let narrow = with(Some(narrow * 1_000_000_000));
        prop_assert!(wide.links.pop().is_some_and(|link| link.name == "dram"));
        wide.engine_events = free.engine_events;
        prop_assert_eq!(&wide, &free);
        prop_assert!(narrow.span_ns >= free.span_ns, "{} with a narrow bus, {} without", narrow.span_ns, free.span_ns);
        prop_assert_eq!((narrow.prefill, narrow.decode), (free.prefill, free.decode));
    }

    /// What is left out or replaced loses exactly its gate weight, and what is fetched loses none.
    #[test]
    fn sparing_loses_the_weight_of_what_it_spares(sequences in sequences(), action in 0..3_usize, below in prop::option::of(1..100_u64), overlap in one_of(any::OVERLAPS)) {
        let bench = Bench::weighted(DIMENSIONS, &sequences);
        let name = ["degrade", "skip", "substitute"][action];
        let room = format!("cache.capacity=\"{} B\"", 9 * small::EXPERT_BYTES);
        // Three experts of each layer are pinned, of which a single token leaves one to substitute.
        let pins = "cache.pin=[\"0:0\", \"0:1\", \"0:2\", \"1:0\", \"1:1\", \"1:2\", \"2:0\", \"2:1\", \"2:2\"]";
        let settings = ["workload.prefill_chunk=1", pins, &room, "cache.start=\"empty\"", &overlap[0]];
        let limit = below.map(|percent| format!("placement.miss_below=\"{percent} %\""));
        let spare = format!("placement.miss=\"{name}\"");
        let more: Vec<&str> = [Some(spare.as_str()), limit.as_deref()].into_iter().flatten().collect();
        let summary = bench.run(&[&settings[..], &more].concat());
        let expected = lost(&sequences, below);
        for (counts, (weight, experts)) in [(&summary.prefill, expected.0), (&summary.decode, expected.1)] {
            let weights = [counts.weight_degraded, counts.weight_skipped, counts.weight_substituted];
            let numbers = [counts.degraded, counts.skipped, counts.substituted];
            for other in 0..3 {
                prop_assert_eq!((weights[other], numbers[other]), if other == action { (weight, experts) } else { (0, 0) });
            }
            prop_assert_eq!(counts.fetched, counts.misses - experts);
        }
        // Where no share is small enough, nothing is spared and nothing differs.
        let fetch = bench.run(&settings);
        let tiny = bench.run(&[&settings[..], &[&spare, "placement.miss_below=\"0.0001 %\""]].concat());
        prop_assert_eq!(&tiny, &fetch);
        if action == 1 {
            prop_assert!(summary.span_ns <= fetch.span_ns, "leaving out takes no time");
        }
    }

    /// An assumed rate is met to the whole lookup, and everything else follows from it.
    #[test]
    fn an_assumed_rate_is_met(sequences in sequences(), percent in 0..=100_u64, cache in caches()) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let rate = format!("cache.hit_rate=\"{percent} %\"");
        let summary = bench.run(&[&texts(&cache)[..], &[&rate]].concat());
        let (lookups, hits) =
            (summary.prefill.lookups + summary.decode.lookups, summary.prefill.hits + summary.decode.hits);
        prop_assert_eq!(hits, lookups * percent / 100);
        if percent == 100 {
            prop_assert_eq!(summary.span_ns, span(&bench, &[&texts(&cache), &["placement.experts=\"vram\""]]));
        }
    }
}

/// A faster CPU takes every miss, so that nothing ever comes to lie in GPU memory; with a slower one each expert is
/// copied once and hits from then on.
#[test]
fn a_faster_cpu_can_cost_the_choice_its_cache() {
    let row: &[u16] = &[0, 1];
    let bench = Bench::new((2, 4, 1), &bench::decode_only(&[row; 20]));
    let run = |rate: &str| {
        let cpu = ["hardware.cpu=\"ryzen-7950x\"", "hardware.cpu_threads=1", "placement.miss=\"auto\"", rate];
        bench.run(&[&cpu[..], &["cache.capacity=\"100 %\"", "cache.start=\"empty\""]].concat())
    };
    let slow = run("engine.cpu_thread_bandwidth=\"8 GB/s\"");
    let fast = run("engine.cpu_thread_bandwidth=\"20 GB/s\"");
    assert_eq!((slow.decode.misses, slow.decode.on_cpu), (2, 0));
    assert_eq!((fast.decode.misses, fast.decode.on_cpu), (40, 40));
    assert!(fast.span_ns > slow.span_ns);
}

/// Gate weight and number of the missing experts that are spared, by phase, where the first three of each layer are
/// resident and only shares below a percentage are spared.
fn lost(sequences: &[Sequence], below: Option<u64>) -> ((u64, u64), (u64, u64)) {
    let of_rows = |rows: &mut dyn Iterator<Item = &Vec<u16>>| {
        let (mut weight, mut experts) = (0, 0);
        for event in rows.flat_map(|row| row.chunks(2)) {
            let weights: Vec<u64> =
                event.iter().enumerate().map(|(rank, expert)| u64::from(weight_of(rank, *expert))).collect();
            let total: u64 = weights.iter().sum();
            for (expert, own) in event.iter().zip(&weights).filter(|(expert, _)| **expert > 2) {
                assert!(*expert < 6);
                if below.is_none_or(|percent| own * 1_000_000 / total < percent * 10_000) {
                    (weight, experts) = (weight + own, experts + 1);
                }
            }
        }
        (weight, experts)
    };
    let prompts = of_rows(&mut sequences.iter().flat_map(|sequence| &sequence.prompt));
    (prompts, of_rows(&mut sequences.iter().flat_map(|sequence| &sequence.decode)))
}
