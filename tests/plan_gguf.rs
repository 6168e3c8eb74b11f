//! A scenario may name a GGUF file: its own sizes decide, whatever a scheme would say.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[path = "common/gguf.rs"]
mod writer;

use std::path::Path;

use moesim::metrics::{Outcome, Row};
use moesim::plan::{Inputs, plan};
use moesim::scenario::ScenarioFile;
use moesim::sweep::run_point;
use moesim::trace::{Compression, Phase, TraceBuilder, TraceHeader, write_file};

/// A folder with the model and a trace of its shape: 4 layers, 8 experts, top-2.
fn folder(model: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.gguf"), model).unwrap();
    let header = TraceHeader { layer_ids: (0..4).collect(), experts: 8, top_k: 2, ..TraceHeader::default() };
    let mut builder = TraceBuilder::new(header).unwrap();
    builder.begin_sequence("", 0).unwrap();
    for token in 0..6_u16 {
        let row: Vec<u16> = (0..4).flat_map(|layer| [(token + layer) % 8, (token + layer + 3) % 8]).collect();
        builder.push(Phase::Decode, &row).unwrap();
    }
    write_file(&builder.finish().unwrap(), Compression::None, &folder.path().join("small.moetrace")).unwrap();
    folder
}

fn scenario(folder: &Path, more: &str) -> Result<ScenarioFile, String> {
    let text = format!(
        "[model]\ngguf = \"small.gguf\"\n{more}[hardware]\ngpu = \"t4\"\n[workload]\ntrace = \"small.moetrace\"\n"
    );
    ScenarioFile::parse(&text, &folder.join("x.toml"), &[]).map_err(|error| error.to_string())
}

fn row(folder: &Path) -> Row {
    run_point(&scenario(folder, "").unwrap(), 0, &Inputs::default()).unwrap()
}

#[test]
fn the_sizes_are_the_file_s_own() {
    let folder = folder(&writer::qwen3moe().bytes());
    let row = row(folder.path());
    // 8 experts of 3 x 65,536 weights a layer: Q4_K (144 bytes for 256), and in the last two layers Q6_K (210) for down.
    let expert = |down: u64| 256 * (2 * 144 + down);
    assert_eq!(row.config.experts_total_bytes, 8 * (2 * expert(144) + 2 * expert(210)));
    assert_eq!(row.config.token_working_set_bytes * 4, row.config.experts_total_bytes);
    let owner = |name: &str| row.ledger.iter().find(|line| line.owner == name).unwrap().bytes;
    assert_eq!(owner("embeddings"), 100 * 144);
    assert_eq!(owner("lm head"), 100 * 210);
    assert_eq!(owner("router"), 4 * 8 * 256 * 4);
    let Outcome::Done(summary) = &row.outcome else { panic!("{:?}", row.outcome) };
    assert_eq!(summary.decode.tokens, 6);
    // 4.84 bits a weight on average: the estimate of Q4_K.
    let [part] = row.quality.parts.as_slice() else { panic!("{:?}", row.quality) };
    assert_eq!(part.what, "weights in a file of 4.84 bits each");
    assert_eq!((part.loss_ppm, part.fidelity.as_str()), (Some(8_900), "derived"));
    assert!(part.source.starts_with("as q4_k, the nearest type; "), "{}", part.source);
}

#[test]
fn a_scheme_beside_the_file_is_refused() {
    let folder = folder(&writer::qwen3moe().bytes());
    let file = scenario(folder.path(), "[quant]\nscheme = \"q8_0\"\n").unwrap();
    let error = plan(&file.point(0).unwrap(), &Inputs::default()).unwrap_err().to_string();
    let message = "x.toml:4:10: quant.scheme beside model.gguf, the file says how its weights are stored";
    assert!(error.ends_with(message), "{error}");
}

#[test]
fn a_file_without_all_tensors_is_refused() {
    let part = writer::start("qwen3moe").numbers("qwen3moe", &[("expert_feed_forward_length", 256)]);
    let folder = folder(&part.layers(0..4, writer::ATTENTION).layers(0..4, writer::EXPERTS).bytes());
    let file = scenario(folder.path(), "").unwrap();
    let error = plan(&file.point(0).unwrap(), &Inputs::default()).unwrap_err().to_string();
    assert!(
        error.contains("small.gguf lacks ") && error.contains("expected a file that lists the whole model"),
        "{error}"
    );
}
