//! Reads a model from the header of a GGUF file: the architecture, and the real bytes of every part.
//!
//! Only the header is read, so the first megabytes of a file are enough. The metadata is put in the words of a
//! `config.json` and read by [`super::hf`]; sizes come from the tensor list, since quantisers mix types by layer.
//! Versions 2 and 3, little endian (specification: ggml, `docs/gguf.md`). Weights are never read.

mod header;
mod metadata;
mod tensors;

use std::path::Path;

use super::{ComponentBytes, ModelSpec, ParamCounts};
use crate::error::{Error, Place, Result};
use crate::units::Bytes;

/// What the header of a GGUF file says of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufModel {
    /// The architecture.
    pub spec: ModelSpec,
    /// Bytes of the tensors listed in this file, by part.
    pub bytes: ComponentBytes,
    /// Weights of the tensors listed in this file, by part. Equal to the architecture's count for a whole file.
    pub params: ParamCounts,
    /// One entry for each layer of the architecture.
    pub layers: Vec<GgufLayer>,
    /// Bytes that belong to no part: position tables and modules that predict further tokens.
    pub other_bytes: Bytes,
    /// How many files the model is split into; 1 for a whole file.
    pub shards: u64,
    /// Tensors that the architecture needs and this file does not list, as in the first file of several. A token mixer
    /// without any tensor is given as `blk.N.attn_*`.
    pub missing: Vec<String>,
}

/// One layer as a GGUF file stores it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GgufLayer {
    /// Bytes of one routed expert; zero for a layer without, or whose experts are in another file.
    pub expert_bytes: Bytes,
    /// Bytes of the layer's tensors, by part.
    pub bytes: ComponentBytes,
}

/// Reads the header of a GGUF file.
///
/// # Errors
///
/// A file that is not GGUF, is damaged or ends within its header; a storage type, an architecture or a feature that is
/// not known; metadata that do not fit together. Each with the file, and the byte, key or tensor.
pub fn import(path: &Path) -> Result<GgufModel> {
    let place = Place::file(path);
    let header = header::read(path, &place)?;
    let config = metadata::config(&header, &place)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = header.text("general.name").map_or(name, str::to_owned);
    let spec = super::hf::import_value(&config, &name, place.clone())?;
    tensors::assign(&header, spec, &place)
}

/// An error about one tensor.
fn tensor_error(place: &Place, name: &str, what: &str) -> Error {
    Error::at(place.clone(), format!("tensor {name:?} {what}"))
}
