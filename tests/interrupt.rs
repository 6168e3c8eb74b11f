//! A sweep that is interrupted or killed loses nothing that was finished, and goes on to the very same files.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use binary::{Desk, Said, assert_same_files, program, shipped};

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "common/binary.rs"]
mod binary;

const FOLDER: &str = "out";
const POINTS: usize = 300;

/// Enough points to keep one thread busy for a second or more, since each replays the whole trace.
fn scenario() -> String {
    format!(
        "[model]\nname = \"qwen3-30b-a3b\"\n[quant]\nscheme = \"q4_k_m\"\n[hardware]\ngpu = \"rtx4090\"\n\
         [workload]\ntrace = \"{}\"\n[sweep]\ncache.policy = [\"random\"]\n\
         cache.capacity = {{ from = \"4000 MiB\", to = \"{} MiB\", step = \"1 MiB\" }}\n",
        shipped("qwen3-30b-a3b"),
        4000 + POINTS - 1
    )
}

/// The journal, where there is one.
fn journal(desk: &Desk) -> PathBuf {
    desk.path().join(FOLDER).join("unfinished.jsonl")
}

fn journal_lines(desk: &Desk) -> usize {
    fs::read(journal(desk)).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}

/// Starts a sweep on one thread and waits until its journal has so many lines.
fn start(desk: &Desk, options: &[&str], lines: usize) -> Child {
    let mut child = program(desk.path())
        .args(["sweep", "s.toml", "--output", FOLDER, "--threads", "1"])
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while journal_lines(desk) < lines {
        assert_eq!(child.try_wait().unwrap(), None, "the sweep ended before it had {lines} lines of journal");
        std::thread::park_timeout(Duration::from_millis(2));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Rows of `results.csv`, by the count of its lines.
fn rows(desk: &Desk) -> usize {
    fs::read_to_string(desk.path().join(FOLDER).join("results.csv")).unwrap().lines().count() - 1
}

#[test]
fn what_was_finished_is_kept_and_the_rest_can_follow() {
    let desk = Desk::new();
    desk.write("s.toml", scenario());
    let child = start(&desk, &[], 5);
    signal(&child, "-INT");
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(130), "{}", said.stderr);
    let finished = rows(&desk);
    assert!((4..POINTS).contains(&finished), "{finished} of {POINTS} points");
    assert_eq!(journal_lines(&desk), finished + 1, "a head and every finished row");
    let note = format!("interrupted with {finished} of {POINTS} points; go on with --resume\n");
    assert!(said.stderr.ends_with(&note), "{}", said.stderr);

    // Another scenario's points would not belong to these.
    let sweep = ["sweep", "s.toml", "--output", FOLDER];
    let changed = desk.run(&[&sweep[..], &["--resume", "--set", "hardware.gpu=rtx3090"]].concat());
    let expect = "error: out/unfinished.jsonl: the unfinished sweep here is of another scenario, trace or version, \
                  leave out --resume to start anew\n";
    assert_eq!((changed.stderr.as_str(), changed.code), (expect, Some(2)));
    assert_eq!((rows(&desk), journal_lines(&desk)), (finished, finished + 1), "an error costs nothing");

    // Killed while it goes on, it still has what it had.
    let mut child = start(&desk, &["--resume"], finished + 5);
    signal(&child, "-KILL");
    assert_eq!(child.wait().unwrap().code(), None);
    let known = journal_lines(&desk);
    assert!((finished + 5..=POINTS).contains(&known), "{known} lines");

    let said = desk.run(&[&sweep[..], &["--resume"]].concat());
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let rest = format!("{} points in ", POINTS + 1 - known);
    assert!(said.stderr.starts_with(&rest), "{}, expected {rest}", said.stderr);
    assert!(!journal(&desk).exists(), "a complete sweep needs no journal");

    let other = Desk::new();
    other.write("s.toml", scenario());
    other.succeed(&["sweep", "s.toml", "--output", FOLDER, "--quiet"]);
    assert_same_files(&desk.path().join(FOLDER), &other.path().join(FOLDER));
}
