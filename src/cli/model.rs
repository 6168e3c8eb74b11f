//! `moesim model FILE`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{Ended, show_table};
use crate::catalogue::view::Table;
use crate::catalogue::{Entry, ModelRow};
use crate::error::{Error, Place, Result};
use crate::model::{ComponentBytes, Dtype, ModelSpec, gguf, hf};
use crate::units::Bytes;

#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    /// A Hugging Face config.json, a GGUF file, or a model of the catalogue.
    #[arg(value_name = "FILE|NAME")]
    model: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A model, and its bytes where the file says them.
struct Found {
    spec: ModelSpec,
    bytes: Option<ComponentBytes>,
}

pub(super) fn run(args: &ModelArgs) -> Result<Ended> {
    let Found { spec, bytes } = find(&args.model)?;
    let (params, active) = (spec.params(), spec.active_params());
    let sixteen_bit = Dtype::by_name("bf16").map_or(Bytes::ZERO, |dtype| dtype.bytes_for(params.total()));
    if args.json {
        let object = |counts: [(&'static str, u64); 8]| {
            let parts = counts.into_iter().map(|(part, count)| (part.to_owned(), count.into()));
            serde_json::Value::Object(parts.collect())
        };
        return super::json(&json!({
            "name": spec.name,
            "layers": spec.layers.len(),
            "moe_layer_ids": spec.moe_layer_ids(),
            "experts": spec.experts(),
            "top_k": spec.top_k(),
            "parameters": params.total(),
            "active_parameters": active.total(),
            "parameters_by_part": object(params.named()),
            "active_parameters_by_part": object(active.named()),
            "bytes_by_part": bytes.map(|bytes| object(bytes.named().map(|(part, size)| (part, size.get())))),
        }));
    }
    let mut columns = vec!["part".to_owned(), "parameters".to_owned(), "active per token".to_owned()];
    columns.extend(bytes.map(|_| "stored".to_owned()));
    let stored = |index: usize| bytes.map(|bytes| bytes.named()[index].1.to_string());
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (index, ((part, count), (_, active))) in params.named().into_iter().zip(active.named()).enumerate() {
        let mut row = vec![part.replace('_', " "), millions(count), millions(active)];
        row.extend(stored(index));
        rows.push(row);
    }
    let mut total = vec!["total".to_owned(), millions(params.total()), millions(active.total())];
    total.extend(bytes.map(|bytes| bytes.total().to_string()));
    rows.push(total);
    let moe = spec.moe_layer_ids().len();
    super::show(&format!(
        "{}: {} layers, {moe} of them with {} experts, top-{}; {sixteen_bit} in 16 bits\n\n",
        spec.name,
        spec.layers.len(),
        spec.experts(),
        spec.top_k()
    ))?;
    show_table(Table { columns, rows })
}

fn find(path: &Path) -> Result<Found> {
    let name = path.to_string_lossy();
    if path.exists() {
        if path.extension().is_some_and(|ending| ending == "gguf") {
            let file = gguf::import(path)?;
            return Ok(Found { spec: file.spec, bytes: Some(file.bytes) });
        }
        let text = std::fs::read_to_string(path).map_err(|cause| Error::io(path, "read", &cause))?;
        return Ok(Found { spec: hf::import(&text, path)?, bytes: None });
    }
    match ModelRow::find(&name) {
        Some(row) => Ok(Found { spec: row.spec.clone(), bytes: None }),
        None => {
            let message = format!("no file and no model of the catalogue is called {name:?}");
            Err(Error::at(Place::none(), message).nearest(&name, ModelRow::names()))
        }
    }
}

/// Parameters in millions, one decimal, for display.
fn millions(parameters: u64) -> String {
    format!("{:.1} M", parameters as f64 / 1e6)
}
