//! `moesim plan FILE`.

use clap::Args;

use super::{Ended, Known, ScenarioArgs, json, show};
use crate::advise::launch::launch_lines;
use crate::error::Result;
use crate::plan::plan;
use crate::report;
use crate::scenario::Scenario;
use crate::sweep::run_point;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Which point of a sweep, counted from 0.
    #[arg(long, default_value_t = 0)]
    point: usize,
    /// Run the point and print the command that configures a real engine so, with the measurement that checks the
    /// prediction.
    #[arg(long)]
    launch: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PlanArgs, known: Known) -> Result<Ended> {
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    let (point, inputs) = (scenario.point(args.point)?, known.inputs());
    let plan = plan(&point, &inputs)?;
    if args.launch {
        let row = run_point(&scenario, args.point, &inputs)?;
        let lines = launch_lines(&point.scenario, &plan, row.summary());
        return if args.json { json(&lines) } else { show(&report::launch_text(&lines)) };
    }
    if args.json {
        return show(&format!("{:#}\n", plan.to_json()));
    }
    show(&plan.describe())
}
