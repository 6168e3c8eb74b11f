//! Reads the architecture from a Hugging Face `config.json`.
//!
//! A model type is known or refused: every family here was checked against its modelling code (transformers 5.23 and
//! the code published with the weights), since a key means different things in different families. Keys that only
//! training, sampling or positions need are not read.

mod families;
mod features;
mod latent;
mod locate;
mod mixers;
mod moe;
mod pattern;
mod reader;
mod softmax;

use std::path::Path;

use serde_json::Value;

use super::ModelSpec;
use crate::error::{Error, Place, Result};
use families::FAMILIES;
use reader::{Config, Source};

/// Reads a `config.json`; `place` is the file it came from.
///
/// # Errors
///
/// Text that is not JSON, a key that is missing or of the wrong type, a model type that is not known, or the name of a
/// feature that is not modelled; each with the file, and line and column where there is one.
pub fn import(text: &str, place: &Path) -> Result<ModelSpec> {
    let file = Place::file(place);
    let value: Value = serde_json::from_str(text).map_err(|cause| {
        let place = file.clone().line(cause.line()).column(cause.column());
        let message = cause.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        Error::at(place, format!("not JSON: {what}"))
    })?;
    let source = Source { place: file, text: Some(text) };
    read(&value, &source, &name_from(place))
}

/// Reads the same keys from a table that is already parsed, such as a catalogue row or the metadata of a GGUF file.
///
/// # Errors
///
/// As [`import`], without line and column.
pub fn import_value(value: &Value, name: &str, place: Place) -> Result<ModelSpec> {
    read(value, &Source { place, text: None }, name)
}

/// `Mixtral-8x7B/config.json` and `mistralai--Mixtral-8x7B_config.json` are both named after the model.
fn name_from(path: &Path) -> String {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|name| name.to_string_lossy().into_owned());
    let stem = text(path.file_stem()).unwrap_or_default();
    let parent = text(path.parent().and_then(Path::file_name));
    match parent {
        Some(folder) if stem == "config" => folder,
        _ => stem.split("_config").next().unwrap_or_default().to_owned(),
    }
}

fn read(value: &Value, source: &Source, name: &str) -> Result<ModelSpec> {
    let config = Config::new(value, source)?;
    let model_type = config.model_type()?;
    let Some(family) = FAMILIES.iter().find(|family| family.model_types.contains(&model_type)) else {
        let known = FAMILIES.iter().flat_map(|family| family.model_types.iter().copied());
        features::refuse(&config)?;
        return Err(config
            .error_at("model_type", format!("model type {model_type:?} is not modelled"))
            .nearest(model_type, known));
    };
    features::refuse(&config)?;
    families::build(&config, family, name)
}
