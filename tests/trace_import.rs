//! Importers, on small inputs that hold the traps of each format.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use moesim::error::Result;
use moesim::trace::{ImportOptions, Imported, Trace, import};
use moesim::units::LayerIndex;

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
        assert_eq!(message("p.json", &file(token)), format!("p.json: prompts.p.decode[1]: {expect}"));
    };
    check("[[3]]", "a token has 1 layers, expected 2");
    check("[[3],[4]]", "expert 4 is out of range, expected 0 to 3");
    check("[[3],[1,2,3]]", "layer 1 of a token has 3 experts, expected at most 2");
    check("[[3],[1,1]]", "expert 1 stands twice in layer 1 of one token, expected each expert at most once");
    assert!(message("p.json", &file("[[3],[x]]")).starts_with("p.json:1:"));
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
fn token_jsonl_speaks_several_dialects() {
    let dialects = [
        // lattice, in any order
        "{\"layer_idx\":3,\"token_idx\":1,\"selected_ids\":[0,2],\"gate_weights\":[0.75,0.25],\"extra\":[1]}\n\
         {\"layer_idx\":3,\"token_idx\":0,\"selected_ids\":[3,1],\"gate_weights\":[0.5,0.5]}\n",
        // VLLM_LOG_MOE
        "{\"type\":\"meta\",\"model_id\":\"m\",\"top_k\":2,\"num_experts\":4}\n\
         {\"type\":\"route\",\"req_id\":\"a\",\"token_idx\":0,\"layer\":3,\"topk_ids\":[3,1],\"topk_weights\":[0.5,0.5]}\n\
         {\"type\":\"route\",\"req_id\":\"a\",\"token_idx\":1,\"layer\":3,\"topk_ids\":[0,2],\"topk_weights\":[0.75,0.25]}\n",
        // MoE-PolicyLang
        "{\"p\":7,\"t\":0,\"l\":3,\"e\":[3,1],\"s\":[0.5,0.5]}\n{\"p\":7,\"t\":1,\"l\":3,\"e\":[0,2],\"s\":[0.75,0.25]}\n",
    ];
    for dialect in dialects {
        let imported = text("t.jsonl", dialect).unwrap();
        assert_eq!(shape(&imported.trace), (1, 4, 2, 1, 0, 2));
        assert_eq!(row(&imported.trace, 0), [[Some(3), Some(1)]]);
        assert_eq!(row(&imported.trace, 1), [[Some(0), Some(2)]]);
        assert_eq!(imported.trace.weights().unwrap(), [32_768, 32_768, 49_151, 16_384]);
        assert_eq!(imported.trace.header().layer_ids, [3]);
    }
    // moe-cache-lab marks phases and, in version 2, encoder layers.
    let record = |phase: &str, stage: &str, expert: u32| {
        format!(
            "{{\"record_type\":\"routing_selection\",\"phase\":\"{phase}\",\"routing_stage\":\"{stage}\",\"token_position\":0,\"layer\":0,\"selected_experts\":[{expert},-1]}}\n"
        )
    };
    let lines =
        [record("generated", "decoder", 5), record("prompt", "decoder", 2), record("prompt", "encoder", 2)];
    let imported = text("t.jsonl", &lines.concat()).unwrap();
    assert_eq!(shape(&imported.trace), (1, 8, 1, 1, 1, 1));
    assert_eq!(
        (row(&imported.trace, 0), row(&imported.trace, 1)),
        (vec![vec![Some(2)]], vec![vec![Some(5)]])
    );
    assert!(imported.notes().iter().any(|note| note.contains("1 selections of encoder layers")));
}

#[test]
fn token_jsonl_errors_point_to_the_line() {
    let check = |line: &str, expect: &str| {
        let content = format!("{{\"layer\":0,\"token_idx\":0,\"experts\":[1]}}\n{line}\n");
        assert_eq!(message("t.jsonl", &content), format!("t.jsonl:2{expect}"));
    };
    check(
        "{\"layer\":0,\"experts\":[1]}",
        ": has no token number, expected one of the keys token_idx, token_position, t",
    );
    check(
        "{\"layer\":\"a\",\"t\":1,\"experts\":[1]}",
        ": \"layer\": found \"a\", expected a whole number from 0",
    );
    check("{\"layer\":0,\"t\":1,\"experts\":[-2]}", ": expert -2, expected -1 or more");
    check(
        "{\"layer\":0,\"t\":1,\"experts\":[1],\"s\":[]}",
        ": 0 gate weights for 1 experts, expected one for each",
    );
    check("{\"layer\":0", ":10: EOF while parsing an object");
}

/// Shapes that would need all memory are refused before any is reserved.
#[test]
fn absurd_shapes_are_refused() {
    let csv = "# experts=65535\n# top_k=65535\nsequence,token,layer,expert\n0,0,0,1\n0,1,0,1\n";
    assert!(
        message("t.csv", csv)
            .starts_with("t.csv: states a shape of 2 rows of 1 layers x top-65535 for 2 selections")
    );
    let csv = "# experts=4000000000\n# top_k=4000000000\nsequence,token,layer,expert\n0,0,0,1\n";
    assert_eq!(message("t.csv", csv), "t.csv: a trace of 4000000000 experts per layer, expected 1 to 65535");
    let bigmoe = BIGMOE.replace("n_layer=3", "n_layer=4000000000").replace("layer=", "other=");
    assert_eq!(
        message("r.csv", &bigmoe.replace("n_other", "n_layer")),
        "r.csv: states 4000000000 layers, expected 1 to 65535"
    );
    let prompts = "{\"num_layers\":4000000000,\"num_experts\":4,\"top_k\":2,\"prompts\":{\"p\":{\"decode\":[[[0,1]]]}}}";
    assert_eq!(message("p.json", prompts), "p.json: states 4000000000 layers, expected 1 to 65535");
}

/// Random damage to a file of each text format: an error or another trace, never a panic or a hang.
#[test]
fn damaged_files_never_panic() {
    let mut state = 7u64;
    let mut draw = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let files: [(&str, Vec<u8>); 6] = [
        ("r.csv", BIGMOE.into()),
        ("t.csv", "# experts=8\n# sequence=0 prompt_length=7 category=a\nsequence,token,phase,layer,rank,expert,weight\n0,0,decode,0,0,5,0.5\n".into()),
        ("l.csv", "layer,expert\n0,1\n0,2\n5,6\n5,7\n0,2\n0,1\n5,0\n5,3\n".into()),
        ("s.json", "{\"trace\": [[1, 2],[1, 2],[2, 0],[2, 0]], \"entry_bytes\": 7.0, \"experts_per_group\": 4}".into()),
        ("r.npy", npy("<u2", "2, 2, 2", &[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0])),
        ("p.json", "{\"num_layers\":1,\"num_experts\":4,\"top_k\":2,\"prompts\":{\"p\":{\"decode\":[[[0,1]]]}}}".into()),
    ];
    for (name, file) in files {
        read_bytes(name, &file, &ImportOptions::default()).unwrap();
        for _ in 0..400 {
            let mut bad = file.clone();
            for _ in 0..=draw(3) {
                let at = draw(bad.len());
                match draw(3) {
                    0 => bad[at] = b"0129,-#\n{[\"x\xFF"[draw(13)],
                    1 => bad.truncate(at.max(1)),
                    _ => bad.insert(at, b"9,-:]"[draw(5)]),
                }
            }
            let _ = read_bytes(name, &bad, &ImportOptions::default());
        }
    }
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
