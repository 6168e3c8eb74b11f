//! Fits parameters of a series to its rows.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::metrics::SeriesErrors;
use crate::plan::Inputs;

use super::determined::{Known, known};
use super::quantity::Kind;
use super::search::{Axis, Effort, Found, least_squares};
use super::series::{Fit, Predictor, Series};

/// A simulation takes its time, and is smooth enough to be descended from few places.
const SIMULATION: Effort = Effort { scouted: 8, descents: 1, evaluations: 80 };
const FORMULA: Effort = Effort { scouted: 400, descents: 8, evaluations: 600 };
/// Step of the derivatives that curvature is taken from, as a share of the bounds.
const STEP: f64 = 2e-3;
/// A value this near to a bound, as a share of the bounds, is at it.
const AT_BOUND: f64 = 1e-4;

/// Which bound a fit ended at: the rows would have it go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The lower.
    Low,
    /// The upper.
    High,
}

/// How well the rows determine a parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Determined {
    /// Standard error; absent with no more rows than parameters.
    pub standard_error: Option<String>,
    /// From here to `to` the root mean square error rises by at most a tenth, with the other parameters fitted anew.
    pub from: String,
    /// See `from`.
    pub to: String,
    /// Parameters with which it is correlated by more than 0.9 or less than -0.9: the rows hardly tell the two apart.
    pub correlated: Vec<(String, f64)>,
}

/// One fitted parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parameter {
    /// Key of the scenario or of the probe.
    pub key: String,
    /// Value that the file had.
    pub before: String,
    /// Fitted value.
    pub value: String,
    /// Lower bound.
    pub low: String,
    /// Upper bound.
    pub high: String,
    /// The bound that it ended at.
    pub at_bound: Option<Bound>,
    /// `None` where the rows do not determine it.
    pub determined: Option<Determined>,
}

/// Another metric of the same measurements.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Partner {
    /// Its series.
    pub series: String,
    /// Its rows.
    pub rows: usize,
    /// Errors with the values of the file.
    pub before: SeriesErrors,
    /// Errors with the fitted values.
    pub after: SeriesErrors,
}

/// What a fit came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// The series.
    pub series: String,
    /// What makes its predictions.
    pub probe: String,
    /// Rows that were fitted to.
    pub rows: usize,
    /// Times that all rows were predicted.
    pub evaluations: usize,
    /// The parameters that were fitted, in the order of the file's keys.
    pub parameters: Vec<Parameter>,
    /// Errors with the values of the file.
    pub before: SeriesErrors,
    /// Errors with the fitted values.
    pub after: SeriesErrors,
    /// The series whose rows were fitted to as well.
    pub with: Option<Partner>,
    /// Whether parameters are settings of a scenario.
    #[serde(skip)]
    pub(super) of_simulation: bool,
}

/// Fits the parameters named by `keys` (all in the file's `[fit]` where there are none) within their bounds, by least
/// squares of relative errors; the others keep the values of the file. Rows of the series that `fitted_with` names count
/// as the series' own. The result depends on nothing but the file and what it names.
///
/// # Errors
/// A key that is not in `[fit]`, fewer rows than parameters, and what is wrong with any row's scenario.
pub fn calibrate(series: &Series, keys: &[String], inputs: &Inputs) -> Result<Calibration> {
    let partner = series.partner()?;
    let chosen = chosen(series, keys)?;
    let axes: Vec<Axis> =
        chosen.iter().map(|at| Axis::new(series.fits[*at].low, series.fits[*at].high)).collect();
    let start: Vec<f64> =
        chosen.iter().zip(&axes).map(|(at, axis)| axis.place(series.fits[*at].value)).collect();
    let with = |places: &[f64]| -> Vec<Fit> {
        let mut fits = series.fits.clone();
        for ((at, axis), place) in chosen.iter().zip(&axes).zip(places) {
            fits[*at].value = axis.value(*place);
        }
        fits
    };
    let residuals = |places: &[f64]| -> Result<Vec<f64>> {
        let fits = with(places);
        let mut errors = relative_errors(series, &fits, inputs)?;
        if let Some(partner) = &partner {
            errors.extend(relative_errors(partner, &fits, inputs)?);
        }
        Ok(errors)
    };
    let of_simulation = matches!(series.predictor, Predictor::Simulation);
    let effort = if of_simulation { SIMULATION } else { FORMULA };
    let Found { places, evaluations } = least_squares(&start, effort, residuals)?;
    let mut fits = with(&places);
    fits.iter_mut().for_each(|fit| fit.value = fit.kind.rounded(fit.value).clamp(fit.low, fit.high));
    let known = known_at(&places, residuals)?;
    let parameters = (0..chosen.len())
        .map(|index| {
            let (before, after) = (&series.fits[chosen[index]], &fits[chosen[index]]);
            let names = || chosen.iter().map(|at| series.fits[*at].key.as_str());
            let determined = known[index]
                .as_ref()
                .map(|known| determined(known, index, places[index], axes[index], after.kind, names()));
            parameter(before, after, places[index], determined)
        })
        .collect();
    let errors = |series: &Series, fits: &[Fit]| -> Result<SeriesErrors> {
        Ok(series.against(&series.predict(fits, inputs)?).errors)
    };
    let with = partner.as_ref().map(|partner| -> Result<Partner> {
        let (before, after) = (errors(partner, &series.fits)?, errors(partner, &fits)?);
        Ok(Partner { series: partner.id.clone(), rows: partner.rows.len(), before, after })
    });
    Ok(Calibration {
        series: series.id.clone(),
        probe: series.predictor.name().to_owned(),
        rows: series.rows.len(),
        evaluations,
        parameters,
        before: errors(series, &series.fits)?,
        after: errors(series, &fits)?,
        with: with.transpose()?,
        of_simulation,
    })
}

fn relative_errors(series: &Series, fits: &[Fit], inputs: &Inputs) -> Result<Vec<f64>> {
    let predicted = series.predict(fits, inputs)?;
    Ok(series.rows.iter().zip(predicted).map(|(row, predicted)| predicted / row.base - 1.0).collect())
}

/// Positions of the fits that the keys name.
fn chosen(series: &Series, keys: &[String]) -> Result<Vec<usize>> {
    let known = series.fitted_keys();
    if known.is_empty() {
        let error = Error::at(series.place("series"), "found no section [fit]");
        return Err(error.expected("[fit.\"section.key\"] with from, to and value"));
    }
    let mut errors = Vec::new();
    let mut chosen: Vec<usize> = if keys.is_empty() { (0..known.len()).collect() } else { Vec::new() };
    for key in keys {
        match known.iter().position(|known| known == key) {
            Some(at) => chosen.push(at),
            None => {
                let error = Error::at(series.place("fit"), format!("unknown parameter {key:?}"));
                errors.push(error.nearest(key, known.iter().copied()));
            }
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    for fit in chosen.iter().map(|at| &series.fits[*at]) {
        if matches!(fit.kind, Kind::Flag | Kind::Kernel)
            || (fit.kind == Kind::Number && matches!(series.predictor, Predictor::Simulation))
        {
            let message = format!("{} is counted", fit.key);
            errors.push(
                Error::at(series.place(&fit.path), message)
                    .expected("a quantity with a unit, which a fit can move"),
            );
        }
    }
    if series.rows.len() < chosen.len() {
        let message = format!("found {} rows for {} parameters", series.rows.len(), chosen.len());
        errors.push(Error::at(series.place("row"), message).expected("at least as many rows"));
    }
    Error::join(errors).map_or(Ok(chosen), Err)
}

/// Derivatives by differences on both sides of each place, on one side at a bound.
fn known_at(places: &[f64], residuals: impl Fn(&[f64]) -> Result<Vec<f64>>) -> Result<Vec<Option<Known>>> {
    let mut derivatives = Vec::with_capacity(places.len());
    for axis in 0..places.len() {
        let (low, high) = ((places[axis] - STEP).max(0.0), (places[axis] + STEP).min(1.0));
        let at = |place: f64| {
            let mut moved = places.to_vec();
            moved[axis] = place;
            residuals(&moved)
        };
        let (below, above) = (at(low)?, at(high)?);
        derivatives
            .push(below.iter().zip(&above).map(|(below, above)| (above - below) / (high - low)).collect());
    }
    Ok(known(&derivatives, &residuals(places)?))
}

fn determined<'n>(
    known: &Known,
    index: usize,
    place: f64,
    axis: Axis,
    kind: Kind,
    names: impl Iterator<Item = &'n str>,
) -> Determined {
    let around = |half: f64| (axis.value(place - half), axis.value(place + half));
    let (from, to) = around(known.half_width);
    let standard_error = known.standard.map(|standard| {
        let (below, above) = around(standard);
        kind.show_roughly((above - below) / 2.0)
    });
    let correlated = names
        .zip(&known.correlation)
        .enumerate()
        .filter(|(other, (_, correlation))| *other != index && correlation.abs() > 0.9)
        .map(|(_, (name, correlation))| (name.to_owned(), (correlation * 1000.0).round() / 1000.0))
        .collect();
    Determined { standard_error, from: kind.show(from), to: kind.show(to), correlated }
}

fn parameter(before: &Fit, after: &Fit, place: f64, determined: Option<Determined>) -> Parameter {
    let at_bound = match place {
        near if near <= AT_BOUND => Some(Bound::Low),
        near if near >= 1.0 - AT_BOUND => Some(Bound::High),
        _ => None,
    };
    let shown = after.shown();
    Parameter {
        key: shown.key,
        before: before.kind.show(before.value),
        value: shown.value,
        low: shown.low,
        high: shown.high,
        at_bound,
        determined,
    }
}
