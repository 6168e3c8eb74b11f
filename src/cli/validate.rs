//! `moesim validate [FILES]`.

use std::path::PathBuf;

use clap::Args;

use super::{Ended, Known, console};
use crate::error::Result;
use crate::report;
use crate::validate::{self, Series};

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Series files [default: all in scenarios/validation].
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Print the rows of every series, as is done for files that are named.
    #[arg(long)]
    rows: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print nothing but errors; the exit code tells the rest.
    #[arg(long, short)]
    quiet: bool,
    /// Write validation.csv and the pictures into this folder.
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write this page as Markdown, and its pictures into the folder `pictures` beside it.
    #[arg(long, value_name = "FILE")]
    docs: Option<PathBuf>,
    /// Threads [default: one per core].
    #[arg(long, short, value_name = "COUNT")]
    threads: Option<usize>,
}

pub(super) fn run(args: &ValidateArgs, known: Known) -> Result<Ended> {
    super::in_threads(args.threads, || compare(args, known))
}

fn compare(args: &ValidateArgs, known: Known) -> Result<Ended> {
    let files = if args.files.is_empty() { validate::shipped_files()? } else { args.files.clone() };
    let judged = validate::validate(&Series::load_all(&files)?, &known.inputs())?;
    if let Some(folder) = &args.out {
        report::folder::write(folder, &report::validation_files(&judged)?)?;
    }
    if let Some(page) = &args.docs {
        let pictures = report::validation_page_pictures(&judged)?;
        super::write_page(page, report::validation_page(&judged), &pictures)?;
    }
    if args.json {
        super::json(&judged)?;
    } else if !args.quiet {
        // Of all series the table says enough; whoever names files wants their rows.
        let text = if args.files.is_empty() && !args.rows {
            report::validation_table
        } else {
            report::validation_text
        };
        console::out(&text(&judged))?;
    }
    let all_within = judged.iter().all(|series| series.in_band);
    Ok(if all_within { Ended::Well } else { Ended::OutOfBand })
}
