//! Exact residency: our hits and misses are those that a real engine recorded, selection by selection, and the hit
//! curves are equal to the last digit printed by an independent implementation.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod common;

use common::shared;
use moesim::cache::replay::{ReplayCounts, replay};
use moesim::cache::{CacheShape, ExpertCache, Future, Grouping, Lookup, Lru, PolicyInput, Registry, Scope};
use moesim::trace::import::{Imported, read};
use moesim::trace::{ImportOptions, PassOptions, Phase, Trace, passes};

const MIB: u64 = 1 << 20;

/// One global pool of `capacity` bytes with the expert sizes that the trace recorded.
fn shape(trace: &Trace, capacity: u64) -> CacheShape {
    let header = trace.header();
    CacheShape {
        layers: u32::try_from(header.layers()).unwrap(),
        experts: header.experts,
        sizes: header.expert_bytes.clone(),
        scope: Scope::Global,
        pool_capacity: vec![capacity],
        pinned: Vec::new(),
    }
}

fn load(file: &str, test: &str) -> Option<Imported> {
    let path = shared(test)?.join("traces/bigmoe").join(file);
    Some(read(&path, &ImportOptions::default()).unwrap())
}

/// Global LRU, group-atomic, against the residency column: every decode selection must agree.
fn check_residency(file: &str, capacity_mib: u64, selections: usize) {
    let Some(imported) = load(file, "residency") else { return };
    let recorded = imported.recorded_residency.as_ref().unwrap();
    let trace = &imported.trace;
    let passes = passes(trace, &PassOptions::default());
    let mut cache = ExpertCache::new(shape(trace, capacity_mib * MIB), |_| {
        Lru::new(trace.header().experts * shape(trace, 0).layers)
    });
    let mut found = vec![None; recorded.len()];
    replay(&mut cache, trace, &passes, None, Grouping::Layer, |slot, lookup| found[slot] = Some(lookup));
    let slots = trace.header().slots_per_token();
    let mut compared = 0;
    for pass in passes.iter().filter(|pass| pass.phase == Phase::Decode) {
        let first = usize::try_from(pass.first_row).unwrap() * slots;
        for slot in first..first + slots {
            let resident = found[slot] == Some(Lookup::Hit);
            assert_eq!(resident, recorded[slot] == 1, "{file}: slot {slot}, {:?}", found[slot]);
            compared += 1;
        }
    }
    assert_eq!(compared, selections, "{file}");
}

#[test]
fn qwen_residency_is_the_engines_own() {
    check_residency("qwen.route.csv", 4000, 36_864);
}

#[test]
fn gptoss_residency_is_the_engines_own() {
    check_residency("gptoss.route.csv", 3000, 4_608);
}

/// Each layer's share of the capacity, raised to the experts of one token where it is smaller, as the engine's tool does.
fn by_layer(trace: &Trace, capacity: u64) -> CacheShape {
    let global = shape(trace, capacity);
    let share = capacity / u64::from(global.layers);
    let top_k = u64::from(trace.header().top_k);
    let pool_capacity = global.sizes.iter().map(|size| share.max(top_k * size)).collect();
    CacheShape { scope: Scope::PerLayer, pool_capacity, ..global }
}

fn counts(trace: &Trace, policy: &str, capacity: u64) -> ReplayCounts {
    let passes = passes(trace, &PassOptions::default());
    let future = Future::of(trace, &passes, Grouping::Layer).unwrap();
    let first_events = future.first_events();
    let registry = Registry::default();
    let row = registry.find(policy).unwrap();
    let shape = match row.scope {
        Some(Scope::PerLayer) => by_layer(trace, capacity),
        _ => shape(trace, capacity),
    };
    let mut cache =
        ExpertCache::new(shape, |input| (row.build)(&PolicyInput { first_events: &first_events, ..input }));
    replay(&mut cache, trace, &passes, Some(&future), Grouping::Layer, |_, _| ())
}

/// The line that the reference would print: cumulative hit %, decode hit %, MiB read.
fn line(counts: &ReplayCounts) -> String {
    let percent = |hits: u64, lookups: u64| hits as f64 / lookups as f64 * 100.0;
    let (prefill, decode) = (&counts.prefill, &counts.decode);
    format!(
        "{:.3},{:.3},{:.1}",
        percent(prefill.hits + decode.hits, prefill.lookups + decode.lookups),
        percent(decode.hits, decode.lookups),
        (prefill.miss_bytes + decode.miss_bytes) as f64 / MIB as f64
    )
}

/// The engine's tool lets a layer keep what a prompt's event took beyond its share until the layer comes again. Here that
/// leaves with the next event, so ours hits no more than theirs, and less by little: prompts are short.
fn check_shares(counts: &ReplayCounts, expected: &str, place: &str) {
    let hit_rates =
        |line: &str| -> Vec<f64> { line.split(',').take(2).map(|cell| cell.parse().unwrap()).collect() };
    for (theirs, ours) in hit_rates(expected).into_iter().zip(hit_rates(&line(counts))) {
        assert!(ours <= theirs && theirs - ours < 1.0, "{place}: {ours} %, there {theirs} %");
    }
}

fn check_curve(route: &str, curve: &str, cliff_mib: u64) {
    let Some(imported) = load(route, "curve") else { return };
    let text = std::fs::read_to_string(shared("curve").unwrap().join("traces/bigmoe").join(curve)).unwrap();
    let mut compared = 0;
    for row in text.lines().skip(1) {
        let mut cells = row.splitn(3, ',');
        let budget_mib: u64 = cells.next().unwrap().parse().unwrap();
        let policy = cells.next().unwrap();
        let expected = cells.next().unwrap();
        let policy = match policy {
            "lru" => "lru",
            "lfu" => "lfu-perfect",
            "belady" => "belady",
            "layer" => "layer-lru",
            "layerlfu" => "layer-lfu",
            _ => continue,
        };
        let counts = counts(&imported.trace, policy, budget_mib * MIB);
        if policy.starts_with("layer") {
            check_shares(&counts, expected, &format!("{route}: {policy} at {budget_mib} MiB"));
        } else {
            assert_eq!(line(&counts), expected, "{route}: {policy} at {budget_mib} MiB");
        }
        if policy == "lru" && budget_mib < cliff_mib {
            assert_eq!(counts.decode.hits, 0, "below one token's working set LRU hits nothing");
        }
        compared += 1;
    }
    assert_eq!(compared, 55, "five policies at eleven budgets");
}

#[test]
fn qwen_curves_are_equal_to_the_last_digit() {
    // 288 experts of at most 3,059,712 bytes: one token's working set is 824 MiB.
    check_curve("qwen.route.csv", "qwen-curve.csv", 824);
}

#[test]
fn gptoss_curves_are_equal_to_the_last_digit() {
    check_curve("gptoss.route.csv", "gptoss-curve.csv", 907);
}
