//! `moesim sweep FILE`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{Ended, Known, ScenarioArgs, console};
use crate::error::{Error, Place, Result};
use crate::metrics::{Outcome, Row};
use crate::plan::Inputs;
use crate::report::{self, ReportMeta};
use crate::scenario::{Scenario, ScenarioFile};
use crate::sweep::{Journal, Stop, check, fingerprint, run_points};

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Folder of the results [default: output/<scenario>].
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Threads [default: one per core].
    #[arg(long, short, value_name = "COUNT")]
    threads: Option<usize>,
    /// Go on with a sweep that was interrupted.
    #[arg(long)]
    resume: bool,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
    /// Print the results as JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &SweepArgs, known: Known) -> Result<Ended> {
    super::in_threads(args.threads, || sweep(args, known))
}

fn sweep(args: &SweepArgs, known: Known) -> Result<Ended> {
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    let inputs = known.inputs();
    check(&scenario, &inputs)?;
    let name = name(&scenario, &args.scenario.file);
    let folder = folder(args, &scenario, &name)?;
    let (journal, mut rows) = Journal::open(&folder, &fingerprint(&scenario, &inputs), args.resume)?;
    let missing: Vec<usize> =
        (0..scenario.len()).filter(|index| !rows.contains_key(&(*index as u64))).collect();
    let stop = stop_on_interrupt();
    let bar = console::progress(missing.len(), args.quiet);
    let finished = |row: &Row| {
        bar.inc(1);
        journal.append(row)
    };
    let new = run_points(&scenario, &missing, &inputs, &stop, finished)?;
    let (count, seconds) = (new.len(), bar.elapsed().as_secs_f64());
    bar.finish_and_clear();
    rows.extend(new.into_iter().map(|row| (row.index, row)));
    let rows: Vec<Row> = rows.into_values().collect();
    let meta = meta(&scenario, &inputs, &name);
    report::folder::write(&folder, &report::render_all(&meta, &rows)?)?;
    let complete = rows.len() == scenario.len();
    if complete {
        journal.finish()?;
    }
    if args.json {
        console::out(&String::from_utf8_lossy(&report::json(&meta, &rows)?))?;
    } else if !args.quiet {
        console::out(&format!("{}\n{}", report::table(&rows), report::answer_text(&rows)))?;
    }
    if !args.quiet {
        let rate = count as f64 / seconds.max(1e-9);
        console::note(&format!("{count} points in {seconds:.2} s ({rate:.0} points/s)"));
        let refused = rows.iter().filter(|row| matches!(row.outcome, Outcome::CannotRun(_))).count();
        if refused > 0 {
            console::note(&format!(
                "{refused} of {} points cannot run; the reasons are in summary.md",
                rows.len()
            ));
        }
        console::note(&format!("results, summary and pictures are in {}", folder.display()));
    }
    if complete {
        return Ok(Ended::Well);
    }
    console::note(&format!(
        "interrupted with {} of {} points; go on with --resume",
        rows.len(),
        scenario.len()
    ));
    Ok(Ended::Interrupted)
}

/// The folder of the results, made where it is missing. An error names the option or the line that asks for it.
fn folder(args: &SweepArgs, scenario: &ScenarioFile, name: &str) -> Result<PathBuf> {
    const KEY: &str = "output.folder";
    let written = scenario.text(KEY).map(PathBuf::from);
    let folder = args.output.clone().or(written).unwrap_or_else(|| Path::new("output").join(name));
    let Err(error) = folder_of(&folder) else { return Ok(folder) };
    match (&args.output, scenario.text(KEY)) {
        (None, Some(_)) => Err(error.within(&scenario.point(0)?.places.of(KEY), KEY)),
        _ => Err(error),
    }
}

/// Makes a folder where it is missing.
pub(super) fn folder_of(folder: &Path) -> Result<()> {
    let Err(cause) = std::fs::create_dir_all(folder) else { return Ok(()) };
    Err(if folder.exists() && !folder.is_dir() {
        Error::at(Place::file(folder), "is a file").expected("a folder, or the name of a new one")
    } else {
        Error::io(folder, "create the folder", &cause)
    })
}

/// The scenario's name, else that of its file.
pub(super) fn name(scenario: &ScenarioFile, file: &Path) -> String {
    let stem =
        || file.file_stem().map_or_else(|| "sweep".to_owned(), |stem| stem.to_string_lossy().into_owned());
    scenario.text("name").map_or_else(stem, str::to_owned)
}

pub(super) fn meta(scenario: &ScenarioFile, inputs: &Inputs, name: &str) -> ReportMeta {
    ReportMeta {
        title: scenario.text("output.title").unwrap_or(name).to_owned(),
        scenario_name: name.to_owned(),
        axes: scenario.axes().iter().map(|axis| axis.key.clone()).collect(),
        provenance: inputs.provenance(),
        notes: scenario.text("description").map(str::to_owned).into_iter().collect(),
    }
}

/// The first Ctrl-C asks the sweep to stop and keeps what is finished; the second ends the program at once.
pub(super) fn stop_on_interrupt() -> Arc<Stop> {
    let stop = Arc::new(Stop::default());
    let asked = Arc::clone(&stop);
    // A handler that cannot be set leaves the system's own, which the journal survives as well.
    let _ = ctrlc::set_handler(move || {
        if asked.is_asked() {
            std::process::exit(130);
        }
        asked.ask();
    });
    stop
}
