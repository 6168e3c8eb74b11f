//! `moesim catalog`.

use clap::{Args, Subcommand};

use super::{Ended, json, show, show_table};
use crate::catalogue::view::{self, Sheet, Table};
use crate::error::{Error, Result, nearest_name};
use crate::report::labelled;

const EXAMPLES: &str = "Examples:
  moesim catalog models
  moesim catalog show rtx4090
  moesim catalog gpus --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CatalogArgs {
    #[command(subcommand)]
    command: CatalogCommand,
}

/// One variant for each kind of the catalogue, so that help and suggestions know them.
#[derive(Debug, Subcommand)]
enum CatalogCommand {
    /// List the models with their total and active parameters.
    Models(ListArgs),
    /// List the GPUs and machines with unified memory.
    Gpus(ListArgs),
    /// List the CPUs.
    Cpus(ListArgs),
    /// List the storage devices.
    Storage(ListArgs),
    /// List the links between GPUs.
    Interconnects(ListArgs),
    /// List the quantisation schemes.
    Quant(ListArgs),
    /// List what quantisation, merging and skipping cost in quality, as published.
    Quality(ListArgs),
    /// List the engine profiles.
    Engines(ListArgs),
    /// List the measured kernels of routed experts.
    Kernels(ListArgs),
    /// List the prices, each with its date: parts, machines, rents, electricity.
    Prices(ListArgs),
    /// Show everything known about one entry, every number with its source.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print JSON: everything about every entry.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Name as scenarios write it; case and separators do not matter.
    #[arg(value_name = "NAME")]
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CatalogArgs) -> Result<Ended> {
    match &args.command {
        CatalogCommand::Models(args) => list("models", args),
        CatalogCommand::Gpus(args) => list("gpus", args),
        CatalogCommand::Cpus(args) => list("cpus", args),
        CatalogCommand::Storage(args) => list("storage", args),
        CatalogCommand::Interconnects(args) => list("interconnects", args),
        CatalogCommand::Quant(args) => list("quant", args),
        CatalogCommand::Quality(args) => list("quality", args),
        CatalogCommand::Engines(args) => list("engines", args),
        CatalogCommand::Kernels(args) => list("kernels", args),
        CatalogCommand::Prices(args) => list("prices", args),
        CatalogCommand::Show(args) => show_one(args),
    }
}

fn list(kind: &str, args: &ListArgs) -> Result<Ended> {
    let unknown = || Error::new(format!("unknown kind {kind:?}")).nearest(kind, view::kinds());
    if args.json {
        return json(&view::sheets(kind).ok_or_else(unknown)?);
    }
    show_table(view::table(kind).ok_or_else(unknown)?)
}

fn show_one(args: &ShowArgs) -> Result<Ended> {
    let name = args.name.as_str();
    let Some(sheet) = view::show(name) else {
        let error = Error::new(format!("unknown name {name:?} in the catalogue"));
        // All names are too many to list.
        return Err(match nearest_name(name, &view::names()) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint(format!("see `moesim catalog {}`", view::kinds().join("|"))),
        });
    };
    if args.json {
        return json(&sheet);
    }
    show(&page(&sheet))
}

/// Heading, facts, and the sources below by number: most facts share them.
fn page(sheet: &Sheet) -> String {
    let mut sources: Vec<&str> = Vec::new();
    let mut rows = Vec::new();
    for fact in &sheet.facts {
        let known = sources.iter().position(|source| *source == fact.source);
        let number = known.unwrap_or(sources.len()) + 1;
        if known.is_none() {
            sources.push(&fact.source);
        }
        rows.push(vec![
            fact.key.clone(),
            fact.value.clone(),
            fact.fidelity.to_string(),
            format!("[{number}]"),
        ]);
    }
    let columns = ["quantity", "value", "fidelity", "source"].map(str::to_owned).to_vec();
    let numbers: Vec<String> = (1..=sources.len()).map(|number| format!("[{number}]")).collect();
    let notes: Vec<(&str, String)> =
        numbers.iter().map(String::as_str).zip(sources.into_iter().map(str::to_owned)).collect();
    let head = labelled(&[
        ("name", sheet.name.clone()),
        ("id", sheet.id.clone()),
        ("kind", sheet.kind.to_owned()),
        ("note", sheet.note.clone()),
    ]);
    format!("{head}\n{}\n{}", Table { columns, rows }.render(), labelled(&notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_command() {
        let command = CatalogCommand::augment_subcommands(clap::Command::new("catalog"));
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(names, [view::kinds(), vec!["show"]].concat());
    }
}
