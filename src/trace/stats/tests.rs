//! Statistics of traces small enough to work out by hand.

use super::*;
use crate::trace::{NO_EXPERT_U16, Phase, TraceBuilder, TraceHeader};

/// One sequence for each entry: prompt rows, then ids `[token][layer][k]`.
fn trace(layers: u32, experts: u32, top_k: u32, sequences: &[(usize, &[u16])]) -> Trace {
    let header = TraceHeader { layer_ids: (1..=layers).collect(), experts, top_k, ..TraceHeader::default() };
    let width = header.slots_per_token();
    let mut builder = TraceBuilder::new(header).unwrap();
    for (prefill, ids) in sequences {
        builder.begin_sequence("", 0).unwrap();
        for (token, row) in ids.chunks(width).enumerate() {
            builder.push(if token < *prefill { Phase::Prefill } else { Phase::Decode }, row).unwrap();
        }
    }
    builder.finish().unwrap()
}

#[test]
fn popularity_and_its_shares() {
    // One layer, four experts, top-2; sequence 0 uses {0, 1}, sequence 1 {0, 2}.
    let trace = trace(1, 4, 2, &[(1, &[0, 1, 0, 1]), (0, &[2, 0])]);
    let stats = compute(&trace);
    assert_eq!(Popularity::of(&trace, [0, 1]).counts, [3, 2, 1, 0]);
    assert_eq!(Popularity::of(&trace, [1]).counts, [1, 0, 1, 0]);
    assert_eq!(stats.concentration.selections, 6);
    assert_eq!(stats.concentration.unused_experts, 1);
    // A tenth and a quarter of four experts are one expert each.
    assert_eq!(stats.concentration.hottest_10_percent, Some(0.5));
    assert_eq!(stats.concentration.hottest_25_percent, Some(0.5));
    assert_eq!(stats.layers[0].concentration, stats.concentration);
    assert_eq!(stats.layers[0].layer_id, 1);
    assert_eq!(stats.sequence_own_hottest_10_percent, Spread { p10: 0.5, p50: 0.5, p90: 0.5 });
    assert_eq!((stats.info.prefill_tokens, stats.info.decode_tokens), (1, 2));
}

#[test]
fn sequences_differ_in_what_they_take_from_the_common_profile() {
    let trace = trace(1, 4, 1, &[(0, &[0, 0, 0, 0]), (0, &[1, 1, 1, 0])]);
    let stats = compute(&trace);
    assert_eq!(stats.sequence_own_hottest_10_percent, Spread { p10: 0.75, p50: 0.75, p90: 1.0 });
    assert_eq!(stats.sequence_trace_hottest_10_percent, Spread { p10: 0.25, p50: 0.25, p90: 1.0 });
}

#[test]
fn reuse_counts_consecutive_decode_tokens_of_one_sequence() {
    // Sequence 0: one prompt row, then {0, 1} {1, 2} {1, 2}; sequence 1: {1, 2} alone, which nothing precedes.
    let trace = trace(1, 4, 2, &[(1, &[0, 1, 0, 1, 1, 2, 2, 1]), (0, &[1, 2])]);
    let reuse = compute(&trace).next_token_reuse;
    assert_eq!((reuse.selections, reuse.repeated), (4, 3));
    assert_eq!(reuse.share, Some(0.75));
    // Four decode tokens chose 0, 1, 2 once, four times, three times: ordered pairs 0 + 12 + 6 of 4 * 3, twice chosen
    // each.
    assert_eq!(reuse.chance, Some(18.0 / 12.0 / 2.0));
    // Within sequence 0: counts 1, 3, 2 over three tokens: 8 / (3 * 2) repeats a pair, two pairs, four selections.
    assert_eq!(reuse.chance_within_sequence, Some(8.0 / 6.0 * 2.0 / 4.0));
}

#[test]
fn empty_slots_are_no_selections() {
    let trace = trace(1, 4, 2, &[(0, &[3, 1, 3, NO_EXPERT_U16])]);
    let stats = compute(&trace);
    assert_eq!((stats.next_token_reuse.selections, stats.next_token_reuse.repeated), (1, 1));
    assert_eq!(stats.concentration.selections, 3);
}

#[test]
fn prefill_goes_layer_by_layer_and_decode_token_by_token() {
    // Two layers, top-1. Prompt: layer 0 asks for {0, 1}, layer 1 for {2}; decode token asks for 0, then 2.
    let trace = trace(2, 3, 1, &[(2, &[0, 2, 1, 2, 0, 2])]);
    let stats = compute(&trace);
    let distances = &stats.reuse_distances;
    // Layer 0's expert 0 comes back after its expert 1 and layer 1's 2; layer 1's 2 after layer 0's 0 alone.
    assert_eq!((distances.cold, distances.reuses, distances.p10, distances.p99), (3, 2, 1, 2));
    let layer = |index: usize| &stats.layers[index].reuse_distances;
    assert_eq!((layer(0).reuses, layer(0).p50, layer(0).cold), (1, 1, 2));
    assert_eq!((layer(1).reuses, layer(1).p50, layer(1).cold), (1, 0, 1));
}

#[test]
fn a_trace_without_tokens_has_no_shares() {
    let stats = compute(&trace(2, 4, 2, &[]));
    assert_eq!(stats.concentration.hottest_10_percent, None);
    assert_eq!(stats.next_token_reuse, NextTokenReuse::default());
    assert_eq!(stats.reuse_distances, ReuseDistances::default());
}

proptest::proptest! {
    /// Every selection is counted once, and every use is either cold or a reuse.
    #[test]
    fn everything_is_counted_once(
        pairs in proptest::collection::vec((0_u16..5, 1_u16..5), 3..60),
        prefill in 0_usize..10,
    ) {
        let ids: Vec<u16> = pairs.iter().flat_map(|(one, step)| [*one, (one + step) % 5]).collect();
        let whole = &ids[..ids.len() / 6 * 6];
        let trace = trace(3, 5, 2, &[(prefill, whole), (0, whole)]);
        let stats = compute(&trace);
        let counts = Popularity::of(&trace, 0..2).counts;
        proptest::prop_assert_eq!(counts.iter().sum::<u64>(), 2 * whole.len() as u64);
        proptest::prop_assert_eq!(stats.concentration.selections, 2 * whole.len() as u64);
        let used = counts.iter().filter(|count| **count > 0).count() as u64;
        proptest::prop_assert_eq!(stats.reuse_distances.cold, used);
        let uses = stats.layers.iter().map(|layer| layer.reuse_distances.reuses + layer.reuse_distances.cold);
        proptest::prop_assert_eq!(stats.reuse_distances.reuses + stats.reuse_distances.cold, uses.sum::<u64>());
    }
}
