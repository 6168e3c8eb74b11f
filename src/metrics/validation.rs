//! Predictions beside published measurements, and how far apart they are.
//!
//! Errors are relative to the measurement and signed: positive where the prediction is the larger number. Statistics of
//! a series run over its rows, each row counting once.

use serde::{Deserialize, Serialize};

/// The error that a band speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// Mean of the absolute relative errors.
    Mape,
    /// Median of the absolute relative errors.
    Median,
    /// Largest absolute relative error.
    Worst,
}

impl Statistic {
    /// All of them, in the order of messages.
    pub const ALL: [Self; 3] = [Self::Mape, Self::Median, Self::Worst];

    /// As it is written in a series file.
    pub const fn spelling(self) -> &'static str {
        match self {
            Self::Mape => "mape",
            Self::Median => "median",
            Self::Worst => "worst",
        }
    }

    /// As people read it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Mape => "MAPE",
            Self::Median => "median error",
            Self::Worst => "worst error",
        }
    }
}

/// One measurement and its prediction, both in `unit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationRow {
    /// Name of the row.
    pub id: String,
    /// Curve that it belongs to; empty for the only one.
    pub group: String,
    /// Place on the series' axis.
    pub x: Option<f64>,
    /// What was measured.
    pub measured: f64,
    /// What is predicted.
    pub predicted: f64,
    /// Unit of both.
    pub unit: String,
}

impl ValidationRow {
    /// `(predicted - measured) / measured` in percent.
    pub fn error_pct(&self) -> f64 {
        (self.predicted - self.measured) / self.measured * 100.0
    }
}

/// A parameter that was fitted to measurements, with the bounds within which it was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FittedParameter {
    /// Key of the scenario or of the probe.
    pub key: String,
    /// Fitted value with its unit.
    pub value: String,
    /// Lower bound.
    pub low: String,
    /// Upper bound.
    pub high: String,
}

/// Relative errors of a series, in percent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesErrors {
    /// Mean absolute relative error.
    pub mape_pct: f64,
    /// Median absolute relative error; of an even number, the mean of the middle two.
    pub median_pct: f64,
    /// Largest absolute relative error.
    pub worst_pct: f64,
    /// The row that has it.
    pub worst_row: String,
    /// Mean signed relative error: positive where predictions are too large.
    pub bias_pct: f64,
}

impl SeriesErrors {
    /// The statistics of these rows; zeros where there are none.
    pub fn of(rows: &[ValidationRow]) -> Self {
        let signed: Vec<f64> = rows.iter().map(ValidationRow::error_pct).collect();
        let mut sizes: Vec<f64> = signed.iter().map(|error| error.abs()).collect();
        let count = rows.len() as f64;
        let mean = |values: &[f64]| if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / count };
        let (mape_pct, bias_pct) = (mean(&sizes), mean(&signed));
        let worst = sizes.iter().enumerate().max_by(|(i, a), (j, b)| a.total_cmp(b).then(j.cmp(i)));
        let (worst_row, worst_pct) =
            worst.map_or((String::new(), 0.0), |(index, size)| (rows[index].id.clone(), *size));
        sizes.sort_by(f64::total_cmp);
        let middle = sizes.len() / 2;
        let median_pct = match sizes.len() {
            0 => 0.0,
            odd if odd % 2 == 1 => sizes[middle],
            _ => f64::midpoint(sizes[middle - 1], sizes[middle]),
        };
        Self { mape_pct, median_pct, worst_pct, worst_row, bias_pct }
    }

    /// The error that a band speaks of.
    pub const fn get(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Mape => self.mape_pct,
            Statistic::Median => self.median_pct,
            Statistic::Worst => self.worst_pct,
        }
    }
}

/// What a series is held to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// This error may be at most so large.
    Band {
        /// Which error.
        statistic: Statistic,
        /// In percent.
        limit_pct: f64,
    },
    /// To nothing, for this reason.
    ReportOnly(String),
}

/// A series of measurements from one source, with predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationSeries {
    /// Short name.
    pub id: String,
    /// Machine, engine, model.
    pub title: String,
    /// Where the measurements were published.
    pub source: String,
    /// What makes the predictions: `simulation`, or a formula by its name.
    pub probe: String,
    /// What is compared.
    pub metric: String,
    /// What the rows' `x` means.
    pub x_label: String,
    /// What to know of the measurements, and what the predictions miss.
    pub notes: String,
    /// In the order of the file.
    pub rows: Vec<ValidationRow>,
    /// Parameters fitted to these very rows.
    pub fitted: Vec<FittedParameter>,
    /// The series whose fitted parameters are used here, none of them fitted to these rows.
    pub parameters_from: Option<String>,
    /// How far predictions are off.
    pub errors: SeriesErrors,
    /// What the series is held to.
    pub held: Held,
    /// Whether the errors are within the band; a series that is held to none is.
    pub in_band: bool,
}

impl ValidationSeries {
    /// Fills in what follows from the rows: the errors, and whether they are within the band.
    #[must_use]
    pub fn judged(mut self) -> Self {
        self.errors = SeriesErrors::of(&self.rows);
        self.in_band = match self.held {
            // An error that is not a number is outside of every band.
            Held::Band { statistic, limit_pct } => self.errors.get(statistic) <= limit_pct,
            Held::ReportOnly(_) => true,
        };
        self
    }

    /// The unit of all rows.
    pub fn unit(&self) -> &str {
        self.rows.first().map_or("", |row| &row.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, measured: f64, predicted: f64) -> ValidationRow {
        let unit = "ms".to_owned();
        ValidationRow { id: id.to_owned(), group: String::new(), x: None, measured, predicted, unit }
    }

    #[test]
    fn errors_are_relative_to_the_measurement() {
        let rows = [row("a", 10.0, 11.0), row("b", 20.0, 15.0), row("c", 4.0, 4.0), row("d", 100.0, 125.0)];
        let errors = SeriesErrors::of(&rows);
        assert_eq!((errors.mape_pct, errors.bias_pct), (15.0, 2.5));
        // Of two rows that are equally far off, the first is named.
        assert_eq!((errors.median_pct, errors.worst_pct, errors.worst_row.as_str()), (17.5, 25.0, "b"));
        assert_eq!(SeriesErrors::of(&rows[..3]).median_pct, 10.0);
        assert_eq!(SeriesErrors::of(&[]), SeriesErrors::default());
    }
}
