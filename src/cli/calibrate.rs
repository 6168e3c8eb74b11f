//! `moesim calibrate FILE`.

use std::path::PathBuf;

use clap::Args;

use super::{Ended, Known, console};
use crate::error::{Error, Result};
use crate::report;
use crate::validate::{Calibration, Series, calibrate};

#[derive(Debug, Args)]
pub(super) struct CalibrateArgs {
    /// Series file: measurements, and in [fit] the parameters with their bounds.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Parameters to fit [default: all in the file's [fit]].
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    params: Vec<String>,
    /// Write the fitted values as sections of a scenario into this file.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Put the fitted values into the series file.
    #[arg(long)]
    write: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Threads [default: one per core].
    #[arg(long, short, value_name = "COUNT")]
    threads: Option<usize>,
}

pub(super) fn run(args: &CalibrateArgs, known: Known) -> Result<Ended> {
    super::in_threads(args.threads, || fit(args, known))
}

fn fit(args: &CalibrateArgs, known: Known) -> Result<Ended> {
    let all = Series::load_all(std::slice::from_ref(&args.file))?;
    let Some(series) = all.first() else { return Ok(Ended::Well) };
    let fitted = calibrate(series, &args.params, &known.inputs())?;
    if args.json {
        super::json(&fitted)?;
    } else {
        console::out(&format!("{}\n{}", fitted.told(), fitted.overlay()))?;
    }
    if let Some(path) = &args.out {
        write(path, fitted.overlay())?;
        console::note(&format!("the fitted values are in {}", path.display()));
    }
    if args.write {
        rewrite(args, &fitted)?;
    }
    Ok(Ended::Well)
}

fn rewrite(args: &CalibrateArgs, fitted: &Calibration) -> Result<()> {
    let text = std::fs::read_to_string(&args.file).map_err(|cause| Error::io(&args.file, "read", &cause))?;
    write(&args.file, fitted.rewritten(&text)?)?;
    console::note(&format!("{} has the fitted values", args.file.display()));
    Ok(())
}

fn write(path: &std::path::Path, text: String) -> Result<()> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    report::folder::write(folder.unwrap_or(std::path::Path::new(".")), &[(name, text.into_bytes())])
}
