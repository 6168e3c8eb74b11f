//! A point, and the point again with each of its resources improved.

use rayon::prelude::*;

use super::run::row_of;
use crate::error::Result;
use crate::metrics::{Explanation, Relief, Relieved, Summary};
use crate::plan::{Inputs, Plan, plan};
use crate::scenario::{PointScenario, ScenarioFile};
use crate::sim::simulate;

/// Runs a point as it is and once more with each resource that it has doubled (overheads halved), on rayon's threads.
///
/// # Errors
/// What is wrong with the point. One that does not fit is explained by its row, without reliefs.
pub fn explain(scenario: &ScenarioFile, index: usize, inputs: &Inputs) -> Result<Explanation> {
    explain_point(scenario.point(index)?, index, inputs)
}

/// The same of a point that somebody else has made, with this number.
///
/// # Errors
/// As [`explain`].
pub fn explain_point(point: PointScenario, index: usize, inputs: &Inputs) -> Result<Explanation> {
    let plan = plan(&point, inputs)?;
    if !plan.fits() {
        return Ok(Explanation { row: row_of(index, point, plan, None), reliefs: Vec::new() });
    }
    let reliefs = Relief::ALL.into_iter().filter_map(|relief| Some((relief, plan.relieved(relief)?)));
    let reliefs: Vec<(Relief, Plan)> = reliefs.collect();
    let (as_it_is, relieved) = rayon::join(
        || simulate(&plan),
        || {
            let runs = reliefs.par_iter().map(|(relief, plan)| (*relief, simulate(plan)));
            runs.collect::<Vec<(Relief, Result<Summary>)>>()
        },
    );
    // One that runs out of GPU memory relieves nothing.
    let relieved = relieved.into_iter().map(|(relief, summary)| {
        let summary = summary?;
        Ok(summary.out_of_memory().is_none().then(|| Relieved::new(relief, summary)))
    });
    let reliefs = relieved.collect::<Result<Vec<Option<Relieved>>>>()?.into_iter().flatten().collect();
    Ok(Explanation { row: row_of(index, point, plan, Some(as_it_is?)), reliefs })
}
