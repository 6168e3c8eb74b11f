//! Laws of the simulator: books that balance, what must happen when one thing about a configuration changes, and
//! latencies of a small model worked out by hand to the nanosecond.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "sim_laws/bench.rs"]
mod bench;

use std::path::Path;

use moesim::cache::replay::{ReplayCounts, replay};
use moesim::metrics::Summary;
use moesim::plan::{Inputs, Plan};
use proptest::prelude::*;

use bench::{Bench, Sequence, decode_only, link, planned, run, small};

const POLICIES: [&str; 6] = ["lru", "lfu-perfect", "fifo", "random", "static", "belady"];

/// The same configuration without a clock; the cache is kept from sequence to sequence.
fn replayed(plan: &Plan) -> ReplayCounts {
    let mut cache = plan.build_cache();
    let (trace, future) = (&plan.workload.trace, plan.workload.future.as_deref());
    assert!(!plan.cache.clear_between, "this replay keeps the cache");
    replay(&mut cache, trace, &plan.workload.passes, future, plan.cache.grouping, |_, _| ())
}

fn ceil_ns(amount: u64, per_s: u64) -> u64 {
    u64::try_from((u128::from(amount) * 1_000_000_000).div_ceil(u128::from(per_s))).unwrap()
}

/// Time of one decode token of the two-layer model at `context` tokens where everything is resident: the stretch before
/// the experts, one launch per layer over `per_launch` experts, and the output projection.
fn resident_token_ns(context: u64, per_launch: u64) -> u64 {
    let gpu = |bytes: u64| ceil_ns(bytes, small::GPU_BYTES_PER_S);
    let weights = (small::ATTENTION_PARAMS + 2 * small::HIDDEN + 4 * small::HIDDEN) * 2;
    let stretch = gpu(weights + small::KV_BYTES_PER_TOKEN * (context + 1)) + 10_000;
    let launch = gpu(per_launch * small::EXPERT_BYTES) + 5_000;
    1_000_000 + 2 * (stretch + launch) + gpu(small::VOCAB * small::HIDDEN * 2)
}

const COPY_NS: u64 = 20_000 + 629_146; // 6,291,456 B at 10 GB/s, rounded up
const READ_NS: u64 = 100_000 + 3_145_728; // at 2 GB/s

#[test]
fn a_token_with_every_expert_resident_takes_what_a_hand_computes() {
    let bench = Bench::new((2, 4, 1), &decode_only(&[&[0, 1], &[2, 3]]));
    for settings in [&["cache.capacity=\"100 %\""][..], &["placement.experts=\"vram\""]] {
        let summary = bench.run(settings);
        let expected = resident_token_ns(0, 1) + resident_token_ns(1, 1);
        assert_eq!(summary.span_ns, expected);
        assert_eq!(summary.decode_time.overhead_ns, 2 * (1_000_000 + 2 * 15_000));
        assert_eq!(summary.decode.misses, 0);
    }
}

/// Room for the first two experts of each layer, loaded at start; the last layer's second choice is missing.
fn one_miss(settings: &[&str]) -> Summary {
    let bench = Bench::new((2, 4, 2), &decode_only(&[&[0, 1, 0, 2]]));
    let all = [&["cache.start=\"filled\"", "cache.capacity=\"50 %\""], settings].concat();
    let summary = bench.run(&all);
    assert_eq!((summary.decode.hits, summary.decode.misses), (3, 1));
    summary
}

#[test]
fn one_miss_takes_what_a_hand_computes() {
    let expert = ceil_ns(small::EXPERT_BYTES, small::GPU_BYTES_PER_S);
    let pair = ceil_ns(2 * small::EXPERT_BYTES, small::GPU_BYTES_PER_S);
    // The layer's experts run in two launches in place of one.
    let split = resident_token_ns(0, 2) - pair + 2 * expert + 5_000;
    let nothing_overlaps = one_miss(&[]);
    assert_eq!(nothing_overlaps.span_ns, split + COPY_NS);
    assert_eq!(nothing_overlaps.decode_time.wait_h2d_ns, COPY_NS);
    // The copy runs beside the launch of the resident expert.
    let within = one_miss(&["engine.overlap=\"within-layer\""]);
    assert_eq!(within.decode_time.wait_h2d_ns, COPY_NS - expert - 5_000);
    assert_eq!(within.span_ns, split + COPY_NS - expert - 5_000);
    // From NVMe the read comes first, and the time until its end is the device's.
    let nvme = one_miss(&["placement.experts=\"nvme\""]);
    assert_eq!(nvme.span_ns, split + READ_NS + COPY_NS);
    assert_eq!((nvme.decode_time.wait_nvme_ns, nvme.decode_time.wait_h2d_ns), (READ_NS, COPY_NS));
    let both = one_miss(&["placement.experts=\"nvme\"", "engine.overlap=\"within-layer\""]);
    assert_eq!(both.span_ns, split + READ_NS + COPY_NS - expert - 5_000);
    assert_eq!(both.decode_time.wait_nvme_ns, READ_NS - expert - 5_000);
    // A copy that is done before the resident expert costs nothing but its own launch.
    let fast = one_miss(&[
        "engine.overlap=\"within-layer\"",
        "engine.h2d_bandwidth=\"1000 GB/s\"",
        "engine.h2d_latency=\"1 us\"",
    ]);
    assert_eq!((fast.span_ns, fast.decode_time.wait_h2d_ns), (split, 0));
}

/// Reads and copies of different experts overlap: with two misses the second read hides the first copy.
#[test]
fn reads_and_copies_form_a_pipeline() {
    let bench = Bench::new((2, 4, 2), &decode_only(&[&[0, 1, 2, 3]]));
    let sets = ["cache.start=\"filled\"", "cache.capacity=\"50 %\"", "placement.experts=\"nvme\""];
    let summary = bench.run(&sets);
    assert_eq!(summary.decode.misses, 2);
    assert_eq!(summary.span_ns, resident_token_ns(0, 2) + 2 * READ_NS + COPY_NS);
    assert_eq!(summary.decode_time.wait_h2d_ns, COPY_NS, "only the last copy is waited for alone");
}

/// A prompt reads each activated expert once, whatever the number of its tokens.
#[test]
fn a_prompt_reads_an_expert_once() {
    let row = vec![0_u16, 0];
    let prompt = |rows: usize| vec![Sequence { prompt: vec![row.clone(); rows], decode: Vec::new() }];
    let settings = ["cache.start=\"empty\"", "cache.capacity=\"100 %\""];
    for rows in [1, 2, 8] {
        let summary = Bench::new((2, 4, 1), &prompt(rows)).run(&settings);
        assert_eq!((summary.prefill.selections, summary.prefill.lookups), (2 * rows as u64, 2));
        assert_eq!(link(&summary, "h2d").unwrap().bytes, 2 * small::EXPERT_BYTES);
        assert_eq!(summary.prefill_time.wait_h2d_ns, 2 * COPY_NS);
        assert_eq!(summary.sequences[0].prefill_tokens, rows as u64);
    }
}

/// Experts of 12.9 GB: sizes and times far beyond 32 bits.
#[test]
fn experts_larger_than_four_gib() {
    let config = r#"{"model_type": "mixtral", "hidden_size": 32768, "intermediate_size": 65536, "num_hidden_layers": 2,
        "num_attention_heads": 8, "num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 1,
        "vocab_size": 1000, "tie_word_embeddings": false}"#;
    let rows: Vec<[u16; 2]> = (0..40).map(|token| [token % 4, (token + 1) % 4]).collect();
    let rows: Vec<&[u16]> = rows.iter().map(|row| &row[..]).collect();
    let bench = Bench::with_config(config, (2, 4, 1), &decode_only(&rows));
    let expert = 3 * 32_768 * 65_536 * 2;
    let room = ["hardware.vram=\"1 TB\"", "hardware.dram=\"1 TB\"", "engine.h2d_latency=\"1 us\""];
    let summary = bench.run(&[&room[..], &["cache.capacity=\"20 GiB\""]].concat());
    // One expert fits: LRU hits nothing.
    assert_eq!((summary.decode.hits, summary.decode.misses), (0, 80));
    assert_eq!(summary.decode.miss_bytes, 80 * expert);
    assert_eq!(summary.decode_time.wait_h2d_ns, 80 * (1_000 + ceil_ns(expert, 10_000_000_000)));
    assert_eq!(summary.overshoot_bytes_max, 2 * expert - 20 * (1 << 30));
    assert_eq!(bench.run(&[&room[..], &["placement.experts=\"vram\""]].concat()).decode.misses, 0);
}

fn shipped(model: &str, scheme: &str, trace: &str, settings: &[&str], inputs: &Inputs) -> Plan {
    let text = format!(
        "[model]\nname = \"{model}\"\n[quant]\nscheme = \"{scheme}\"\n[hardware]\ngpu = \"h100-sxm\"\ndram = \"1 TB\"\n\
         [workload]\ntrace = \"{trace}.moetrace\"\nsequences = 2\ndecode_tokens = 16\n"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/laws.toml");
    planned(&text, &path, settings, inputs).unwrap()
}

/// Every policy, overlap, home, start and grouping on traces of real shape: the books balance, and hits are those of a
/// replay without a clock.
#[test]
fn hits_are_those_of_a_replay_whatever_the_clock() {
    let inputs = Inputs::default();
    for (model, scheme, trace) in
        [("qwen3-30b-a3b", "q4_k_m", "qwen3-30b-a3b"), ("gpt-oss-20b", "mxfp4", "gpt-oss-20b")]
    {
        for policy in POLICIES {
            for settings in [
                &["cache.capacity=\"30 %\""][..],
                &["cache.capacity=\"10 %\"", "engine.overlap=\"none\"", "cache.start=\"filled\""],
                &["cache.slots_per_layer=12", "placement.experts=\"nvme\"", "cache.pin=[\"0:5\", \"3:7\"]"],
                &["cache.capacity=\"50 %\"", "cache.scope=\"per-layer\"", "workload.prefill_chunk=7"],
                &["cache.capacity=\"30 %\"", "cache.replay=\"access\""],
            ] {
                let policy = format!("cache.policy=\"{policy}\"");
                let plan = shipped(model, scheme, trace, &[settings, &[&policy]].concat(), &inputs);
                let summary = run(&plan);
                let counts = replayed(&plan);
                assert_eq!(
                    (summary.prefill, summary.decode),
                    (counts.prefill, counts.decode),
                    "{settings:?}"
                );
                assert!(summary.decode.misses > 0, "{model} {settings:?}: something is fetched");
                assert_eq!(summary, run(&plan), "two runs are one");
            }
        }
    }
}

fn rows(
    top_k: usize,
    layers: usize,
    experts: u16,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Vec<u16>>> {
    let distinct = prop::sample::subsequence((0..experts).collect::<Vec<_>>(), top_k).prop_shuffle();
    let row = prop::collection::vec(distinct, layers).prop_map(|layers| layers.concat());
    prop::collection::vec(row, count)
}

const DIMENSIONS: (usize, u32, usize) = (3, 6, 2);

fn sequences() -> impl Strategy<Value = Vec<Sequence>> {
    let one =
        (rows(2, 3, 6, 0..6), rows(2, 3, 6, 1..8)).prop_map(|(prompt, decode)| Sequence { prompt, decode });
    prop::collection::vec(one, 1..4)
}

/// Settings that leave the timing to the law.
fn caches() -> impl Strategy<Value = Vec<String>> {
    let policy = prop::sample::select(&POLICIES[..]).prop_map(|name| format!("cache.policy=\"{name}\""));
    let room =
        (1..19_u64).prop_map(|experts| format!("cache.capacity=\"{} B\"", experts * small::EXPERT_BYTES));
    let start = prop::sample::select(vec!["cache.start=\"empty\"", "cache.start=\"filled\""]);
    let scope = prop::sample::select(vec!["cache.scope=\"global\"", "cache.scope=\"per-layer\""]);
    let chunk = (1..5_u64).prop_map(|rows| format!("workload.prefill_chunk={rows}"));
    (policy, room, start, scope, chunk).prop_map(|(policy, room, start, scope, chunk)| {
        vec![policy, room, start.to_owned(), scope.to_owned(), chunk]
    })
}

const WITHIN: &str = "engine.overlap=\"within-layer\"";
const NVME: &str = "placement.experts=\"nvme\"";
const NO_LAUNCH: &str = "engine.kernel_launch=\"0 ns\"";

fn with(cache: &[String], more: &[&str], bench: &Bench) -> Summary {
    let mut settings: Vec<&str> = cache.iter().map(String::as_str).collect();
    settings.extend_from_slice(more);
    bench.run(&settings)
}

fn misses(summary: &Summary) -> u64 {
    summary.prefill.misses + summary.decode.misses
}

fn events(summary: &Summary) -> u64 {
    summary.prefill.events + summary.decode.events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Doubling what the engine adds, where nothing overlaps it, adds exactly that once more.
    #[test]
    fn doubled_overheads_add_themselves(sequences in sequences(), cache in caches(), nvme in any::<bool>()) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let home = if nvme { NVME } else { "placement.experts=\"dram\"" };
        let once = with(&cache, &[home], &bench);
        let double = ["engine.per_token_overhead=\"2 ms\"", "engine.per_layer_overhead=\"20 us\"", "engine.kernel_launch=\"10 us\""];
        let twice = with(&cache, &[&double[..], &[home]].concat(), &bench);
        let overhead = once.decode_time.overhead_ns + once.prefill_time.overhead_ns;
        prop_assert_eq!(twice.span_ns, once.span_ns + overhead);
    }

    /// With links that take no time but the nanosecond that rounding up leaves, nothing waits, and a run takes what it
    /// takes with every expert resident.
    #[test]
    fn infinite_links_never_stall(sequences in sequences(), cache in caches(), within in any::<bool>()) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let overlap = if within { WITHIN } else { "engine.overlap=\"none\"" };
        let fast = [NVME, overlap, NO_LAUNCH, "engine.h2d_bandwidth=\"9000000 TB/s\"", "engine.h2d_latency=\"0 ns\"",
            "engine.nvme_bandwidth=\"9000000 TB/s\"", "engine.nvme_latency=\"0 ns\""];
        let summary = with(&cache, &fast, &bench);
        let shares = [&summary.prefill_time, &summary.decode_time];
        let waited: u64 = shares.iter().map(|time| time.waits_ns()).sum();
        prop_assert!(waited <= 2 * misses(&summary), "{} ns for {} misses", waited, misses(&summary));
        let resident = with(&cache[4..], &["placement.experts=\"vram\"", NO_LAUNCH], &bench);
        let apart = summary.span_ns.abs_diff(resident.span_ns);
        prop_assert!(apart <= 3 * misses(&summary) + events(&summary), "{} ns apart", apart);
    }

    /// A faster link is never slower, of either kind, whatever overlaps.
    #[test]
    fn more_bandwidth_is_never_slower(
        sequences in sequences(), cache in caches(), within in any::<bool>(), h2d in 1..60_u64, nvme in 1..20_u64, more in 0..40_u64,
    ) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let overlap = if within { WITHIN } else { "engine.overlap=\"none\"" };
        let span = |h2d: u64, nvme: u64| {
            let h2d = format!("engine.h2d_bandwidth=\"{h2d} GB/s\"");
            let nvme = format!("engine.nvme_bandwidth=\"{nvme} GB/s\"");
            with(&cache, &[NVME, overlap, &h2d, &nvme], &bench).span_ns
        };
        prop_assert!(span(h2d + more, nvme) <= span(h2d, nvme));
        prop_assert!(span(h2d, nvme + more) <= span(h2d, nvme));
    }

    /// Copies beside computation are never slower than copies after it, but for launches: each missing expert then has
    /// its own, and the nanosecond of rounding in it.
    #[test]
    fn overlap_costs_at_most_its_launches(sequences in sequences(), cache in caches(), nvme in any::<bool>(), launch_us in 0..50_u64) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let home = if nvme { NVME } else { "placement.experts=\"dram\"" };
        let launch = format!("engine.kernel_launch=\"{launch_us} us\"");
        let none = with(&cache, &[home, &launch], &bench);
        let within = with(&cache, &[home, &launch, WITHIN], &bench);
        prop_assert_eq!(misses(&none), misses(&within));
        prop_assert!(within.span_ns <= none.span_ns + misses(&none) * (launch_us * 1_000 + 1));
    }

    /// Experts on NVMe are never served sooner than from host memory.
    #[test]
    fn nvme_is_never_faster_than_host_memory(sequences in sequences(), cache in caches(), within in any::<bool>()) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let overlap = if within { WITHIN } else { "engine.overlap=\"none\"" };
        let (dram, nvme) = (with(&cache, &[overlap], &bench), with(&cache, &[overlap, NVME], &bench));
        prop_assert_eq!((dram.prefill, dram.decode), (nvme.prefill, nvme.decode));
        prop_assert!(nvme.span_ns >= dram.span_ns);
    }

    /// A larger cache is never slower under LRU and Belady. A launch must not cost more than a copy: a layer whose
    /// experts are partly resident has two launches, one that misses all has one.
    #[test]
    fn more_capacity_is_never_slower(sequences in sequences(), belady in any::<bool>(), less in 1..18_u64, more in 1..18_u64) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let policy = if belady { "cache.policy=\"belady\"" } else { "cache.policy=\"lru\"" };
        let run = |experts: u64| {
            let room = format!("cache.capacity=\"{} B\"", experts * small::EXPERT_BYTES);
            bench.run(&[policy, &room, "cache.start=\"empty\""])
        };
        let (small, large) = (run(less), run((less + more).min(18)));
        prop_assert!(misses(&large) <= misses(&small));
        prop_assert!(large.span_ns <= small.span_ns + events(&small), "{} and {}", small.span_ns, large.span_ns);
    }

    /// With room for every expert and a filled start nothing ever misses, whatever the pools and the sizes.
    #[test]
    fn a_filled_cache_with_room_for_all_never_misses(sequences in sequences(), policy in prop::sample::select(&POLICIES[..]), per_layer in any::<bool>(), clear in any::<bool>()) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let policy = format!("cache.policy=\"{policy}\"");
        let scope = if per_layer { "cache.scope=\"per-layer\"" } else { "cache.scope=\"global\"" };
        let between = if clear { "workload.between=\"clear\"" } else { "workload.between=\"keep\"" };
        let summary = bench.run(&[&policy, scope, between, "cache.capacity=\"100 %\""]);
        prop_assert_eq!(misses(&summary), 0);
    }

    /// `clear` brings the cache back to its start: the last sequence behaves as it does alone.
    #[test]
    fn sequences_are_strangers_where_the_cache_is_cleared(sequences in sequences(), cache in caches()) {
        let together = Bench::new(DIMENSIONS, &sequences);
        let alone = Bench::new(DIMENSIONS, &sequences[sequences.len() - 1..]);
        // A profile is taken from the whole trace, which differs here.
        prop_assume!(!cache[0].contains("static"));
        let clear = "workload.between=\"clear\"";
        let (together, alone) = (with(&cache, &[clear], &together), with(&cache, &[clear], &alone));
        let (last, only) = (together.sequences.last().unwrap(), &alone.sequences[0]);
        prop_assert_eq!((last.decode_hits, last.decode_ns, last.prefill_ns), (only.decode_hits, only.decode_ns, only.prefill_ns));
    }
}

/// With one sequence there is nothing between sequences.
#[test]
fn between_matters_only_between_sequences() {
    let inputs = Inputs::default();
    let plan = |between: &str, sequences: u64| {
        let sets = [format!("workload.between=\"{between}\""), format!("workload.sequences={sequences}")];
        let sets = [sets[0].as_str(), sets[1].as_str(), "cache.capacity=\"30 %\""];
        shipped("qwen3-30b-a3b", "q4_k_m", "qwen3-30b-a3b", &sets, &inputs)
    };
    assert_eq!(run(&plan("clear", 1)), run(&plan("keep", 1)));
    let (clear, keep) = (run(&plan("clear", 2)), run(&plan("keep", 2)));
    assert!(misses(&clear) > misses(&keep), "LRU loses what the first sequence brought in");
    assert_eq!(clear.sequences[0], keep.sequences[0]);
}
