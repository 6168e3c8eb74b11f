//! `moesim trace info IN`.

use clap::Args;
use serde::Serialize;

use super::TraceArgs;
use crate::cli::{Ended, json, show};
use crate::error::Result;
use crate::report::trace_text;
use crate::trace::stats::TraceInfo;

const EXAMPLES: &str = "Examples:
  moesim trace info traces/gpt-oss-20b.moetrace
  moesim trace info tokens.jsonl --from nvmoe --experts 128 --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct InfoArgs {
    #[command(flatten)]
    trace: TraceArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct InfoJson<'a> {
    format: &'a str,
    #[serde(flatten)]
    info: TraceInfo,
}

pub(super) fn run(args: &InfoArgs) -> Result<Ended> {
    let imported = args.trace.read()?;
    let (info, format) = (TraceInfo::of(&imported.trace), imported.format);
    if args.json {
        return json(&InfoJson { format, info });
    }
    show(&trace_text::info(&info, format))
}
