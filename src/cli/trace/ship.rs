//! `moesim trace ship`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Ended, show};
use crate::error::Result;
use crate::trace::synthetic::shipped;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShipArgs {
    /// Folder to write into; files of the same names are replaced.
    #[arg(long, short, value_name = "FOLDER", default_value = "traces")]
    output: PathBuf,
}

pub(super) fn run(args: &ShipArgs) -> Result<Ended> {
    let paths = shipped::write_into(&args.output)?;
    show(&paths.iter().map(|path| format!("{}\n", path.display())).collect::<String>())
}
