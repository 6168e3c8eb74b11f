//! `moesim plan FILE`.

use clap::Args;

use super::{Ended, ScenarioArgs, show};
use crate::cache::Registry;
use crate::error::Result;
use crate::plan::{Inputs, plan};
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

pub(super) fn run(args: &PlanArgs, registry: Registry) -> Result<Ended> {
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    let plan = plan(&scenario.point(args.point)?, &Inputs::new(registry))?;
    if args.json {
        return show(&format!("{:#}\n", plan.to_json()));
    }
    show(&plan.describe())
}
