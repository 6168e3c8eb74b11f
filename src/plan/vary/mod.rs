//! A point with one of its parameters a little smaller or larger, for whoever asks what an answer depends on.
//!
//! Rates and fixed times are scaled in the plan, since a rate has several keys that it may come from and a read curve has
//! none. Capacities, loads and synthetic routing are settings, and the point is planned anew with another value, so that
//! what follows from it (cache, KV cache, what fits) is what it would be. Recorded routing is varied by way of a fitted
//! router.

mod fitted;
mod inputs;
pub(super) mod rates;

pub use fitted::FittedRouter;

use super::{Inputs, Plan, plan};
use crate::error::Result;
use crate::metrics::Parameter;
use crate::scenario::PointScenario;

/// What a parameter is at so many parts per million of its value in the point, in words; `None` where the point does
/// not have it.
pub fn setting(point: &PointScenario, plan: &Plan, parameter: Parameter, ppm: u64) -> Option<String> {
    if let Some(quantity) = rates::quantity(plan, parameter) {
        return Some(quantity.at_ppm(ppm).to_string());
    }
    inputs::overlay(&mut point.scenario.clone(), plan, parameter, ppm)
}

/// The point with a parameter at so many parts per million of its value; `base` is the plan of the point as it is.
///
/// # Errors
/// As [`plan`]: a value that the scenario could not have.
pub fn varied(
    point: &PointScenario,
    base: &Plan,
    inputs: &Inputs,
    (parameter, ppm): (Parameter, u64),
) -> Result<Plan> {
    if rates::quantity(base, parameter).is_some() {
        let mut scaled = base.clone();
        rates::scale(&mut scaled, parameter, ppm);
        return Ok(scaled);
    }
    let mut point = point.clone();
    inputs::overlay(&mut point.scenario, base, parameter, ppm);
    plan(&point, inputs)
}
