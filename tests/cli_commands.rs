//! The commands that look things up and convert traces, run as a user runs them.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder of the test's own, in which the commands run.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moesim"));
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
        let shipped = shipped.to_str().unwrap();
        command.args(line.split_whitespace().map(|word| word.replace("traces/", &format!("{shipped}/"))));
        command.current_dir(self.0.path());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// What a command that succeeds writes to stdout.
    fn text(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.text(line)).unwrap()
    }

    /// What a command that the user can mend writes to stderr.
    fn refusal(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(output.stdout.is_empty(), "{line}");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn contains_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

fn narrow(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        assert_eq!(line, line.trim_end());
    }
}

/// Four tokens of two layers, two experts each.
const TOKENS: &str = "[[0,1],[0,2],[1,3],[1,0]]\n[[0,1],[0,3],[1,3],[1,2]]\n\
                      [[0,0],[0,2],[1,1],[1,0]]\n[[0,0],[0,1],[1,1],[1,3]]\n";

#[test]
fn a_trace_survives_the_way_through_csv() {
    let place = Place::new();
    for stem in ["gpt-oss-20b", "mixtral-8x7b"] {
        let said = place.text(&format!("trace convert traces/{stem}.moetrace -o {stem}.csv"));
        contains_all(&said, &["MoE layers", "fingerprint", "synthetic router"]);
        let said = place.text(&format!("trace convert {stem}.csv -o {stem}.moetrace --quiet"));
        assert_eq!(said, "");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("traces/{stem}.moetrace"));
        assert!(fs::read(place.path(&format!("{stem}.moetrace"))).unwrap() == fs::read(shipped).unwrap());
    }
}

#[test]
fn a_compressed_trace_is_smaller_and_the_same() {
    let place = Place::new();
    place.text("trace convert traces/gpt-oss-20b.moetrace -o plain.moetrace -q");
    place.text("trace convert plain.moetrace -o small.moetrace --zstd -q");
    let size = |name| fs::metadata(place.path(name)).unwrap().len();
    assert!(size("small.moetrace") < size("plain.moetrace"));
    assert_eq!(
        place.json("trace info small.moetrace --json"),
        place.json("trace info plain.moetrace --json")
    );
}

#[test]
fn options_say_what_the_file_does_not() {
    let place = Place::new();
    fs::write(place.path("run.tokens.jsonl"), TOKENS).unwrap();
    let options = "--from nvmoe --split 1,3 --model tiny --experts 8 --source here --licence CC0-1.0";
    let said = place.text(&format!("trace convert run.tokens.jsonl -o run.moetrace {options}"));
    contains_all(&said, &["tiny", "2 MoE layers (layers 0 to 1 of the model) of 8 experts, top-2", "nvmoe"]);
    let info = place.json("trace info run.moetrace --json");
    for (key, value) in [
        ("format", Value::from("moetrace")),
        ("model", Value::from("tiny")),
        ("experts", Value::from(8)),
        ("top_k", Value::from(2)),
        ("sequences", Value::from(2)),
        ("decode_tokens", Value::from(4)),
        ("source", Value::from("here")),
        ("licence", Value::from("CC0-1.0")),
        ("has_weights", Value::from(false)),
    ] {
        assert_eq!(info[key], value, "{key}");
    }
    let straight = place.json(&format!("trace info run.tokens.jsonl --json {options}"));
    assert_eq!(straight["format"], "nvmoe");
    assert_eq!(straight["fingerprint"], info["fingerprint"]);
}

#[test]
fn conversion_refuses_what_would_lose_data() {
    let place = Place::new();
    fs::write(place.path("run.jsonl"), TOKENS).unwrap();
    place.text("trace convert run.jsonl -o run.moetrace --experts 4 -q");
    let before = fs::read(place.path("run.moetrace")).unwrap();
    for (line, message) in [
        (
            "trace convert run.jsonl -o run.parquet",
            "error: run.parquet: cannot tell the format to write, expected a file that ends in .moetrace or .csv\n",
        ),
        (
            "trace convert run.jsonl -o run.csv --zstd",
            "error: run.csv: --zstd does not go with .csv, expected a file that ends in .moetrace\n",
        ),
        (
            "trace convert run.moetrace -o ./run.moetrace",
            "error: ./run.moetrace: is the input itself, choose another output\n",
        ),
        (
            "trace convert run.jsonl -o run.moetrace --split 1,1",
            "error: run.jsonl: split into [1, 1] tokens, expected lengths above 0 that add up to 4\n",
        ),
        (
            "trace convert run.jsonl -o new.moetrace --from nvmo",
            "error: unknown trace format \"nvmo\", did you mean \"nvmoe\"?\n",
        ),
        (
            "trace convert absent.jsonl -o new.moetrace",
            "error: absent.jsonl: cannot read: No such file or directory (os error 2)\n",
        ),
    ] {
        assert_eq!(place.refusal(line), message, "{line}");
    }
    assert!(fs::read(place.path("run.moetrace")).unwrap() == before);
    let mut left: Vec<_> =
        fs::read_dir(place.0.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["run.jsonl", "run.moetrace"]);
}

#[test]
fn info_tells_shape_and_origin() {
    let text = Place::new().text("trace info traces/deepseek-v3.moetrace");
    narrow(&text);
    contains_all(
        &text,
        &[
            "58 MoE layers (layers 3 to 60 of the model) of 256 experts, top-8",
            "sequences    4 with 89 prompt and 225 decode tokens",
            "no gate weights",
            "licence      Apache-2.0",
            "format       moetrace",
        ],
    );
}

#[test]
fn stats_are_told_and_drawn() {
    let place = Place::new();
    let line = "trace stats traces/gpt-oss-20b.moetrace";
    let text = place.text(line);
    narrow(&text);
    contains_all(
        &text,
        &[
            "hottest 10 % of each layer: 32.9 % of selections (12.5 % if even)",
            "Zipf slope 0.81",
            "44.3 % of a decode token's experts",
            "by chance: 20.0 %",
            "p50 152",
            "24 layers x top-4 = 96 of 768 experts (12.5 %)",
            "on the hottest 10 % of the whole trace: 33.1 %",
        ],
    );
    for name in ["popularity.svg", "popularity.png", "heat_map.svg", "heat_map.png"] {
        let bytes = fs::read(place.path("output/trace-gpt-oss-20b").join(name)).unwrap();
        let start: &[u8] = if name.ends_with("svg") { b"<svg" } else { b"\x89PNG" };
        assert!(bytes.starts_with(start), "{name}");
    }
    let with_layers = place.text(&format!("{line} --layers -o elsewhere"));
    assert_eq!(with_layers.lines().count(), text.lines().count() + 1 + 1 + 1 + 24);
    assert!(with_layers.starts_with(&text));
    assert!(place.path("elsewhere/heat_map.svg").exists());
    let stats = place.json(&format!("{line} --json"));
    assert_eq!(stats["layers"].as_array().unwrap().len(), 24);
    assert_eq!(stats["reuse_distances"]["p50"], 152);
    let quiet = place.run(&format!("{line} --quiet"));
    assert!(quiet.status.success() && quiet.stdout.is_empty() && quiet.stderr.is_empty());
}

#[test]
fn every_format_is_listed() {
    let place = Place::new();
    let text = place.text("trace formats");
    let known = moesim::trace::import::FORMATS;
    assert_eq!(text.lines().count(), 1 + 1 + known.len());
    for format in known {
        contains_all(&text, &[format.name, format.summary]);
    }
    assert_eq!(place.json("trace formats --json").as_array().unwrap().len(), 1 + known.len());
}

#[test]
fn the_shipped_traces_are_generated_again() {
    let place = Place::new();
    let said = place.text("trace ship -o new/folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    assert_eq!(said.lines().count(), 6);
    for path in said.lines().map(Path::new) {
        let twin = shipped.join(path.file_name().unwrap());
        assert!(
            fs::read(place.path("").join(path)).unwrap() == fs::read(&twin).unwrap(),
            "{}",
            twin.display()
        );
    }
}

#[test]
fn the_catalogue_is_listed() {
    let place = Place::new();
    for kind in moesim::catalogue::view::kinds() {
        let text = place.text(&format!("catalog {kind}"));
        let all = place.json(&format!("catalog {kind} --json"));
        let all = all.as_array().unwrap();
        assert!(!all.is_empty());
        assert_eq!(text.lines().count(), 1 + all.len(), "{kind}");
        for (line, entry) in text.lines().skip(1).zip(all) {
            let id = entry["id"].as_str().unwrap();
            assert!(line.starts_with(id), "{line}");
            let facts = entry["facts"].as_array().unwrap();
            assert!(facts.iter().all(|fact| fact["source"] != ""), "{id}");
        }
    }
    let models = place.text("catalog models");
    let line = models.lines().find(|line| line.starts_with("qwen3-30b-a3b ")).unwrap();
    contains_all(line, &["30.53 B", "3.35 B"]);
}

#[test]
fn an_entry_is_shown_with_its_sources() {
    let place = Place::new();
    let text = place.text("catalog show rtx4090");
    narrow(&text);
    contains_all(&text, &["GeForce RTX 4090", "24.0 GiB", "datasheet", "[1]  "]);
    for kind in moesim::catalogue::view::kinds() {
        let all = place.json(&format!("catalog {kind} --json"));
        let id = all[0]["id"].as_str().unwrap();
        assert_eq!(place.json(&format!("catalog show {id} --json")), all[0]);
    }
    for (line, message) in [
        (
            "catalog show rtx4091",
            "error: unknown name \"rtx4091\" in the catalogue, did you mean \"rtx4090\"?\n",
        ),
        (
            "catalog show zebra",
            "error: unknown name \"zebra\" in the catalogue, \
             see `moesim catalog models|gpus|cpus|storage|interconnects|quant|quality|engines|kernels|prices`\n",
        ),
    ] {
        assert_eq!(place.refusal(line), message);
    }
    contains_all(&place.refusal("catalog modls"), &["unrecognized subcommand 'modls'", "'models'"]);
}

#[test]
fn a_model_is_counted_whatever_it_comes_from() {
    let place = Place::new();
    let known = place.text("model mixtral-8x7b");
    // 8 experts of 3 x 4,096 x 14,336 weights in 32 layers, two of them for each token.
    contains_all(
        &known,
        &["32 layers, 32 of them with 8 experts, top-2", "45097.2 M", "11274.3 M", "46702.8 M"],
    );
    let json: Value = serde_json::from_str(&place.text("model mixtral-8x7b --json")).unwrap();
    assert_eq!(json["parameters"], 46_702_792_704_u64);
    fs::write(
        place.path("config.json"),
        r#"{"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "hidden_size": 4096,
            "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
            "num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 32000, "tie_word_embeddings": false}"#,
    )
    .unwrap();
    let file: Value = serde_json::from_str(&place.text("model config.json --json")).unwrap();
    assert_eq!(file["parameters_by_part"], json["parameters_by_part"]);
    let refused = place.run("model mixtral-8x7c");
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    let message =
        "no file and no model of the catalogue is called \"mixtral-8x7c\", did you mean \"mixtral-8x7b\"?";
    assert_eq!(said, format!("error: {message}\n"));
}

#[test]
fn every_key_is_explained() {
    let place = Place::new();
    let text = place.text("scenario keys");
    narrow(&text);
    let rows = place.json("scenario keys --json");
    let known = moesim::scenario::keys();
    assert_eq!(rows.as_array().unwrap().len(), known.len());
    for (row, known) in rows.as_array().unwrap().iter().zip(known) {
        assert_eq!([&row["key"], &row["doc"], &row["example"]], [known.key, known.doc, known.example]);
        contains_all(&text, &[&format!("{} = ", known.key)]);
    }
}

#[test]
fn oracles_are_marked() {
    let place = Place::new();
    let text = place.text("policies");
    let marked: Vec<&str> = text.lines().filter(|line| line.contains("(oracle)")).collect();
    assert_eq!(marked.len(), 2);
    assert!(marked[0].starts_with("belady ") && marked[1].starts_with("belady-size "));
    let unlimited: Vec<&str> = text.lines().filter(|line| line.contains("room without limit")).collect();
    assert!(unlimited.len() == 1 && unlimited[0].starts_with("unbounded"), "{text}");
    let rows = place.json("policies --json");
    let rows = rows.as_array().unwrap();
    assert_eq!(text.lines().count(), 1 + rows.len());
    for row in rows {
        assert_eq!(
            row["oracle"],
            ["belady", "belady-size", "unbounded"].iter().any(|name| row["name"] == *name),
            "{row}"
        );
        assert_eq!(row["needs"]["profile"], row["name"] == "static" || row["name"] == "pin+lru", "{row}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::new();
    for line in [
        "trace info traces/mixtral-8x7b.moetrace",
        "trace stats traces/mixtral-8x7b.moetrace --json",
        "trace formats",
        "catalog gpus",
        "catalog models --json",
        "scenario keys",
        "policies",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.command(line).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    }
}
