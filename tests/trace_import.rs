//! Importers, on small inputs with the traps of each format and on real files where they are at hand.

use std::path::{Path, PathBuf};

use moesim::error::Result;
use moesim::trace::{ImportOptions, Imported, Trace, import};
use moesim::units::LayerIndex;

/// The folder of real traces, or `None` with a remark where it is not here.
fn shared(file: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("MOESIM_SHARED").map_or_else(beside, PathBuf::from);
    let path = folder.join("traces").join(file);
    if !path.exists() {
        eprintln!("skipped: ../shared is not here");
        return None;
    }
    Some(path)
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

/// Reads text as if it stood in a file of that name.
fn text_with(name: &str, text: &str, options: &ImportOptions) -> Result<Imported> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    import::read(&path, options)
}

fn text(name: &str, text: &str) -> Result<Imported> {
    text_with(name, text, &ImportOptions::default())
}

/// The message without the folder of the file.
fn message(name: &str, content: &str) -> String {
    let error = text(name, content).unwrap_err().to_string();
    error[error.find(name).unwrap_or(0)..].to_owned()
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
        let empty = (expect.4 as usize - 1) * expect.2 as usize;
        assert_eq!(residency.iter().filter(|flag| **flag == u8::MAX).count(), empty);
        assert_eq!(imported.trace.header().expert_bytes.len(), expect.0);
        let ids: Vec<u16> = row(&imported.trace, 0)[0].iter().flatten().copied().collect();
        assert!(ids.starts_with(first));
        assert!(imported.trace.weights().is_some());
    }
}

const BIGMOE: &str = "# route_trace v1\n\
    # model=/data/a b.gguf arch=x n_layer=3 n_expert=8 n_expert_used=2\n\
    # layer=0 expert_bytes=0 dense_bytes=5\n\
    # layer=1 expert_bytes=10 dense_bytes=5\n\
    # layer=2 expert_bytes=20 dense_bytes=5\n\
    turn,phase,step,layer,slot,expert,weight,residency,expert_bytes,dropped,later\n\
    0,0,0,1,0,3,0.5,0,10,0,x\n\
    0,0,0,1,1,4,nan,2,0,1,x\n\
    0,0,1,1,0,7,0.25,1,10,0,x\n\
    0,0,1,2,0,6,1.0000001,0,20,0,x\n\
    0,1,2,1,0,5,0.5,0,10,0,x\n\
    1,1,0,2,1,1,0.5,0,20,0,x\n";

#[test]
fn bigmoe_traps() {
    let imported = text("r.csv", BIGMOE).unwrap();
    let trace = &imported.trace;
    assert_eq!(shape(trace), (2, 8, 2, 2, 2, 2));
    assert_eq!(trace.header().model, "a b.gguf");
    assert_eq!(trace.header().layer_ids, [1, 2]);
    assert_eq!(trace.header().expert_bytes, [10, 20]);
    assert_eq!(row(trace, 0), [[Some(3), Some(4)], [None, None]]);
    assert_eq!(row(trace, 1), [[Some(7), None], [Some(6), None]]);
    assert_eq!(row(trace, 3), [[None, None], [None, Some(1)]]);
    assert_eq!(trace.weights().unwrap()[..2], [32_768, 0]);
    assert_eq!(imported.recorded_residency.as_ref().unwrap()[..4], [0, 1, 255, 255]);
    let notes = imported.notes().join("\n");
    for part in [
        "1 selections hit a prefetched",
        "1 selections were dropped",
        "1 gate weights are not known",
        "empty",
    ] {
        assert!(notes.contains(part), "{part:?} in {notes}");
    }
}

#[test]
fn bigmoe_errors_point_to_the_line() {
    let check = |from: &str, to: &str, expect: &str| {
        assert_eq!(message("r.csv", &BIGMOE.replacen(from, to, 1)), expect);
    };
    check("1,1,4,nan", "1,1,8,nan", "r.csv:8: expert 8 is out of range, expected 0 to 7");
    check(
        "1,1,4,nan",
        "1,1,3,nan",
        "r.csv:8: expert 3 stands twice in layer 1 of one token, expected each expert at most once",
    );
    check(
        "1,1,4,nan",
        "1,0,4,nan",
        "r.csv:8: rank 0 of layer 1 stands twice in one token, expected one expert in each",
    );
    check(
        "0,1,2,1,0,5",
        "0,1,2,1,0,x",
        "r.csv:11: column \"expert\": found \"x\", expected an expert from 0",
    );
    check(
        "0,1,2,1,0,5",
        "0,3,2,1,0,5",
        "r.csv:11: column \"phase\": found \"3\", expected 0 (prefill) or 1 (decode)",
    );
    check("0,1,2,1,0,5", "0,1,2,0,0,5", "r.csv:11: layer 0 is not one of the trace's layers");
    check("trace v1", "trace v2", "r.csv:1: route_trace v2, expected route_trace v1");
    check(
        ",slot,",
        ",sloth,",
        "r.csv: has no column \"slot\", expected it among turn, phase, step, layer, sloth, expert, weight, residency, expert_bytes, dropped, later",
    );
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
fn nvmoe_small() {
    let imported = text("t.jsonl", "[[1, 5], [1, 2], [3, 0]]\n\n[[3, 4]]\n").unwrap();
    assert_eq!(shape(&imported.trace), (2, 8, 2, 1, 0, 2));
    assert_eq!(row(&imported.trace, 0), [[Some(5), Some(2)], [Some(0), None]]);
    assert_eq!(row(&imported.trace, 1), [[None, None], [Some(4), None]]);
    assert_eq!(
        message("t.jsonl", "[[1, 5]]\n[[1, \"x\"]]\n"),
        "t.jsonl:2:8: invalid type: string \"x\", expected u64"
    );
}

#[test]
fn an_unknown_format_lists_the_known_ones() {
    let found = message("x.txt", "hello");
    assert!(
        found.starts_with("x.txt: is not a routing trace in a known format, expected one of moetrace, "),
        "{found}"
    );
    let options = ImportOptions { format: Some("bigmoo".into()), ..ImportOptions::default() };
    let error = text_with("x.txt", "hello", &options).unwrap_err().to_string();
    assert_eq!(error, "unknown trace format \"bigmoo\", did you mean \"bigmoe\"?");
}

#[test]
fn a_git_lfs_pointer_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    for name in ["t.csv", "t.moetrace", "t.npz"] {
        assert!(message(name, pointer).ends_with("is a Git-LFS pointer, not the trace; run `git lfs pull`"));
    }
}
