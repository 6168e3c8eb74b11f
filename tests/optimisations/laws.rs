//! Laws of merging and sharing, and what is refused.

use moesim::catalogue::models;
use moesim::metrics::AccessCounts;
use moesim::trace::{ExpertGroups, NO_EXPERT_U16, Phase, Trace, TraceBuilder, TraceHeader};
use moesim::units::LayerIndex;
use proptest::prelude::*;

use super::{OLMOE, SERVED, held, planned, profile, row, summary};

const TOP_K: usize = 3;
const LAYERS: usize = 2;

/// A trace from one random word for each slot; a few slots are empty.
fn trace(experts: u16, words: &[u16], weighted: bool) -> Trace {
    let header = TraceHeader {
        layer_ids: vec![1, 2],
        experts: u32::from(experts),
        top_k: u32::try_from(TOP_K).unwrap(),
        ..TraceHeader::default()
    };
    let mut builder =
        if weighted { TraceBuilder::with_weights(header) } else { TraceBuilder::new(header) }.unwrap();
    for (index, words) in words.chunks_exact(LAYERS * TOP_K).enumerate() {
        if index % 5 == 0 {
            builder.begin_sequence("chat", 3).unwrap();
        }
        let mut ids: Vec<u16> = words.iter().map(|word| word % experts).collect();
        for slots in ids.chunks_exact_mut(TOP_K) {
            for slot in 1..TOP_K {
                if slots[..slot].contains(&slots[slot]) {
                    slots[slot] = NO_EXPERT_U16;
                }
            }
        }
        let weights: Vec<u16> = words.iter().map(|word| word % 9_000).collect();
        let phase = if index % 5 < 2 { Phase::Prefill } else { Phase::Decode };
        if weighted {
            builder.push_weighted(phase, &ids, &weights).unwrap();
        } else {
            builder.push(phase, &ids).unwrap();
        }
    }
    builder.finish().unwrap()
}

/// The experts of a token in a layer.
fn chosen(trace: &Trace, token: u64, layer: u16) -> Vec<u16> {
    let top_k = trace.header().top_k as usize;
    (0..top_k).filter_map(|rank| trace.expert(token, LayerIndex(layer), rank)).collect()
}

proptest! {
    /// Into as many as there are: the same trace, bit for bit.
    #[test]
    fn merging_into_as_many_changes_nothing(
        experts in 3_u16..300,
        words in prop::collection::vec(any::<u16>(), 6..200),
        weighted in any::<bool>(),
    ) {
        let trace = trace(experts, &words, weighted);
        let groups = ExpertGroups::by_coactivation(&trace, u32::from(experts)).unwrap();
        let merged = groups.merge(&trace).unwrap();
        prop_assert_eq!(merged.header(), trace.header());
        prop_assert_eq!(merged.sequences(), trace.sequences());
        prop_assert_eq!(merged.weights(), trace.weights());
        prop_assert_eq!(merged.fingerprint(), trace.fingerprint());
    }

    /// Each token is sent to the groups of its experts, each once, with all of its gate weight; never to more experts than
    /// before; and every group has an expert.
    #[test]
    fn tokens_go_to_the_groups_of_their_experts(
        experts in 3_u16..300,
        share in 1_u32..100,
        words in prop::collection::vec(any::<u16>(), 6..200),
        weighted in any::<bool>(),
    ) {
        let into = (u32::from(experts) * share / 100).max(1);
        let trace = trace(experts, &words, weighted);
        let groups = ExpertGroups::by_coactivation(&trace, into).unwrap();
        prop_assert_eq!(&groups, &ExpertGroups::by_coactivation(&trace, into).unwrap());
        for layer in 0..LAYERS {
            let mut used: Vec<u16> = (0..u32::from(experts)).map(|expert| groups.group(layer, expert)).collect();
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(used, (0..u16::try_from(into).unwrap()).collect::<Vec<_>>());
        }
        let merged = groups.merge(&trace).unwrap();
        prop_assert_eq!(merged.tokens(), trace.tokens());
        for token in 0..trace.tokens() {
            for layer in 0..u16::try_from(LAYERS).unwrap() {
                let before = chosen(&trace, token, layer);
                let mut wanted: Vec<u16> =
                    before.iter().map(|expert| groups.group(usize::from(layer), u32::from(*expert))).collect();
                let mut found = chosen(&merged, token, layer);
                prop_assert!(found.len() <= before.len());
                wanted.sort_unstable();
                wanted.dedup();
                found.sort_unstable();
                prop_assert_eq!(found, wanted);
            }
        }
        // Three gates of less than 9,000 do not saturate.
        let sum = |trace: &Trace| trace.weights().unwrap_or_default().iter().map(|w| u64::from(*w)).sum::<u64>();
        prop_assert_eq!(sum(&merged), sum(&trace));
    }
}

/// Merging into as many as there are gives the row that there is without the key, to the byte: replayed from a trace,
/// drawn by a router, and under load.
#[test]
fn merging_into_as_many_is_the_identity() {
    let router = OLMOE.replace("trace = \"olmoe-1b-7b.moetrace\"", "router = \"typical\"");
    let shares = "requests.routing=\"counts\"";
    for (text, sets) in [(OLMOE, vec![]), (&router, vec![]), (SERVED, vec![]), (SERVED, vec![shares])] {
        let merged: Vec<&str> = sets.iter().copied().chain(["model.merge_experts=64"]).collect();
        let bytes = |sets: &[&str]| serde_json::to_string(&row(text, sets)).unwrap();
        assert_eq!(bytes(&sets), bytes(&merged), "{sets:?}");
    }
}

/// Twice the same, in every way of routing; and experts take their share of the bytes.
#[test]
fn bytes_follow_the_number_of_experts_and_runs_are_alike() {
    let router = OLMOE.replace("trace = \"olmoe-1b-7b.moetrace\"", "router = \"typical\"");
    for (text, tier) in [(OLMOE, "dram"), (router.as_str(), "dram"), (SERVED, "vram")] {
        let all = row(text, &[]);
        for into in [1_u64, 7, 32, 63] {
            let set = format!("model.merge_experts={into}");
            let merged = row(text, &[&set]);
            let experts = |row| {
                held(row, tier, "routed experts")
                    + held(row, tier, "expert cache") * u64::from(tier == "vram")
            };
            assert_eq!(experts(&merged) * 64, experts(&all) * into, "{set}");
            // Under load a pass can hold tokens of both phases.
            let both = |row| {
                let mut counts: AccessCounts = summary(row).prefill;
                counts.add(&summary(row).decode);
                counts
            };
            let (before, after) = (both(&all), both(&merged));
            assert!(after.selections <= before.selections, "{set}");
            assert_eq!(after.tokens, before.tokens, "{set}");
            assert!(after.lookups <= after.tokens * 16 * into.min(8), "{set}");
            assert_eq!(merged, row(text, &[&set]), "{set}");
        }
    }
}

/// What a profile, a predictor and a layout learn from is merged as the routing is.
#[test]
fn profiles_are_merged_alike() {
    let merge = "model.merge_experts=24";
    let hot = "placement.hot_experts=8";
    // A profile that is the trace itself is recognised, merged or not.
    for sets in [vec![hot], vec![hot, merge]] {
        let own = planned(OLMOE, &sets).unwrap();
        let cache = profile("cache");
        let named = planned(OLMOE, &[sets.clone(), vec![cache.as_str()]].concat()).unwrap();
        assert_eq!((own.labels.policy_is_oracle, named.labels.policy_is_oracle), (true, true), "{sets:?}");
        assert_eq!(own.cache.shape.pinned, named.cache.shape.pinned, "{sets:?}");
    }
    let prefetch = profile("prefetch");
    let guessed = row(OLMOE, &[merge, "prefetch.predictor=\"popularity\"", &prefetch]);
    assert!(summary(&guessed).prefetch.issued > 0);
    let parallel = profile("parallel");
    let placed = row(
        SERVED,
        &[merge, "parallel.tp=2", "parallel.ep=2", "parallel.placement=\"load-balanced\"", &parallel],
    );
    assert!(summary(&placed).serving.is_some());
    // One pool of so many experts is a size that anyone could have written.
    let size = format!("cache.capacity=\"{} B\"", 96 * 3 * 2048 * 1024 * 2);
    let (pool, written) = (row(OLMOE, &["cache.experts=96"]), row(OLMOE, &[&size]));
    assert_eq!(pool, written);
    assert_eq!(pool.config.cache_scope, "global");
}

/// Sharing counts a matrix once that each expert had; merging counts fewer experts. Both together are both.
#[test]
fn both_together_are_both() {
    for id in ["mixtral-8x7b", "olmoe-1b-7b", "gpt-oss-20b", "deepseek-v3"] {
        let spec = &models::find(id).unwrap().spec;
        let (one, other) = (spec.with_shared_up().merged(4), spec.merged(4).with_shared_up());
        assert_eq!(one.layers, other.layers, "{id}");
        assert!(one.params().total() < spec.merged(4).params().total(), "{id}");
        // Of what a token passes only the up projections of all its experts but one are gone.
        let (before, after) = (spec.active_params(), spec.with_shared_up().active_params());
        assert!(after.total() < before.total(), "{id}");
        assert_eq!(after.attention, before.attention, "{id}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let dense = "[model]\nname = \"llama-3.1-70b\"\n[hardware]\ngpu = \"h100-sxm\"\n";
    let gguf =
        "[model]\ngguf = \"none.gguf\"\n[hardware]\ngpu = \"h100-sxm\"\n[workload]\nrouter = \"uniform\"\n";
    for (text, sets, message) in [
        (OLMOE, &["model.merge_experts=0"][..], "--set model.merge_experts=0: model.merge_experts: "),
        (
            OLMOE,
            &["model.merge_experts=65"],
            "--set model.merge_experts=65: model.merge_experts: found 65, expected at most 64, the experts of a layer of \
             OLMoE-1B-7B",
        ),
        (OLMOE, &["model.merge_experts=-1"], "model.merge_experts"),
        (OLMOE, &["model.merge_expert=4"], "did you mean \"merge_experts\"?"),
        (
            dense,
            &["model.merge_experts=4"],
            "model.merge_experts: found 4, and Llama-3.1-70B has no routed experts, expected a model with experts, or no \
             such key",
        ),
        (
            dense,
            &["model.shared_up_projection=true"],
            "model.shared_up_projection: found true, and Llama-3.1-70B has no routed experts, expected a model with \
             experts, or no such key",
        ),
        (
            gguf,
            &["model.merge_experts=4"],
            "model.merge_experts: found beside model.gguf, expected model.name or model.config: a file has the weights \
             that it has",
        ),
        (gguf, &["model.shared_up_projection=true"], "model.shared_up_projection: found beside model.gguf"),
        (OLMOE, &["cache.experts=0"], "cache.experts"),
        (
            &OLMOE.replace("[cache]\n", "[cache]\nexperts = 8\n"),
            &[],
            "cache.capacity: found beside cache.experts, expected only one of cache.capacity, cache.slots_per_layer, \
             cache.experts",
        ),
        (OLMOE, &["model.merge_experts=4", "cache.pin=[\"0:4\"]"], "no expert \"0:4\""),
        (SERVED, &["model.merge_experts=3", "parallel.tp=2", "parallel.ep=2"], "ep = 2"),
    ] {
        let error = planned(text, sets).map(|plan| plan.labels).unwrap_err().to_string();
        assert!(error.contains(message), "{sets:?}: {error}");
    }
}
