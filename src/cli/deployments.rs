//! `moesim deployments [FILES]`.

use std::path::PathBuf;

use clap::Args;

use super::{Ended, Known, console};
use crate::error::Result;
use crate::report;
use crate::validate::{DeploymentFile, shipped_deployments};

#[derive(Debug, Args)]
pub(super) struct DeploymentsArgs {
    /// Files of deployments [default: all in scenarios/deployments].
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print nothing but errors, and JSON where asked for.
    #[arg(long, short)]
    quiet: bool,
    /// Write deployments.csv, deployments.json and the pictures into this folder.
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write this page as Markdown, and its pictures into the folder `pictures` beside it.
    #[arg(long, value_name = "FILE")]
    docs: Option<PathBuf>,
    /// Threads [default: one per core].
    #[arg(long, short, value_name = "COUNT")]
    threads: Option<usize>,
}

pub(super) fn run(args: &DeploymentsArgs, known: Known) -> Result<Ended> {
    super::in_threads(args.threads, || show(args, known))
}

fn show(args: &DeploymentsArgs, known: Known) -> Result<Ended> {
    let files = if args.files.is_empty() { shipped_deployments()? } else { args.files.clone() };
    let all = DeploymentFile::run_all(&DeploymentFile::load_all(&files)?, &known.inputs())?;
    if let Some(folder) = &args.out {
        report::folder::write(folder, &report::deployments_files(&all)?)?;
    }
    if let Some(page) = &args.docs {
        super::write_page(page, report::deployments_page(&all), &report::deployments_page_pictures(&all)?)?;
    }
    if args.json {
        console::out(&String::from_utf8_lossy(&report::deployments_json(&all)?))?;
    } else if !args.quiet {
        console::out(&report::deployments_text(&all))?;
    }
    Ok(Ended::Well)
}
