//! `moesim trace stats IN`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::TraceArgs;
use crate::cli::{Ended, console, json};
use crate::error::Result;
use crate::report::{folder, trace_pictures, trace_text};
use crate::trace::Trace;
use crate::trace::stats::{self, Popularity};

const EXAMPLES: &str = "Examples:
  moesim trace stats traces/gpt-oss-20b.moetrace
  moesim trace stats traces/gpt-oss-20b.moetrace --layers
  moesim trace stats tokens.jsonl --split 399,399,399,199 -o output/chat --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct StatsArgs {
    #[command(flatten)]
    trace: TraceArgs,
    /// Add a table of all layers.
    #[arg(long)]
    layers: bool,
    /// Print JSON: everything, layer by layer.
    #[arg(long, conflicts_with = "layers")]
    json: bool,
    /// Folder of the pictures [default: output/trace-<IN>].
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print nothing but errors, and JSON where asked for.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &StatsArgs) -> Result<Ended> {
    let trace = args.trace.read()?.trace;
    let stem =
        args.trace.file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let output = args.output.clone().unwrap_or_else(|| Path::new("output").join(format!("trace-{stem}")));
    draw(&trace, &stem, &output)?;
    if args.json {
        json(&stats::compute(&trace))?;
    } else if !args.quiet {
        let stats = stats::compute(&trace);
        console::out(&trace_text::stats(&stats))?;
        if args.layers {
            console::out(&format!("\n{}", trace_text::layers(&stats)))?;
        }
    }
    if !args.quiet {
        console::note(&format!("pictures are in {}", output.display()));
    }
    Ok(Ended::Well)
}

/// Writes the popularity curves and the heat map, named after the model and the file.
fn draw(trace: &Trace, stem: &str, folder: &Path) -> Result<()> {
    let header = trace.header();
    let counts = Popularity::of(trace, 0..trace.sequences().len()).counts;
    let (layers, experts) = (header.layers(), header.experts as usize);
    let name = match header.model.as_str() {
        "" => stem.to_owned(),
        model if model.eq_ignore_ascii_case(stem) => model.to_owned(),
        model => format!("{model} ({stem})"),
    };
    let mut files =
        trace_pictures::popularity(&format!("{name}: popularity of experts"), &counts, layers, experts)?;
    let title = format!("{name}: use of experts by layer");
    files.extend(trace_pictures::heat_map(&title, &counts, layers, experts)?);
    folder::write(folder, &files)
}
