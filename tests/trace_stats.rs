//! Trace statistics against independent tools and real traces.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use moesim::trace::stats::{DistanceCounter, compute};
use moesim::trace::{ImportOptions, import};

/// Real traces and reference counts, where they are; they are not part of the repository.
fn shared() -> Option<PathBuf> {
    common::shared("trace_stats")
}

/// An LRU cache of `C` slots misses exactly the uses whose reuse distance is `C` or more, so the distances must give
/// the LRU miss counts of libCacheSim at every capacity.
#[test]
fn distances_give_the_lru_misses_of_libcachesim() {
    let Some(shared) = shared() else { return };
    let mut checked = 0;
    for (name, objects) in [("zipf1", 6_144), ("gptoss120b", 36 * 128), ("olmoe", 16 * 64)] {
        let stream = std::fs::read(shared.join(format!("traces/streams/{name}.u16"))).unwrap();
        let mut counter = DistanceCounter::new(objects);
        for id in stream.as_chunks::<2>().0 {
            counter.event(&[usize::from(u16::from_le_bytes(*id))]);
        }
        let reference = std::fs::read_to_string(shared.join("measurements/cache_reference.csv")).unwrap();
        for line in reference.lines() {
            let fields: Vec<&str> = line.split(',').collect();
            if let [stream, _, "LRU", capacity, misses, ..] = fields[..]
                && stream == name
            {
                assert_eq!(counter.misses(capacity.parse().unwrap()).to_string(), misses, "{line}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 12, "only {checked} rows of the reference were found");
}

/// Against the same statistics computed by a separate program from the same files, to the three digits it printed:
/// hottest 10 % and 25 %, experts never used, next-token reuse, its chance over the trace and within sequences.
#[test]
fn shares_of_real_traces() {
    let Some(shared) = shared() else { return };
    for (file, split, expected, unused) in [
        ("gptoss20b/gptoss20b_mmlu96.npz", &[][..], [0.286, 0.503, 0.434, 0.192, 0.308], 0),
        ("nvmoe/gptoss-all.tokens.jsonl", &[399, 399, 399, 199], [0.585, 0.786, 0.505, 0.185, 0.320], 443),
        ("nvmoe/olmoe-all.tokens.jsonl", &[], [0.275, 0.474, 0.415, 0.187, 0.187], 4),
        ("bigmoe/qwen.route.csv", &[], [0.531, 0.819, 0.380, 0.240, 0.240], 2_411),
        ("granite/moe_expert_trace.json", &[], [0.261, 0.450, 0.425, 0.348, 0.382], 1),
    ] {
        let options = ImportOptions { split: split.to_vec(), ..ImportOptions::default() };
        let trace = import::read(&shared.join("traces").join(file), &options).unwrap().trace;
        let stats = compute(&trace);
        let (popularity, reuse) = (&stats.concentration, stats.next_token_reuse);
        let found = [
            popularity.hottest_10_percent,
            popularity.hottest_25_percent,
            reuse.share,
            reuse.chance,
            reuse.chance_within_sequence,
        ];
        assert_eq!(found.map(|share| (share.unwrap() * 1000.0).round() / 1000.0), expected, "{file}");
        assert_eq!(popularity.unused_experts, unused, "{file}");
    }
}
