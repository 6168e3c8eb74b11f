//! `moesim scenario`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Ended, show};
use crate::error::Result;
use crate::report::labelled;
use crate::scenario::{KeyDoc, keys};

#[derive(Debug, Args)]
pub(super) struct ScenarioCommandArgs {
    #[command(subcommand)]
    command: ScenarioCommand,
}

#[derive(Debug, Subcommand)]
enum ScenarioCommand {
    /// List every key of a scenario with its meaning and an example.
    Keys(KeysArgs),
}

#[derive(Debug, Args)]
struct KeysArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ScenarioCommandArgs) -> Result<Ended> {
    match &args.command {
        ScenarioCommand::Keys(args) => list(args),
    }
}

fn list(args: &KeysArgs) -> Result<Ended> {
    if args.json {
        let row = |row: &KeyDoc| json!({ "key": row.key, "doc": row.doc, "example": row.example });
        return super::json(&keys().iter().map(row).collect::<Vec<_>>());
    }
    let rows: Vec<(&str, String)> =
        keys().iter().map(|row| (row.key, format!("{}\n{} = {}", row.doc, row.key, row.example))).collect();
    show(&labelled(&rows))
}
