//! `moesim memory`, run as a user runs it.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "common/binary.rs"]
mod binary;
#[path = "common/gguf.rs"]
mod gguf;

use binary::Desk;
use serde_json::Value;

fn footprints(desk: &Desk, line: &str) -> Vec<Value> {
    let args: Vec<&str> = ["memory"].into_iter().chain(line.split_whitespace()).chain(["--json"]).collect();
    let text = desk.succeed(&args);
    let document: Value = serde_json::from_str(&text).unwrap();
    document["footprints"].as_array().unwrap().clone()
}

fn refusal(line: &str) -> String {
    let args: Vec<&str> = ["memory"].into_iter().chain(line.split_whitespace()).collect();
    let desk = Desk::new();
    let said = desk.run(&args);
    assert_eq!(said.code, Some(2), "{line}: {said:?}");
    assert!(said.stdout.is_empty(), "{line}");
    assert!(!desk.path().join("output").exists(), "{line}: nothing is written");
    said.stderr
}

#[test]
fn mistakes_are_named_by_the_option_that_has_them() {
    for (line, expected) in [
        (
            "qwen3-30b-a3c",
            "error: no file and no model of the catalogue is called \"qwen3-30b-a3c\", did you mean \"qwen3-30b-a3b\"?\n",
        ),
        (
            "qwen3-30b-a3c mixtral-8x7",
            "error: no file and no model of the catalogue is called \"qwen3-30b-a3c\", did you mean \"qwen3-30b-a3b\"?\n\
             error: no file and no model of the catalogue is called \"mixtral-8x7\", did you mean \"mixtral-8x7b\"?\n",
        ),
        (
            "olmoe-1b-7b --quant int5,fp8,q4_k_n",
            "error: --quant int5: unknown quantisation \"int5\", did you mean \"int8\"?\n\
             error: --quant q4_k_n: unknown quantisation \"q4_k_n\", did you mean \"q4_k_m\"?\n",
        ),
        ("olmoe-1b-7b --kv f17", "error: --kv f17: unknown storage type \"f17\", did you mean \"f16\"?\n"),
        (
            "olmoe-1b-7b --gpu rtx4091",
            "error: --gpu rtx4091: unknown GPU \"rtx4091\", did you mean \"rtx4090\"?\n",
        ),
        (
            "qwen3-30b-a3b --ep 3 --dp 3",
            "error: --dp 3 --ep 3: parallel: ep = 3 does not divide the 128 routed experts of a layer, expected 2 or 4\n",
        ),
        (
            "qwen3-30b-a3b --ep 2",
            "error: --ep 2: parallel: ep = 2 does not divide the 1 GPUs of a stage (tp x dp), expected 1\n",
        ),
        (
            "qwen3-32b --dp 2 --ep 2",
            "error: --dp 2 --ep 2: parallel: ep = 2, and the model has no routed experts, expected 1\n",
        ),
        (
            "olmoe-1b-7b --set quant.scheem=fp8",
            "error: --set quant.scheem=fp8: unknown key \"scheem\" in [quant], did you mean \"scheme\"?\n",
        ),
    ] {
        assert_eq!(refusal(&format!("{line} --no-offload")), expected, "{line}");
    }
}

#[test]
fn json_has_what_the_other_files_have() {
    let desk = Desk::new();
    let all = footprints(&desk, "mixtral-8x7b --quant fp16,int4 --no-offload --gpu a100-sxm-80g -q");
    assert_eq!(all.len(), 2);
    for (found, fits) in all.iter().zip([false, true]) {
        let parts = found["parts"].as_array().unwrap();
        let sum = |key: &str| parts.iter().map(|part| part[key].as_u64().unwrap()).sum::<u64>();
        assert_eq!(sum("params"), 46_702_792_704);
        let vram = &found["tiers"][0];
        let lines = found["ledger"].as_array().unwrap().iter().filter(|line| line["tier"] == "vram");
        let held: u64 = lines.map(|line| line["bytes"].as_u64().unwrap()).sum();
        assert_eq!(vram["needed_bytes"].as_u64(), Some(held));
        assert_eq!(found["problems"].as_array().unwrap().is_empty(), fits);
    }
    let folder = desk.path().join("output/memory-mixtral-8x7b");
    let names: Vec<String> = binary::files(&folder).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["memory.csv", "memory.json", "memory.md", "memory.png", "memory.svg"]);
    let csv = std::fs::read_to_string(folder.join("memory.csv")).unwrap();
    let mut lines = csv.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| head.iter().position(|known| *known == name).unwrap();
    for (line, found) in lines.zip(&all) {
        // Only the reasons, which are in quotes, hold commas; what is read stands before them.
        let cell = |name: &str| line.split(',').nth(column(name)).unwrap();
        assert_eq!(cell("quant"), found["quant"].as_str().unwrap());
        assert_eq!(cell("params_total"), "46702792704");
    }
}

#[test]
fn the_table_says_what_a_common_mistake_hides() {
    let desk = Desk::new();
    let said =
        desk.succeed(&["memory", "qwen3-30b-a3b", "--quant", "bf16", "--gpu", "rtx4090", "--no-offload"]);
    for part in [
        "total   30.5 B      = 48 layers x 128 experts x 4.72 M + 1.54 B shared\n",
        "active  3.35 B      = 48 layers x 8 experts x 4.72 M + 1.54 B shared\n",
        "rtx4090 has 25.8 GB (24.0 GiB)  36.4 GB too much\n",
        "6.71 GB of 61.1 GB in bf16",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    // By hand: 48 x 8 x 4,718,592 parameters and 1,541,093,376 shared ones, of two bytes each.
    assert_eq!((48 * 8 * 4_718_592_u64 + 1_541_093_376) * 2, 6_706_065_408);
    assert!(said.lines().all(|line| line == line.trim_end()), "{said}");
}

#[test]
fn offloading_is_simulated_and_supposes_memory_only_where_it_says_so() {
    let desk = Desk::new();
    let said = desk.succeed(&[
        "memory",
        "olmoe-1b-7b",
        "--quant",
        "int4",
        "-q",
        "--json",
        "--set",
        "workload.sequences=2",
    ]);
    let document: Value = serde_json::from_str(&said).unwrap();
    let runs = document["footprints"][0]["offload"].as_array().unwrap().clone();
    let rooms: Vec<&str> = runs.iter().map(|run| run["room"].as_str().unwrap()).collect();
    assert_eq!(rooms, ["resident", "one-token", "one-expert"]);
    let tpot = |run: &Value| run["row"]["outcome"]["done"]["tpot_ns"]["p50"].as_u64().unwrap();
    assert!(tpot(&runs[0]) < tpot(&runs[1]) && tpot(&runs[1]) < tpot(&runs[2]));
    assert!(runs.iter().all(|run| run["is_supposed"] == false && run["row"]["config"]["gpu"] == "rtx4090"));
}

/// One pool of memory: experts that do not lie there lie on the drive.
#[test]
fn unified_memory_is_offloaded_to_the_drive() {
    let desk = Desk::new();
    let short = ["--set", "workload.sequences=1", "--set", "workload.decode_tokens=4"];
    let line = ["memory", "olmoe-1b-7b", "--quant", "int4", "--gpu", "m4"];
    let said = desk.succeed(&[&line[..], &short].concat());
    assert!(said.contains("fetched from NVMe (policy lru)"), "{said}");
}

#[test]
fn dense_and_moe_stand_side_by_side() {
    let desk = Desk::new();
    let line = [
        "memory",
        "qwen3-30b-a3b",
        "qwen3-32b",
        "--compare",
        "--quant",
        "fp16,int4",
        "--no-offload",
        "-o",
        "both",
    ];
    let said = desk.succeed(&line);
    let rows: Vec<&str> =
        said.lines().filter(|line| line.starts_with("Qwen3-") && line.contains(" B ")).collect();
    assert_eq!(rows.len(), 4, "{said}");
    assert!(desk.path().join("both/memory.svg").is_file());
    let page = std::fs::read_to_string(desk.path().join("both/memory.md")).unwrap();
    assert!(page.contains("![who owns which memory](memory.svg)"), "{page}");
}

#[test]
fn files_do_not_depend_on_threads() {
    let desk = Desk::new();
    for (threads, folder) in [("1", "one"), ("8", "eight")] {
        let mut command = binary::program(desk.path());
        command.env("RAYON_NUM_THREADS", threads);
        let line = [
            "memory",
            "olmoe-1b-7b",
            "granite-3.0-1b-a400m",
            "--quant",
            "bf16,int4",
            "--compare",
            "--set",
            "workload.sequences=1",
            "--set",
            "workload.decode_tokens=6",
            "-q",
            "-o",
            folder,
        ];
        assert!(command.args(line).status().unwrap().success());
    }
    binary::assert_same_files(&desk.path().join("one"), &desk.path().join("eight"));
}

#[test]
fn a_config_and_a_gguf_file_are_models_too() {
    let desk = Desk::new();
    desk.write(
        "tiny/config.json",
        r#"{"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": 256, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "intermediate_size": 512,
            "moe_intermediate_size": 128, "num_experts": 8, "num_experts_per_tok": 2, "vocab_size": 1000,
            "decoder_sparse_step": 1, "mlp_only_layers": [], "tie_word_embeddings": false, "max_position_embeddings": 4096}"#,
    );
    let found = &footprints(&desk, "tiny/config.json --quant bf16 --context 64 -q")[0];
    let experts = found["parts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["part"] == "routed_experts")
        .unwrap()
        .clone();
    assert_eq!(experts["params"], 2 * 8 * 3 * 256 * 128);
    assert_eq!(found["offload"].as_array().unwrap().len(), 3);
    assert!(desk.path().join("output/memory-config/memory.json").is_file());
    let refused = desk.run(&["memory", "tiny/config.json", "--quant", ""]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));

    desk.write("small.gguf", gguf::qwen3moe().bytes());
    let files =
        footprints(&desk, "small.gguf tiny/config.json --quant bf16,int4 --context 64 --no-offload -q");
    let stored: Vec<&str> = files.iter().map(|found| found["quant"].as_str().unwrap()).collect();
    assert_eq!(stored, ["gguf", "bf16", "int4"]);
    let refused = desk.run(&["memory", "small.gguf", "--quant", "int4"]);
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (
            Some(2),
            "error: --quant: found beside GGUF files alone, which say how their weights are stored, expected no such \
             option, or a model that is not a GGUF file\n"
        )
    );
}
