//! `moesim trace`: read, describe and convert routing traces.

mod convert;
mod formats;
mod info;
mod ship;
mod stats;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Ended;
use crate::error::Result;
use crate::trace::import::{self, ImportOptions, Imported};

#[derive(Debug, Subcommand)]
pub(super) enum TraceCommand {
    /// Convert a trace of any known format to .moetrace or .csv.
    Convert(convert::ConvertArgs),
    /// Show the shape and origin of a trace.
    Info(info::InfoArgs),
    /// Show how the router uses its experts, and draw it.
    Stats(stats::StatsArgs),
    /// List the formats that can be read.
    Formats(formats::FormatsArgs),
    /// Generate the synthetic traces that ship with moesim.
    Ship(ship::ShipArgs),
}

pub(super) fn run(command: &TraceCommand) -> Result<Ended> {
    match command {
        TraceCommand::Convert(args) => convert::run(args),
        TraceCommand::Info(args) => info::run(args),
        TraceCommand::Stats(args) => stats::run(args),
        TraceCommand::Formats(args) => formats::run(args),
        TraceCommand::Ship(args) => ship::run(args),
    }
}

/// A trace and what a person says about it.
#[derive(Debug, Args)]
struct TraceArgs {
    /// Trace in any format that `moesim trace formats` lists.
    #[arg(value_name = "IN")]
    file: PathBuf,
    /// Format of the file [default: recognised from the file].
    #[arg(long, value_name = "FORMAT", help_heading = HEADING)]
    from: Option<String>,
    /// Tokens of each sequence, for a file that does not mark where one ends.
    #[arg(long, value_name = "TOKENS,...", value_delimiter = ',', help_heading = HEADING)]
    split: Vec<u64>,
    /// Model name.
    #[arg(long, value_name = "NAME", help_heading = HEADING)]
    model: Option<String>,
    /// Experts per layer, for a file that does not say.
    #[arg(long, value_name = "N", help_heading = HEADING)]
    experts: Option<u32>,
    /// Experts per token and layer, for a file that does not say.
    #[arg(long, value_name = "N", help_heading = HEADING)]
    top_k: Option<u32>,
    /// Prompt tokens of each sequence, for a file that does not mark them.
    #[arg(long, value_name = "N", help_heading = HEADING)]
    prompt_length: Option<u64>,
    /// Where the trace comes from.
    #[arg(long, value_name = "TEXT", help_heading = HEADING)]
    source: Option<String>,
    /// Licence of the data.
    #[arg(long, value_name = "TEXT", help_heading = HEADING)]
    licence: Option<String>,
}

const HEADING: &str = "What the file does not say";

impl TraceArgs {
    fn read(&self) -> Result<Imported> {
        let options = ImportOptions {
            format: self.from.clone(),
            split: self.split.clone(),
            model: self.model.clone(),
            experts: self.experts,
            top_k: self.top_k,
            prompt_length: self.prompt_length,
            source: self.source.clone(),
            licence: self.licence.clone(),
        };
        import::read(&self.file, &options)
    }
}
