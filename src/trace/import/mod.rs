//! Readers of the routing traces that engines and tools write.
//!
//! Each format is one file and one row of [`FORMATS`]. A reader binds columns and keys by name, ignores what it does
//! not know, points to the line that is wrong, and writes into the notes of the trace whatever it had to interpret.
//! A file is read whole into memory before it is converted; convert a large one to `.moetrace` once.

mod bigmoe;
mod columns;
mod dense;
mod gather;
mod llama_cpp;
mod nf4gemm;
mod npy;
mod nvmoe;
mod passes;
mod prompts;
mod routed_experts;
mod source;
mod sparsify;
mod table;
mod token_jsonl;

use std::path::Path;

pub use source::Source;

use super::builder::MAX_LAYERS;
use super::csv_twin;
use super::data::{SequenceMeta, Trace};
use super::format::{is_moetrace, open_moetrace};
use crate::error::{Error, Result};

pub(super) use gather::{Gather, Inferred, Known, RowKey, Selection};
pub(super) use table::{Table, TableRow};

/// In [`Imported::recorded_residency`]: the engine does not say.
pub const RESIDENCY_UNKNOWN: u8 = u8::MAX;

/// What a person can say about a file that does not say it itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Name of the format; recognised from the file where absent.
    pub format: Option<String>,
    /// Tokens of each sequence, for a file that does not mark where one ends; they must add up to its tokens.
    pub split: Vec<u64>,
    /// Model name, in place of the file's.
    pub model: Option<String>,
    /// Experts per layer, for a file that does not say.
    pub experts: Option<u32>,
    /// Expert slots per token and layer, for a file that does not say.
    pub top_k: Option<u32>,
    /// Prompt length in tokens of each sequence, for a file that holds prompt and decode rows without a mark.
    pub prompt_length: Option<u64>,
    /// Where the trace comes from, in place of the file's.
    pub source: Option<String>,
    /// Licence of the data, in place of the file's.
    pub licence: Option<String>,
}

/// A trace and what came with it.
#[derive(Debug)]
pub struct Imported {
    /// The trace; its notes say what was interpreted.
    pub trace: Trace,
    /// For each id slot what the engine that recorded the trace says about residency when it was looked up: 1 = was in
    /// memory, 0 = was not, [`RESIDENCY_UNKNOWN`]. `None` where the format has no such column.
    pub recorded_residency: Option<Vec<u8>>,
    /// Name of the format that the file was read in, as `--from` takes it.
    pub format: &'static str,
}

impl Imported {
    /// What was interpreted, one line each.
    pub fn notes(&self) -> &[String] {
        &self.trace.header().notes
    }
}

impl From<Trace> for Imported {
    fn from(trace: Trace) -> Self {
        Self { trace, recorded_residency: None, format: MOETRACE }
    }
}

/// Name of the format that [`FORMATS`] does not list, since its files are mapped rather than imported.
pub const MOETRACE: &str = "moetrace";

/// One format that can be read.
#[derive(Debug)]
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line: who writes it.
    pub summary: &'static str,
    detect: fn(&Source) -> bool,
    read: fn(&Source, &ImportOptions) -> Result<Imported>,
}

impl Format {
    fn import(&self, source: &Source, options: &ImportOptions) -> Result<Imported> {
        Ok(Imported { format: self.name, ..(self.read)(source, options)? })
    }
}

/// All formats, in the order in which they are tried.
pub const FORMATS: &[Format] = &[
    Format {
        name: "bigmoe",
        summary: "BigMoeOnEdge --route-trace, CSV `route_trace v1`",
        detect: bigmoe::detect,
        read: bigmoe::read,
    },
    Format {
        name: "csv",
        summary: "moesim's own CSV `sequence,token,phase,layer,rank,expert,weight`",
        detect: csv_twin::detect,
        read: csv_twin::read,
    },
    Format {
        name: "llama-cpp",
        summary: "llama.cpp moe-trace, CSV `layer,expert`",
        detect: llama_cpp::detect,
        read: llama_cpp::read,
    },
    Format {
        name: "nf4gemm",
        summary: "nf4gemm decode steps, JSON lines after a meta line",
        detect: nf4gemm::detect,
        read: nf4gemm::read,
    },
    Format {
        name: "prompts",
        summary: "onnx-genai expert trace, one JSON object of prompts",
        detect: prompts::detect,
        read: prompts::read,
    },
    Format {
        name: "sparsify",
        summary: "sparsify, one JSON object with a list of `[layer,expert]`",
        detect: sparsify::detect,
        read: sparsify::read,
    },
    Format {
        name: "nvmoe",
        summary: "nvmoe tokens, one JSON line `[[layer,expert],...]` for each token",
        detect: nvmoe::detect,
        read: nvmoe::read,
    },
    Format {
        name: "token-jsonl",
        summary: "JSON lines of one token and layer each: lattice, moe-cache-lab, MoE-PolicyLang, VLLM_LOG_MOE",
        detect: token_jsonl::detect,
        read: token_jsonl::read,
    },
    Format {
        name: "columns",
        summary: "numpy archive of ids, offsets, weights and prompt_len",
        detect: columns::detect,
        read: columns::read,
    },
    Format {
        name: "routed-experts",
        summary: "vLLM and SGLang routed_experts `[tokens, layers, k]`, saved as .npy or .npz",
        detect: routed_experts::detect,
        read: routed_experts::read,
    },
];

/// Opens a trace in any known format.
///
/// # Errors
/// As [`read`].
pub fn open(path: &Path) -> Result<Trace> {
    Ok(read(path, &ImportOptions::default())?.trace)
}

/// Reads a trace in the format that the options name, else in the one that the file shows.
///
/// # Errors
/// Not readable, a Git-LFS pointer, of no known format, or wrong in itself: then with the line.
pub fn read(path: &Path, options: &ImportOptions) -> Result<Imported> {
    let mut imported = match options.format.as_deref() {
        Some(MOETRACE) => open_moetrace(path)?.into(),
        Some(name) => {
            let known = FORMATS.iter().map(|format| format.name);
            let Some(format) = FORMATS.iter().find(|format| format.name == name) else {
                return Err(Error::new(format!("unknown trace format {name:?}"))
                    .nearest(name, std::iter::once(MOETRACE).chain(known)));
            };
            format.import(&Source::open(path)?, options)?
        }
        None if is_moetrace(&source::first_bytes(path)?) => open_moetrace(path)?.into(),
        None => {
            let source = Source::open(path)?;
            let Some(format) = FORMATS.iter().find(|format| (format.detect)(&source)) else {
                let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
                return Err(Error::at(source.place(), "is not a routing trace in a known format")
                    .expected(format!("one of {MOETRACE}, {}", names.join(", "))));
            };
            format.import(&source, options)?
        }
    };
    amend(&mut imported.trace, options, path)?;
    Ok(imported)
}

/// The layers of a file that states only how many there are.
fn numbered_layers(source: &Source, layers: u32) -> Result<Vec<u32>> {
    if layers as usize > MAX_LAYERS {
        return Err(Error::at(source.place(), format!("states {layers} layers"))
            .expected(format!("1 to {MAX_LAYERS}")));
    }
    Ok((0..layers).collect())
}

/// Applies what the options say about any format.
fn amend(trace: &mut Trace, options: &ImportOptions, path: &Path) -> Result<()> {
    let header = &mut trace.header;
    for (field, given) in [
        (&mut header.model, &options.model),
        (&mut header.source, &options.source),
        (&mut header.licence, &options.licence),
    ] {
        if let Some(text) = given {
            field.clone_from(text);
        }
    }
    if options.split.is_empty() { Ok(()) } else { split(trace, &options.split, path) }
}

/// Cuts the one sequence of a trace into sequences of the given lengths.
fn split(trace: &mut Trace, lengths: &[u64], path: &Path) -> Result<()> {
    let place = crate::error::Place::file(path);
    let [whole] = trace.sequences.as_slice() else {
        let found = format!("cannot be split: it marks {} sequences itself", trace.sequences.len());
        return Err(Error::at(place, found));
    };
    if whole.prefill_tokens > 0 {
        return Err(Error::at(
            place,
            "cannot be split: it holds prompt rows, whose place in the parts is not known",
        ));
    }
    let total = lengths.iter().try_fold(0u64, |sum, length| sum.checked_add(*length));
    if total != Some(whole.tokens) || lengths.contains(&0) {
        let found = format!("split into {lengths:?} tokens");
        return Err(
            Error::at(place, found).expected(format!("lengths above 0 that add up to {}", whole.tokens))
        );
    }
    let category = whole.category.clone();
    let mut first_token = 0;
    trace.sequences.clear();
    for tokens in lengths {
        let category = category.clone();
        trace.sequences.push(SequenceMeta {
            first_token,
            tokens: *tokens,
            category,
            ..SequenceMeta::default()
        });
        first_token += tokens;
    }
    trace.header.notes.retain(|note| note != gather::ONE_SEQUENCE);
    trace.header.notes.push(format!("split into {} sequences as the reader of the file said", lengths.len()));
    Ok(())
}
