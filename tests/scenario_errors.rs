//! What a person is told who makes a mistake in a scenario: the exact words, with line and column.

use std::fs;
use std::path::Path;

use moesim::scenario::{Scenario, ScenarioFile, keys};
use proptest::prelude::*;

const MODEL: &str = "[model]\nname = \"qwen3-30b-a3b\"\n";
const SIZES: &str = "expected a size like \"8 GiB\" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)";

fn errors(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    match ScenarioFile::parse(text, Path::new("x.toml"), &sets) {
        Ok(file) => format!("accepted, {} points", file.len()),
        Err(error) => error.to_string(),
    }
}

/// A scenario whose model stands on lines 1 and 2, so that `text` begins on line 3.
fn check(text: &str, expect: &str) {
    let text = format!("{MODEL}{text}");
    assert_eq!(errors(&text, &[]), expect, "\n{text}");
}

/// An axis or another line of `[sweep]`, which stands on line 4.
fn check_sweep(line: &str, expect: &str) {
    check(&format!("[sweep]\n{line}"), expect);
}

fn check_set(set: &str, expect: &str) {
    assert_eq!(errors(MODEL, &[set]), format!("--set {set}: {expect}"));
}

#[test]
fn names_that_are_not_known() {
    check(
        "[cache]\npolcy = \"lru\"",
        "x.toml:4:1: unknown key \"polcy\" in [cache], did you mean \"policy\"?",
    );
    check("[cahce]\npolicy = \"lru\"", "x.toml:3:2: unknown section [cahce], did you mean \"cache\"?");
    check(
        "[cache]\ngpu = \"x\"",
        "x.toml:4:1: unknown key \"gpu\" in [cache], did you mean \"hardware.gpu\"?",
    );
    check(
        "seed = 1",
        "x.toml:3:1: unknown key \"seed\" in [model], did you mean \"seed\" above the first section?",
    );
    check(
        "[placement]\nzebra = 1",
        "x.toml:4:1: unknown key \"zebra\" in [placement], expected one of experts, miss, miss_below, low_bit, n_cpu_moe, \
         cpu_layers, hot_experts, warm_experts, single_buffer, dram_cache, dram_policy, tiers, page_cache",
    );
    // A quoted dot does not spell a key of another section.
    check(
        "[cache]\n\"pol.icy\" = 1",
        "x.toml:4:1: unknown key \"pol.icy\" in [cache], did you mean \"policy\"?",
    );
    assert_eq!(
        errors(&format!("sede = 1\n{MODEL}"), &[]),
        "x.toml:1:1: unknown key \"sede\", did you mean \"seed\"?"
    );
}

#[test]
fn quantities_without_meaning() {
    check(
        "[cache]\ncapacity = \"8\"",
        &format!("x.toml:4:12: cache.capacity: found \"8\" without a unit, {SIZES}"),
    );
    check("[cache]\ncapacity = 8", &format!("x.toml:4:12: cache.capacity: found 8 without a unit, {SIZES}"));
    check(
        "[cache]\ncapacity = \"0 GiB\"",
        "x.toml:4:12: cache.capacity: found zero, \"0 GiB\", expected a size above zero",
    );
    check(
        "[hardware]\ndram = \"-1 GiB\"",
        &format!("x.toml:4:8: hardware.dram: found a negative value, \"-1 GiB\", {SIZES}"),
    );
    check(
        "[cache]\ncapacity = \"120 %\"",
        "x.toml:4:12: cache.capacity: found \"120 %\", expected a percentage above 0 % and up to 100 %",
    );
    check(
        "[cache]\ncapacity = \"most\"",
        "x.toml:4:12: cache.capacity: found \"most\", expected a size like \"8 GiB\", a percentage like \"25 %\", or \"rest\"",
    );
    check(
        "[engine]\nh2d_latency = 5",
        "x.toml:4:15: engine.h2d_latency: found 5 without a unit, expected a time like \"12.5 us\" (ns, us, ms, s)",
    );
    check(
        "[hardware]\npcie = \"0 GB/s\"",
        "x.toml:4:8: hardware.pcie: found zero, \"0 GB/s\", expected a bandwidth like \"26 GB/s\" (B/s, KB/s, MB/s, GB/s, TB/s, KiB/s, MiB/s, GiB/s, TiB/s)",
    );
    // Keeping nothing free is a choice like any other.
    check("[hardware]\nvram_reserve = \"0 B\"", "accepted, 1 points");
}

#[test]
fn values_of_the_wrong_kind() {
    for (line, expect) in [
        ("policy = 5", "4:10: cache.policy: found 5, expected text in quotes"),
        ("policy = \"\"", "4:10: cache.policy: found an empty text"),
        ("policy = 2024-01-01", "4:10: cache.policy: found a date, 2024-01-01, which no key takes"),
        (
            "slots_per_layer = 0",
            "4:19: cache.slots_per_layer: found zero, expected a whole number of at least 1",
        ),
        (
            "slots_per_layer = -1",
            "4:19: cache.slots_per_layer: found -1, expected a whole number of at least 1",
        ),
        (
            "slots_per_layer = 1.5",
            "4:19: cache.slots_per_layer: found 1.5, expected a whole number of at least 1",
        ),
        (
            "slots_per_layer = 5_000_000_000",
            "4:19: cache.slots_per_layer: found 5000000000, expected a whole number of at most 4294967295",
        ),
        ("replay = \"layr\"", "4:10: cache.replay: found \"layr\", did you mean \"layer\"?"),
        ("replay = \"token\"", "4:10: cache.replay: found \"token\", expected one of layer, access"),
        ("replay = true", "4:10: cache.replay: found true, expected one of layer, access"),
        (
            "pin = [\"0:1\", \"x\"]",
            "4:15: cache.pin[1]: found \"x\", expected \"layer:expert\", both from 0, like \"3:17\"",
        ),
        ("pin = \"0:1\"", "4:7: cache.pin: found \"0:1\", expected a list like [\"3:17\", \"4:2\"]"),
        ("profile = 5", "4:11: cache.profile: found 5, expected a path in quotes"),
    ] {
        check(&format!("[cache]\n{line}"), &format!("x.toml:{expect}"));
    }
    check(
        "[workload]\nprefill = \"yes\"",
        "x.toml:4:11: workload.prefill: found \"yes\", expected true or false",
    );
    check(
        "[engine]\noverlap = \"full\"",
        "x.toml:4:11: engine.overlap: found \"full\", expected one of none, within-layer, across-layers",
    );
    assert_eq!(
        errors(&format!("cache = 5\n{MODEL}"), &[]),
        "x.toml:1:9: cache: found 5, expected a section [cache]"
    );
}

#[test]
fn one_thing_said_twice_or_not_at_all() {
    check("name = \"other\"", "x.toml:3:1: duplicate key \"name\"");
    check("[cache]\n[cache]", "x.toml:4:2: duplicate key \"cache\"");
    check(
        "gguf = \"m.gguf\"",
        "x.toml:3:1: model.gguf: found beside model.name, expected only one of model.name, model.config, model.gguf",
    );
    check(
        "[cache]\nslots_per_layer = 4\n[sweep]\ncache.capacity = [\"1 GiB\"]",
        "x.toml:6:7: cache.capacity: found beside cache.slots_per_layer, expected only one of cache.capacity, cache.slots_per_layer, cache.experts",
    );
    assert_eq!(
        errors("[model]\n", &[]),
        "x.toml:1:1: model: found nothing, expected one of model.name, model.config, model.gguf"
    );
    assert_eq!(
        errors("", &[]),
        "x.toml: model: found nothing, expected one of model.name, model.config, model.gguf"
    );
}

#[test]
fn what_names_the_whole_sweep_is_no_axis() {
    check_sweep(
        "name = [\"a\", \"b\"]",
        "x.toml:4:1: name names the sweep as a whole, so it cannot be swept",
    );
    check_sweep(
        "output.folder = [\"a\", \"b\"]",
        "x.toml:4:8: output.folder names the sweep as a whole, so it cannot be swept",
    );
}

#[test]
fn ranges_and_lists_that_lead_nowhere() {
    let range = |from: &str, to: &str, step: &str| {
        format!("cache.capacity = {{from = \"{from}\", to = \"{to}\", step = \"{step}\"}}")
    };
    for (line, expect) in [
        (
            range("1 GiB", "2 GiB", "0 GiB"),
            "4:56: sweep.cache.capacity: found step zero, expected a step above zero",
        ),
        (
            range("1 GiB", "3 GiB", "-1 GiB"),
            "4:56: sweep.cache.capacity: found a negative value, \"-1 GiB\", expected a whole number or a text like \"8 GiB\"",
        ),
        (
            range("8 GiB", "4 GiB", "1 GiB"),
            "4:40: sweep.cache.capacity: found a range from \"8 GiB\" down to \"4 GiB\", expected \"to\" at or above \"from\"",
        ),
        (
            range("1 GiB", "2048 MiB", "1 GiB"),
            "4:40: sweep.cache.capacity: found unit \"MiB\" beside \"GiB\", expected one unit in from, to and step",
        ),
        (
            range("0 GiB", "2 GiB", "1 GiB"),
            "4:18: cache.capacity: found zero, \"0 GiB\", expected a size above zero",
        ),
        (
            "cache.capacity = {from = \"1 GiB\", to = \"2 GiB\"}".to_owned(),
            "4:18: sweep.cache.capacity: found a range without \"step\", expected {from, to, step}",
        ),
        (
            "seed = {from = 1, to = 9, stp = 1}".to_owned(),
            "4:27: sweep.seed: unknown key \"stp\", did you mean \"step\"?",
        ),
        (
            "seed = {from = 0, to = 1_000_000, step = 1}".to_owned(),
            "4:8: sweep.seed: found 1000001 values, expected at most 1000000",
        ),
        (
            "cache.policy = []".to_owned(),
            "4:16: sweep.cache.policy: found an empty list, expected at least one value",
        ),
        (
            "cache.policy = \"lru\"".to_owned(),
            "4:16: sweep.cache.policy: found \"lru\", expected a list of values or a range {from, to, step}",
        ),
        (
            "cache.polcy = [\"lru\"]".to_owned(),
            "4:7: unknown key \"cache.polcy\" in [sweep], did you mean \"cache.policy\"?",
        ),
        (
            "policy = [\"lru\"]".to_owned(),
            "4:1: unknown key \"policy\" in [sweep], did you mean \"cache.policy\"?",
        ),
        (
            "\"cache.policy\" = [\"lru\"]\ncache.policy = [\"lfu\"]".to_owned(),
            "5:7: sweep.cache.policy: found twice, expected one list or range",
        ),
    ] {
        check_sweep(&line, &format!("x.toml:{expect}"));
    }
    check_sweep(
        "seed = {from = 1, to = 2000, step = 1}\ncache.slots_per_layer = {from = 1, to = 2000, step = 1}",
        "x.toml:3:1: sweep: found 2000 x 2000 points, expected at most 1000000",
    );
}

#[test]
fn every_mistake_is_told_at_once_in_the_order_of_the_file() {
    check(
        "[sweep]\ncache.capacity = [\"1 GiB\", \"2\", \"0 GiB\"]\n[workload]\nsequences = 0\n[cache]\npolcy = 1",
        &format!(
            "x.toml:4:28: cache.capacity: found \"2\" without a unit, {SIZES}\n\
             x.toml:4:33: cache.capacity: found zero, \"0 GiB\", expected a size above zero\n\
             x.toml:6:13: workload.sequences: found zero, expected a whole number of at least 1\n\
             x.toml:8:1: unknown key \"polcy\" in [cache], did you mean \"policy\"?"
        ),
    );
}

#[test]
fn options_that_mean_nothing() {
    check_set("cache.polcy=lru", "unknown key \"polcy\" in [cache], did you mean \"policy\"?");
    check_set(
        "sweep.cache.polcy=[1]",
        "unknown key \"cache.polcy\" in [sweep], did you mean \"cache.policy\"?",
    );
    check_set("cache.capacity=8", &format!("cache.capacity: found 8 without a unit, {SIZES}"));
    check_set("cache.policy", "found no key and value, expected key=value");
    check_set("=lru", "found no key and value, expected key=value");
    check_set("cache=5", "cache: found 5, expected a section [cache]");
    check_set("sweep=5", "sweep: found 5, expected a table of axes");
    check_set("seed=1.5", "seed: found \"1.5\", expected a whole number of at least 0");
    check_set("name.x=1", "name: found {x = 1}, expected text in quotes");
    check_set(
        "sweep.cache.capacity=[]",
        "sweep.cache.capacity: found an empty list, expected at least one value",
    );
}

#[test]
fn text_that_is_not_toml() {
    check("[cache\n", "x.toml:3:7: unclosed table, expected `]`");
    check("[cache]\npolicy = lru", "x.toml:4:10: string values must be quoted, expected literal string");
    // Columns count characters, not bytes, and a byte order mark or a carriage return is not in the way.
    assert_eq!(
        errors(&format!("\u{feff}cache.policy = \"\u{e9}\u{e9}\" x\r\n{MODEL}"), &[]),
        "x.toml:1:21: unexpected key or value, expected newline, `#`"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    let message = Scenario::load(&missing, &[]).unwrap_err().to_string();
    let expect = format!("{}: cannot read: ", missing.display());
    assert!(message.starts_with(&expect), "{message}");

    let binary = folder.path().join("binary.toml");
    fs::write(&binary, b"name = \"a\"\n# \xc3\xa9\xff").unwrap();
    let message = Scenario::load(&binary, &[]).unwrap_err().to_string();
    assert_eq!(message, format!("{}:2:4: found a byte that is not UTF-8", binary.display()));
}

/// A scenario with every key that does not rule out another, and an axis of each form.
fn full_scenario() -> String {
    let alternatives = [
        "model.config",
        "model.gguf",
        "cache.slots_per_layer",
        "cache.experts",
        "placement.cpu_layers",
        "placement.page_cache",
        "workload.router",
    ];
    let rows = keys().iter().filter(|row| !alternatives.contains(&row.key));
    let mut text: String = rows.map(|row| format!("{} = {}\n", row.key, row.example)).collect();
    text.push_str("[sweep]\ncache.policy = [\"lru\", \"lfu\"]\n");
    text.push_str("cache.capacity = { from = \"0.5 GiB\", to = \"2 GiB\", step = \"0.25 GiB\" }\n");
    text
}

#[test]
fn a_scenario_with_every_key_is_read() {
    assert_eq!(errors(&full_scenario(), &[]), "accepted, 14 points");
}

proptest! {
    /// Whatever a slip of the hand makes of a scenario, it is refused with a place or all of its points can be read.
    #[test]
    fn a_slip_is_refused_or_readable(at in 0_usize..2000, length in 0_usize..6, typed in "[ -~\n]{0,4}") {
        let mut text = full_scenario();
        let start = at.min(text.len());
        text.replace_range(start..(start + length).min(text.len()), &typed);
        match ScenarioFile::parse(&text, Path::new("x.toml"), &[]) {
            Ok(file) => {
                prop_assert!(file.len() > 0);
                for index in 0..file.len().min(100) {
                    prop_assert!(file.point(index).is_ok());
                }
            }
            Err(error) => {
                for problem in error.problems() {
                    prop_assert!(problem.to_string().starts_with("x.toml:"), "{}", problem);
                }
            }
        }
    }

    /// An option, too, is refused by name or gives a scenario that can be read.
    #[test]
    fn an_option_is_refused_or_readable(text in "[a-z.=\\[\\]{}\" 0-9]{0,24}", row in 0_usize..50) {
        let key = keys()[row % keys().len()].key;
        for set in [text.clone(), format!("{key}={text}"), format!("sweep.{key}={text}")] {
            match ScenarioFile::parse(&full_scenario(), Path::new("x.toml"), std::slice::from_ref(&set)) {
                Ok(file) => prop_assert!(file.point(file.len() - 1).is_ok(), "{}", set),
                Err(error) => prop_assert!(error.to_string().contains("--set "), "{}: {}", set, error),
            }
        }
    }
}
