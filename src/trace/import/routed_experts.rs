//! vLLM and SGLang `routed_experts`, saved with numpy: an array `[tokens, layers, k]`, prompt and generated tokens
//! together, as `.npy`, or as `.npz` with one array for each request (vLLM `--enable-return-routed-experts`,
//! `vllm/outputs.py`; SGLang `return_routed_experts`).
//!
//! In an archive, `X__meta` (or `X_meta`) `[prompt, generated]` gives the prompt length of `X__routed` (or `X`). Traps:
//! the layer axis counts dense layers, which stay all zero and are dropped; rows that nothing was written to (profiling
//! runs, cached prefixes) are all zero and are dropped; -1 is an empty slot; there are no weights.

use super::dense::{Dense, experts_of};
use super::npy::{is_npy, is_npz, names, read_npy, read_npz};
use super::{ImportOptions, Imported, Source};
use crate::error::{Error, Result};
use crate::trace::builder::{Phase, TraceBuilder};
use crate::trace::data::TraceHeader;

/// A request: its ids and the length of its prompt.
struct Request {
    name: String,
    prompt_length: Option<u64>,
}

pub(super) fn detect(source: &Source) -> bool {
    is_npy(source) || is_npz(source)
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let mut notes = Vec::new();
    let (requests, arrays) = load(source, options, &mut notes)?;
    let Some(first) = arrays.first() else {
        return Err(Error::at(source.place(), "holds no array of three axes").expected("[tokens, layers, k]"));
    };
    if let Some(other) =
        arrays.iter().find(|array| (array.layers, array.top_k) != (first.layers, first.top_k))
    {
        let found = format!("array {:?} has {} layers and top-{}", other.name, other.layers, other.top_k);
        return Err(
            Error::at(source.place(), found).expected(format!("{} and top-{}", first.layers, first.top_k))
        );
    }
    let layers = written_layers(&arrays, first.layers);
    if layers.len() < first.layers {
        let dense = (0..first.layers).filter(|layer| !layers.contains(layer)).map(|layer| layer.to_string());
        notes.push(format!(
            "layers {} are zero throughout: taken as dense and dropped",
            dense.collect::<Vec<_>>().join(", ")
        ));
    }
    let header = TraceHeader {
        layer_ids: layers.iter().map(|layer| u32::try_from(*layer).unwrap_or(u32::MAX)).collect(),
        experts: experts_of(&arrays, options, &mut notes),
        top_k: u32::try_from(first.top_k).unwrap_or(u32::MAX),
        source: format!("routed_experts, {}", source.name()),
        notes,
        ..TraceHeader::default()
    };
    let mut builder =
        TraceBuilder::new(header).map_err(|error| Error::at(source.place(), error.to_string()))?;
    let mut unwritten = 0u64;
    for (request, array) in requests.iter().zip(&arrays) {
        unwritten += push_request(source, &mut builder, request, array, &layers)?;
    }
    if unwritten > 0 {
        builder.note(format!("{unwritten} rows are zero in all layers (nothing was recorded): dropped"));
    }
    if builder.rows() == 0 {
        return Err(Error::at(source.place(), "holds no tokens"));
    }
    Ok(builder.finish()?.into())
}

fn load(
    source: &Source,
    options: &ImportOptions,
    notes: &mut Vec<String>,
) -> Result<(Vec<Request>, Vec<Dense>)> {
    let (mut requests, mut arrays) = (Vec::new(), Vec::new());
    if is_npy(source) {
        arrays.push(Dense::from_array(source, read_npy(source)?)?);
        requests.push(Request { name: String::new(), prompt_length: options.prompt_length });
    } else {
        let known = names(source);
        for array_name in &known {
            let array = read_npz(source, array_name)?;
            if array.shape.len() != 3 {
                continue;
            }
            let name = array_name.strip_suffix("__routed").unwrap_or(array_name);
            let meta = [format!("{name}__meta"), format!("{name}_meta")]
                .into_iter()
                .find(|meta| known.contains(meta));
            let prompt_length = match meta {
                Some(meta) => Some(prompt_length(source, &meta)?),
                None => options.prompt_length,
            };
            arrays.push(Dense::from_array(source, array)?);
            requests.push(Request { name: name.to_owned(), prompt_length });
        }
    }
    if requests.iter().any(|request| request.prompt_length.is_none()) {
        notes.push("prompt lengths are not known: rows without one are taken as decode".to_owned());
    }
    Ok((requests, arrays))
}

fn prompt_length(source: &Source, meta: &str) -> Result<u64> {
    let first = read_npz(source, meta)?.values.into_integers().and_then(|values| values.first().copied());
    first.and_then(|length| u64::try_from(length).ok()).ok_or_else(|| {
        Error::at(source.place(), format!("array {meta:?} has no prompt length"))
            .expected("[prompt, generated]")
    })
}

/// The layers that are not zero in every row.
fn written_layers(arrays: &[Dense], layers: usize) -> Vec<usize> {
    let is_written =
        |layer| arrays.iter().any(|array| (0..array.tokens).any(|token| !array.is_unwritten(token, layer)));
    (0..layers).filter(|layer| is_written(*layer)).collect()
}

/// Pushes the rows of one request; the number of rows that were dropped.
fn push_request(
    source: &Source,
    builder: &mut TraceBuilder,
    request: &Request,
    array: &Dense,
    layers: &[usize],
) -> Result<u64> {
    let recorded: Vec<usize> = (0..array.tokens)
        .filter(|token| layers.iter().any(|layer| !array.is_unwritten(*token, *layer)))
        .collect();
    let dropped = (array.tokens - recorded.len()) as u64;
    if recorded.is_empty() {
        builder.note(format!("array {:?} holds no recorded tokens: left out", array.name));
        return Ok(dropped);
    }
    let prompt = request.prompt_length.unwrap_or(0);
    builder.begin_sequence(&request.name, prompt)?;
    for token in recorded {
        let row = array.row(token);
        let ids: Vec<u16> = layers
            .iter()
            .flat_map(|layer| &row[layer * array.top_k..(layer + 1) * array.top_k])
            .copied()
            .collect();
        let phase = if (token as u64) < prompt { Phase::Prefill } else { Phase::Decode };
        builder.push(phase, &ids).map_err(|error| {
            Error::at(source.place(), format!("array {:?}, token {token}: {error}", array.name))
        })?;
    }
    Ok(dropped)
}
