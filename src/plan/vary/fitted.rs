//! Routing of a recorded trace, varied by way of a synthetic router that was fitted to it.
//!
//! A recording cannot be made more or less skewed. The router whose traces have its statistics can: it is run as fitted
//! and turned, and the difference between the two is what the turn is worth. What a fit leaves out (links between
//! layers, layers of different skew) is left out of both.

use std::path::PathBuf;

use super::inputs::{is_routed, logits};
use super::rates::SAME_PPM;
use crate::error::Result;
use crate::metrics::Parameter;
use crate::plan::{Inputs, Plan, plan};
use crate::scenario::{Percent, PointScenario};
use crate::trace::stats::compute;
use crate::trace::synthetic::{RouterKnobs, SyntheticSpec, fit};

/// A router fitted to the trace of a point.
#[derive(Clone, Debug)]
pub struct FittedRouter {
    /// Of the trace.
    path: PathBuf,
    spec: SyntheticSpec,
}

impl FittedRouter {
    /// The router of a point's recorded trace; `None` where the point replays no recording, or nothing depends on it.
    /// Takes a few seconds.
    ///
    /// # Errors
    /// A trace that cannot be read or fitted.
    pub fn of(point: &PointScenario, plan: &Plan, inputs: &Inputs) -> Result<Option<Self>> {
        let Some(path) = point.scenario.workload.trace.as_ref().filter(|_| is_routed(plan)) else {
            return Ok(None);
        };
        let mut spec = fit(&compute(&*inputs.trace(path)?))?;
        spec.seed = point.scenario.seed.unwrap_or(0);
        Ok(Some(Self { path: path.clone(), spec }))
    }

    /// What a parameter of the router is at so many parts per million of its fitted value, in words; `None` for one that
    /// it does not have.
    pub fn setting(&self, parameter: Parameter, ppm: u64) -> Option<String> {
        let (skew, repeat) = self.turned(parameter, ppm)?;
        Some(match parameter {
            Parameter::Skew => logits(skew),
            _ => repeat.to_string(),
        })
    }

    /// The point with the router in place of the trace, one parameter turned.
    ///
    /// # Errors
    /// As [`plan`].
    pub fn plan(
        &self,
        point: &PointScenario,
        inputs: &Inputs,
        (parameter, ppm): (Parameter, u64),
    ) -> Result<Plan> {
        let (skew, repeat) = self.turned(parameter, ppm).unwrap_or((SAME_PPM, self.repeat()));
        let knobs = RouterKnobs { temperature: SAME_PPM as f64 / skew as f64, ..RouterKnobs::default() };
        let spec = SyntheticSpec { stickiness: repeat.ppm() as f64 / 1e6, ..self.spec.clone() };
        let name = format!(
            "router fitted to {}: skew {skew} ppm, repeat {repeat}, seed {}",
            self.path.display(),
            spec.seed
        );
        inputs.generated(&name, &spec, &knobs)?;
        let mut point = point.clone();
        // Traces are found by their names, and this one has just been put among them.
        point.scenario.workload.trace = Some(PathBuf::from(name));
        plan(&point, inputs)
    }

    /// Skew in parts per million of the fitted one, and repetition.
    fn turned(&self, parameter: Parameter, ppm: u64) -> Option<(u64, Percent)> {
        let repeat = self.repeat();
        match parameter {
            Parameter::Skew if self.has_skew() => Some((ppm, repeat)),
            Parameter::Repetition if repeat.ppm() > 0 => {
                let turned = u128::from(repeat.ppm()) * u128::from(ppm) / u128::from(SAME_PPM);
                let turned = Percent::from_ppm(u64::try_from(turned).unwrap_or(u64::MAX));
                Some((SAME_PPM, turned.min(Percent::WHOLE)))
            }
            _ => None,
        }
    }

    fn has_skew(&self) -> bool {
        [self.spec.zipf_slope, self.spec.sequence_tilt, self.spec.topic_tilt].iter().any(|pull| *pull > 0.0)
    }

    fn repeat(&self) -> Percent {
        crate::plan::router::as_percent(self.spec.stickiness)
    }
}
