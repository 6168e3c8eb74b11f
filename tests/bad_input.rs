//! What a person is told who makes a mistake, through the program: the exact words, exit code 2, and nothing written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;

use binary::{Desk, Said, shipped};
use moesim::error::Place;
use moesim::metrics::Outcome;
use moesim::units::Bytes;

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "common/binary.rs"]
mod binary;

const SIZES: &str = "expected a size like \"8 GiB\" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)";
const NOT_FOUND: &str = "cannot read: No such file or directory (os error 2)";

/// A scenario of two points, every name on a line of its own.
fn scenario() -> String {
    let trace = shipped("qwen3-30b-a3b");
    format!(
        "[model]\nname = \"qwen3-30b-a3b\"\n\
         [quant]\nscheme = \"q4_k_m\"\nkv = \"f16\"\n\
         [hardware]\ngpu = \"rtx4090\"\ncpu = \"ryzen-7950x\"\nstorage = \"nvme-gen4\"\ndram = \"64 GiB\"\n\
         [engine]\nprofile = \"generic\"\n\
         [cache]\npolicy = \"lru\"\n\
         [workload]\ntrace = \"{trace}\"\ndecode_tokens = 4\nsequences = 1\n\
         [sweep]\ncache.capacity = [\"2 GiB\", \"4 GiB\"]\n"
    )
}

fn replaced(from: &str, to: &str) -> String {
    let text = scenario();
    assert_eq!(text.matches(from).count(), 1, "{from:?} stands once in the scenario");
    text.replace(from, to)
}

/// Asserts that a command failed with these problems, one a line, and that neither a result nor a folder came of it.
fn assert_refused(desk: &Desk, said: &Said, problems: &[String]) {
    let expected: String = problems.iter().map(|problem| format!("error: {problem}\n")).collect();
    assert_eq!((said.stderr.as_str(), said.code), (expected.as_str(), Some(2)));
    assert_eq!(said.stdout, "");
    assert!(!desk.path().join("out").exists(), "nothing is written before everything is checked");
}

/// Each command that takes a scenario refuses this one, with these words.
fn check(desk: &Desk, text: &str, problems: &[String]) {
    desk.write("s.toml", text);
    assert_refused(desk, &desk.run(&["sweep", "s.toml", "--output", "out"]), problems);
    for command in ["run", "plan"] {
        let said = desk.run(&[command, "s.toml", "--point", "0"]);
        assert_refused(desk, &said, problems);
    }
}

#[test]
fn the_scenario_of_these_tests_is_good() {
    let desk = Desk::new();
    desk.write("s.toml", scenario());
    desk.succeed(&["run", "s.toml", "--point", "1"]);
}

#[test]
fn names_point_into_the_file_and_suggest_the_nearest() {
    let desk = Desk::new();
    for (from, to, expect) in [
        (
            "policy = \"lru\"",
            "polcy = \"lru\"",
            "s.toml:14:1: unknown key \"polcy\" in [cache], did you mean \"policy\"?",
        ),
        ("[hardware]", "[hardwear]", "s.toml:6:2: unknown section [hardwear], did you mean \"hardware\"?"),
        (
            "\"qwen3-30b-a3b\"",
            "\"qwen3-30-a3b\"",
            "s.toml:2:8: unknown model \"qwen3-30-a3b\", did you mean \"qwen3-30b-a3b\"?",
        ),
        (
            "\"q4_k_m\"",
            "\"q4_k_n\"",
            "s.toml:4:10: unknown quantisation \"q4_k_n\", did you mean \"q4_k_m\"?",
        ),
        ("\"f16\"", "\"fp16\"", "s.toml:5:6: unknown storage type \"fp16\", did you mean \"f16\"?"),
        ("\"rtx4090\"", "\"rtx4091\"", "s.toml:7:7: unknown GPU \"rtx4091\", did you mean \"rtx4090\"?"),
        (
            "\"ryzen-7950x\"",
            "\"ryzen-7905x\"",
            "s.toml:8:7: unknown CPU \"ryzen-7905x\", did you mean \"ryzen-7950x\"?",
        ),
        (
            "\"nvme-gen4\"",
            "\"nvme-gne4\"",
            "s.toml:9:11: unknown storage \"nvme-gne4\", did you mean \"nvme-gen4\"?",
        ),
        (
            "\"generic\"",
            "\"lama.cpp\"",
            "s.toml:12:11: unknown engine \"lama.cpp\", did you mean \"llama.cpp\"?",
        ),
        ("\"lru\"", "\"lur\"", "s.toml:14:10: unknown cache policy \"lur\", did you mean \"lru\"?"),
        (
            "\"lru\"",
            "\"zebra\"",
            "s.toml:14:10: unknown cache policy \"zebra\", expected one of lru, fifo, clock, sieve, mru, random, slru, s3-fifo, 2q, \
             arc, lirs, lecar, lfu, lfu-perfect, lfu-da, lfu-window, lfu-ema, w-tinylfu, gdsf, static, \
             layer-lru, layer-lfu, layer-distance, gate-weight, activation-aware, pin+lru, belady, belady-size, unbounded",
        ),
    ] {
        check(&desk, &replaced(from, to), &[expect.to_owned()]);
    }
}

#[test]
fn quantities_and_ranges() {
    let desk = Desk::new();
    let range = |step: &str| {
        let range = format!("{{from = \"2 GiB\", to = \"4 GiB\", step = \"{step}\"}}");
        replaced("[\"2 GiB\", \"4 GiB\"]", &range)
    };
    for (text, expect) in [
        (
            replaced("\"64 GiB\"", "\"64\""),
            format!("s.toml:10:8: hardware.dram: found \"64\" without a unit, {SIZES}"),
        ),
        (
            replaced("\"64 GiB\"", "\"64G\""),
            format!("s.toml:10:8: hardware.dram: found unit \"G\" in \"64G\", {SIZES}"),
        ),
        (
            replaced("\"64 GiB\"", "\"0 GiB\""),
            "s.toml:10:8: hardware.dram: found zero, \"0 GiB\", expected a size above zero".to_owned(),
        ),
        (
            replaced("\"64 GiB\"", "\"-64 GiB\""),
            format!("s.toml:10:8: hardware.dram: found a negative value, \"-64 GiB\", {SIZES}"),
        ),
        (
            replaced("\"64 GiB\"", "\"16777216 TiB\""),
            format!("s.toml:10:8: hardware.dram: found \"16777216 TiB\", which is too large, {SIZES}"),
        ),
        (
            range("0 GiB"),
            "s.toml:20:56: sweep.cache.capacity: found step zero, expected a step above zero".to_owned(),
        ),
    ] {
        check(&desk, &text, &[expect]);
    }
}

/// Writes `text` as `t.csv` and expects this of it, behind the line of the scenario that asks for it.
fn check_trace(desk: &Desk, name: &str, content: &[u8], expect: &str) {
    desk.write(&format!("traces/{name}"), content);
    // The scenario stands in a folder of its own, and its paths start there.
    let text = replaced(&shipped("qwen3-30b-a3b"), &format!("../traces/{name}"));
    desk.write("scenarios/s.toml", text);
    let problem = format!("scenarios/s.toml:16:9: workload.trace: traces/{name}{expect}");
    for args in
        [&["sweep", "scenarios/s.toml", "-o", "out"][..], &["run", "scenarios/s.toml", "--point", "0"]]
    {
        assert_refused(desk, &desk.run(args), std::slice::from_ref(&problem));
    }
}

/// A CSV trace with head lines that announce this shape, and one row.
fn csv(layers: impl Iterator<Item = u32>, experts: u32, top_k: u32, row: &str) -> String {
    let layers: Vec<String> = layers.map(|layer| layer.to_string()).collect();
    format!(
        "# moesim trace v1\n# layer_ids={}\n# experts={experts}\n# top_k={top_k}\n\
         sequence,token,phase,layer,rank,expert\n0,0,decode,{},0,5\n{row}\n",
        layers.join(","),
        layers[0],
    )
}

#[test]
fn traces_that_are_not_whole() {
    let desk = Desk::new();
    let good = fs::read(shipped("qwen3-30b-a3b")).unwrap();
    check_trace(&desk, "missing.moetrace", b"", ": is empty, expected a routing trace");
    fs::remove_file(desk.path().join("traces/missing.moetrace")).unwrap();
    let text = replaced(&shipped("qwen3-30b-a3b"), "nowhere/./../traces/missing.moetrace");
    let place = "s.toml:16:9: workload.trace";
    check(&desk, &text, &[format!("{place}: traces/missing.moetrace: {NOT_FOUND}")]);
    let text = replaced(&shipped("qwen3-30b-a3b"), "traces");
    check(&desk, &text, &[format!("{place}: traces: cannot read: Is a directory (os error 21)")]);

    let expect = format!(": is truncated: it has 100000 bytes, expected {}", good.len());
    check_trace(&desk, "short.moetrace", &good[..100_000], &expect);
    check_trace(&desk, "head.moetrace", &good[..100], ": is truncated: it has 100 bytes, expected 128");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let expect = ": is corrupt: its payload does not match its checksum";
    check_trace(&desk, "flipped.moetrace", &flipped, expect);
    let mut flipped = good;
    flipped[32] ^= 1;
    check_trace(&desk, "tokens.moetrace", &flipped, ": is corrupt: its head does not match its checksum");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 267520\n";
    let expect = ": is a Git-LFS pointer, not the trace; run `git lfs pull`";
    check_trace(&desk, "pointer.moetrace", pointer.as_bytes(), expect);
    check_trace(
        &desk,
        "table.csv",
        csv(0..48, 128, 8, "0,0,decode,1,0,131").as_bytes(),
        ":7: expert 131 is out of range, expected 0 to 127",
    );
    check_trace(
        &desk,
        "words.csv",
        csv(0..48, 128, 8, "0,0,decode,1,first,3").as_bytes(),
        ":7: column \"rank\": found \"first\", expected a rank from 0",
    );
}

#[test]
fn traces_of_another_model() {
    let desk = Desk::new();
    let gpt = fs::read(shipped("gpt-oss-20b")).unwrap();
    let wanted = "expected 48 MoE layers of 128 experts as Qwen3-30B-A3B has";
    for (name, content, expect) in [
        ("gpt.moetrace", gpt, format!(" holds 24 MoE layers of 32 experts, {wanted}")),
        (
            "experts.csv",
            csv(0..48, 64, 8, "").into_bytes(),
            format!(" holds 48 MoE layers of 64 experts, {wanted}"),
        ),
        (
            "numbers.csv",
            csv(3..51, 128, 8, "").into_bytes(),
            " holds MoE layers 3-50, expected 0-47 as Qwen3-30B-A3B has".to_owned(),
        ),
        (
            "top-9.csv",
            csv(0..48, 128, 9, "").into_bytes(),
            " routes each token to 9 experts, expected at most 8 as Qwen3-30B-A3B has".to_owned(),
        ),
    ] {
        check_trace(&desk, name, &content, &expect);
    }
    // The profile of a static policy is a trace too.
    let text = replaced("policy = \"lru\"", "policy = \"static\"\nprofile = \"traces/gpt.moetrace\"");
    let expect = "s.toml:15:11: cache.profile: traces/gpt.moetrace holds 24 MoE layers of 32 experts, \
                  expected 48 MoE layers of 128 experts as qwen3-30b-a3b.moetrace does";
    check(&desk, &text, &[expect.to_owned()]);
}

#[test]
fn files_and_folders_that_are_not_there() {
    let desk = Desk::new();
    for command in ["run", "plan", "sweep"] {
        let said = desk.run(&[command, "nowhere.toml"]);
        assert_refused(&desk, &said, &[format!("nowhere.toml: {NOT_FOUND}")]);
        let said = desk.run(&[command, "."]);
        assert_refused(&desk, &said, &[".: cannot read: Is a directory (os error 21)".to_owned()]);
    }
    assert!(!desk.path().join("output").exists());

    desk.write("s.toml", scenario());
    desk.write("taken", "a file");
    let said = desk.run(&["sweep", "s.toml", "-o", "taken"]);
    let is_file = "is a file, expected a folder, or the name of a new one";
    assert_refused(&desk, &said, &[format!("taken: {is_file}")]);
    let said = desk.run(&["sweep", "s.toml", "-o", "taken/within"]);
    let expect = "taken/within: cannot create the folder: Not a directory (os error 20)";
    assert_refused(&desk, &said, &[expect.to_owned()]);
    desk.write("s.toml", replaced("[sweep]", "[output]\nfolder = \"taken\"\n[sweep]"));
    let said = desk.run(&["sweep", "s.toml"]);
    assert_refused(&desk, &said, &[format!("s.toml:20:10: output.folder: taken: {is_file}")]);
    assert_eq!(fs::read(desk.path().join("taken")).unwrap(), b"a file");
}

#[test]
fn options_that_mean_nothing() {
    let desk = Desk::new();
    desk.write("s.toml", scenario());
    let many = "s.toml: the scenario has 2 points, and `run` runs one, choose one with --point, fix the swept keys \
                with --set, or use `moesim sweep`";
    assert_refused(&desk, &desk.run(&["run", "s.toml"]), &[many.to_owned()]);
    for command in ["run", "plan"] {
        let said = desk.run(&[command, "s.toml", "--point", "2"]);
        assert_refused(&desk, &said, &["s.toml: found no point 2, expected 0 to 1".to_owned()]);
    }
    let one = "cache.capacity=2 GiB";
    let said = desk.run(&["run", "s.toml", "--point", "1", "--set", one]);
    assert_refused(&desk, &said, &["s.toml: found no point 1, expected 0, the only one".to_owned()]);
    for (set, expect) in [
        ("cache.polcy=lru", "unknown key \"polcy\" in [cache], did you mean \"policy\"?"),
        ("cache.policy", "found no key and value, expected key=value"),
        ("hardware.gpu=rtx4091", "unknown GPU \"rtx4091\", did you mean \"rtx4090\"?"),
        ("workload.trace=x", &format!("workload.trace: x: {NOT_FOUND}")),
    ] {
        for command in ["run", "sweep"] {
            let said = desk.run(&[command, "s.toml", "--set", one, "--set", set]);
            assert_refused(&desk, &said, &[format!("--set {set}: {expect}")]);
        }
    }
}

#[test]
fn every_mistake_is_told_once_in_the_order_of_the_file() {
    let desk = Desk::new();
    let axes = "[sweep]\nhardware.gpu = [\"rtx4090\", \"rtx4091\", \"rtx3090\", \"mi3000x\"]\n";
    let text = replaced("[sweep]\n", axes)
        .replace("\"q4_k_m\"", "\"q4_k_n\"")
        .replace("\"lru\"", "\"lur\"")
        .replace(&shipped("qwen3-30b-a3b"), "none.moetrace");
    desk.write("s.toml", &text);
    let expect = [
        "s.toml:4:10: unknown quantisation \"q4_k_n\", did you mean \"q4_k_m\"?".to_owned(),
        "s.toml:14:10: unknown cache policy \"lur\", did you mean \"lru\"?".to_owned(),
        format!("s.toml:16:9: workload.trace: none.moetrace: {NOT_FOUND}"),
        "s.toml:20:28: unknown GPU \"rtx4091\", did you mean \"rtx4090\"?".to_owned(),
        "s.toml:20:50: unknown GPU \"mi3000x\", did you mean \"mi300x\"?".to_owned(),
    ];
    for threads in ["1", "2"] {
        assert_refused(&desk, &desk.run(&["sweep", "s.toml", "-o", "out", "-t", threads]), &expect);
    }
}

/// A point that does not fit is an answer: a row with its reason, beside the rows of those that do.
#[test]
fn what_does_not_fit_is_a_row_and_not_an_error() {
    let desk = Desk::new();
    let axes = "[sweep]\nhardware.vram = [\"12 GiB\", \"5 GiB\"]\nhardware.dram = [\"64 GiB\", \"8 GiB\"]\n";
    desk.write("s.toml", replaced("[sweep]\n", axes));
    let said = desk.run(&["sweep", "s.toml", "-o", "out"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("5 of 8 points cannot run; the reasons are in summary.md"), "{said:?}");
    let json = fs::read(desk.path().join("out/results.json")).unwrap();
    let (_, rows) = moesim::report::parse_json(&Place::file("results.json"), &json).unwrap();
    let short = ["", "", "dram", "dram", "", "vram", "dram", "vram dram"];
    for (row, short) in rows.iter().zip(short) {
        let reason = |tier: &str| {
            let tier = row.tier(tier).unwrap();
            let [need, have] = [tier.needed_bytes, tier.capacity_bytes].map(Bytes::new);
            assert!(need > have, "{row:?}");
            let largest = if tier.tier == "vram" { "expert cache 4.00 GiB, " } else { "routed experts " };
            let (name, over) = (tier.tier.to_uppercase(), need - have);
            let parts = format!("{over} too much; the largest parts are {largest}");
            format!("needs {need} of {name}, has {have}: {parts}")
        };
        let expect: Vec<String> = short.split_whitespace().map(reason).collect();
        let found = match &row.outcome {
            Outcome::Done(_) => &Vec::new(),
            Outcome::CannotRun(reasons) => reasons,
        };
        assert_eq!(found.len(), expect.len(), "{found:?}");
        for (found, expect) in found.iter().zip(&expect) {
            assert!(found.starts_with(expect), "{found} begins with {expect}");
        }
    }
    let table = fs::read_to_string(desk.path().join("out/results.csv")).unwrap();
    assert_eq!(table.matches(",cannot-run,\"needs ").count(), 5);
    let printed = desk.succeed(&["run", "s.toml", "--point", "7"]);
    assert_eq!(printed.matches("needs ").count(), 2, "{printed}");
}

/// Sizes beyond 32 bits, up to the last that 64 bits hold, are plain numbers or refused by name; nothing overflows.
#[test]
fn sizes_and_times_at_the_edge() {
    let desk = Desk::new();
    desk.write("s.toml", scenario());
    let run = |sets: &[&str]| {
        let mut args = vec!["run", "s.toml", "--json", "--set", "cache.capacity=4 GiB"];
        args.extend(sets.iter().flat_map(|set| ["--set", *set]));
        desk.run(&args)
    };
    let four = run(&[]).stdout;
    assert!(four.contains("\"cache_capacity_bytes\": 4294967296"), "{four}");
    // A cache is never larger than what there is to hold.
    let vram = "hardware.vram=16777215 TiB";
    let all = run(&["cache.capacity=100 %", vram]).stdout;
    assert!(all.contains("\"capacity_bytes\": 18446742974197923840"), "{all}");
    assert_eq!(run(&["cache.capacity=16777215 TiB", vram]).stdout, all);
    for set in ["hardware.vram_reserve=16777215 TiB", "workload.context=9223372036854775807"] {
        let said = run(&[set]);
        assert!(said.stdout.contains("needs 16384 PiB of VRAM, has 24.0 GiB"), "{set}: {said:?}");
        assert_eq!(said.code, Some(0));
    }
    for (key, value) in [
        ("hardware.pcie", "1 B/s"),
        ("engine.h2d_bandwidth", "1 B/s"),
        ("engine.h2d_latency", "18446744073 s"),
        ("engine.kernel_launch", "18446744073 s"),
        ("engine.per_layer_overhead", "18446744073 s"),
        ("engine.per_token_overhead", "18446744073 s"),
    ] {
        let set = format!("{key}={value}");
        let said = run(&["workload.decode_tokens=9223372036854775807", "workload.sequences=100", &set]);
        let expect = format!("error: --set {set}: {key}: the run could take ");
        assert!(said.stderr.starts_with(&expect), "{said:?}");
        assert!(
            said.stderr.ends_with(" years of simulated time, expected less than 292 years\n"),
            "{said:?}"
        );
        assert_eq!(said.code, Some(2));
    }
    // A year of simulated time is slow, but no mistake that must be refused.
    assert_eq!(run(&["hardware.pcie=1 KB/s"]).code, Some(0));
}
