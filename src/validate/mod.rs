//! How far predictions are from what others measured, and parameters fitted to measurements.
//!
//! A [`Series`] is a TOML file of one published series: its source, a scenario (or the inputs of a formula), the measured
//! rows, and the parameters that were fitted to them with their bounds. [`validate`] predicts every row the way a user's
//! own scenario is simulated, and gives errors per series; [`calibrate`] fits parameters within their bounds by least
//! squares of relative errors, and says how well the rows determine each.
//!
//! Left out on purpose: no parameter is ever fitted to a single row, and `validate` fits nothing. What it uses is written in
//! the file.

mod calibrate;
mod deployments;
mod determined;
mod effects;
mod metric;
mod overlay;
mod predict;
mod probe;
mod quantity;
mod read;
mod search;
mod series;
mod told;

pub use calibrate::{Bound, Calibration, Determined, Parameter, Partner, calibrate};
pub use deployments::{DeploymentFile, shipped_deployments};
pub use effects::{EffectFile, shipped_effects};
pub use predict::validate;
pub use probe::{tokens_by_power_law, tokens_evenly};
pub use series::{FOLDER, Series, shipped_files};

/// The formulas that a series may name as its probe beside `simulation`: name, formula, and the inputs with their meaning.
pub fn probes() -> impl Iterator<Item = (&'static str, &'static str, Vec<(&'static str, &'static str)>)> {
    let inputs = |probe: &probe::Probe| probe.inputs.iter().map(|input| (input.key, input.doc)).collect();
    probe::PROBES.iter().map(move |probe| (probe.name, probe.doc, inputs(probe)))
}
