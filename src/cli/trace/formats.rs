//! `moesim trace formats`.

use clap::Args;
use serde_json::json;

use crate::catalogue::view::Table;
use crate::cli::{self, Ended, show_table};
use crate::error::Result;
use crate::trace::import::{FORMATS, MOETRACE};

#[derive(Debug, Args)]
pub(in crate::cli) struct FormatsArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &FormatsArgs) -> Result<Ended> {
    let own = (MOETRACE, "moesim's own binary format, mapped into memory");
    let formats: Vec<(&str, &str)> =
        std::iter::once(own).chain(FORMATS.iter().map(|format| (format.name, format.summary))).collect();
    if args.json {
        let rows: Vec<_> =
            formats.iter().map(|(name, summary)| json!({ "name": name, "summary": summary })).collect();
        return cli::json(&rows);
    }
    let columns = ["format", "what writes it"].map(str::to_owned).to_vec();
    let rows =
        formats.iter().map(|(name, summary)| vec![(*name).to_owned(), (*summary).to_owned()]).collect();
    show_table(Table { columns, rows })
}
