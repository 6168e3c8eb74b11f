//! `moesim capacity FILE --slo LIMITS`.

use std::path::PathBuf;

use clap::Args;

use super::sweep::{folder_of, meta, name, stop_on_interrupt};
use super::{Ended, Known, ScenarioArgs, console, json, run};
use crate::error::{Error, Place, Result};
use crate::metrics::{CapacityProbe, Row};
use crate::report;
use crate::scenario::{Percent, Rate, Scenario, parse_slo};
use crate::sweep::{CapacityQuestion, capacity};

#[derive(Debug, Args)]
pub(super) struct CapacityArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Limits on latency, like "ttft_p99 < 2 s, tpot_p99 < 100 ms".
    #[arg(long, value_name = "LIMITS")]
    slo: String,
    /// Which point of a sweep, counted from 0.
    #[arg(long)]
    point: Option<usize>,
    /// How near the answer is to the true rate.
    #[arg(long, value_name = "SHARE", default_value = "1 %")]
    precision: Percent,
    /// Also write tables and pictures of every rate that was tried into this folder.
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Threads [default: one per core].
    #[arg(long, short, value_name = "COUNT")]
    threads: Option<usize>,
    /// Print nothing but the answer and errors.
    #[arg(long, short)]
    quiet: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CapacityArgs, known: Known) -> Result<Ended> {
    super::in_threads(args.threads, || answer(args, known))
}

fn answer(args: &CapacityArgs, known: Known) -> Result<Ended> {
    let limits = parse_slo(&args.slo).map_err(|error| error.within(&Place::none(), "--slo"))?;
    let precision_permille = args.precision.ppm() / 1000;
    if precision_permille == 0 {
        return Err(Error::at(Place::option("--precision"), format!("found {}", args.precision))
            .expected("a percentage of at least 0.1 %"));
    }
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    let index = run::point(&scenario, args.point, &args.scenario.file, "capacity")?;
    let inputs = known.inputs();
    let question = CapacityQuestion { limits, precision_permille };
    let stop = stop_on_interrupt();
    let told = |probe: &CapacityProbe| {
        if !args.quiet {
            let rate = Rate::from_millihertz(probe.rate_millihertz)
                .map_or_else(String::new, |rate| rate.to_string());
            console::note(&format!(
                "{rate}: {}",
                if probe.is_sustained() { "sustained" } else { "too much" }
            ));
        }
    };
    let found = capacity(&scenario, index, &inputs, &question, (&stop, &told))?;
    if let Some(folder) = &args.output {
        let name = name(&scenario, &args.scenario.file);
        let mut meta = meta(&scenario, &inputs, &name);
        meta.axes = vec!["requests.rate".to_owned()];
        let numbered =
            |(index, probe): (usize, &CapacityProbe)| Row { index: index as u64, ..probe.row.clone() };
        let rows: Vec<Row> = found.probes.iter().enumerate().map(numbered).collect();
        folder_of(folder)?;
        report::folder::write(folder, &report::render_all(&meta, &rows)?)?;
        if !args.quiet {
            console::note(&format!("results, summary and pictures are in {}", folder.display()));
        }
    }
    if args.json {
        json(&found)?;
    } else {
        super::show(&report::capacity_text(&found))?;
    }
    if stop.is_asked() {
        console::note("interrupted: the rates above are those that were tried so far");
        return Ok(Ended::Interrupted);
    }
    Ok(Ended::Well)
}
