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
fn csv_without_head_lines() {
    let imported =
        text("t.csv", "later,expert,layer,token,sequence\nx,3,1,0,0\nx,1,1,0,0\nx,130,7,1,0\n").unwrap();
    assert_eq!(shape(&imported.trace), (2, 131, 2, 1, 0, 2));
    assert_eq!(imported.trace.header().layer_ids, [1, 7]);
    assert_eq!(row(&imported.trace, 0), [[Some(3), Some(1)], [None, None]]);
    assert_eq!(imported.notes().len(), 4, "{:?}", imported.notes());
}

#[test]
fn csv_errors_point_to_the_line() {
    let check = |row: &str, expect: &str| {
        let content = format!(
            "# experts=128\nsequence,token,phase,layer,rank,expert,weight\n0,0,decode,0,0,5,0.5\n{row}\n"
        );
        assert_eq!(message("trace.csv", &content), expect);
    };
    check("0,1,decode,0,0,131,0.5", "trace.csv:4: expert 131 is out of range, expected 0 to 127");
    check(
        "0,1,later,0,0,1,0.5",
        "trace.csv:4: column \"phase\": found \"later\", expected prefill or decode",
    );
    check("0,1,decode,0,0,1,-1", "trace.csv:4: gate weight -1 is out of range, expected 0 or more");
    check("0,1,decode,0,0", "trace.csv:4: column \"expert\" is missing: the row has 5 cells, expected 7");
    check("0,1,decode,0,99999,1,0", "trace.csv:4: rank 99999 is out of range, expected 0 to 65535");
    check("0,1,decode,99999,0,1,0", "trace.csv:4: layer 99999 is out of range, expected 0 to 65535");
    check(
        "0,1,prefill,0,0,1,0",
        "trace.csv: token 1 of sequence 0 is prefill after decode, or both, expected prompt tokens first",
    );
    check(
        "0,0,decode,0,1,5,0",
        "trace.csv:4: expert 5 stands twice in layer 0 of one token, expected each expert at most once",
    );
    let wrong = message("trace.csv", "# moesim trace v1\n# layer_ids=0,x\nsequence,token,layer,expert\n");
    assert_eq!(
        wrong,
        "trace.csv:2: # layer_ids: found \"0,x\", expected whole numbers with commas between them"
    );
}

#[test]
fn weights_above_one_keep_their_shares() {
    let rows = "sequence,token,layer,rank,expert,weight\n0,0,0,0,0,2.0\n0,0,0,1,1,1.0\n";
    let imported = text("t.csv", rows).unwrap();
    assert_eq!(imported.trace.weights().unwrap(), [65_535, 32_768]);
    assert!(imported.notes().iter().any(|note| note.contains("weights reach 2")), "{:?}", imported.notes());
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
fn nf4gemm_small() {
    let meta =
        "{\"meta\": {\"model\": \"m\", \"steps\": 3, \"layers\": 11, \"top_k\": 2, \"n_experts\": 4}}\n";
    let imported =
        text("t.jsonl", &format!("{meta}{{\"step\": 0, \"routed\": {{\"10\": [0, 3], \"2\": [1]}}}}\n"))
            .unwrap();
    assert_eq!(shape(&imported.trace), (11, 4, 2, 1, 0, 1));
    let row = row(&imported.trace, 0);
    assert_eq!(
        (&row[2], &row[10]),
        (&vec![Some(1), None], &vec![Some(0), Some(3)]),
        "layers are numbers, not text"
    );
    assert!(imported.notes().iter().any(|note| note == "the file announces 3 steps and holds 1"));
    let found = message("t.jsonl", &format!("{meta}{{\"step\": 0, \"routed\": {{\"2\": [1, 4]}}}}\n"));
    assert_eq!(found, "t.jsonl:2: expert 4 is out of range, expected 0 to 3");
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
fn prompts_errors_name_the_token() {
    let file = |token: &str| {
        format!(
            "{{\"model\":\"m\",\"num_layers\":2,\"num_experts\":4,\"top_k\":2,\"prompts\":{{\"p\":{{\"prompt_len\":3,\"decode\":[[[0,1],[2,3]],{token}]}}}}}}"
        )
    };
    let imported = text("p.json", &file("[[3],[1,0]]")).unwrap();
    assert_eq!(shape(&imported.trace), (2, 4, 2, 1, 0, 2), "a trace may hold decode only");
    assert_eq!(imported.trace.sequences()[0].prompt_length, 3);
    let check = |token: &str, expect: &str| {
        assert_eq!(message("p.json", &file(token)), format!("p.json: prompts.p.decode[1]: {expect}"))
    };
    check("[[3]]", "a token has 1 layers, expected 2");
    check("[[3],[4]]", "expert 4 is out of range, expected 0 to 3");
    check("[[3],[1,2,3]]", "layer 1 of a token has 3 experts, expected at most 2");
    check("[[3],[1,1]]", "expert 1 stands twice in layer 1 of one token, expected each expert at most once");
    assert!(message("p.json", &file("[[3],[x]]")).starts_with("p.json:1:"));
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

#[test]
fn sparsify_small() {
    // Layers 1, 10, 2 in the order of their text; a prompt of three experts in layer 1; each event three times.
    let event = |layer: u32, experts: &[u32]| {
        let one: Vec<String> = experts.iter().map(|expert| format!("[{layer}, {expert}]")).collect();
        [one.join(","), one.join(","), one.join(",")].join(",")
    };
    let prompt = [event(1, &[0, 2, 3]), event(10, &[1]), event(2, &[3])];
    let decode = [event(1, &[2]), event(10, &[0]), event(2, &[1])];
    let events = [prompt.join(","), decode.join(","), decode.join(",")].join(",");
    let file = format!("{{\"trace\": [{events}], \"entry_bytes\": 7.0, \"experts_per_group\": 4}}");
    let imported = text("s.json", &file).unwrap();
    assert_eq!(shape(&imported.trace), (3, 4, 1, 1, 3, 2));
    assert_eq!(imported.trace.header().layer_ids, [1, 2, 10]);
    assert_eq!(row(&imported.trace, 0), [[Some(0)], [Some(3)], [Some(1)]]);
    assert_eq!(row(&imported.trace, 1), [[Some(2)], [None], [None]]);
    assert_eq!(row(&imported.trace, 3), [[Some(2)], [Some(1)], [Some(0)]]);
}

#[test]
fn llama_cpp_cuts_passes() {
    // A prompt of two tokens whose last layer has one row only, then two decode tokens.
    let rows = "layer,expert\n0,1\n0,2\n0,3\n0,4\n5,6\n5,7\n0,2\n0,1\n5,0\n5,3\n0,2\n0,1\n5,0\n5,3\n";
    let imported = text("l.csv", rows).unwrap();
    assert_eq!(shape(&imported.trace), (2, 8, 2, 1, 2, 2));
    assert_eq!(row(&imported.trace, 0), [[Some(1), Some(2)], [None, None]]);
    assert_eq!(row(&imported.trace, 1), [[Some(3), Some(4)], [Some(6), Some(7)]]);
    assert_eq!(
        message("l.csv", &format!("{rows}0,1\n0,2\n0,3\n")),
        "l.csv:16: layer 0 has 3 experts in one pass, expected a multiple of top-2"
    );
}

/// A `.npy` file of little-endian numbers.
fn npy(dtype: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape}), }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}

fn read_bytes(name: &str, bytes: &[u8], options: &ImportOptions) -> Result<Imported> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    import::read(&path, options)
}

#[test]
fn routed_experts_drops_dense_layers_and_empty_rows() {
    // Three layers, of which 0 is dense; token 1 was not recorded; -1 pads.
    let tokens: [[i32; 6]; 4] = [[0, 0, 3, 1, 2, -1], [0; 6], [0, 0, 0, 1, 1, 0], [0, 0, 5, 4, 3, 2]];
    let values: Vec<u8> = tokens.as_flattened().iter().flat_map(|id| id.to_le_bytes()).collect();
    let options = ImportOptions { prompt_length: Some(3), ..ImportOptions::default() };
    let imported = read_bytes("r.npy", &npy("<i4", "4, 3, 2", &values), &options).unwrap();
    assert_eq!(shape(&imported.trace), (2, 8, 2, 1, 2, 1));
    assert_eq!(imported.trace.header().layer_ids, [1, 2]);
    assert_eq!(row(&imported.trace, 0), [[Some(3), Some(1)], [Some(2), None]]);
    assert_eq!(row(&imported.trace, 1), [[Some(0), Some(1)], [Some(1), Some(0)]]);
    let notes = imported.notes().join("\n");
    assert!(notes.contains("layers 0 are zero throughout") && notes.contains("1 rows are zero"), "{notes}");
    // The same as unsigned 16 bits, where -1 is 65,535, and as big-endian 64 bits.
    let narrow: Vec<u8> =
        tokens.as_flattened().iter().flat_map(|id| id.to_le_bytes()[..2].to_vec()).collect();
    let wide: Vec<u8> = tokens.as_flattened().iter().flat_map(|id| i64::from(*id).to_be_bytes()).collect();
    for file in [npy("<u2", "4, 3, 2", &narrow), npy(">i8", "4, 3, 2", &wide)] {
        let again = read_bytes("r.npy", &file, &options).unwrap();
        assert_eq!(again.trace.fingerprint(), imported.trace.fingerprint());
    }
}

#[test]
fn arrays_that_are_not_routing_are_refused() {
    let check = |bytes: &[u8], expect: &str| {
        let error = read_bytes("r.npy", bytes, &ImportOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(&npy("<i4", "2, 3", &[0; 24]), "has shape [2, 3], expected [tokens, layers, k]");
    check(&npy("<f4", "1, 1, 2", &[0; 8]), "holds floats, expected expert ids");
    check(&npy("<i4", "1, 1, 2", &[0; 4]), "cannot be read");
    check(&npy("<i4", "4294967296, 4294967296, 4", &[0; 4]), "has a shape beyond the address space");
    check(&npy("<i4", "1099511627776, 1, 1", &[0; 4]), "cannot be read");
    check(&npy("<i2", "1, 1, 2", &[3, 0, 3, 0]), "token 0: expert 3 stands twice in layer 0");
    check(&npy("<i2", "1, 1, 1", &[0xFE, 0xFF]), "expert -2 is out of range");
    check(&npy("|O", "1, 1, 1", &[0xFE, 0xFF]), "array \"array\"");
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
