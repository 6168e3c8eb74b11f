//! Routing beyond a recorded sequence: the pool has the trace's statistics, and every token of a request has its row.

#![allow(clippy::unwrap_used)]

use moesim::trace::stats::{TraceStats, compute};
use moesim::trace::synthetic::{SyntheticSpec, generate, shipped};
use moesim::trace::{
    CONTINUATION, Continued, NO_EXPERT_U16, Phase, RequestRouting, RequestSources, SequenceMeta, Trace,
    TraceBuilder, TraceHeader, continued,
};
use moesim::units::LayerIndex;
use proptest::prelude::*;

fn shipped_trace(stem: &str) -> Trace {
    let (_, spec) = shipped::all().into_iter().find(|(other, _)| *other == stem).unwrap();
    generate(&spec).unwrap()
}

fn row(trace: &Trace, row: u64) -> Vec<Option<u16>> {
    let header = trace.header();
    let layers = (0..u16::try_from(header.layers()).unwrap()).map(LayerIndex);
    layers.flat_map(|layer| (0..header.top_k as usize).map(move |k| trace.expert(row, layer, k))).collect()
}

/// The pool's rows as a trace of their own.
fn pool(continued: &Continued) -> Trace {
    let mut builder = TraceBuilder::new(continued.trace.header().clone()).unwrap();
    builder.begin_sequence("", 0).unwrap();
    for number in 0..continued.pool_tokens {
        let ids = row(&continued.trace, continued.pool_first_row + number);
        // The builder refuses what cannot be a row.
        let ids: Vec<u16> = ids.into_iter().map(|id| id.unwrap_or(NO_EXPERT_U16)).collect();
        builder.push(Phase::Decode, &ids).unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn the_original_comes_first_and_the_pool_is_one_more_sequence() {
    let trace = shipped_trace("mixtral-8x7b");
    let made = continued(&trace, 100, 3).unwrap();
    assert_eq!((made.pool_first_row, made.pool_tokens), (trace.tokens(), 100));
    assert_eq!(made.trace.tokens(), trace.tokens() + 100);
    for number in (0..trace.tokens()).step_by(17) {
        assert_eq!(row(&made.trace, number), row(&trace, number));
    }
    let (last, others) = made.trace.sequences().split_last().unwrap();
    assert_eq!(others, trace.sequences());
    assert_eq!((last.first_token, last.tokens, last.prefill_tokens), (trace.tokens(), 100, 0));
    assert_eq!(last.category, CONTINUATION);
    let (old, new) = (trace.weights().unwrap(), made.trace.weights().unwrap());
    assert_eq!(&new[..old.len()], old);
    let slots = trace.header().slots_per_token();
    assert_eq!(new.len(), old.len() + 100 * slots);
    for weights in new[old.len()..].chunks(2) {
        let sum: u32 = weights.iter().map(|weight| u32::from(*weight)).sum();
        assert!((65_533..=65_535).contains(&sum) && weights[0] >= weights[1], "{weights:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_pool_and_a_longer_one_begins_with_it() {
    let trace = shipped_trace("gpt-oss-20b");
    let [one, again, longer, other] =
        [(50, 3), (50, 3), (80, 3), (50, 4)].map(|(tokens, seed)| continued(&trace, tokens, seed).unwrap());
    assert_eq!(one.trace.fingerprint(), again.trace.fingerprint());
    assert_ne!(one.trace.fingerprint(), other.trace.fingerprint());
    for number in one.pool_first_row..one.pool_first_row + 50 {
        assert_eq!(row(&one.trace, number), row(&longer.trace, number));
    }
}

fn near(name: &str, found: Option<f64>, wanted: Option<f64>, tolerance: f64) {
    let (found, wanted) = (found.unwrap(), wanted.unwrap());
    assert!((found - wanted).abs() <= tolerance, "{name}: found {found}, wanted {wanted} within {tolerance}");
}

/// Skew and repetition of the pool are those of the trace, whatever the model.
#[test]
fn the_pool_has_the_statistics_of_the_trace() {
    for (stem, _) in shipped::all() {
        let trace = shipped_trace(stem);
        let made = continued(&trace, 500, 1).unwrap();
        let (wanted, found): (TraceStats, TraceStats) = (compute(&trace), compute(&pool(&made)));
        let (old, new) = (&wanted.concentration, &found.concentration);
        near(&format!("{stem}, hottest 10 %"), new.hottest_10_percent, old.hottest_10_percent, 0.02);
        near(&format!("{stem}, hottest 25 %"), new.hottest_25_percent, old.hottest_25_percent, 0.02);
        near(
            &format!("{stem}, next-token reuse"),
            found.next_token_reuse.share,
            wanted.next_token_reuse.share,
            0.02,
        );
        assert!(
            new.unused_experts >= old.unused_experts,
            "{stem}: the pool uses experts that the trace does not"
        );
    }
}

fn narrow(rows: &[[u16; 2]], experts: u32) -> Trace {
    let header = TraceHeader { layer_ids: vec![0], experts, top_k: 2, ..TraceHeader::default() };
    let mut builder = TraceBuilder::new(header).unwrap();
    builder.begin_sequence("", 0).unwrap();
    rows.iter().for_each(|row| builder.push(Phase::Decode, row).unwrap());
    builder.finish().unwrap()
}

#[test]
fn small_and_odd_traces_can_be_continued() {
    // One row; experts that every row chooses; a slot that stays empty; two bytes an id.
    for (rows, experts, count) in [
        (vec![[1, 0]], 2, 2),
        (vec![[1, 0]; 9], 5, 2),
        (vec![[4, NO_EXPERT_U16]; 9], 5, 1),
        (vec![[299, 7], [7, 5]], 300, 2),
    ] {
        let made = continued(&narrow(&rows, experts), 20, 0).unwrap();
        for number in made.pool_first_row..made.trace.tokens() {
            let chosen: Vec<u16> = row(&made.trace, number).into_iter().flatten().collect();
            assert_eq!(chosen.len(), count);
            assert!(chosen.iter().all(|expert| rows.as_flattened().contains(expert)), "{chosen:?}");
        }
    }
}

#[test]
fn refuses_what_cannot_be() {
    let said = |trace: &Trace, tokens| continued(trace, tokens, 0).map(|_| ()).unwrap_err().to_string();
    let trace = narrow(&[[0, 1]], 2);
    assert_eq!(said(&trace, 0), "a continuation of 0 tokens, expected 1 to 16777216");
    assert_eq!(said(&trace, 1 << 25), "a continuation of 33554432 tokens, expected 1 to 16777216");
    let empty = narrow(&[[NO_EXPERT_U16; 2]], 2);
    assert_eq!(said(&empty, 1), "a trace without selections cannot be continued");
    let said = RequestSources::of(&narrow_without_rows()).map(|_| ()).unwrap_err().to_string();
    assert_eq!(said, "a trace without sequences has no routing for requests");
}

fn narrow_without_rows() -> Trace {
    TraceBuilder::new(TraceHeader { layer_ids: vec![0], experts: 2, top_k: 1, ..TraceHeader::default() })
        .unwrap()
        .finish()
        .unwrap()
}

/// The rule as it is written, one token at a time: its row, and whether it lies in the pool.
fn slow(sequence: &SequenceMeta, continued: &Continued, offset: u64, prompt: u32, token: u64) -> (u64, bool) {
    let pool = continued.pool_first_row + (offset + token) % continued.pool_tokens;
    if token < u64::from(prompt) {
        if token < sequence.prefill_tokens { (sequence.first_token + token, false) } else { (pool, true) }
    } else {
        let row = sequence.prefill_tokens + token - u64::from(prompt);
        if row < sequence.tokens { (sequence.first_token + row, false) } else { (pool, true) }
    }
}

fn two_sequences(tokens: [(u8, u8); 2]) -> Trace {
    let header = TraceHeader { layer_ids: vec![0], experts: 4, top_k: 1, ..TraceHeader::default() };
    let mut builder = TraceBuilder::new(header).unwrap();
    for (prefill, decode) in tokens {
        builder.begin_sequence("", 0).unwrap();
        (0..prefill).for_each(|_| builder.push(Phase::Prefill, &[0]).unwrap());
        (0..decode).for_each(|_| builder.push(Phase::Decode, &[1]).unwrap());
    }
    builder.finish().unwrap()
}

proptest! {
    #[test]
    fn rows_are_those_of_the_rule_token_by_token(
        lengths in [(0_u8..12, 1_u8..12), (0_u8..12, 1_u8..12)],
        which in 0_usize..2,
        pool_tokens in 1_u64..40,
        offset in 0_u64..100,
        prompt in 1_u32..20,
        from in 0_u32..60,
        tokens in 0_u32..90,
    ) {
        let made = continued(&two_sequences(lengths), pool_tokens, 0).unwrap();
        let sequence = &made.trace.sequences()[which];
        let routing = RequestRouting::new(&made, sequence, offset, prompt);
        let before = made.pool_first_row - 1;
        let mut wanted: Vec<(u64, u32)> = vec![(before, 1)];
        let mut from_pool = 0;
        for token in from..from + tokens {
            let (row, is_pool) = slow(sequence, &made, offset, prompt, u64::from(token));
            from_pool += u32::from(is_pool);
            match wanted.last_mut() {
                Some((first, rows)) if token > from && *first + u64::from(*rows) == row => *rows += 1,
                _ => wanted.push((row, 1)),
            }
        }
        let mut found = vec![(before, 1)];
        routing.rows_of(from, tokens, &mut found);
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(routing.pool_tokens_of(from, tokens), from_pool);
    }
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let made = continued(&two_sequences([(2, 2), (0, 1)]), 7, 0).unwrap();
    let routing = RequestRouting::new(&made, &made.trace.sequences()[0], u64::MAX, u32::MAX);
    let mut rows = Vec::new();
    routing.rows_of(u32::MAX - 1, 4, &mut rows);
    assert_eq!(rows.iter().map(|(_, rows)| *rows).sum::<u32>(), 4);
    assert_eq!(routing.pool_tokens_of(0, u32::MAX), u32::MAX - 2);
}

#[test]
fn requests_choose_among_the_sequences_of_their_domain() {
    let header = TraceHeader { layer_ids: vec![0], experts: 2, top_k: 1, ..TraceHeader::default() };
    let mut builder = TraceBuilder::new(header).unwrap();
    for category in ["code", "maths", "code", "chat", "code"] {
        builder.begin_sequence(category, 0).unwrap();
        builder.push(Phase::Decode, &[0]).unwrap();
    }
    let made = continued(&builder.finish().unwrap(), 10, 0).unwrap();
    let sources = RequestSources::of(&made.trace).unwrap();
    let times = |domain: Option<&str>| {
        let mut times = [0; 6];
        (0..3_000).for_each(|request| times[sources.choose(domain, 5, request).0] += 1);
        times
    };
    let even = |found: &[i32], places: &[usize]| {
        let wanted = 3_000 / i32::try_from(places.len()).unwrap();
        for (place, times) in found.iter().enumerate() {
            let wanted = if places.contains(&place) { wanted } else { 0 };
            // Six standard deviations at least.
            assert!((times - wanted).abs() <= wanted / 4, "{found:?}");
        }
    };
    even(&times(Some("code")), &[0, 2, 4]);
    even(&times(Some("maths")), &[1]);
    even(&times(Some("poetry")), &[0, 1, 2, 3, 4]);
    even(&times(None), &[0, 1, 2, 3, 4]);
    assert_eq!(sources.choose(None, 5, 9), sources.choose(None, 5, 9));
    let offsets: std::collections::BTreeSet<u64> =
        (0..100).map(|request| sources.choose(None, 5, request).1).collect();
    assert!(offsets.len() > 95);
}

/// Prompt rows show repetition too; they are what there is without decode rows.
#[test]
fn a_trace_of_a_prompt_alone_is_continued_by_its_prompt() {
    let (_, spec) = shipped::all().remove(0);
    let spec = SyntheticSpec { prompt_tokens: [400, 400], decode_tokens: [0, 0], stickiness: 0.5, ..spec };
    let made = continued(&generate(&spec).unwrap(), 800, 1).unwrap();
    let share = compute(&pool(&made)).next_token_reuse.share.unwrap();
    // Half stays, and of the others more than an eighth is drawn again by chance.
    assert!((0.55..0.75).contains(&share), "{share}");
}
