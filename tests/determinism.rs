//! Same version, scenario, trace and seed: the same bytes, for any number of threads, any folder, alone or in a sweep.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::Path;

use binary::{Desk, assert_same_files, files, shipped};
use moesim::error::Place;
use moesim::metrics::Row;
use moesim::report::parse_json;

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "common/binary.rs"]
mod binary;

/// 30 points: every built-in policy, among them the one that draws, over capacities from a sliver to everything.
fn scenario(policies: &str, capacities: &str) -> String {
    format!(
        "seed = 7\n[model]\nname = \"gpt-oss-20b\"\n[quant]\nscheme = \"mxfp4\"\n[hardware]\ngpu = \"rtx4090\"\n\
         [workload]\ntrace = \"{}\"\nsequences = 2\ndecode_tokens = 24\n\
         [sweep]\ncache.policy = [{policies}]\ncache.capacity = [{capacities}]\n",
        shipped("gpt-oss-20b")
    )
}

const POLICIES: &str = r#""lru", "lfu-perfect", "fifo", "random", "static", "belady""#;
const CAPACITIES: &str = r#""0.5 GiB", "1 GiB", "25 %", "50 %", "100 %""#;

fn rows(folder: &Path) -> Vec<Row> {
    let json = fs::read(folder.join("results.json")).unwrap();
    parse_json(&Place::file("results.json"), &json).unwrap().1
}

fn row(json: &str) -> Row {
    serde_json::from_str(json).unwrap()
}

/// The row as it is outside its sweep.
fn alone(row: &Row) -> Row {
    Row { index: 0, axes: Vec::new(), ..row.clone() }
}

#[test]
fn any_number_of_threads_in_any_folder() {
    let desks = [Desk::new(), Desk::new(), Desk::new()];
    let threads = ["1", "2", "8"];
    for (desk, threads) in desks.iter().zip(threads) {
        // The scenario lies elsewhere each time, seen from the current folder.
        let file = format!("in-{threads}/sweep.toml");
        desk.write(&file, scenario(POLICIES, CAPACITIES));
        desk.succeed(&[
            "sweep",
            &file,
            "--threads",
            threads,
            "--output",
            &format!("out/{threads}"),
            "--quiet",
        ]);
    }
    let folder = |at: usize| desks[at].path().join("out").join(threads[at]);
    assert_same_files(&folder(0), &folder(1));
    assert_same_files(&folder(0), &folder(2));

    let rows = rows(&folder(0));
    assert_eq!(rows.len(), 30);
    assert!(rows.iter().all(|row| row.summary().is_some()));
    for (name, content) in files(&folder(2)) {
        let text = String::from_utf8_lossy(&content);
        let here = desks[2].path().to_str().unwrap();
        for private in [here, env!("CARGO_MANIFEST_DIR"), "out/8", "in-8"] {
            assert!(!text.contains(private), "{name} tells of {private}");
        }
    }
    points_alone(&desks[0], &rows);
    a_part_of_the_sweep(&desks[0], &rows);
}

/// A point by its number is the sweep's row to the last digit; with the axes set by hand it differs in nothing else.
fn points_alone(desk: &Desk, rows: &[Row]) {
    for index in [0, 7, 16, 19, 29] {
        let expect = &rows[index];
        let printed = desk.succeed(&["run", "in-1/sweep.toml", "--point", &index.to_string(), "--json"]);
        assert_eq!(&row(&printed), expect);
        let sets: Vec<String> = expect.axes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let printed =
            desk.succeed(&["run", "in-1/sweep.toml", "--set", &sets[0], "--set", &sets[1], "--json"]);
        assert_eq!(row(&printed), alone(expect));
    }
}

/// Fewer values, in another order and with the axes exchanged: each row is that of the whole sweep.
fn a_part_of_the_sweep(desk: &Desk, rows: &[Row]) {
    let text = scenario(r#""random", "belady", "lru""#, r#""50 %", "0.5 GiB""#);
    let (head, axes) = text.split_once("[sweep]\n").unwrap();
    let exchanged: Vec<&str> = axes.lines().rev().collect();
    let part = desk.write("part.toml", format!("{head}[sweep]\n{}\n", exchanged.join("\n")));
    let registry = moesim::cache::Registry::default();
    let inputs = moesim::plan::Inputs::new(registry);
    let scenario = moesim::scenario::Scenario::load(&part, &[]).unwrap();
    assert_eq!(scenario.len(), 6);
    for index in 0..scenario.len() {
        let found = moesim::sweep::run_point(&scenario, index, &inputs).unwrap();
        let same = |row: &&Row| found.axes.iter().all(|axis| row.axes.contains(axis));
        let expect = rows.iter().find(same).unwrap();
        assert_eq!(alone(&found), alone(expect));
    }
}

/// The seed reaches what draws and nothing else.
#[test]
fn the_seed_changes_only_what_draws() {
    let desk = Desk::new();
    desk.write("s.toml", scenario(POLICIES, "\"25 %\""));
    let run = |policy: &str, seed: &str| {
        let (policy, seed) = (format!("cache.policy={policy}"), format!("seed={seed}"));
        let one = ["--set", "cache.capacity=25 %", "--set", &policy, "--set", &seed];
        row(&desk.succeed(&[&["run", "s.toml", "--json"], &one[..]].concat()))
    };
    assert_eq!(run("lru", "1"), run("lru", "2"));
    assert_eq!(run("random", "1"), run("random", "1"));
    assert_ne!(run("random", "1").summary().unwrap().decode, run("random", "2").summary().unwrap().decode);
}
