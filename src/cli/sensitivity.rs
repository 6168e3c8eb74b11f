//! `moesim sensitivity FILE`.

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;

use super::sweep::{folder_of, meta, name};
use super::{Ended, Known, ScenarioArgs, console, json, run};
use crate::error::Result;
use crate::report;
use crate::scenario::Scenario;
use crate::sweep::{SensitivityQuestion, sensitivity};

#[derive(Debug, Args)]
pub(super) struct SensitivityArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Which point of a sweep, counted from 0.
    #[arg(long)]
    point: Option<usize>,
    /// By how many percent each parameter is varied, down and up.
    #[arg(long, value_name = "PERCENT", default_value = "20", allow_hyphen_values = true)]
    by: String,
    /// What is asked: tpot, ttft, tpot_p99, ttft_p99 or throughput [default: tpot, or ttft where nothing is decoded].
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// Write sensitivity.csv, .json, .md and the picture into this folder.
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Threads [default: one per core].
    #[arg(long, short, value_name = "COUNT")]
    threads: Option<usize>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &SensitivityArgs, known: Known) -> Result<Ended> {
    super::in_threads(args.threads, || answer(args, known))
}

fn answer(args: &SensitivityArgs, known: Known) -> Result<Ended> {
    let question = SensitivityQuestion::parse(args.metric.as_deref(), &args.by)?;
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    let index = run::point(&scenario, args.point, &args.scenario.file, "sensitivity")?;
    let inputs = known.inputs();
    let bar: ProgressBar = console::counter("runs", args.quiet);
    let found = sensitivity(&scenario, index, &inputs, question, &|runs| bar.set_position(runs))?;
    bar.finish_and_clear();
    if let Some(folder) = &args.output {
        let meta = meta(&scenario, &inputs, &name(&scenario, &args.scenario.file));
        folder_of(folder)?;
        report::folder::write(folder, &report::sensitivity_files(&meta, &found)?)?;
        if !args.quiet {
            console::note(&format!("table, page and picture are in {}", folder.display()));
        }
    }
    if args.json {
        return json(&report::sensitivity_json(&found));
    }
    if args.quiet { Ok(Ended::Well) } else { super::show(&report::sensitivity_text(&found)) }
}
