//! `moesim effects [FILES]`.

use std::path::PathBuf;

use clap::Args;

use super::{Ended, Known, console};
use crate::error::Result;
use crate::report;
use crate::validate::{EffectFile, shipped_effects};

#[derive(Debug, Args)]
pub(super) struct EffectsArgs {
    /// Effect files [default: all in scenarios/effects].
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
    /// Write effects.csv and the pictures into this folder.
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write this page as Markdown, and its pictures into the folder `pictures` beside it.
    #[arg(long, value_name = "FILE")]
    docs: Option<PathBuf>,
    /// Threads [default: one per core].
    #[arg(long, short, value_name = "COUNT")]
    threads: Option<usize>,
}

pub(super) fn run(args: &EffectsArgs, known: Known) -> Result<Ended> {
    super::in_threads(args.threads, || show(args, known))
}

fn show(args: &EffectsArgs, known: Known) -> Result<Ended> {
    let files = if args.files.is_empty() { shipped_effects()? } else { args.files.clone() };
    let effects = EffectFile::run_all(&EffectFile::load_all(&files)?, &known.inputs())?;
    if let Some(folder) = &args.out {
        report::folder::write(folder, &report::effects_files(&effects)?)?;
    }
    if let Some(page) = &args.docs {
        super::write_page(page, report::effects_page(&effects), &report::effects_page_pictures(&effects)?)?;
    }
    if !args.quiet {
        console::out(&report::effects_text(&effects))?;
    }
    Ok(Ended::Well)
}
