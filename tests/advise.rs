//! `advise`: the front is that of an exhaustive search, for a fraction of its runs; limits, neighbours, bad questions.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

#[path = "advise/question.rs"]
mod question;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use moesim::advise::{Watch, advise};
use moesim::metrics::Row;
use moesim::metrics::advice::{Advice, Fate, Metric};
use moesim::plan::{Inputs, plan};
use moesim::scenario::ScenarioFile;
use moesim::sweep::{Stop, run_planned};
use rayon::prelude::*;

/// A space of at least 2,000 candidates over small runs.
const SPACE: &str = r#"
name = "space"
model.name = "olmoe-1b-7b"
[workload]
trace = "../traces/olmoe-1b-7b.moetrace"
context = 1024
sequences = 2
decode_tokens = 12
prefill = false
[advise]
quants = ["q8_0", "q6_k", "q4_k_m", "q3_k_m"]
engines = ["llama.cpp", "vram-cache", "generic"]
machines = [
    "rtx4060ti-16g, ryzen-7950x, 32 GiB, nvme-gen4",
    "rtx3060-12g, ryzen-7950x, 32 GiB, nvme-gen4",
    "rtx4090, ryzen-7950x, 32 GiB, nvme-gen4",
]
policies = ["lru", "lfu", "sieve", "random"]
predictors = ["none", "previous-token"]
placements = ["resident", "cpu-layers", "cache", "cpu-misses"]
steps = 6
objectives = ["tpot", "throughput", "vram", "quality_loss"]
"#;

fn scenario(text: &str) -> ScenarioFile {
    ScenarioFile::parse(text, Path::new("scenarios/space.toml"), &[]).unwrap()
}

/// The same space with fewer sizes and policies.
fn smaller(steps: u32) -> String {
    SPACE.replace("steps = 6", &format!("steps = {steps}")).replace("\"sieve\", \"random\"", "\"sieve\"")
}

fn ask(scenario: &ScenarioFile, limits: &[&str], known: BTreeMap<u64, Row>) -> (Advice, Vec<Row>) {
    let simulated = Mutex::new(Vec::new());
    let limits: Vec<String> = limits.iter().map(|limit| (*limit).to_owned()).collect();
    let watch = Watch {
        stop: &Stop::default(),
        known,
        finished: &|row| {
            simulated.lock().unwrap().push(row.clone());
            Ok(())
        },
        progress: &|_, _, _| {},
    };
    let advice = advise(scenario, &limits, &Inputs::default(), watch).unwrap().unwrap();
    let mut simulated = simulated.into_inner().unwrap();
    simulated.sort_by_key(|row| row.index);
    (advice, simulated)
}

/// Every candidate that can run, simulated.
fn exhaustive(scenario: &ScenarioFile, advice: &Advice) -> BTreeMap<u64, Row> {
    let inputs = Inputs::default();
    let run = |candidate: &moesim::metrics::advice::Candidate| {
        let point = scenario.varied(0, &candidate.settings).unwrap();
        if !plan(&point, &inputs).is_ok_and(|plan| plan.fits()) {
            return None;
        }
        let number = usize::try_from(candidate.index).unwrap();
        Some((candidate.index, run_planned(point, number, &inputs).unwrap()))
    };
    advice.candidates.par_iter().filter_map(run).collect()
}

fn vector(objectives: &[Metric], row: &Row) -> Vec<u64> {
    objectives.iter().map(|metric| metric.badness(metric.of(row).unwrap())).collect()
}

fn dominates(one: &[u64], other: &[u64]) -> bool {
    one != other && one.iter().zip(other).all(|(a, b)| a <= b)
}

#[test]
fn the_front_is_that_of_an_exhaustive_search_for_a_fraction_of_its_runs() {
    let scenario = scenario(SPACE);
    let (advice, simulated) = ask(&scenario, &[], BTreeMap::new());
    let all = exhaustive(&scenario, &advice);
    assert!(advice.candidates.len() >= 2000, "{} candidates", advice.candidates.len());
    let vectors: BTreeMap<u64, Vec<u64>> =
        all.iter().map(|(index, row)| (*index, vector(&advice.objectives, row))).collect();
    let undominated: BTreeSet<u64> = vectors
        .iter()
        .filter(|(_, own)| !vectors.values().any(|other| dominates(other, own)))
        .map(|(index, _)| *index)
        .collect();
    let front: BTreeSet<u64> = advice.front().map(|candidate| candidate.index).collect();
    assert_eq!(front, undominated);
    for candidate in &advice.candidates {
        let Some(own) = vectors.get(&candidate.index) else { continue };
        for ((metric, bound), actual) in advice.objectives.iter().zip(&candidate.bound).zip(own) {
            let bound = if *bound == 0 { 0 } else { metric.badness(*bound) };
            assert!(bound <= *actual, "{} of {}: {bound} and {actual}", metric.name(), candidate.index);
        }
    }
    println!(
        "{} candidates, {} can run, {} simulated, {} on the front",
        advice.candidates.len(),
        all.len(),
        advice.rows.len(),
        front.len()
    );
    assert_eq!(simulated.len(), advice.rows.len());
    assert!(advice.rows.len() * 2 < all.len(), "{} of {} were simulated", advice.rows.len(), all.len());
    for row in &advice.rows {
        assert_eq!(row.outcome, all[&row.index].outcome, "row {}", row.index);
    }
}

#[test]
fn limits_cut_the_front_and_nothing_else() {
    let scenario = scenario(&smaller(3));
    let (free, _) = ask(&scenario, &[], BTreeMap::new());
    let (advice, _) = ask(&scenario, &["vram < 6 GB", "tpot < 12 ms"], BTreeMap::new());
    let keeps = |index: u64| {
        advice.limits.iter().all(|limit| limit.allows(limit.metric.of(free.row(index).unwrap()).unwrap()))
    };
    let expected: BTreeSet<u64> = free.front().map(|one| one.index).filter(|index| keeps(*index)).collect();
    let front: BTreeSet<u64> = advice.front().map(|one| one.index).collect();
    // A limit can only bring to the front what something beyond it dominated, and that is beyond it too.
    assert!(expected.is_subset(&front) && !front.is_empty());
    for index in &front {
        assert!(
            advice
                .limits
                .iter()
                .all(|limit| limit.allows(limit.metric.of(advice.row(*index).unwrap()).unwrap()))
        );
    }
    let recommended = advice.recommended.unwrap();
    let best = front.iter().map(|index| advice.prefer.of(advice.row(*index).unwrap()).unwrap()).min();
    assert_eq!(advice.prefer.of(advice.row(recommended).unwrap()), best);
}

#[test]
fn an_interrupted_search_ends_as_one_that_was_not_and_threads_do_not_matter() {
    let scenario = scenario(
        &SPACE.replace("steps = 6", "steps = 2").replace("\"lfu\", \"sieve\", \"random\"", "\"lfu\""),
    );
    let (whole, rows) = ask(&scenario, &["tpot < 12 ms"], BTreeMap::new());
    let half: BTreeMap<u64, Row> = rows.iter().step_by(2).map(|row| (row.index, row.clone())).collect();
    let (resumed, new) = ask(&scenario, &["tpot < 12 ms"], half.clone());
    assert_eq!(resumed, whole);
    assert_eq!(new.len(), rows.len() - half.len());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| ask(&scenario, &["tpot < 12 ms"], BTreeMap::new())).0, whole);
}

#[test]
fn limits_that_contradict_each_other_are_named_with_what_comes_nearest() {
    let scenario = scenario(&smaller(2));
    let (advice, _) = ask(&scenario, &["vram < 2 GB", "tpot < 5 ms"], BTreeMap::new());
    assert_eq!(advice.recommended, None);
    let all = exhaustive(&scenario, &advice);
    let excess = |row: &Row| {
        advice.limits.iter().map(|limit| limit.excess_ppm(limit.metric.of(row).unwrap())).max().unwrap()
    };
    let nearest = advice.nearest.unwrap();
    assert_eq!(Some(excess(&all[&nearest])), all.values().map(excess).min());
    for relaxed in &advice.relaxed {
        let metric = advice.limits[relaxed.limit].metric;
        let keeps_others = |row: &Row| {
            let mut others = advice.limits.iter().enumerate().filter(|(at, _)| *at != relaxed.limit);
            others.all(|(_, limit)| limit.allows(limit.metric.of(row).unwrap()))
        };
        let best = all.values().filter(|row| keeps_others(row)).filter_map(|row| metric.of(row)).min();
        assert_eq!(Some(relaxed.value), best, "{}", metric.name());
    }
    assert_eq!(advice.relaxed.len(), 2);
    assert!(advice.candidates.iter().all(|one| one.fate != Fate::Front));
}

#[test]
fn neighbours_are_cheaper_and_faster() {
    let scenario = scenario(&smaller(3));
    let (advice, _) = ask(&scenario, &["tpot < 40 ms", "vram < 3 GB"], BTreeMap::new());
    let row = |index: u64| advice.row(index).unwrap();
    let own = row(advice.recommended.unwrap());
    let cheaper = advice.cheaper.as_ref().unwrap();
    assert!(cheaper.metric.of(row(cheaper.index)) < cheaper.metric.of(own));
    let faster = advice.faster.as_ref().unwrap();
    assert!(Metric::TPOT.of(row(faster.index)).unwrap() * 11 <= Metric::TPOT.of(own).unwrap() * 10 + 10);
}

/// Every number behind "row " within brackets.
fn rows_named(page: &str) -> BTreeSet<u64> {
    let text = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let brackets = text.split('[').skip(1).filter_map(|part| part.split(']').next());
    let sources = brackets.flat_map(|inside| inside.split(", "));
    sources.filter_map(|source| source.strip_prefix("row ")?.parse().ok()).collect()
}

#[test]
fn every_row_that_the_page_names_is_in_the_results() {
    let scenario = scenario(&smaller(2));
    for limits in [&["tpot < 40 ms", "vram < 3 GB"][..], &["vram < 2 GB", "tpot < 5 ms"]] {
        let (advice, _) = ask(&scenario, limits, BTreeMap::new());
        let files = moesim::report::advice_files(&advice).unwrap();
        let file = |name: &str| {
            let found = files.iter().find(|(known, _)| known == name).unwrap();
            String::from_utf8(found.1.clone()).unwrap()
        };
        let listed: BTreeSet<u64> = file("results.csv")
            .lines()
            .skip(1)
            .map(|line| line.split(',').next().unwrap().parse().unwrap())
            .collect();
        let named = rows_named(&file("advice.md"));
        assert!(named.contains(&advice.subject().unwrap()));
        assert!(named.is_subset(&listed), "{named:?} in {listed:?}");
        assert_eq!(file("candidates.csv").lines().count(), advice.candidates.len() + 1);
    }
}

#[test]
fn candidates_are_made_again_by_their_settings() {
    let scenario = scenario(&smaller(2));
    let (advice, _) = ask(&scenario, &["tpot < 40 ms"], BTreeMap::new());
    let index = advice.recommended.unwrap();
    let settings = &advice.candidate(index).unwrap().settings;
    let sets: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let again = ScenarioFile::parse(SPACE, Path::new("scenarios/space.toml"), &sets).unwrap();
    let row = moesim::sweep::run_point(&again, 0, &Inputs::default()).unwrap();
    assert_eq!(row.outcome, advice.row(index).unwrap().outcome);
}
