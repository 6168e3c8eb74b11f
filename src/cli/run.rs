//! `moesim run FILE`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Ended, Known, ScenarioArgs, console, json, show};
use crate::error::{Error, Place, Result};
use crate::metrics::Row;
use crate::metrics::timeline::{Timeline, Window};
use crate::plan::Inputs;
use crate::report;
use crate::scenario::{Scenario, ScenarioFile};
use crate::sweep::{record_point, run_point};
use crate::units::SimDuration;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Which point of a sweep, counted from 0.
    #[arg(long)]
    point: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    timeline: TimelineArgs,
}

#[derive(Debug, Args)]
struct TimelineArgs {
    /// Also write what every device did and when, as Chrome trace JSON for https://ui.perfetto.dev.
    #[arg(id = "timeline", long = "timeline", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Begin of the timeline in simulated time, like "120 ms" [default: the begin of the run].
    #[arg(id = "timeline_from", long = "timeline-from", value_name = "TIME", requires = "timeline")]
    from: Option<SimDuration>,
    /// Length of the timeline, like "50 ms" [default: to the end of the run].
    #[arg(id = "timeline_span", long = "timeline-span", value_name = "TIME", requires = "timeline")]
    span: Option<SimDuration>,
    /// Most events of the timeline.
    #[arg(
        id = "timeline_events",
        long = "timeline-events",
        value_name = "COUNT",
        default_value_t = 200_000,
        requires = "timeline"
    )]
    events: usize,
}

impl TimelineArgs {
    fn window(&self) -> Window {
        let from_ns = self.from.unwrap_or(SimDuration::ZERO).as_ns();
        let until_ns = self.span.map_or(u64::MAX, |span| from_ns.saturating_add(span.as_ns()));
        Window { from_ns, until_ns, events_max: self.events }
    }
}

pub(super) fn run(args: &RunArgs, known: Known) -> Result<Ended> {
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    let index = point(&scenario, args.point, &args.scenario.file, "run")?;
    let inputs = known.inputs();
    let row = match &args.timeline.file {
        None => run_point(&scenario, index, &inputs)?,
        Some(file) => recorded(&scenario, index, &inputs, (file, args.timeline.window()))?,
    };
    if args.json {
        return json(&row);
    }
    show(&report::point(&row))
}

/// The point that is meant; it must be said where there are several.
pub(super) fn point(
    scenario: &ScenarioFile,
    written: Option<usize>,
    file: &Path,
    command: &str,
) -> Result<usize> {
    if written.is_none() && scenario.len() > 1 {
        let message = format!("the scenario has {} points, and `{command}` runs one", scenario.len());
        let hint = "choose one with --point, fix the swept keys with --set, or use `moesim sweep`";
        return Err(Error::at(Place::file(file), message).hint(hint));
    }
    Ok(written.unwrap_or(0))
}

/// Runs a point and writes its timeline.
fn recorded(
    scenario: &ScenarioFile,
    index: usize,
    inputs: &Inputs,
    (file, window): (&Path, Window),
) -> Result<Row> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = file.file_name().filter(|_| !file.is_dir()) else {
        return Err(Error::at(Place::option("--timeline"), format!("{} is not a file", file.display()))
            .expected("the name of a file, like timeline.json"));
    };
    let (row, timeline) = record_point(scenario, index, inputs, window)?;
    match timeline {
        Some(timeline) => {
            let name = name.to_string_lossy().into_owned();
            report::folder::write(folder, &[(name, report::timeline(&timeline))])?;
            told(file, &timeline);
        }
        None => console::note(&format!("{}: not written, since the point cannot run", file.display())),
    }
    Ok(row)
}

fn told(file: &Path, timeline: &Timeline) {
    let (file, events) = (file.display(), timeline.slices.len() + timeline.samples.len());
    console::note(&format!("{file}: {events} events; open it at https://ui.perfetto.dev"));
    if let Some(cut_ns) = timeline.cut_ns {
        console::note(&format!(
            "{file}: cut by --timeline-events {}: complete until {}; choose a window with --timeline-from and \
             --timeline-span",
            timeline.window.events_max,
            SimDuration::from_ns(cut_ns)
        ));
    }
}
