//! `moesim plan FILE`.

use clap::Args;

use super::{Ended, Known, ScenarioArgs, show};
use crate::error::Result;
use crate::plan::plan;
use crate::scenario::Scenario;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Which point of a sweep, counted from 0.
    #[arg(long, default_value_t = 0)]
    point: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PlanArgs, known: Known) -> Result<Ended> {
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    let plan = plan(&scenario.point(args.point)?, &known.inputs())?;
    if args.json {
        return show(&format!("{:#}\n", plan.to_json()));
    }
    show(&plan.describe())
}
