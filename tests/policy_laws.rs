//! Laws of every policy on recorded routing: no policy beats Belady, hits of stack algorithms never fall with capacity,
//! one pass gives what a replay of each capacity gives, and room for everything leaves the compulsory misses.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a failed helper is a failed test")]

mod common;

use common::shared;
use moesim::cache::replay::{MissCounts, ReplayTask};
use moesim::cache::stack::{COLD, Need, StackTask};
use moesim::cache::{Admission, CacheShape, Future, Grouping, PolicyRow, Registry, Scope};
use moesim::trace::stats::Popularity;
use moesim::trace::{Pass, PassOptions, Trace, open, passes};

/// A recording, cut short so that a test of all policies stays quick.
struct Recording {
    name: &'static str,
    trace: Trace,
    passes: Vec<Pass>,
    future: Future,
    profile: Vec<u64>,
}

const FILES: [&str; 4] = [
    "nvmoe/gptoss-all.tokens.jsonl",
    "nvmoe/olmoe-all.tokens.jsonl",
    "gptoss20b/gptoss20b_mmlu96.npz",
    "bigmoe/qwen.route.csv",
];

fn recordings() -> Vec<Recording> {
    let Some(folder) = shared("policy laws") else { return Vec::new() };
    let recording = |name: &'static str| {
        let trace = open(&folder.join("traces").join(name)).unwrap();
        let options = PassOptions { sequences: 4, decode_tokens: 150, ..PassOptions::default() };
        let passes = passes(&trace, &options);
        let future = Future::of(&trace, &passes, Grouping::Layer).unwrap();
        let profile = Popularity::of(&trace, 0..trace.sequences().len()).counts;
        Recording { name, trace, passes, future, profile }
    };
    FILES.into_iter().map(recording).collect()
}

impl Recording {
    fn objects(&self) -> u64 {
        self.trace.header().layers() as u64 * u64::from(self.trace.header().experts)
    }

    fn shape(&self, row: &PolicyRow, slots: u64) -> CacheShape {
        let header = self.trace.header();
        let layers = header.layers() as u64;
        let scope = row.scope.unwrap_or(Scope::Global);
        CacheShape {
            layers: u32::try_from(layers).unwrap(),
            experts: header.experts,
            sizes: vec![1; header.layers()],
            scope,
            pool_capacity: match scope {
                Scope::Global => vec![slots],
                Scope::PerLayer => vec![slots / layers; header.layers()],
            },
            pinned: Vec::new(),
        }
    }

    fn misses(&self, row: &PolicyRow, slots: u64) -> MissCounts {
        let shape = self.shape(row, slots);
        row.replay(&ReplayTask {
            shape: &shape,
            trace: &self.trace,
            passes: &self.passes,
            future: row.needs.future.then_some(&self.future),
            grouping: Grouping::Layer,
            admission: Admission::Always,
            clear_between: false,
            profile: if row.needs.profile { &self.profile } else { &[] },
            costs: &[],
            seed: 3,
        })
    }

    fn total(&self, row: &PolicyRow, slots: u64) -> u64 {
        self.misses(row, slots).total().total()
    }
}

#[test]
fn nobody_beats_belady_and_everything_fits_in_the_end() {
    let registry = Registry::default();
    let bound = registry.find("belady").unwrap();
    let compulsory = registry.find("unbounded").unwrap();
    for recording in recordings() {
        let least = recording.total(compulsory, 0);
        for percent in [6, 25, 60, 100] {
            let slots = recording.objects() * percent / 100;
            let best = recording.total(bound, slots);
            for row in registry.rows().iter().filter(|row| !row.needs.unlimited) {
                let place = format!("{}: {} at {percent} %", recording.name, row.name);
                let misses = recording.total(row, slots);
                assert!(misses >= best, "{place} misses {misses}, Belady {best}");
                assert!(misses >= least, "{place} misses {misses}, fewer than {least} experts asked for");
                assert!(percent < 100 || misses == least, "{place} misses {misses}, {least} are compulsory");
            }
        }
    }
}

#[test]
fn one_pass_is_a_replay_of_every_capacity() {
    let registry = Registry::default();
    let rows: Vec<&PolicyRow> = registry.rows().iter().filter(|row| row.stack.is_some()).collect();
    assert!(rows.len() >= 3, "LRU, by layer too, and Belady");
    for recording in recordings() {
        let sizes = vec![1; recording.trace.header().layers()];
        for row in &rows {
            let task = StackTask {
                trace: &recording.trace,
                passes: &recording.passes,
                future: Some(&recording.future),
                grouping: Grouping::Layer,
                clear_between: false,
                scope: row.scope.unwrap_or(Scope::Global),
                sizes: &sizes,
            };
            let mut needs = Vec::new();
            task.needs(row.stack.unwrap(), |need| needs.push(need));
            let mut before = u64::MAX;
            for percent in [0, 1, 3, 8, 20, 45, 80, 100] {
                let slots = recording.objects() * percent / 100;
                let rooms = recording.shape(row, slots).pool_capacity;
                let mut passed = MissCounts::none(recording.trace.sequences().len(), sizes.len());
                for Need { pass, layer, room } in &needs {
                    let capacity = rooms[(*layer as usize).min(rooms.len() - 1)];
                    let misses = u64::from(*room == COLD || *room > capacity);
                    passed.book(&recording.passes[*pass], *layer, misses);
                }
                let replayed = recording.misses(row, slots);
                let place = format!("{}: {} at {percent} %", recording.name, row.name);
                assert_eq!(passed.by_sequence, replayed.by_sequence, "{place}");
                assert_eq!(passed.by_layer, replayed.by_layer, "{place}");
                let misses = replayed.total().total();
                assert!(misses <= before, "{place} misses {misses}, {before} with less room");
                before = misses;
            }
        }
    }
}
