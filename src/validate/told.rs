//! What a fit came to, as text for a person.

use std::fmt::Write as _;

use crate::metrics::SeriesErrors;

use super::calibrate::{Bound, Calibration, Parameter};

impl Calibration {
    /// Each parameter with its bounds and how well it is known, and the errors before and after.
    pub fn told(&self) -> String {
        let mut text = String::new();
        for parameter in &self.parameters {
            text.push_str(&told(parameter));
        }
        text.push_str(&errors(&self.before, &self.after));
        if let Some(with) = &self.with {
            let _ = write!(
                text,
                "and of {} (rows: {}): {}",
                with.series,
                with.rows,
                errors(&with.before, &with.after)
            );
        }
        let _ = writeln!(
            text,
            "{}: {} rows, {} parameters fitted, all rows predicted {} times",
            self.series,
            self.rows,
            self.parameters.len(),
            self.evaluations
        );
        text
    }
}

fn errors(before: &SeriesErrors, after: &SeriesErrors) -> String {
    format!(
        "MAPE {:.1} % -> {:.1} %, median {:.1} % -> {:.1} %, worst {:.1} % -> {:.1} % ({})\n",
        before.mape_pct,
        after.mape_pct,
        before.median_pct,
        after.median_pct,
        before.worst_pct,
        after.worst_pct,
        after.worst_row
    )
}

fn told(parameter: &Parameter) -> String {
    let Parameter { key, before, value, low, high, .. } = parameter;
    let mut text = format!("{key} = {value}\n  was {before}; bounds {low} to {high}");
    match parameter.at_bound {
        Some(Bound::Low) => text.push_str("; at the lower bound, and the rows would have it lower"),
        Some(Bound::High) => text.push_str("; at the upper bound, and the rows would have it higher"),
        None => {}
    }
    match &parameter.determined {
        None => text.push_str("\n  not determined: these rows do not tell the parameters apart"),
        Some(known) => {
            let error = match &known.standard_error {
                Some(error) => format!("standard error {error}"),
                None => "no standard error with as few rows as parameters".to_owned(),
            };
            let _ = write!(
                text,
                "\n  {error}; from {} to {} the error rises by at most a tenth",
                known.from, known.to
            );
            for (other, correlation) in &known.correlated {
                let _ = write!(text, "\n  hardly told apart from {other} (correlation {correlation:+.3})");
            }
        }
    }
    text.push('\n');
    text
}
