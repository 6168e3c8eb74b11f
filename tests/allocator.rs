//! Allocators of GPU memory in whole runs: what never depends on them, what does, and what a person is told.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use moesim::error::Place;
use moesim::metrics::{AllocatorSummary, Outcome, Row, Summary};
use moesim::plan::Inputs;
use moesim::report::{ReportMeta, csv, json, parse_json, point};
use moesim::scenario::ScenarioFile;
use moesim::sweep::run_point;

const REPLAY: &str = "model.name = \"mixtral-8x7b\"\nquant.scheme = \"q4_k_m\"\nhardware.gpu = \"rtx4090\"\n\
    hardware.cpu = \"ryzen-7950x\"\nhardware.dram = \"64 GiB\"\nengine.profile = \"generic\"\n\
    workload.trace = \"mixtral-8x7b.moetrace\"\nworkload.sequences = 2\nworkload.decode_tokens = 24\n\
    workload.context = 4096\n";

const SERVING: &str = "model.name = \"qwen3-30b-a3b\"\nquant.scheme = \"q4_k_m\"\nhardware.gpu = \"rtx4090\"\n\
    hardware.cpu = \"ryzen-7950x\"\nhardware.dram = \"64 GiB\"\nworkload.trace = \"qwen3-30b-a3b.moetrace\"\n\
    requests.arrivals = \"poisson\"\nrequests.rate = \"4 /s\"\nrequests.count = 12\nrequests.lengths = \"fixed\"\n\
    requests.prompt_tokens = 64\nrequests.output_tokens = 16\n";

fn file(text: &str, lines: &[&str]) -> moesim::error::Result<ScenarioFile> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/x.toml");
    ScenarioFile::parse(&format!("{text}{}\n", lines.join("\n")), &path, &[])
}

fn row(text: &str, lines: &[&str]) -> Row {
    let scenario = file(text, lines).unwrap();
    run_point(&scenario, 0, &Inputs::default()).unwrap()
}

fn summary(row: &Row) -> &Summary {
    match &row.outcome {
        Outcome::Done(summary) => summary,
        Outcome::CannotRun(reasons) => panic!("cannot run: {}", reasons.join("; ")),
    }
}

fn allocator(row: &Row) -> &AllocatorSummary {
    summary(row).allocator.as_deref().unwrap()
}

fn errors(text: &str, lines: &[&str]) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("traces/x.toml");
    let planned = file(text, lines).and_then(|file| run_point(&file, 0, &Inputs::default()));
    match planned {
        Ok(_) => "runs".to_owned(),
        Err(error) => error.to_string().replace(&path.display().to_string(), "x.toml"),
    }
}

/// What files say of a row: `results.json` and `results.csv`.
fn files(row: &Row) -> String {
    let meta = ReportMeta::default();
    let rows = std::slice::from_ref(row);
    let bytes = [json(&meta, rows).unwrap(), csv(&meta, rows).unwrap()].concat();
    String::from_utf8(bytes).unwrap()
}

/// The laws of any run with an allocator.
fn check(row: &Row) {
    let (summary, allocator) = (summary(row), allocator(row));
    assert!(allocator.allocated_peak_bytes <= allocator.reserved_peak_bytes);
    assert!(allocator.reserved_peak_bytes <= allocator.capacity_bytes);
    assert!(allocator.fragmentation_mean_ppm <= allocator.fragmentation_max_ppm);
    assert!(
        allocator.frees <= allocator.allocations && allocator.compactions_forced <= allocator.compactions
    );
    for slice in &allocator.slices {
        assert!(
            slice.allocated_bytes <= slice.reserved_bytes
                && slice.reserved_bytes <= allocator.reserved_peak_bytes
        );
    }
    let span: u64 = allocator.slices.iter().map(|slice| slice.span_ns).sum();
    assert!(span <= summary.span_ns);
    let compactions: u64 = allocator.slices.iter().map(|slice| slice.compactions).sum();
    assert_eq!(compactions, allocator.compactions);
    assert_eq!(allocator.latency_ns.count, allocator.latency_without_ns.count);
    assert!(allocator.latency_without_ns.sum <= allocator.latency_ns.sum);
    let shares = summary.prefill_time.compaction_ns + summary.decode_time.compaction_ns;
    assert_eq!(shares, allocator.compaction_ns, "every compaction has its share of the time");
    if summary.serving.is_none() {
        assert_eq!(summary.prefill_time.total_ns() + summary.decode_time.total_ns(), summary.span_ns);
    }
}

/// The same row without what only an allocator says.
fn without_allocator(row: &Row) -> Row {
    let mut row = row.clone();
    if let Outcome::Done(summary) = &mut row.outcome {
        summary.allocator = None;
    }
    row
}

#[test]
fn an_exact_allocator_is_none() {
    for text in [REPLAY, SERVING] {
        let lines =
            if text == REPLAY { "cache.capacity = \"12 GiB\"" } else { "placement.experts = \"vram\"" };
        let (plain, exact) = (row(text, &[lines]), row(text, &[lines, "allocator.kind = \"exact\""]));
        assert_eq!(files(&plain), files(&exact));
        let found = files(&plain);
        for word in ["allocator", "compaction", "fragmentation"] {
            assert!(!found.contains(word), "{word}: a file says it though no allocator is simulated");
        }
    }
}

#[test]
fn an_allocator_changes_nothing_but_what_it_says() {
    let cases: [(&str, &[&str]); 5] = [
        (REPLAY, &["cache.capacity = \"12 GiB\""]),
        (
            REPLAY,
            &[
                "cache.capacity = \"12 GiB\"",
                "cache.admission = \"second-hit\"",
                "workload.between = \"clear\"",
            ],
        ),
        (
            REPLAY,
            &[
                "cache.capacity = \"12 GiB\"",
                "engine.overlap = \"across-layers\"",
                "prefetch.predictor = \"previous-token\"",
            ],
        ),
        (SERVING, &["placement.experts = \"vram\"", "kv.capacity = \"2 GiB\""]),
        (SERVING, &["cache.capacity = \"10 GiB\"", "kv.capacity = \"2 GiB\""]),
    ];
    for (text, lines) in cases {
        let plain = row(text, lines);
        for kind in ["slots", "caching"] {
            let key = format!("allocator.kind = \"{kind}\"");
            let with = row(text, &[lines, &[key.as_str()]].concat());
            check(&with);
            assert_eq!(allocator(&with).kind, kind);
            let mut same = without_allocator(&with);
            // The shortcut for residency has events of its own.
            if let (Outcome::Done(one), Outcome::Done(other)) = (&mut same.outcome, &plain.outcome) {
                assert_eq!(one.engine_events, other.engine_events, "{lines:?}");
            }
            assert_eq!(same, plain, "{kind} {lines:?}");
        }
    }
}

#[test]
fn compaction_adds_its_pauses_and_nothing_else() {
    let lines = ["cache.capacity = \"14 GiB\"", "allocator.kind = \"caching\""];
    let compacts = |extra: &str| row(REPLAY, &[&lines[..], &[extra]].concat());
    let plain = row(REPLAY, &lines);
    for grows in
        ["allocator.compact_every = 5", "allocator.compact_every = 5\nallocator.expandable_segments = true"]
    {
        let with = compacts(grows);
        check(&with);
        let (one, other) = (summary(&with), summary(&plain));
        let found = allocator(&with);
        assert!(found.compactions > 3 && found.moved_bytes > 0, "{found:?}");
        assert_eq!((one.decode, one.prefill), (other.decode, other.prefill));
        assert_eq!(one.span_ns, other.span_ns + found.compaction_ns);
        assert_eq!(found.latency_without_ns, other.token_latency_ns);
        // Every byte is read and written at 80 % of 1008 GB/s, and each compaction takes half a millisecond more.
        let moving = u128::from(found.moved_bytes) * 2 * 1_000_000_000 / 806_400_000_000;
        let fixed = u128::from(found.compactions) * 500_000;
        let rounding = u128::from(found.compaction_ns) - moving - fixed;
        assert!(rounding <= u128::from(found.compactions), "{rounding}");
        assert!(files(&with).contains("compaction_p99_effect_ms"));
    }
    let text = point(&compacts("allocator.compact_every = 5"));
    assert!(
        text.contains("\nmemory   caching allocator: at most ") && text.contains("\ncompact  "),
        "{text}"
    );
}

#[test]
fn under_load_both_timers_pause_for_compactions() {
    for place in ["placement.experts = \"vram\"", "cache.capacity = \"10 GiB\"\nkv.capacity = \"2 GiB\""] {
        let plain = row(SERVING, &[place, "allocator.kind = \"caching\"\nallocator.kv = \"blocks\""]);
        let with = row(
            SERVING,
            &[place, "allocator.kind = \"caching\"\nallocator.kv = \"blocks\"\nallocator.compact_every = 4"],
        );
        check(&plain);
        check(&with);
        let (found, before) = (allocator(&with), allocator(&plain));
        assert!(found.compactions > 3 && before.compactions == 0);
        assert!(found.latency_ns.sum > found.latency_without_ns.sum);
        assert_eq!(before.latency_ns, before.latency_without_ns);
        for gpu in &summary(&with).serving.as_ref().unwrap().gpu_use {
            let all = gpu.busy_ns + gpu.wait_ns + gpu.exchange_ns + gpu.idle_ns;
            assert_eq!(all, summary(&with).span_ns, "{}", gpu.name);
        }
    }
}

#[test]
fn keys_and_values_grow_as_they_are_told() {
    let peak = |kv: &str| {
        let kv = format!("allocator.kv = \"{kv}\"");
        let row = row(REPLAY, &["cache.capacity = \"8 GiB\"", "allocator.kind = \"caching\"", &kv]);
        check(&row);
        allocator(&row).allocated_peak_bytes
    };
    let (whole, blocks, tokens) = (peak("whole"), peak("blocks"), peak("tokens"));
    // 4,096 tokens of 128 KiB; the sequences are much shorter.
    assert!(whole > blocks && blocks >= tokens, "{whole} {blocks} {tokens}");
    assert!(whole - blocks < 512 << 20, "{whole} {blocks}");
}

#[test]
fn a_run_that_finds_no_room_cannot_run_and_says_where() {
    let ends = |lines: &[&str]| match row(REPLAY, lines).outcome {
        Outcome::CannotRun(reasons) => reasons.join("; "),
        Outcome::Done(_) => "ran".to_owned(),
    };
    let rest = ["allocator.kind = \"caching\""];
    let found = ends(&rest);
    assert!(found.starts_with("out of memory in pass 1: an expert of "), "{found}");
    assert!(found.contains(" are free in pieces of at most "), "{found}");
    assert_eq!(ends(&["allocator.kind = \"exact\""]), "ran");
    let slots = ends(&["allocator.kind = \"slots\""]);
    assert!(slots.starts_with("out of memory in pass "), "{slots}");
    // Under load too, whatever times the passes.
    let tight = ["hardware.vram = \"13.2 GiB\"", "cache.capacity = \"10 GiB\"", "kv.capacity = \"1 GiB\""];
    for (lines, expect) in [
        (
            vec!["placement.experts = \"vram\"", "allocator.kind = \"slots\""],
            "out of memory in pass 1: working memory of ",
        ),
        ([&tight[..], &["allocator.kind = \"caching\""]].concat(), "out of memory in pass "),
    ] {
        match row(SERVING, &lines).outcome {
            Outcome::CannotRun(reasons) => assert!(reasons[0].starts_with(expect), "{reasons:?}"),
            Outcome::Done(_) => panic!("ran: {lines:?}"),
        }
    }
}

#[test]
fn the_same_run_gives_the_same_bytes_and_its_row_can_be_read_back() {
    let lines =
        ["cache.capacity = \"14 GiB\"", "allocator.kind = \"caching\"", "allocator.compact_every = 7"];
    let (one, other) = (row(REPLAY, &lines), row(REPLAY, &lines));
    assert_eq!(files(&one), files(&other));
    let text = json(&ReportMeta::default(), std::slice::from_ref(&one)).unwrap();
    assert_eq!(parse_json(&Place::file(Path::new("results.json")), &text).unwrap().1, [one]);
}

#[test]
fn what_cannot_be_meant_is_told() {
    let caching = "allocator.kind = \"caching\"";
    for (text, lines, expect) in [
        (
            REPLAY,
            vec!["allocator.kind = \"cashing\""],
            "x.toml:11:18: allocator.kind: found \"cashing\", did you mean \"caching\"?",
        ),
        (
            REPLAY,
            vec!["allocator.compact_evry = 5"],
            "x.toml:11:11: unknown key \"compact_evry\" in [allocator], did you mean \"compact_every\"?",
        ),
        (
            REPLAY,
            vec!["allocator.compact_every = 5"],
            "x.toml:11:27: allocator.compact_every: found beside allocator.kind = \"exact\", expected allocator.kind = \"caching\"",
        ),
        (
            REPLAY,
            vec!["allocator.kind = \"slots\"", "allocator.compact_every = 5"],
            "x.toml:12:27: allocator.compact_every: found beside allocator.kind = \"slots\", expected allocator.kind = \"caching\"",
        ),
        (
            REPLAY,
            vec!["allocator.kv = \"blocks\""],
            "x.toml:11:16: allocator.kv: found beside allocator.kind = \"exact\", expected allocator.kind = \"slots\" or \"caching\"",
        ),
        (
            REPLAY,
            vec![caching, "allocator.max_split_size = \"20 MiB\""],
            "x.toml:12:28: allocator.max_split_size: found 20.0 MiB, expected more than 20.0 MiB, a segment of large blocks",
        ),
        (
            REPLAY,
            vec![caching, "allocator.max_split_size = \"64 MiB\"", "allocator.expandable_segments = true"],
            "x.toml:12:28: allocator.max_split_size: found beside allocator.expandable_segments; a segment that grows is cut anywhere, expected one of them",
        ),
        (
            REPLAY,
            vec![caching, "allocator.compact_sync = \"1 ms\""],
            "x.toml:12:26: allocator.compact_sync: found without compaction, expected allocator.compact_every, like 100",
        ),
    ] {
        assert_eq!(errors(text, &lines), expect, "\n{lines:?}");
    }
}

#[test]
fn what_contradicts_the_rest_of_a_scenario_is_told() {
    let caching = "allocator.kind = \"caching\"";
    for (text, lines, expect) in [
        (
            REPLAY,
            vec![caching, "cache.hit_rate = \"50 %\""],
            "x.toml:12:18: cache.hit_rate: found beside allocator.kind = \"caching\"; which experts are in memory is not known, expected allocator.kind = \"exact\"",
        ),
        (
            REPLAY,
            vec![caching, "cache.replay = \"access\""],
            "x.toml:12:16: cache.replay: found beside allocator.kind = \"caching\", expected \"layer\", which is how engines fetch",
        ),
        (
            REPLAY,
            vec![caching, "hardware.overcommit = \"spill\""],
            "x.toml:12:23: hardware.overcommit: found beside allocator.kind = \"caching\"; memory that spills never runs out, expected allocator.kind = \"exact\"",
        ),
        (
            REPLAY,
            vec![caching, "cache.yields_to_kv = true", "allocator.kv = \"whole\""],
            "x.toml:13:16: allocator.kv: found beside cache.yields_to_kv; an expert cache gives way to a KV cache that grows, expected \"blocks\" or \"tokens\"",
        ),
        (
            SERVING,
            vec![caching, "placement.experts = \"vram\"", "allocator.kv = \"tokens\""],
            "x.toml:15:16: allocator.kv: found beside requests.arrivals; the KV cache of requests is paged, expected \"whole\" or \"blocks\"",
        ),
        (
            SERVING,
            vec![caching, "placement.experts = \"vram\"", "allocator.kv_block_tokens = 16"],
            "x.toml:15:29: allocator.kv_block_tokens: found beside requests.arrivals; blocks of requests are those of kv.block_tokens, expected no such key where requests are served",
        ),
        (
            SERVING,
            vec![caching, "placement.experts = \"vram\"", "allocator.compact_every = 4", "parallel.pp = 2"],
            "x.toml:15:27: allocator.compact_every: found beside parallel.pp; the stages of a pipeline would stop at different times, expected parallel.pp = 1",
        ),
    ] {
        assert_eq!(errors(text, &lines), expect, "\n{lines:?}");
    }
}
