//! `moesim advise FILE`.

use std::path::PathBuf;

use clap::Args;

use super::sweep::{folder_of, name, stop_on_interrupt};
use super::{Ended, Known, ScenarioArgs, console};
use crate::advise::{Watch, advise};
use crate::error::{Error, Result};
use crate::metrics::Row;
use crate::report;
use crate::scenario::Scenario;
use crate::sweep::{Journal, fingerprint};

#[derive(Debug, Args)]
pub(super) struct AdviseArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// A further limit, like "tpot_p99 < 50 ms"; may be given several times.
    #[arg(long = "limit", value_name = "LIMIT")]
    limits: Vec<String>,
    /// Folder of the results [default: output/<scenario>].
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Threads [default: one per core].
    #[arg(long, short, value_name = "COUNT")]
    threads: Option<usize>,
    /// Go on with a search that was interrupted.
    #[arg(long)]
    resume: bool,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
    /// Print the whole answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &AdviseArgs, known: Known) -> Result<Ended> {
    super::in_threads(args.threads, || seek(args, known))
}

fn seek(args: &AdviseArgs, known: Known) -> Result<Ended> {
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    let inputs = known.inputs();
    let name = name(&scenario, &args.scenario.file);
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from("output").join(&name));
    folder_of(&folder)?;
    let print = format!("{} {}", fingerprint(&scenario, &inputs), args.limits.join(" "));
    let (journal, known) = Journal::open(&folder, &print, args.resume)?;
    let stop = stop_on_interrupt();
    let bar = console::progress(0, args.quiet);
    let progress = |what: &'static str, done: u64, all: u64| {
        bar.set_message(what);
        bar.set_length(all);
        bar.set_position(done);
    };
    let finished = |row: &Row| journal.append(row);
    let watch = Watch { stop: &stop, known, finished: &finished, progress: &progress };
    let advice = advise(&scenario, &args.limits, &inputs, watch)?;
    let seconds = bar.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let Some(mut advice) = advice else {
        console::note("interrupted; go on with --resume");
        return Ok(Ended::Interrupted);
    };
    advice.file = args.scenario.file.display().to_string();
    report::folder::write(&folder, &report::advice_files(&advice)?)?;
    journal.finish()?;
    if args.json {
        super::json(&advice)?;
    } else if !args.quiet {
        console::out(&report::advice_text(&advice))?;
    }
    if !args.quiet {
        let (all, run) = (advice.candidates.len(), advice.rows.len());
        console::note(&format!("{all} candidates, {run} of them simulated, in {seconds:.1} s"));
        console::note(&format!("the page, all rows and pictures are in {}", folder.display()));
    }
    if advice.candidates.is_empty() {
        return Err(Error::new("the question has no candidates"));
    }
    Ok(Ended::Well)
}
