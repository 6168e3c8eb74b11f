//! `moesim run FILE`.

use clap::Args;

use super::{Ended, ScenarioArgs, show};
use crate::cache::Registry;
use crate::error::{Error, Place, Result};
use crate::plan::Inputs;
use crate::report;
use crate::scenario::Scenario;
use crate::sweep::run_point;

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
}

pub(super) fn run(args: &RunArgs, registry: Registry) -> Result<Ended> {
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    if args.point.is_none() && scenario.len() > 1 {
        let message = format!("the scenario has {} points, and `run` runs one", scenario.len());
        let hint = "choose one with --point, fix the swept keys with --set, or use `moesim sweep`";
        return Err(Error::at(Place::file(&args.scenario.file), message).hint(hint));
    }
    let row = run_point(&scenario, args.point.unwrap_or(0), &Inputs::new(registry))?;
    if args.json {
        let json = serde_json::to_string_pretty(&row).map_err(|cause| Error::new(cause.to_string()))?;
        return show(&format!("{json}\n"));
    }
    show(&report::point(&row))
}
