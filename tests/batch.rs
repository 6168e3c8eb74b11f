//! Sequences that are decoded together.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "timing_laws/any.rs"]
mod any;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "sim_laws/bench.rs"]
mod bench;

use moesim::metrics::Summary;
use proptest::prelude::*;

use any::{DIMENSIONS, caches, decode, one_of, sequences, texts};
use bench::{Bench, Sequence, small};

fn ceil_ns(amount: u64, per_s: u64) -> u64 {
    u64::try_from((u128::from(amount) * 1_000_000_000).div_ceil(u128::from(per_s))).unwrap()
}

/// Weights of a layer's stretch before its experts.
fn stretch_weights(layers: (usize, u32, usize)) -> u64 {
    let router = u64::from(layers.1) * small::HIDDEN;
    (small::ATTENTION_PARAMS + 2 * small::HIDDEN + router) * 2
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Equal sequences ask for the experts of one: each pass reads the weights once and every sequence's cache.
    #[test]
    fn equal_sequences_share_their_experts(one in decode(), count in 1..9_usize, cache in caches(), overlap in one_of(any::OVERLAPS)) {
        let together = Bench::new(DIMENSIONS, &vec![one[0].clone(); count]);
        let batch = format!("workload.batch={count}");
        let settings = [&texts(&cache)[..], &texts(&overlap), &["workload.depth=100000"]].concat();
        let alone = Bench::new(DIMENSIONS, &one).run(&settings);
        let batched = together.run(&[&settings[..], &[&batch]].concat());
        let (layers, experts, top_k) = DIMENSIONS;
        let (steps, each) = (one[0].decode.len() as u64, count as u64);
        prop_assert_eq!((batched.decode.lookups, batched.decode.hits), (alone.decode.lookups, alone.decode.hits));
        prop_assert_eq!(batched.decode.miss_bytes, alone.decode.miss_bytes);
        prop_assert_eq!(batched.decode.selections, each * alone.decode.selections);
        prop_assert_eq!(batched.decode.selections, each * steps * (layers * top_k) as u64);
        prop_assert_eq!(batched.decode.tokens, each * steps);
        // The keys and values of the others are all that a step takes longer, where weights decide and not arithmetic.
        let stretch = |sequences: u64, context: u64| {
            let weights = stretch_weights((layers, experts, top_k));
            ceil_ns(weights + sequences * small::KV_BYTES_PER_TOKEN * (context + 1), small::GPU_BYTES_PER_S)
        };
        let longer: u64 = (100_000..100_000 + steps).map(|context| stretch(each, context) - stretch(1, context)).sum();
        let expected = alone.span_ns + layers as u64 * longer;
        // Experts of a launch round up one by one where they have several tokens.
        let apart = batched.span_ns.abs_diff(expected);
        prop_assert!(apart <= batched.decode.lookups, "{} and {}", batched.span_ns, expected);
    }

    /// A batch of one is no batch, but that prompts are left out.
    #[test]
    fn a_batch_of_one_is_the_trace(sequences in sequences(), cache in caches()) {
        let bench = Bench::weighted(DIMENSIONS, &sequences);
        let run = |more: &[&str]| bench.run(&[&texts(&cache)[..], &["workload.prefill=false"], more].concat());
        prop_assert_eq!(run(&["workload.batch=1"]), run(&[]));
    }

    /// A step takes no longer than its sequences one after the other, and no less than the slowest of them: everything is
    /// resident, so that neither order nor room matters.
    #[test]
    fn a_step_lies_between_the_longest_and_the_sum(
        rows in prop::collection::vec(any::rows(6..7), 2..5),
    ) {
        let sequences: Vec<Sequence> =
            rows.into_iter().map(|decode| Sequence { prompt: Vec::new(), decode }).collect();
        let bench = Bench::new(DIMENSIONS, &sequences);
        let run = |count: usize| bench.run(&["placement.experts=\"vram\"", &format!("workload.batch={count}")]);
        let (one_by_one, together): (Summary, Summary) = (run(1), run(sequences.len()));
        prop_assert_eq!(together.decode.tokens, one_by_one.decode.tokens);
        prop_assert_eq!(together.token_latency_ns.count, 6);
        prop_assert!(together.span_ns <= one_by_one.span_ns);
        prop_assert!(together.span_ns >= one_by_one.sequences.iter().map(|one| one.decode_ns).max().unwrap());
        prop_assert!(together.decode.lookups <= one_by_one.decode.lookups);
    }
}

/// Each sequence waits the whole pass for its token; the rate counts the tokens of all.
#[test]
fn time_per_token_is_that_of_the_pass() {
    let row: &[u16] = &[0, 1, 2, 3];
    let bench = Bench::new((2, 4, 2), &bench::decode_only(&[row; 5]));
    let settings = ["placement.experts=\"vram\"", "workload.batch=4"];
    let summary = bench.run(&settings);
    // Four places of one sequence, each of which goes round in it.
    assert_eq!((summary.decode.tokens, summary.token_latency_ns.count), (20, 5));
    assert_eq!((summary.sequences.len(), summary.sequences[0].decode_passes), (1, 5));
    assert_eq!(summary.tpot_ns.p50, (summary.span_ns + 2) / 5);
    let rate = summary.decode_tokens_per_s().unwrap();
    assert!((rate - 20e9 / summary.span_ns as f64).abs() < 1e-6);
}

/// The KV cache of all sequences is booked, at the whole context.
#[test]
fn every_sequence_has_keys_and_values() {
    let row: &[u16] = &[0, 1, 2, 3];
    let bench = Bench::new((2, 4, 2), &bench::decode_only(&[row; 5]));
    let kv = |batch: u32| {
        let plan = bench.plan(&[&format!("workload.batch={batch}"), "workload.context=1000"]).unwrap();
        let lines = plan.ledger.lines();
        lines.iter().find(|line| line.owner == "kv cache").unwrap().bytes
    };
    assert_eq!((kv(1), kv(7)), (2_000 * small::KV_BYTES_PER_TOKEN, 14_000 * small::KV_BYTES_PER_TOKEN));
}
