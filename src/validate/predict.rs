//! From a series to predictions: each row through the simulator or the formula, rows in parallel, in their order.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::metrics::{Outcome, SeriesErrors, ValidationRow, ValidationSeries};
use crate::plan::Inputs;
use crate::scenario::Setting;
use crate::sweep::run_point;

use super::probe::{Probe, Values};
use super::series::{Fit, Given, Measured, Predictor, Series};

/// Predicts every row of every series with the parameters that are written in the files, and says how far off it is.
///
/// # Errors
/// What is wrong with any scenario of any row: all of it, at its places in the series files.
pub fn validate(all: &[Series], inputs: &Inputs) -> Result<Vec<ValidationSeries>> {
    let judged: Vec<Result<ValidationSeries>> =
        all.par_iter().map(|series| Ok(series.against(&series.predict(series.stored(), inputs)?))).collect();
    let (good, bad): (Vec<_>, Vec<_>) = judged.into_iter().partition(Result::is_ok);
    match Error::join(bad.into_iter().filter_map(Result::err)) {
        Some(error) => Err(error),
        None => good.into_iter().collect(),
    }
}

impl Series {
    /// The parameters that the file has fitted values for, its own or those of another series.
    pub(super) fn stored(&self) -> &[Fit] {
        if self.parameters_from.is_some() { &self.foreign } else { &self.fits }
    }

    /// Predictions for all rows with these parameters, in base units of the metric.
    pub(super) fn predict(&self, fits: &[Fit], inputs: &Inputs) -> Result<Vec<f64>> {
        let one = |row: &Measured| match (&row.given, self.predictor) {
            (Given::Inputs(given), Predictor::Formula(probe)) => self.formula(probe, fits, row, given),
            (Given::Scenario(settings), _) => self.simulated(fits, row, settings, inputs),
            (Given::Inputs(_), Predictor::Simulation) => Err(Error::new("a simulation takes no inputs")),
        };
        let predicted: Vec<Result<f64>> = self.rows.par_iter().map(one).collect();
        let (good, bad): (Vec<_>, Vec<_>) = predicted.into_iter().partition(Result::is_ok);
        match Error::join(bad.into_iter().filter_map(Result::err)) {
            Some(error) => Err(error),
            None => good.into_iter().collect(),
        }
    }

    fn formula(
        &self,
        probe: &Probe,
        fits: &[Fit],
        row: &Measured,
        given: &[(&'static str, f64)],
    ) -> Result<f64> {
        let mut values = Values::default();
        self.shared.iter().for_each(|(key, number)| values.put(key, *number));
        for fit in fits {
            let input = probe.input(&fit.key).map_err(|error| self.at(&fit.path, &error))?;
            values.put(input.key, fit.value);
        }
        given.iter().for_each(|(key, number)| values.put(key, *number));
        let work = probe.predict(&values).map_err(|error| self.at(&row.path, &error))?;
        self.checked(row, self.metric.of_work(&work))
    }

    fn simulated(&self, fits: &[Fit], row: &Measured, settings: &[Setting], inputs: &Inputs) -> Result<f64> {
        let fitted = fits.iter().map(|fit| Setting {
            key: fit.key.clone(),
            value: fit.kind.value(fit.value),
            path: fit.path.clone(),
        });
        let all: Vec<Setting> = fitted.chain(settings.iter().cloned()).collect();
        let point = run_point(&self.document.scenario("scenario", &all)?, 0, inputs)?;
        if let Outcome::CannotRun(reasons) = &point.outcome {
            return Err(self.at(&row.path, &Error::new(format!("it cannot run: {}", reasons.join("; ")))));
        }
        self.checked(row, self.metric.of_row(&point))
    }

    /// A prediction that is a number.
    fn checked(&self, row: &Measured, predicted: Option<f64>) -> Result<f64> {
        predicted.filter(|number| number.is_finite()).ok_or_else(|| {
            self.at(&row.path, &Error::new(format!("the prediction has no {}", self.metric.name)))
        })
    }

    /// An error at a place of the file, with the row's name where it is a row.
    fn at(&self, path: &str, error: &Error) -> Error {
        let row = self.rows.iter().find(|row| row.path == path);
        let name = row.map_or_else(String::new, |row| format!("row {:?}: ", row.id));
        Error::at(self.place(path), format!("{name}{error}"))
    }

    /// The series with these predictions, in base units.
    pub(super) fn against(&self, predicted: &[f64]) -> ValidationSeries {
        let rows = self.rows.iter().zip(predicted).map(|(row, predicted)| ValidationRow {
            id: row.id.clone(),
            group: row.group.clone(),
            x: row.x,
            measured: self.metric.shown(row.base, &self.unit),
            predicted: self.metric.shown(*predicted, &self.unit),
            unit: self.unit.clone(),
        });
        ValidationSeries {
            id: self.id.clone(),
            title: self.title.clone(),
            source: self.source.clone(),
            probe: self.predictor.name().to_owned(),
            metric: self.metric.name.to_owned(),
            x_label: self.x_label.clone(),
            notes: self.notes.clone(),
            rows: rows.collect(),
            fitted: self.fits.iter().map(Fit::shown).collect(),
            parameters_from: self.parameters_from.clone(),
            errors: SeriesErrors::default(),
            held: self.held.clone(),
            in_band: false,
        }
        .judged()
    }
}
