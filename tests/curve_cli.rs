//! `moesim curve` as a person runs it: what it writes and says, what it refuses, and that threads change nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;

use binary::{Desk, assert_same_files, files, shipped};
use serde_json::Value;

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "common/binary.rs"]
mod binary;

/// A short replay of a shipped trace.
const SHORT: [&str; 6] = ["--decode-tokens", "12", "--no-prefill", "--sequences", "3", "--quiet"];
const FILES: [&str; 5] =
    ["curves.csv", "curves.json", "lru_all_capacities.csv", "sequences.csv", "summary.md"];

/// Runs the comparison of a shipped trace with more options.
fn args<'a>(trace: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["curve", trace], more, &SHORT].concat()
}

fn names(desk: &Desk, folder: &str) -> Vec<String> {
    let all = files(&desk.path().join(folder)).into_iter().map(|(name, _)| name);
    all.filter(|name| !name.ends_with(".svg") && !name.ends_with(".png")).collect()
}

fn records(desk: &Desk, file: &str) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_path(desk.path().join(file)).unwrap();
    reader.records().map(Result::unwrap).collect()
}

#[test]
fn three_policies_on_a_shipped_trace() {
    let desk = Desk::new();
    let trace = shipped("mixtral-8x7b");
    let more = ["--policy", "lru,random,belady", "--capacity", "25%..100%:4"];
    let line: Vec<&str> = args(&trace, &more).into_iter().filter(|word| *word != "--quiet").collect();
    let said = desk.run(&line);
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in ["Mixtral", "hit rate, % of decode lookups", "LRU's threshold", "32 layers x 2 = 64 experts"]
    {
        assert!(said.stdout.contains(part), "{part}\n{}", said.stdout);
    }
    assert!(said.stderr.starts_with("3 policies at 4 capacities on 1 trace in "), "{}", said.stderr);
    assert_eq!(names(&desk, "output/curve-mixtral-8x7b"), FILES);
    let curves = records(&desk, "output/curve-mixtral-8x7b/curves.csv");
    assert_eq!(curves.len(), 3 * 4);
    let sequences = records(&desk, "output/curve-mixtral-8x7b/sequences.csv");
    assert_eq!(sequences.len(), 3 * 4 * 3);
    // Every slot of 32 layers of 8 experts, and none.
    assert_eq!(records(&desk, "output/curve-mixtral-8x7b/lru_all_capacities.csv").len(), 32 * 8 + 1);
    let json = fs::read(desk.path().join("output/curve-mixtral-8x7b/curves.json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["traces"][0]["verdict"]["capacities"].as_array().unwrap().len(), 4);
}

/// Half as many experts, half as many slots; into as many as there are it is the trace as it was; more there are not.
#[test]
fn experts_are_merged_before_they_are_replayed() {
    let desk = Desk::new();
    let trace = shipped("mixtral-8x7b");
    let curve = |into: &[&str], folder: &str| {
        let more = [&["--policy", "lru", "--capacity", "64", "-o", folder], into].concat();
        assert_eq!(desk.succeed(&args(&trace, &more)), "");
    };
    curve(&[], "plain");
    curve(&["--merge-experts", "8"], "same");
    curve(&["--merge-experts", "4"], "half");
    let read = |folder: &str| fs::read(desk.path().join(folder).join("curves.csv")).unwrap();
    assert_eq!(read("plain"), read("same"));
    assert_eq!(records(&desk, "half/lru_all_capacities.csv").len(), 32 * 4 + 1);
    let refused = desk.run(&args(&trace, &["--policy", "lru", "--merge-experts", "9"]));
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.stderr,
        "error: --merge-experts: found 9, expected 1 to 8, the experts of mixtral-8x7b\n"
    );
}

/// The share recovered is none for LRU and all for Belady; at every capacity LRU of the single pass is that of the replay.
#[test]
fn the_files_agree() {
    let desk = Desk::new();
    let trace = shipped("olmoe-1b-7b");
    let more = ["--policy", "belady,lru,fifo", "--capacity", "128,256,512", "--per-layer", "-o", "out"];
    assert_eq!(desk.succeed(&args(&trace, &more)), "");
    let mut expected = FILES.to_vec();
    expected.insert(2, "layers.csv");
    assert_eq!(names(&desk, "out"), expected);
    let by_slots = records(&desk, "out/lru_all_capacities.csv");
    let curves = records(&desk, "out/curves.csv");
    for record in &curves {
        let slots: usize = record[5].parse().unwrap();
        let recovered = match &record[1] {
            "lru" => {
                assert_eq!(record[10], by_slots[slots][5]);
                "0.0000"
            }
            "belady" => {
                assert_eq!(record[10], by_slots[slots][7]);
                "100.0000"
            }
            _ => continue,
        };
        assert_eq!(&record[13], recovered);
    }
    let layers = records(&desk, "out/layers.csv");
    let misses = |records: &[csv::StringRecord], column: usize| -> u64 {
        records.iter().map(|record| record[column].parse::<u64>().unwrap()).sum()
    };
    assert_eq!(misses(&layers, 10), misses(&curves, 10));
}

#[test]
fn any_number_of_threads() {
    let desk = Desk::new();
    let (one, two) = (shipped("mixtral-8x7b"), shipped("gpt-oss-20b"));
    let threads = ["1", "2", "8"];
    for count in threads {
        let (output, docs) = (format!("out-{count}"), format!("docs-{count}/policies.md"));
        let more = [
            two.as_str(),
            "--policy",
            "lru,random,static,belady",
            "--admission",
            "always,second-hit",
            "--capacity",
            "10%,50%",
            "--threads",
            count,
            "-o",
            &output,
            "--docs",
            &docs,
        ];
        desk.succeed(&args(&one, &more));
    }
    let folder = |name: &str, count: &str| desk.path().join(format!("{name}-{count}"));
    for count in &threads[1..] {
        assert_same_files(&folder("out", "1"), &folder("out", count));
        let page = |count: &str| fs::read(folder("docs", count).join("policies.md")).unwrap();
        assert!(page("1") == page(count));
    }
    for (name, content) in files(&folder("out", "8")) {
        let text = String::from_utf8_lossy(&content);
        for private in [desk.path().to_str().unwrap(), env!("CARGO_MANIFEST_DIR"), "out-8"] {
            assert!(!text.contains(private), "{name} tells of {private}");
        }
    }
    let page = fs::read_to_string(folder("docs", "1").join("policies.md")).unwrap();
    for part in
        ["## mixtral-8x7b", "## gpt-oss-20b", "pictures/policies-gpt-oss-20b-recovered.svg", "lru/second-hit"]
    {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains("belady/second-hit"), "a bound that does not admit bounds nothing");
}

/// Sizes from the catalogue make capacities in bytes possible.
#[test]
fn a_model_gives_sizes() {
    let desk = Desk::new();
    let trace = shipped("gpt-oss-20b");
    let more = [
        "--model",
        "gpt-oss-20b",
        "--quant",
        "mxfp4",
        "--policy",
        "lru,belady",
        "--capacity",
        "2 GiB..4 GiB:3",
    ];
    let json = desk.succeed(&args(&trace, &[&more[..], &["--json", "-o", "out"]].concat()));
    let json: Value = serde_json::from_str(&json).unwrap();
    let trace = &json["traces"][0];
    assert_eq!(trace["capacities"][2]["room"], 4_u64 << 30);
    assert_eq!(trace["expert_bytes"].as_array().unwrap().len(), 24);
    let settings = trace["settings"].as_array().unwrap();
    assert!(
        settings.iter().any(|setting| setting[1].as_str().unwrap().ends_with("at mxfp4")),
        "{settings:?}"
    );
    assert!(trace["curves"][0]["points"][0]["miss_bytes"]["decode"].as_u64().unwrap() > 0);
}

/// Sequences that a file does not mark, a profile of another trace, and textbook replay.
#[test]
fn what_a_file_does_not_say() {
    let desk = Desk::new();
    let token = |at: usize| format!("[[0,{}],[0,{}],[1,{}],[1,{}]]\n", at % 4, (at + 1) % 4, at % 3, 3);
    let lines = |from: usize| (from..from + 12).map(token).collect::<String>();
    desk.write("own.tokens.jsonl", lines(0));
    desk.write("other.tokens.jsonl", lines(5));
    let more = [
        "--split",
        "own.tokens.jsonl=4,8",
        "--profile",
        "other.tokens.jsonl",
        "--replay",
        "access",
        "--between",
        "clear",
        "--policy",
        "lru,static",
        "--capacity",
        "2..8:4",
        "--json",
        "--quiet",
    ];
    let json = desk.succeed(&[&["curve", "own.tokens.jsonl"], &more[..]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    let trace = &json["traces"][0];
    assert_eq!(trace["sequences"].as_array().unwrap().len(), 2);
    assert_eq!(trace["curves"][1]["in_sample"], false);
    let settings = trace["settings"].to_string();
    for part in [
        "[\"replay\",\"access\"]",
        "[\"between sequences\",\"clear\"]",
        "[\"profile\",\"other.tokens.jsonl\"]",
    ] {
        assert!(settings.contains(part), "{part}: {settings}");
    }
    assert!(desk.path().join("output/curve-own.tokens/curves.csv").exists());

    let own = desk.run(&["curve", "own.tokens.jsonl", "--profile", "own.tokens.jsonl", "--policy", "static"]);
    assert_eq!(own.code, Some(2));
    assert!(own.stderr.contains("--profile: own.tokens.jsonl is the trace that is judged"), "{}", own.stderr);
}

#[test]
fn mistakes_are_told_before_anything_is_replayed() {
    let trace = shipped("mixtral-8x7b");
    let check = |more: &[&str], expected: &[&str]| {
        let desk = Desk::new();
        let said = desk.run(&[&["curve", &trace], more].concat());
        let expected: String = expected.iter().map(|problem| format!("error: {problem}\n")).collect();
        assert_eq!((said.stderr.as_str(), said.code), (expected.as_str(), Some(2)), "{more:?}");
        assert_eq!(said.stdout, "");
        assert!(!desk.path().join("output").exists());
    };
    check(
        &["--policy", "lru,beladdy"],
        &["--policy: unknown cache policy \"beladdy\", did you mean \"belady\"?"],
    );
    check(
        &["--admission", "secondhit", "--capacity", "50%..20%"],
        &[
            "--admission: unknown admission \"secondhit\", did you mean \"second-hit\"?",
            "--capacity: found \"50%..20%\", a range downwards, expected the smaller end first",
        ],
    );
    check(
        &["--capacity", "8 GiB"],
        &[
            "mixtral-8x7b: a capacity in bytes, and the trace does not say how large an expert is, name the model and its \
           quantisation, or give shares or numbers of experts",
        ],
    );
    check(
        &["--model", "mixtral-8x7c", "--quant", "q4_k_n"],
        &[
            "--model: unknown model \"mixtral-8x7c\", did you mean \"mixtral-8x7b\"?",
            "--quant: unknown quantisation \"q4_k_n\", did you mean \"q4_k_m\"?",
        ],
    );
    let olmoe = format!(
        "{trace} holds 32 MoE layers of 8 experts, expected 16 MoE layers of 64 experts as OLMoE-1B-7B has"
    );
    check(&["--model", "olmoe-1b-7b"], &[&olmoe]);
    check(
        &["--split", "mixtral=3,4"],
        &[&format!("--split: \"mixtral\" is none of the traces, expected one of {trace}")],
    );
    check(
        &["--profile", &shipped("olmoe-1b-7b")],
        &[
            "--profile: olmoe-1b-7b.moetrace holds 16 MoE layers of 64 experts, expected 32 MoE layers of 8 experts as the \
           trace that is judged",
        ],
    );
    check(&["missing.csv"], &["missing.csv: cannot read: No such file or directory (os error 2)"]);
}

/// What the parser of arguments itself refuses ends alike.
#[test]
fn words_that_no_option_has() {
    let desk = Desk::new();
    let trace = shipped("mixtral-8x7b");
    for more in [
        &["--between", "forget"][..],
        &["--replay", "token"],
        &["--sequences", "0"],
        &["--decode-tokens", "-1"],
        &["--quant", "q4_k_m"],
        &["--split", "nonsense"],
        &["--threads", "many"],
    ] {
        let said = desk.run(&[&["curve", &trace], more].concat());
        assert_eq!(said.code, Some(2), "{more:?}: {said:?}");
    }
    assert_eq!(desk.run(&["curve"]).code, Some(2), "no trace");
    let blocked = desk.write("blocked", "a file where a folder should be");
    let said = desk.run(&["curve", &trace, "--policy", "lru", "-o", blocked.to_str().unwrap()]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.starts_with("error: "), "{}", said.stderr);
}
