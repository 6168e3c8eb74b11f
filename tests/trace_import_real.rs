//! Importers, on real files where they are at hand: shapes, counts, and what engines recorded.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod common;

use std::path::{Path, PathBuf};

use moesim::trace::{ImportOptions, Imported, Trace, import};
use moesim::units::LayerIndex;

/// A real trace, where it is at hand.
fn shared(file: &str) -> Option<PathBuf> {
    Some(common::shared("trace_import_real")?.join("traces").join(file))
}

fn read(path: &Path) -> Imported {
    import::read(path, &ImportOptions::default()).unwrap()
}

/// (layers, experts, top-k, sequences, prefill rows, decode rows)
fn shape(trace: &Trace) -> (usize, u32, u32, usize, u64, u64) {
    let header = trace.header();
    let prefill: u64 = trace.sequences().iter().map(|sequence| sequence.prefill_tokens).sum();
    (
        header.layers(),
        header.experts,
        header.top_k,
        trace.sequences().len(),
        prefill,
        trace.tokens() - prefill,
    )
}

/// All ids of a token, layer by layer.
fn row(trace: &Trace, token: u64) -> Vec<Vec<Option<u16>>> {
    let header = trace.header();
    let layer =
        |layer| (0..header.top_k as usize).map(|rank| trace.expert(token, LayerIndex(layer), rank)).collect();
    (0..u16::try_from(header.layers()).unwrap()).map(layer).collect()
}

#[test]
fn bigmoe_real() {
    for (file, expect, hits, first) in [
        ("bigmoe/qwen.route.csv", (48, 128, 6, 1, 28, 128), 29_597, [49, 19, 58, 29, 16, 70].as_slice()),
        ("bigmoe/gptoss.route.csv", (36, 128, 2, 1, 85, 64), 2_066, &[]),
    ] {
        let Some(path) = shared(file) else { return };
        let imported = read(&path);
        assert_eq!(shape(&imported.trace), expect);
        let residency = imported.recorded_residency.as_ref().unwrap();
        assert_eq!(residency.iter().filter(|flag| **flag == 1).count(), hits);
        // The engine computes the last layer of a prompt only for its last token.
        let empty = (expect.4 - 1) * u64::from(expect.2);
        assert_eq!(residency.iter().filter(|flag| **flag == u8::MAX).count() as u64, empty);
        assert_eq!(imported.trace.header().expert_bytes.len(), expect.0);
        let ids: Vec<u16> = row(&imported.trace, 0)[0].iter().flatten().copied().collect();
        assert!(ids.starts_with(first));
        assert!(imported.trace.weights().is_some());
    }
}

#[test]
fn nvmoe_real() {
    let Some(path) = shared("nvmoe/gptoss-all.tokens.jsonl") else { return };
    assert_eq!(shape(&read(&path).trace), (36, 128, 4, 1, 0, 1396));
    let split = vec![399, 399, 399, 199];
    let options = ImportOptions { split, model: Some("gpt-oss-120b".into()), ..ImportOptions::default() };
    let trace = import::read(&path, &options).unwrap().trace;
    assert_eq!(shape(&trace), (36, 128, 4, 4, 0, 1396));
    assert_eq!(trace.sequences()[3].first_token, 1197);
    assert_eq!(trace.header().model, "gpt-oss-120b");
    let wrong = ImportOptions { split: vec![400, 400], ..ImportOptions::default() };
    let error = import::read(&path, &wrong).unwrap_err().to_string();
    assert!(error.ends_with("expected lengths above 0 that add up to 1396"), "{error}");
    let Some(path) = shared("nvmoe/olmoe-all.tokens.jsonl") else { return };
    assert_eq!(shape(&read(&path).trace), (16, 64, 8, 1, 0, 897));
}

#[test]
fn nf4gemm_real() {
    for (file, expect) in [("gptoss_code", (24, 32, 4, 1, 0, 512)), ("olmoe_prose", (16, 64, 8, 1, 0, 512))] {
        let Some(path) = shared(&format!("nf4gemm/{file}.jsonl")) else { return };
        let imported = read(&path);
        assert_eq!(shape(&imported.trace), expect);
        let sequence = &imported.trace.sequences()[0];
        assert_eq!((file.split('_').nth(1), sequence.prompt_length), (Some(sequence.category.as_str()), 64));
    }
}

#[test]
fn prompts_real() {
    let Some(path) = shared("granite/moe_expert_trace.json") else { return };
    let imported = read(&path);
    assert_eq!(shape(&imported.trace), (24, 32, 8, 3, 112, 192));
    let names: Vec<&str> =
        imported.trace.sequences().iter().map(|sequence| sequence.category.as_str()).collect();
    assert_eq!(names, ["english_prose", "code", "math"], "in file order");
    let lengths: Vec<u64> =
        imported.trace.sequences().iter().map(|sequence| sequence.prompt_length).collect();
    assert_eq!(lengths, [39, 44, 29]);
}

#[test]
fn columns_real() {
    let Some(path) = shared("gptoss20b/gptoss20b_mmlu96.npz") else { return };
    let imported = read(&path);
    assert_eq!(shape(&imported.trace), (24, 32, 4, 96, 0, 26_430));
    let first = &imported.trace.sequences()[0];
    assert_eq!((first.tokens, first.prompt_length, first.category.as_str()), (511, 178, "abstract_algebra"));
    assert_eq!(imported.trace.weights().unwrap()[0], 0x86FF);
    assert_eq!(imported.trace.expert(0, LayerIndex(0), 0), Some(0x1F));
}

#[test]
fn sparsify_real() {
    let Some(path) = shared("sparsify/qwen3_trace.json") else { return };
    let imported = read(&path);
    let (layers, experts, top_k, sequences, prefill, decode) = shape(&imported.trace);
    // 98 passes, of which those with unions of up to 77 experts are prompts.
    assert_eq!((layers, experts, top_k, sequences, decode), (48, 128, 8, 3, 95));
    assert_eq!(prefill, 6 + 9 + 10);
    assert!(imported.notes()[0].starts_with("every layer event stands 3 times"));
    assert_eq!(imported.trace.header().expert_bytes, [2_654_208; 48]);
}
