//! From points to rows.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::metrics::timeline::{Timeline, Window};
use crate::metrics::{Outcome, Row, Summary};
use crate::plan::{Inputs, Plan, plan};
use crate::scenario::{PointScenario, ScenarioFile};
use crate::sim::{record, simulate};

/// Asks a running sweep to stop at the next point; finished points are kept.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether someone asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Plans every point without running any, so that a mistake anywhere is known before hours of work.
///
/// # Errors
/// What is wrong with the points, each problem once, in the order of the scenario's lines.
pub fn check(scenario: &ScenarioFile, inputs: &Inputs) -> Result<()> {
    let check_one = |index| scenario.point(index).and_then(|point| plan(&point, inputs)).err();
    let errors: Vec<Option<Error>> = (0..scenario.len()).into_par_iter().map(check_one).collect();
    match Error::join(errors.into_iter().flatten()) {
        Some(error) => Err(error.in_file_order()),
        None => Ok(()),
    }
}

/// The row of one point.
///
/// # Errors
/// What is wrong with the point. A configuration that does not fit is a row, not an error.
pub fn run_point(scenario: &ScenarioFile, index: usize, inputs: &Inputs) -> Result<Row> {
    let point = scenario.point(index)?;
    let plan = plan(&point, inputs)?;
    let summary = if plan.fits() { Some(simulate(&plan)?) } else { None };
    Ok(row(index, point, plan, summary))
}

/// The same with what every device did within a window of time; no timeline where the configuration does not fit.
///
/// # Errors
/// As [`run_point`], and where requests are served.
pub fn record_point(
    scenario: &ScenarioFile,
    index: usize,
    inputs: &Inputs,
    window: Window,
) -> Result<(Row, Option<Timeline>)> {
    let point = scenario.point(index)?;
    let plan = plan(&point, inputs)?;
    if plan.serving.is_some() {
        let found = "requests.arrivals: found where a timeline of devices is asked for";
        return Err(
            Error::at(point.places.of("requests.arrivals"), found).expected("sequences that are replayed")
        );
    }
    let recorded = if plan.fits() { Some(record(&plan, window)?) } else { None };
    let (summary, timeline) = recorded.unzip();
    Ok((row(index, point, plan, summary), timeline))
}

/// The row of a point; without a summary it cannot run.
pub(super) fn row(index: usize, point: PointScenario, plan: Plan, summary: Option<Summary>) -> Row {
    let quality = summary.as_ref().map(|summary| plan.quality_after(summary));
    Row {
        index: index as u64,
        axes: point.axes,
        config: plan.labels,
        ledger: plan.ledger.lines(),
        tiers: plan.ledger.needs(),
        quality: quality.unwrap_or(plan.quality),
        cost: plan.cost,
        outcome: match summary {
            Some(summary) => Outcome::Done(Box::new(summary)),
            None => Outcome::CannotRun(plan.problems),
        },
    }
}

/// Runs the points named by `indices` on rayon's threads, and hands each finished row to `finished` as it comes, in no
/// particular order and from any thread. Returns the rows in the order of `indices`; those that a stop prevented are
/// missing.
///
/// # Errors
/// The first error, by order of the points: of a point, or of `finished`.
pub fn run_points(
    scenario: &ScenarioFile,
    indices: &[usize],
    inputs: &Inputs,
    stop: &Stop,
    finished: impl Fn(&Row) -> Result<()> + Sync,
) -> Result<Vec<Row>> {
    let run = |index: &usize| -> Result<Option<Row>> {
        if stop.is_asked() {
            return Ok(None);
        }
        let row = run_point(scenario, *index, inputs)?;
        finished(&row)?;
        Ok(Some(row))
    };
    let rows: Vec<Result<Option<Row>>> = indices.par_iter().map(run).collect();
    rows.into_iter().filter_map(Result::transpose).collect()
}

/// What decides the rows of a sweep: this crate's version, the scenario's settings and axes, and the content of the
/// traces. Two sweeps with one fingerprint have the same rows. Call it after [`check`], which loads the traces.
pub fn fingerprint(scenario: &ScenarioFile, inputs: &Inputs) -> String {
    let text = format!("{} {} {}", env!("CARGO_PKG_VERSION"), scenario.fingerprint(), inputs.fingerprint());
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}
