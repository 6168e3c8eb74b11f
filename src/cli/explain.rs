//! `moesim explain FILE`.

use clap::Args;

use super::{Ended, Known, ScenarioArgs, json, run, show};
use crate::error::Result;
use crate::report;
use crate::scenario::Scenario;
use crate::sweep::explain;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Which point of a sweep, counted from 0.
    #[arg(long)]
    point: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ExplainArgs, known: Known) -> Result<Ended> {
    let scenario = Scenario::load(&args.scenario.file, &args.scenario.sets)?;
    let index = run::point(&scenario, args.point, &args.scenario.file, "explain")?;
    let explanation = explain(&scenario, index, &known.inputs())?;
    if args.json {
        return json(&report::explanation_json(&explanation));
    }
    show(&report::explanation(&explanation))
}
