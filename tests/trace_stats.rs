//! Trace statistics against independent tools and real traces.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::PathBuf;

use moesim::trace::stats::DistanceCounter;

/// Real traces and reference counts, where they are; they are not part of the repository.
fn shared() -> Option<PathBuf> {
    let folder = match std::env::var_os("MOESIM_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    if !folder.is_dir() {
        eprintln!("skipped: ../shared is not here");
        return None;
    }
    Some(folder)
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
