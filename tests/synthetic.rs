//! The synthetic router: its laws, its golden trace, its fit to real traces, and the traces that ship with it.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use moesim::trace::stats::{Popularity, TraceStats, compute};
use moesim::trace::synthetic::{SyntheticSpec, fit, generate, shipped};
use moesim::trace::{Compression, ImportOptions, NO_EXPERT_U16, Phase, Trace, TraceBuilder, format, import};
use moesim::units::LayerIndex;

fn even() -> SyntheticSpec {
    SyntheticSpec {
        model: "test".to_owned(),
        layers: 6,
        first_layer_id: 0,
        experts: 32,
        top_k: 4,
        expert_size: None,
        zipf_slope: 0.0,
        zipf_offset: 0.0,
        sequence_tilt: 0.0,
        sequence_spread: 0.0,
        topic_tilt: 0.0,
        topic_tokens: 16,
        stickiness: 0.0,
        weights: false,
        sequences: 4,
        prompt_tokens: [0, 0],
        decode_tokens: [500, 500],
        seed: 7,
        source: String::new(),
    }
}

fn stats(spec: &SyntheticSpec) -> TraceStats {
    compute(&generate(spec).unwrap())
}

fn bytes(trace: &Trace) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::write(trace, Compression::None, &mut bytes).unwrap();
    bytes
}

fn near(found: Option<f64>, wanted: f64, tolerance: f64) {
    let found = found.unwrap();
    assert!((found - wanted).abs() <= tolerance, "found {found}, wanted {wanted} within {tolerance}");
}

#[test]
fn an_even_router_without_memory_repeats_by_chance_alone() {
    let stats = stats(&even());
    // Four of 32 experts: an eighth. 48,000 selections make the standard deviation 0.0015.
    near(stats.next_token_reuse.share, 0.125, 0.006);
    near(stats.next_token_reuse.chance, 0.125, 0.001);
    near(stats.next_token_reuse.chance_within_sequence, 0.125, 0.002);
    near(stats.concentration.hottest_25_percent, 0.25, 0.02);
    near(stats.concentration.normalised_entropy, 1.0, 0.001);
}

#[test]
fn stickiness_adds_its_share_of_what_chance_leaves() {
    let stats = stats(&SyntheticSpec { stickiness: 0.4, ..even() });
    // Of four experts 1.6 stay on average; the other places are drawn from the experts that did not stay, of which a
    // token's 2.4 leavers are 2.4 in 30.4.
    near(stats.next_token_reuse.share, 0.4 + 0.6 * (2.4 / 30.4), 0.01);
    near(stats.next_token_reuse.chance, 0.125, 0.002);
}

#[test]
fn each_parameter_raises_its_statistic() {
    let base = SyntheticSpec { zipf_slope: 0.8, sequence_tilt: 0.5, ..even() };
    let before = stats(&base);
    let steeper = stats(&SyntheticSpec { zipf_slope: 1.2, ..base.clone() });
    assert!(steeper.concentration.hottest_25_percent > before.concentration.hottest_25_percent);
    let flatter = stats(&SyntheticSpec { zipf_offset: 4.0, ..base.clone() });
    assert!(flatter.concentration.hottest_10_percent < before.concentration.hottest_10_percent);
    let tilted = stats(&SyntheticSpec { sequence_tilt: 1.5, ..base.clone() });
    let own_taste = |stats: &TraceStats| {
        stats.next_token_reuse.chance_within_sequence.unwrap() - stats.next_token_reuse.chance.unwrap()
    };
    assert!(own_taste(&tilted) > own_taste(&before));
    let spread = stats(&SyntheticSpec { sequence_spread: 0.5, ..base.clone() });
    let range = |stats: &TraceStats| {
        stats.sequence_own_hottest_10_percent.p90 - stats.sequence_own_hottest_10_percent.p10
    };
    assert!(range(&spread) > range(&before));
    let topical = stats(&SyntheticSpec { topic_tilt: 1.5, ..base });
    assert!(topical.reuse_distances.p50 < before.reuse_distances.p50);
}

#[test]
fn every_selection_is_there_and_counted() {
    let spec = SyntheticSpec {
        zipf_slope: 3.0,
        weights: true,
        prompt_tokens: [3, 9],
        decode_tokens: [5, 20],
        first_layer_id: 3,
        ..even()
    };
    let trace = generate(&spec).unwrap();
    assert_eq!(trace.header().layer_ids, [3, 4, 5, 6, 7, 8]);
    let selections = trace.tokens() * 6 * 4;
    assert_eq!(Popularity::of(&trace, 0..4).counts.iter().sum::<u64>(), selections);
    for sequence in trace.sequences() {
        assert!((3..=9).contains(&sequence.prefill_tokens));
        assert!((5..=20).contains(&(sequence.tokens - sequence.prefill_tokens)));
    }
    for weights in trace.weights().unwrap().chunks(4) {
        assert!(weights.is_sorted_by(|one, two| one >= two));
        assert_eq!(weights.iter().map(|weight| u32::from(*weight)).sum::<u32>(), 65_535);
    }
}

#[test]
fn all_experts_at_once_is_possible() {
    let spec = SyntheticSpec { zipf_slope: 8.0, top_k: 32, sequences: 1, decode_tokens: [4, 4], ..even() };
    let popularity = Popularity::of(&generate(&spec).unwrap(), [0]);
    assert!(popularity.counts.iter().all(|count| *count == 4));
}

/// Streams are keyed by layer and sequence: more of either leaves the others as they were.
#[test]
fn a_larger_trace_begins_with_the_smaller_one() {
    let small =
        SyntheticSpec { zipf_slope: 1.0, sequence_tilt: 1.0, topic_tilt: 0.5, sequences: 2, ..even() };
    let large = SyntheticSpec { layers: 9, sequences: 5, ..small.clone() };
    let (small, large) = (generate(&small).unwrap(), generate(&large).unwrap());
    for token in 0..small.tokens() {
        for (layer, rank) in [(0, 0), (3, 2), (5, 3)] {
            let layer = LayerIndex(layer);
            assert_eq!(small.expert(token, layer, rank), large.expert(token, layer, rank));
        }
    }
}

/// Beside the laws above, so that a change of the stream is noticed: it changes everyone's results.
#[test]
fn the_golden_trace() {
    let spec = SyntheticSpec {
        zipf_slope: 1.1,
        zipf_offset: 1.5,
        sequence_tilt: 0.7,
        sequence_spread: 0.2,
        topic_tilt: 0.4,
        stickiness: 0.2,
        weights: true,
        prompt_tokens: [2, 5],
        decode_tokens: [10, 30],
        ..even()
    };
    assert_eq!(format::fingerprint(&generate(&spec).unwrap()), "a8092fb7");
}

#[test]
fn refuses_what_cannot_be_and_says_all_of_it() {
    let check = |spec: SyntheticSpec, message: &str| {
        assert_eq!(generate(&spec).map(|_| ()).unwrap_err().to_string(), message);
    };
    check(
        SyntheticSpec { top_k: 33, ..even() },
        "top_k of a synthetic trace is 33, expected 1 to 32 (experts)",
    );
    check(
        SyntheticSpec { zipf_slope: -1.0, ..even() },
        "zipf_slope of a synthetic trace is -1, expected 0 to 8",
    );
    check(
        SyntheticSpec { zipf_slope: f64::NAN, stickiness: 1.5, ..even() },
        "zipf_slope of a synthetic trace is NaN, expected 0 to 8\n\
         stickiness of a synthetic trace is 1.5, expected 0 to 1",
    );
    check(SyntheticSpec { layers: 0, ..even() }, "layers of a synthetic trace is 0, expected 1 to 65535");
    check(
        SyntheticSpec { sequences: 0, ..even() },
        "sequences of a synthetic trace is 0, expected 1 or more",
    );
    check(
        SyntheticSpec { decode_tokens: [9, 3], ..even() },
        "decode_tokens of a synthetic trace is [9, 3], expected [fewest, most]",
    );
    check(
        SyntheticSpec { decode_tokens: [0, 3], ..even() },
        "the shortest sequence of a synthetic trace is 0 tokens, expected 1 or more",
    );
    let typo = toml::from_str::<SyntheticSpec>("model = \"m\"\nzipf_slop = 1.0\n").unwrap_err().to_string();
    assert!(typo.contains("unknown field `zipf_slop`"), "{typo}");
}

/// The shipped files hold what their specifications generate, byte for byte.
#[test]
fn shipped_traces_are_what_the_router_generates() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    for (stem, spec) in shipped::all() {
        let expected = bytes(&generate(&spec).unwrap());
        assert!(expected.len() < 320_000, "{stem}.moetrace has {} bytes", expected.len());
        let file = folder.join(format!("{stem}.moetrace"));
        if folder.is_dir() {
            assert!(std::fs::read(&file).unwrap() == expected, "{} differs", file.display());
        }
    }
}

/// The sequences of real trace files as one trace, where they are at hand.
fn real(files: &[&str], split: &[u64]) -> Option<Trace> {
    let folder = common::shared("synthetic")?.join("traces");
    let options = ImportOptions { split: split.to_vec(), ..ImportOptions::default() };
    let traces: Vec<Trace> =
        files.iter().map(|file| import::read(&folder.join(file), &options).unwrap().trace).collect();
    let mut all = TraceBuilder::new(traces[0].header().clone()).unwrap();
    for trace in &traces {
        let header = trace.header();
        for sequence in trace.sequences() {
            all.begin_sequence(&sequence.category, sequence.prompt_length).unwrap();
            for token in 0..sequence.tokens {
                let phase = if token < sequence.prefill_tokens { Phase::Prefill } else { Phase::Decode };
                let row = sequence.first_token + token;
                let slots = (0..header.layers()).flat_map(|layer| (0..header.top_k).map(move |k| (layer, k)));
                let ids: Vec<u16> = slots
                    .map(|(layer, k)| {
                        let layer = LayerIndex(u16::try_from(layer).unwrap());
                        trace.expert(row, layer, k as usize).unwrap_or(NO_EXPERT_U16)
                    })
                    .collect();
                all.push(phase, &ids).unwrap();
            }
        }
    }
    Some(all.finish().unwrap())
}

const GPT_OSS_20B: &[&str] = &["gptoss20b/gptoss20b_mmlu96.npz"];
const GPT_OSS_120B: &[&str] = &["nvmoe/gptoss-all.tokens.jsonl"];
const WORKLOADS: &[u64] = &[399, 399, 399, 199];
const OLMOE: &[&str] = &[
    "nf4gemm/olmoe_code.jsonl",
    "nf4gemm/olmoe_dialogue.jsonl",
    "nf4gemm/olmoe_math.jsonl",
    "nf4gemm/olmoe_prose.jsonl",
];

fn assert_alike(made: &TraceStats, real: &TraceStats) {
    near(made.concentration.hottest_10_percent, real.concentration.hottest_10_percent.unwrap(), 0.03);
    near(made.concentration.hottest_25_percent, real.concentration.hottest_25_percent.unwrap(), 0.03);
    near(made.next_token_reuse.share, real.next_token_reuse.share.unwrap(), 0.015);
    let (found, wanted) = (made.reuse_distances.p50 as f64, real.reuse_distances.p50 as f64);
    assert!((found / wanted - 1.0).abs() < 0.2, "median reuse distance is {found}, wanted {wanted}");
}

/// A fitted router gives back the statistics it was fitted to, with other random numbers than during the fit.
#[test]
fn fits_real_traces() {
    for (files, split) in [
        (GPT_OSS_120B, WORKLOADS),
        (&["nvmoe/olmoe-all.tokens.jsonl"], &[]),
        (&["bigmoe/qwen.route.csv"], &[]),
        (&["granite/moe_expert_trace.json"], &[]),
    ] {
        let Some(trace) = real(files, split) else { return };
        let real = compute(&trace);
        eprintln!("{} sequences of {}", real.info.sequences, files[0]);
        assert_alike(&stats(&fit(&real).unwrap()), &real);
    }
}

/// The shipped routers that claim a fit have it, in a trace of the recording's shape.
#[test]
fn shipped_routers_match_their_recordings() {
    for (stem, files, split) in [
        ("gpt-oss-20b", GPT_OSS_20B, &[][..]),
        ("gpt-oss-120b", GPT_OSS_120B, WORKLOADS),
        ("olmoe-1b-7b", OLMOE, &[]),
    ] {
        let Some(trace) = real(files, split) else { return };
        let real = compute(&trace);
        let (_, spec) = shipped::all().into_iter().find(|(other, _)| *other == stem).unwrap();
        let sequences = u32::try_from(real.info.sequences).unwrap();
        let length = u32::try_from(real.info.decode_tokens).unwrap() / sequences;
        let spec = SyntheticSpec {
            sequences,
            prompt_tokens: [0, 0],
            decode_tokens: [length, length],
            seed: 0,
            ..spec
        };
        eprintln!("{stem}");
        assert_alike(&stats(&spec), &real);
    }
}
