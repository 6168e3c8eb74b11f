//! Every scenario that ships loads and plans at every point, and its first and last points run.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use moesim::metrics::{Outcome, Row, ServingSummary, Summary};
use moesim::plan::Inputs;
use moesim::scenario::{Scenario, ScenarioFile};
use moesim::sweep::{check, run_point};

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    files
}

fn load(path: &Path) -> (ScenarioFile, Inputs) {
    let scenario = Scenario::load(path, &[]).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (scenario, Inputs::default())
}

/// What holds for a row of any scenario, whatever it measures.
fn check_laws(row: &Row) {
    let place = format!("{} point {}", row.config.trace, row.index);
    let summary = match &row.outcome {
        Outcome::CannotRun(reasons) => {
            let short = row.tiers.iter().any(|tier| tier.needed_bytes > tier.capacity_bytes);
            let fragmented = reasons.iter().any(|reason| reason.starts_with("out of memory "));
            assert!((short || fragmented) && !reasons.is_empty(), "{place}: {reasons:?}");
            return;
        }
        Outcome::Done(summary) => summary,
    };
    if let Some(serving) = &summary.serving {
        return check_serving(&place, summary, serving);
    }
    for (count, time) in [(&summary.prefill, &summary.prefill_time), (&summary.decode, &summary.decode_time)]
    {
        assert_eq!(count.hits + count.misses, count.lookups, "{place}");
        assert_eq!(time.total_ns() > 0, count.tokens > 0, "{place}");
    }
    let phases = summary.prefill_time.total_ns() + summary.decode_time.total_ns();
    assert_eq!(phases, summary.span_ns, "{place}: the phases fill the run");
    for link in &summary.links {
        assert_eq!(link.busy_ns + link.idle_ns, summary.span_ns, "{place}: {}", link.name);
    }
    let tokens: u64 = summary.sequences.iter().map(|sequence| sequence.decode_tokens).sum();
    assert_eq!(tokens, summary.decode.tokens, "{place}");
    assert!(tokens > 0, "{place}: nothing was decoded");
}

/// What holds for a row under load.
fn check_serving(place: &str, summary: &Summary, serving: &ServingSummary) {
    for count in [&summary.prefill, &summary.decode] {
        assert_eq!(count.hits + count.misses, count.lookups, "{place}");
    }
    let requests = &serving.requests;
    assert_eq!(requests.arrived, requests.finished + requests.rejected + requests.in_flight, "{place}");
    assert!(requests.finished > 0, "{place}: nothing was served");
    for gpu in &serving.gpu_use {
        let all = gpu.busy_ns + gpu.wait_ns + gpu.exchange_ns + gpu.idle_ns;
        assert_eq!(all, serving.span_ns, "{place}: {}", gpu.name);
    }
}

#[test]
fn every_scenario_plans_at_every_point() {
    let files = shipped();
    assert!(files.len() >= 7, "{files:?}");
    for path in files {
        let (scenario, inputs) = load(&path);
        check(&scenario, &inputs).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[test]
fn the_first_and_the_last_point_run() {
    for path in shipped() {
        let (scenario, inputs) = load(&path);
        // Under load a few requests show as much as many.
        let few = scenario.text("requests.arrivals").map(|_| "requests.count=8".to_owned());
        let sets: Vec<String> = few.into_iter().collect();
        let scenario = Scenario::load(&path, &sets).unwrap();
        for index in [0, scenario.len() - 1] {
            let row = run_point(&scenario, index, &inputs)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            check_laws(&row);
        }
    }
}

#[test]
fn every_scenario_opens_with_its_question_and_is_named_after_its_file() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for path in shipped() {
        let text = fs::read_to_string(&path).unwrap();
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let head = head.join(" ");
        assert!(head.contains('?') && head.contains("Look at:"), "{}: {head}", path.display());
        let (scenario, _) = load(&path);
        let stem = path.file_stem().unwrap().to_string_lossy();
        assert_eq!(scenario.text("name"), Some(&*stem));
        assert!(scenario.text("description").is_some() && scenario.text("output.title").is_some(), "{stem}");
        assert!(readme.contains(&format!("`{stem}`")), "README.md does not list {stem}");
    }
}
