//! The shipped deployments parse, meet the figures that follow from their formulas, and are what `moesim run` says; mistakes
//! in a file are told where they stand.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use moesim::metrics::{Agreement, Deployment, DeploymentRow, Outcome, Row};
use moesim::plan::Inputs;
use moesim::report;
use moesim::scenario::ScenarioFile;
use moesim::sweep::run_point;
use moesim::validate::DeploymentFile;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shipped() -> Vec<PathBuf> {
    let folder = root().join("scenarios/deployments");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn run() -> Vec<Deployment> {
    let files = DeploymentFile::load_all(&shipped()).unwrap_or_else(|error| panic!("{error}"));
    DeploymentFile::run_all(&files, &Inputs::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// All tables, run once for all tests.
fn all() -> &'static [Deployment] {
    static ALL: OnceLock<Vec<Deployment>> = OnceLock::new();
    ALL.get_or_init(run)
}

fn row(table: &str, id: &str) -> &'static DeploymentRow {
    let table = all().iter().find(|one| one.id == table).unwrap();
    table.rows.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("{id}"))
}

fn tpot(table: &str, id: &str) -> u64 {
    let summary = row(table, id).row.summary().unwrap();
    summary.serving.as_ref().map_or(summary.tpot_ns.p50, |serving| serving.tpot_ns.p50)
}

#[test]
fn every_file_has_its_question_and_every_row_its_reason() {
    assert_eq!(all().len(), 10);
    for (one, path) in all().iter().zip(shipped()) {
        assert_eq!(Some(one.id.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
        assert!(one.question.ends_with('?'), "{}: {}", one.id, one.question);
        assert!(one.look_at.contains("Look at: "), "{}: {}", one.id, one.look_at);
        for row in &one.rows {
            assert!(row.why.ends_with('.'), "{} {}", one.id, row.id);
            let quoted = row.quotes.len();
            assert!(quoted > 0 || ["tp", "fp16-offload"].contains(&row.id.as_str()), "{} {}", one.id, row.id);
        }
    }
}

/// Which quoted figures do not follow from their own formulas; all others are met within the rounding that is stated.
#[test]
fn quoted_figures_follow_but_for_those_said_not_to() {
    let mut not = Vec::new();
    for (one, row) in all().iter().flat_map(|one| one.rows.iter().map(move |row| (one, row))) {
        for quote in &row.quotes {
            assert_ne!(quote.agreement(), Agreement::Misses, "{} {}: {quote:?}", one.id, row.id);
            assert!(quote.within_ppm.unwrap_or(0) <= 25_000 || quote.metric == "active", "{}", row.id);
            if quote.agreement() == Agreement::DoesNotFollow {
                not.push((row.id.as_str(), quote.metric.as_str(), quote.off_permille()));
            }
        }
    }
    assert_eq!(
        not,
        [
            // At four bits a token uses less than a byte for each active parameter.
            ("qwen3-30b", "active", -302),
            // With tensor parallelism a GPU holds half of attention.
            ("tp-ep", "weights", -134),
            ("mixed", "vram", -269),
            // That of one of 32 layers.
            ("three-of-each-layer", "expert_cache", 31_212),
        ]
    );
}

/// The figures of the simplified table, by hand: experts of 2 x 4,096 x 14,336 weights, 32 layers of 8, attention of four
/// square matrices, 32,000 rows of embedding, routers and the last norm.
#[test]
fn simplified_figures_are_those_of_the_formulas() {
    let expert = 2 * 4096 * 14_336 * 2_u64;
    let experts = expert * 8 * 32;
    let rest = 4 * 4096 * 4096 * 32 * 2 + 32_000 * 4096 * 2 + 2_105_344;
    let per_token = 2 * 4096 * 32 * 2 + 14_336 * 32 * 2 * 2 * 2;
    let with_use = 2048 * (per_token + 2 * 4096 * 32 * 2);
    let one = "mixtral-a100-80gb";
    for (table, id, metric, bytes) in [
        (one, "fp16", "vram", experts + rest + with_use),
        (one, "fp16", "weights", experts + rest),
        (one, "fp16", "experts", experts),
        (one, "int8", "weights", (experts + rest) / 2),
        (one, "int4", "weights", (experts + rest) / 4),
        (one, "mixed", "vram", experts / 4 + rest + with_use),
        ("mixtral-optimisations", "shared", "experts", experts / 16 * 9),
        ("mixtral-optimisations", "shared", "vram", experts / 16 * 9 + rest + with_use),
        ("mixtral-optimisations", "merged", "experts", experts / 2),
        ("mixtral-optimisations", "three-cached", "expert_cache", 3 * expert),
        ("mixtral-optimisations", "single-buffer", "expert_buffer", expert),
        ("mixtral-4x-a100", "ep", "weights", experts / 4 + rest),
    ] {
        let quote = row(table, id).quotes.iter().find(|quote| quote.metric == metric).unwrap();
        assert_eq!(quote.simplified_bytes, Some(bytes), "{table} {id} {metric}");
    }
}

#[test]
fn parts_of_memory_add_up() {
    let mut counted = 0;
    for row in all().iter().flat_map(|one| &one.rows) {
        let vram = |lines: &[moesim::metrics::LedgerLine]| -> u64 {
            lines.iter().filter(|line| line.tier == "vram").map(|line| line.bytes).sum()
        };
        assert_eq!(vram(&row.row.ledger), row.vram_bytes(), "{}", row.id);
        let fits = row.row.tiers.iter().all(|tier| tier.needed_bytes <= tier.capacity_bytes);
        assert_eq!(fits, matches!(row.row.outcome, Outcome::Done(_)), "{}", row.id);
        let Some(simplified) = &row.simplified else { continue };
        counted += 1;
        assert_eq!(vram(&simplified.ledger), simplified.vram_bytes(), "{}", row.id);
        let apart: i128 = row.differences().iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(apart, i128::from(row.vram_bytes()) - i128::from(simplified.vram_bytes()), "{}", row.id);
    }
    assert_eq!(counted, 18);
}

/// What titles and reasons say in words, held to the rows.
#[test]
fn reasons_hold() {
    let a100 = "mixtral-a100-80gb";
    let fp16 = row(a100, "fp16");
    assert!(fp16.simplified.as_ref().unwrap().fits() && fp16.row.summary().is_none());
    assert_eq!(fp16.differences()[0].0, "routed experts");
    assert!(tpot(a100, "fp16-offload") > 5 * tpot(a100, "int8"));
    let few = "mixtral-optimisations";
    let hits = |id: &str| row(few, id).row.summary().unwrap().decode.hits;
    assert_eq!(hits("three-cached"), 0);
    assert!(hits("three-of-each-layer") > 0);
    assert!(tpot(few, "three-cached") * 100 > tpot(few, "single-buffer") * 95);
    let loss = |table: &str, id: &str| row(table, id).row.quality.loss_ppm().unwrap();
    assert!(loss(few, "merged") > 10 * loss(a100, "int4"));
    let saved = |id: &str| {
        let quote = row(few, id).quotes.iter().find(|quote| quote.metric == "experts").unwrap().clone();
        (quote.simplified_bytes.unwrap(), quote.exact_bytes)
    };
    let (texts, exact) = saved("shared");
    assert!(texts * 100 < 60_129_542_144 * 57 && exact * 100 > 90_194_313_216 * 70, "less is saved");
    let tiers = "mixtral-rtx4090-tiers";
    assert!(row(tiers, "vram").row.summary().is_none());
    assert!(tpot(tiers, "cpu") < tpot(tiers, "dram") && tpot(tiers, "dram") < tpot(tiers, "tiers-dram"));
    assert!(tpot(tiers, "tiers-dram") < tpot(tiers, "tiers"));
    assert!(row(tiers, "tiers").vram_bytes() * 2 < row(tiers, "dram").vram_bytes());
    let bytes = |table: &str, id: &str| row(table, id).vram_bytes();
    let small = "cards-04-to-08gb";
    assert!(bytes(small, "qwen3-30b-q8") > 9 * row(small, "qwen3-30b-q8").active_bytes);
    assert!(tpot(small, "qwen1.5-moe-half") < tpot(small, "qwen1.5-moe-cpu"));
    let middle = "cards-12-to-16gb";
    assert!(
        bytes(middle, "qwen1.5-moe").abs_diff(bytes(middle, "qwen3-8b")) * 20 < bytes(middle, "qwen3-8b")
    );
    assert!(tpot(middle, "qwen1.5-moe") < tpot(middle, "qwen3-8b"));
    let large = "cards-20-to-24gb";
    assert!(tpot(large, "qwen3-30b") * 4 < tpot(large, "qwen3-32b"));
    assert!(row(large, "llama-70b").row.summary().is_none());
    let slowest = all().iter().find(|one| one.id == "cards-48gb").unwrap();
    let of_48 = |row: &DeploymentRow| row.row.summary().map(|_| tpot("cards-48gb", &row.id));
    assert_eq!(slowest.rows.iter().filter_map(of_48).max(), Some(tpot("cards-48gb", "llama-70b")));
    let (host, two) = ("qwen3-235b-dram", "qwen3-235b-two");
    assert!(tpot("cards-80gb", host) > 2 * tpot("cards-80gb", two));
    assert!(tpot("t4", "qwen1.5-moe") * 3 < tpot("t4", "qwen3-8b-q8"));
}

fn scenario(text: &str) -> Row {
    let path = root().join("scenarios/deployments/x.toml");
    run_point(&ScenarioFile::parse(text, &path, &[]).unwrap(), 0, &Inputs::default()).unwrap()
}

/// Written out as scenarios of their own, two rows are the same to the byte.
#[test]
fn rows_are_runs() {
    let int4 = r#"
model.name = "mixtral-8x7b"
quant.scheme = "int4"
hardware = { gpu = "a100-sxm-80g", cpu = "epyc-7763", dram = "256 GiB" }
engine.profile = "vllm"
placement.experts = "vram"
workload = { router = "typical", prompt_tokens = 256, sequences = 2, decode_tokens = 24, context = 2048 }
"#;
    let four = r#"
model.name = "mixtral-8x7b"
quant.scheme = "fp16"
hardware.gpu = "a100-sxm-80g"
engine.profile = "vllm"
placement.experts = "vram"
workload = { router = "typical", prompt_tokens = 256, sequences = 4, decode_tokens = 24 }
requests = { arrivals = "closed", users = 4, count = 8, prompt_tokens = 256, output_tokens = 24, lengths = "fixed" }
kv.capacity = "1 GiB"
parallel = { tp = 2, dp = 2, ep = 4, interconnect = "nvlink" }
"#;
    for (table, id, text) in [("mixtral-a100-80gb", "int4", int4), ("mixtral-4x-a100", "tp-ep", four)] {
        assert_eq!(row(table, id).row, scenario(text), "{id}");
    }
}

const TEXT: &str = r#"
[deployment]
id = "x"
title = "X"
question = "Which?"
look_at = "Look at: x."
[scenario]
model.name = "olmoe-1b-7b"
hardware.gpu = "t4"
workload = { router = "uniform", sequences = 1, decode_tokens = 2, context = 64 }
[[row]]
id = "a"
title = "A"
set = { placement.experts = "vram" }
quoted = { metric = "vram", value = "7 GB", within = "1 %" }
why = "So."
"#;

#[test]
fn mistakes_are_told_where_they_stand() {
    for (old, new, message) in [
        (
            "metric = \"vram\"",
            "metric = \"vrm\"",
            "x.toml:15:21: row[0].quoted.metric: unknown metric \"vrm\", did you mean \"vram\"?",
        ),
        (
            "\"7 GB\"",
            "\"7\"",
            "x.toml:15:37: row[0].quoted.value: found \"7\" without a unit, expected a size like \"8 GiB\" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)",
        ),
        (
            "\"7 GB\"",
            "\"0 GB\"",
            "x.toml:15:37: row[0].quoted.value: found \"0 GB\", expected a size above zero",
        ),
        (
            "\"1 %\"",
            "1",
            "x.toml:15:54: row[0].quoted.within: found \"1\" without %, expected a percentage like \"25 %\"",
        ),
        (
            "metric = \"vram\", value = \"7 GB\", within = \"1 %\"",
            "metric = \"card\", value = \"4-8\"",
            "x.toml:15:37: row[0].quoted.value: found \"4-8\", expected cards as they are sold, like \"24 GB\", \"4-8 GB\" or \"80+ GB\"",
        ),
        (
            "metric = \"vram\", value = \"7 GB\"",
            "metric = \"card\", value = \"8 GB\"",
            "x.toml:15:54: row[0].quoted.within: found beside a class of cards, expected no such key",
        ),
        (
            "why = \"So.\"",
            "whi = \"So.\"",
            "x.toml:11:1: row[0]: found no key \"why\"\nx.toml:16:1: unknown key \"whi\" in [[row]], did you mean \"why\"?",
        ),
        ("question = \"Which?\"\n", "", "x.toml:2:2: deployment: found no key \"question\""),
        (
            "title = \"X\"",
            "titel = \"X\"",
            "x.toml:2:2: deployment: found no key \"title\"\nx.toml:4:1: unknown key \"titel\" in [deployment], did you mean \"title\"?",
        ),
        (
            "placement.experts = \"vram\"",
            "placement.expert = \"vram\"",
            "x.toml:14:19: unknown key \"expert\" in [placement], did you mean \"experts\"?",
        ),
        (
            "look_at = \"Look at: x.\"",
            "look_at = \"Look at: x.\"\nsimplified_tokens = 0",
            "x.toml:7:21: deployment.simplified_tokens: found 0, expected a whole number of at least 1",
        ),
    ] {
        assert!(TEXT.contains(old), "{old}");
        let read = DeploymentFile::parse(&TEXT.replacen(old, new, 1), Path::new("x.toml"));
        let error = match read {
            Ok(file) => file.run(&Inputs::default()).err().unwrap_or_else(|| panic!("{new}")),
            Err(error) => error,
        };
        assert_eq!(error.to_string(), message, "{new}");
    }
    assert!(DeploymentFile::parse(TEXT, Path::new("x.toml")).unwrap().run(&Inputs::default()).is_ok());
}

#[test]
fn runs_are_alike_and_the_page_is_up_to_date() {
    let again = run();
    assert_eq!(again, all());
    // The page names files from the package's folder, where the command is given.
    let mut relative = again;
    for one in &mut relative {
        one.file = one.file.trim_start_matches(&format!("{}/", root().display())).to_owned();
    }
    let page = std::fs::read_to_string(root().join("docs/deployments.md")).unwrap();
    assert_eq!(
        report::deployments_page(&relative),
        page,
        "run moesim deployments --docs docs/deployments.md"
    );
}

#[test]
fn the_command_prints_tables_and_json_and_writes_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    std::fs::write(&file, TEXT).unwrap();
    let run = |options: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_moesim"))
            .arg("deployments")
            .arg(&file)
            .args(options)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&[]).starts_with("X\nWhich?\n"), "{}", run(&[]));
    assert_eq!(run(&["--quiet"]), "");
    let json: serde_json::Value = serde_json::from_str(&run(&["--json", "--quiet"])).unwrap();
    assert_eq!(json["deployments"][0]["rows"][0]["quotes"][0]["from_bytes"], 7_000_000_000_u64);
    let out = folder.path().join("out");
    run(&["--quiet", "--out", out.to_str().unwrap()]);
    for name in
        ["deployments.csv", "deployments.json", "deployments-x-memory.svg", "deployments-x-latency.png"]
    {
        assert!(out.join(name).is_file(), "{name}");
    }
}
