//! Least squares within bounds: Levenberg-Marquardt (the `rmpfit` crate, after MINPACK and MPFIT) from several starts.
//!
//! Parameters live in the unit cube; [`Axis`] maps each to its bounds. Formulas have kinks (a rate that a peak cuts off),
//! at which a single descent can stick, so the cube is first looked over on a fixed low-discrepancy sequence and the best
//! places are descended from. Nothing is random.

use rmpfit::{MPConfig, MPError, MPFitter, MPMaxFev, MPPar, MPResult, MPSide};

use crate::error::{Error, Result};

/// How a parameter runs between its bounds: evenly, or by equal ratios where the bounds are far apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    is_log: bool,
}

/// Bounds whose ratio is at least this are searched by ratios.
const LOG_RATIO: f64 = 20.0;

impl Axis {
    pub(super) fn new(low: f64, high: f64) -> Self {
        Self { low, high, is_log: low > 0.0 && high / low >= LOG_RATIO }
    }

    /// The value at a place from 0 to 1.
    pub(super) fn value(self, place: f64) -> f64 {
        let place = place.clamp(0.0, 1.0);
        let value = if self.is_log {
            self.low * libm::pow(self.high / self.low, place)
        } else {
            self.low + (self.high - self.low) * place
        };
        value.clamp(self.low, self.high)
    }

    /// The place of a value.
    pub(super) fn place(self, value: f64) -> f64 {
        let place = if self.is_log {
            libm::log(value / self.low) / libm::log(self.high / self.low)
        } else {
            (value - self.low) / (self.high - self.low)
        };
        place.clamp(0.0, 1.0)
    }
}

/// How much is spent on a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Places looked at before any descent.
    pub(super) scouted: u32,
    /// Descents beside that from the stored values.
    pub(super) descents: usize,
    /// Evaluations of one descent.
    pub(super) evaluations: usize,
}

/// Where a search ended.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) places: Vec<f64>,
    pub(super) evaluations: usize,
}

/// Steps of derivatives, as shares of the bounds: coarse first, to pass over rounding and kinks.
const STEPS: [f64; 2] = [4e-3, 2e-4];

/// The sum of squares.
pub(super) fn squares(residuals: &[f64]) -> f64 {
    residuals.iter().map(|residual| residual * residual).sum()
}

/// Finds the place of the least sum of squares, beginning at `start`.
///
/// # Errors
/// What `residuals` fails with.
pub(super) fn least_squares(
    start: &[f64],
    effort: Effort,
    mut residuals: impl FnMut(&[f64]) -> Result<Vec<f64>>,
) -> Result<Found> {
    let mut evaluations = 0;
    let mut look = |places: &[f64]| {
        evaluations += 1;
        residuals(places)
    };
    let first = look(start)?;
    let rows = first.len();
    let mut starts = vec![(squares(&first), start.to_vec())];
    let mut scouted = Vec::new();
    for index in 1..=effort.scouted {
        let places: Vec<f64> = (0..start.len()).map(|axis| halton(index, axis)).collect();
        scouted.push((squares(&look(&places)?), places));
    }
    scouted.sort_by(|a, b| a.0.total_cmp(&b.0));
    starts.extend(scouted.into_iter().take(effort.descents));
    let mut best = starts[0].clone();
    for (_, places) in starts {
        let ended = descend(places, rows, STEPS[0], effort.evaluations, &mut look)?;
        if ended.0 < best.0 {
            best = ended;
        }
    }
    let ended = descend(best.1.clone(), rows, STEPS[1], effort.evaluations, &mut look)?;
    if ended.0 < best.0 {
        best = ended;
    }
    Ok(Found { places: best.1, evaluations })
}

/// One descent; the sum of squares and where it ended.
fn descend(
    mut places: Vec<f64>,
    rows: usize,
    step: f64,
    evaluations: usize,
    look: &mut dyn FnMut(&[f64]) -> Result<Vec<f64>>,
) -> Result<(f64, Vec<f64>)> {
    let parameter = || MPPar {
        limited_low: true,
        limited_up: true,
        limit_low: 0.0,
        limit_up: 1.0,
        step,
        side: MPSide::Auto,
        ..MPPar::new()
    };
    let config = MPConfig {
        max_fev: MPMaxFev::Limited(evaluations),
        ftol: 1e-9,
        xtol: 1e-9,
        max_iter: 60,
        // A step of at most one tenth of the bounds at first: a formula is not linear over all of them.
        step_factor: 0.1,
        ..MPConfig::new()
    };
    let parameters = places.iter().map(|_| parameter()).collect();
    let mut descent = Descent { rows, config, parameters, look, error: None };
    let ended = descent.mpfit(&mut places);
    match (descent.error.take(), ended) {
        (Some(error), _) => Err(error),
        (None, Ok(status)) => Ok((status.best_norm, places)),
        // What MPFIT calls an error beside those of the model is a start from which it cannot descend.
        (None, Err(_)) => {
            let norm = squares(&look(&places)?);
            Ok((norm, places))
        }
    }
}

struct Descent<'l> {
    rows: usize,
    config: MPConfig,
    parameters: Vec<MPPar>,
    look: &'l mut dyn FnMut(&[f64]) -> Result<Vec<f64>>,
    error: Option<Error>,
}

impl MPFitter for Descent<'_> {
    fn eval(&mut self, params: &[f64], deviates: &mut [f64]) -> MPResult<()> {
        match (self.look)(params) {
            Ok(residuals) => {
                deviates.copy_from_slice(&residuals);
                Ok(())
            }
            Err(error) => {
                self.error = Some(error);
                Err(MPError::Eval)
            }
        }
    }

    fn number_of_points(&self) -> usize {
        self.rows
    }

    fn config(&self) -> &MPConfig {
        &self.config
    }

    fn parameters(&self) -> &[MPPar] {
        &self.parameters
    }
}

/// The `index`-th number of the axis' van der Corput sequence (Halton 1960): the digits of the index in a prime base,
/// mirrored at the point.
fn halton(index: u32, axis: usize) -> f64 {
    const PRIMES: [u32; 10] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29];
    let base = PRIMES[axis % PRIMES.len()];
    let (mut rest, mut place, mut share) = (index, 0.0, 1.0);
    while rest > 0 {
        share /= f64::from(base);
        place += share * f64::from(rest % base);
        rest /= base;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFORT: Effort = Effort { scouted: 64, descents: 3, evaluations: 300 };

    #[test]
    fn a_curve_with_a_kink_is_found_again() {
        // A rate that grows with the depth up to a peak.
        let model = |places: &[f64], depth: f64| (depth * (1.0 + 9.0 * places[0])).min(60.0 * places[1]);
        let planted = [0.37, 0.81];
        let found = least_squares(&[0.5, 0.5], EFFORT, |places| {
            Ok((1..20)
                .map(f64::from)
                .map(|depth| model(places, depth) / model(&planted, depth) - 1.0)
                .collect())
        })
        .unwrap();
        for (found, planted) in found.places.iter().zip(planted) {
            assert!((found - planted).abs() < 1e-6, "{found} {planted}");
        }
    }

    #[test]
    fn a_minimum_beyond_a_bound_is_found_at_it() {
        let found =
            least_squares(&[0.5], EFFORT, |places| Ok(vec![places[0] + 0.2, 2.0 * places[0]])).unwrap();
        assert!(found.places[0] < 1e-9, "{found:?}");
    }

    #[test]
    fn an_error_of_the_model_ends_the_search() {
        let error = least_squares(&[0.5], EFFORT, |places| {
            if places[0] == 0.5 { Ok(vec![1.0, 2.0]) } else { Err(Error::new("no")) }
        });
        assert_eq!(error.unwrap_err().to_string(), "no");
    }

    #[test]
    fn axes_run_from_bound_to_bound() {
        for (low, high, middle) in [(0.0, 40.0, 20.0), (1.0, 100.0, 10.0), (10.0, 100.0, 55.0)] {
            let axis = Axis::new(low, high);
            assert!((axis.value(0.5) - middle).abs() < 1e-9);
            assert_eq!((axis.value(0.0), axis.value(1.0), axis.value(7.0)), (low, high, high));
            assert!((axis.place(axis.value(0.3)) - 0.3).abs() < 1e-12);
        }
    }
}
