//! `moesim trace convert IN -o OUT`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::TraceArgs;
use crate::cli::{Ended, console};
use crate::error::{Error, Place, Result};
use crate::report::trace_text;
use crate::trace::stats::TraceInfo;
use crate::trace::{Compression, Trace, write_csv_file, write_file};

const EXAMPLES: &str = "Examples:
  moesim trace convert run.route.csv -o run.moetrace
  moesim trace convert tokens.jsonl -o chat.moetrace --model gpt-oss-120b --split 399,399,199
  moesim trace convert routed_experts.npz -o chat.moetrace --experts 128 --zstd
  moesim trace convert chat.moetrace -o chat.csv";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct ConvertArgs {
    #[command(flatten)]
    trace: TraceArgs,
    /// File to write; its ending decides: .moetrace or .csv.
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// Compress a .moetrace: smaller, but read into memory instead of mapped.
    #[arg(long)]
    zstd: bool,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &ConvertArgs) -> Result<Ended> {
    let write = writer(args)?;
    refuse_same_file(&args.trace.file, &args.output)?;
    let imported = args.trace.read()?;
    write(&imported.trace, &args.output)?;
    if !args.quiet {
        console::out(&trace_text::info(&TraceInfo::of(&imported.trace), imported.format))?;
        console::note(&format!("wrote {}", args.output.display()));
    }
    Ok(Ended::Well)
}

/// How a file of this ending is written.
fn writer(args: &ConvertArgs) -> Result<fn(&Trace, &Path) -> Result<()>> {
    let place = || Place::file(&args.output);
    match args.output.extension().and_then(|ending| ending.to_str()) {
        Some("moetrace") if args.zstd => Ok(|trace, path| write_file(trace, Compression::Zstd, path)),
        Some("moetrace") => Ok(|trace, path| write_file(trace, Compression::None, path)),
        Some("csv") if args.zstd => {
            Err(Error::at(place(), "--zstd does not go with .csv").expected("a file that ends in .moetrace"))
        }
        Some("csv") => Ok(write_csv_file),
        _ => Err(Error::at(place(), "cannot tell the format to write")
            .expected("a file that ends in .moetrace or .csv")),
    }
}

/// The input is the only copy of a recording; where the output would take its place, the conversion is a mistake.
fn refuse_same_file(input: &Path, output: &Path) -> Result<()> {
    match (input.canonicalize(), output.canonicalize()) {
        (Ok(input), Ok(same)) if input == same => {
            Err(Error::at(Place::file(output), "is the input itself").hint("choose another output"))
        }
        _ => Ok(()),
    }
}
