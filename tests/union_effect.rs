//! How many experts of a layer a batch reaches: as many as a formula says under an even router, and fewer under any other.

#![allow(clippy::unwrap_used)]

mod common;

use moesim::rng::{Purpose, stream};
use moesim::trace::stats::expected_distinct;
use moesim::trace::synthetic::{RouterKnobs, SyntheticSpec, generate, generate_with, shipped};
use moesim::trace::{ImportOptions, Phase, RoutingCounts, Trace, TraceBuilder, import};
use moesim::units::LayerIndex;
use rand::Rng;

/// Mean and its standard error over layers and draws of the distinct experts that `tokens` different tokens of the trace
/// choose; they are drawn at random. What is too rare to be seen among the samples leaves an error of one of them.
fn mean_distinct(trace: &Trace, counts: &RoutingCounts, tokens: usize, draws: u64) -> (f64, f64) {
    let mut found = Vec::new();
    let mut pieces: Vec<(u64, u32)> = Vec::new();
    for draw in 0..draws {
        let mut rng = stream(1, Purpose::SequenceChoice, tokens as u64, draw);
        let mut rows: Vec<u64> = (0..trace.tokens()).collect();
        for place in 0..tokens {
            let other = place as u64 + rng.next_u64() % (rows.len() - place) as u64;
            rows.swap(place, usize::try_from(other).unwrap());
        }
        pieces.clear();
        pieces.extend(rows[..tokens].iter().map(|row| (*row, 1)));
        for layer in 0..u16::try_from(counts.layers()).unwrap() {
            let mut chosen = vec![0; counts.experts()];
            counts.add_pieces(LayerIndex(layer), &pieces, &mut chosen);
            found.push(chosen.iter().filter(|count| **count > 0).count() as f64);
        }
    }
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    let variance = found.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / found.len() as f64;
    let samples = found.len() as f64;
    (mean, (variance / samples).sqrt().max(1.0 / samples))
}

const BATCHES: [usize; 6] = [1, 2, 4, 8, 16, 64];

fn even(experts: u32, top_k: u32) -> Trace {
    let spec = SyntheticSpec {
        model: "even".to_owned(),
        layers: 8,
        experts,
        top_k,
        zipf_slope: 0.0,
        zipf_offset: 0.0,
        sequence_tilt: 0.0,
        sequence_spread: 0.0,
        topic_tilt: 0.0,
        stickiness: 0.0,
        sequences: 2,
        prompt_tokens: [0, 0],
        decode_tokens: [2_000, 2_000],
        ..shipped::all().remove(0).1
    };
    generate(&spec).unwrap()
}

#[test]
fn an_even_router_reaches_what_the_formula_says() {
    for (experts, top_k) in [(8, 2), (32, 4), (128, 8)] {
        let trace = even(experts, top_k);
        let counts = RoutingCounts::of(&trace).unwrap();
        for tokens in BATCHES {
            let (found, error) = mean_distinct(&trace, &counts, tokens, 60);
            let wanted = expected_distinct(experts, top_k, tokens as u64);
            let far = 5.0 * error;
            assert!(
                (found - wanted).abs() <= far,
                "{experts}/{top_k}, {tokens} tokens: {found} and {wanted} +- {far}"
            );
        }
    }
}

/// At least one expert in a hundred fewer at some batch, and never more than the formula by more than chance.
fn assert_below(name: &str, trace: &Trace) {
    let header = trace.header();
    let counts = RoutingCounts::of(trace).unwrap();
    let mut lowest = 1.0_f64;
    for tokens in BATCHES {
        let (found, error) = mean_distinct(trace, &counts, tokens, 20);
        let wanted = expected_distinct(header.experts, header.top_k, tokens as u64);
        assert!(found <= wanted + 5.0 * error, "{name}, {tokens} tokens: {found} above {wanted}");
        lowest = lowest.min(found / wanted);
    }
    assert!(lowest < 0.99, "{name}: {lowest} of the even router at least");
}

#[test]
fn shipped_traces_reach_fewer() {
    for (stem, spec) in shipped::all() {
        assert_below(stem, &generate(&spec).unwrap());
    }
}

#[test]
fn recorded_traces_reach_fewer() {
    let Some(shared) = common::shared("union_effect") else { return };
    for file in [
        "bigmoe/qwen.route.csv",
        "bigmoe/gptoss.route.csv",
        "gptoss20b/gptoss20b_mmlu96.npz",
        "nvmoe/gptoss-all.tokens.jsonl",
    ] {
        let read = import::read(&shared.join("traces").join(file), &ImportOptions::default());
        assert_below(file, &read.unwrap().trace);
    }
}

/// One domain at a time reaches fewer than a mixture of all: batching like with like saves experts.
#[test]
fn a_batch_of_one_domain_reaches_fewer_than_a_mixed_one() {
    let (_, spec) = shipped::all().into_iter().find(|(stem, _)| *stem == "gpt-oss-20b").unwrap();
    let spec = SyntheticSpec { sequences: 8, layers: 6, ..spec };
    let domains = ["code", "maths", "chat", "law"].map(str::to_owned).to_vec();
    let knobs = RouterKnobs { domains, domain_tilt: 1.5, ..RouterKnobs::default() };
    let mixed = generate_with(&spec, &knobs).unwrap();
    let mut code = TraceBuilder::new(mixed.header().clone()).unwrap();
    code.begin_sequence("code", 0).unwrap();
    let counts = RoutingCounts::of(&mixed).unwrap();
    for meta in mixed.sequences().iter().filter(|meta| meta.category == "code") {
        for row in meta.first_token..meta.first_token + meta.tokens {
            let ids: Vec<u16> = (0..6).flat_map(|layer| counts.chosen(LayerIndex(layer), row)).collect();
            code.push(Phase::Decode, &ids).unwrap();
        }
    }
    let code = code.finish().unwrap();
    let (all, _) = mean_distinct(&mixed, &counts, 16, 40);
    let (alike, _) = mean_distinct(&code, &RoutingCounts::of(&code).unwrap(), 16, 40);
    assert!(alike < 0.97 * all, "{alike} within a domain, {all} over all");
}
