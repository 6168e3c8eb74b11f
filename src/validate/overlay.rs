//! Fitted values as text: sections for a scenario, and the series file with its values replaced.

use std::fmt::Write as _;

use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};

use super::calibrate::{Calibration, Parameter};

/// A value as TOML; all but numbers have a unit and are text.
fn literal(parameter: &Parameter) -> String {
    match parameter.value.parse::<f64>() {
        Ok(_) => parameter.value.clone(),
        Err(_) => format!("{:?}", parameter.value),
    }
}

impl Calibration {
    /// The fitted values as the sections of a scenario (of a formula, its `[parameters]`), with how well each is known.
    pub fn overlay(&self) -> String {
        let mut text = format!(
            "# Fitted to the {} rows of {}: MAPE {:.1} % with the values before, {:.1} % with these.\n",
            self.rows, self.series, self.before.mape_pct, self.after.mape_pct
        );
        let mut open = String::new();
        for parameter in &self.parameters {
            let (section, name) = match parameter.key.split_once('.') {
                Some(split) if self.of_simulation => split,
                _ => ("parameters", parameter.key.as_str()),
            };
            if section != open {
                let _ = write!(text, "\n[{section}]\n");
                section.clone_into(&mut open);
            }
            let known = match &parameter.determined {
                Some(known) => format!("{} to {} fit nearly as well", known.from, known.to),
                None => "these rows do not determine it".to_owned(),
            };
            let _ = writeln!(text, "{name} = {}  # {known}", literal(parameter));
        }
        text
    }

    /// The text of the series file with the fitted values in place of the old ones, everything else as it was.
    ///
    /// # Errors
    /// The text is not the series' file any more.
    pub fn rewritten(&self, text: &str) -> Result<String> {
        let document = DeTable::parse(text).map_err(|error| Error::new(error.message().to_owned()))?;
        let mut edits = Vec::new();
        for parameter in &self.parameters {
            let span = value_span(document.get_ref(), &parameter.key).ok_or_else(|| {
                Error::new(format!("found no value of {:?} in [fit]; the file has changed", parameter.key))
            })?;
            edits.push((span, literal(parameter)));
        }
        // From the end, so that earlier places stay where they are.
        edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        let mut text = text.to_owned();
        edits.into_iter().for_each(|(span, value)| text.replace_range(span, &value));
        Ok(text)
    }
}

fn value_span(document: &DeTable<'_>, key: &str) -> Option<std::ops::Range<usize>> {
    let inner = |table: &DeValue<'_>, name: &str| -> Option<std::ops::Range<usize>> {
        match table {
            DeValue::Table(table) => table.get(name).map(toml::Spanned::span),
            _ => None,
        }
    };
    let DeValue::Table(fits) = document.get("fit")?.get_ref() else { return None };
    inner(fits.get(key)?.get_ref(), "value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::SeriesErrors;

    fn parameter(key: &str, value: &str) -> Parameter {
        Parameter {
            key: key.to_owned(),
            before: String::new(),
            value: value.to_owned(),
            low: String::new(),
            high: String::new(),
            at_bound: None,
            determined: None,
        }
    }

    fn calibration(parameters: Vec<Parameter>, of_simulation: bool) -> Calibration {
        Calibration {
            series: "X".to_owned(),
            probe: "simulation".to_owned(),
            rows: 3,
            evaluations: 9,
            parameters,
            with: None,
            before: SeriesErrors { mape_pct: 12.34, ..SeriesErrors::default() },
            after: SeriesErrors::default(),
            of_simulation,
        }
    }

    #[test]
    fn values_are_replaced_and_nothing_else() {
        let text = "# head\r\n[fit.\"engine.a\"]\nto='9 ms';\tvalue  =  \"1 ms\" # why\n[fit]\nhalf = { value=3, to=4 }\n";
        // Two statements on a line are not TOML: the file is refused as it stands.
        assert!(calibration(vec![], true).rewritten(text).is_err());
        let text = text.replace(";\t", "\n\t");
        let new = calibration(vec![parameter("engine.a", "2.5 ms"), parameter("half", "3.25")], true);
        assert_eq!(
            new.rewritten(&text).unwrap(),
            "# head\r\n[fit.\"engine.a\"]\nto='9 ms'\n\tvalue  =  \"2.5 ms\" # why\n[fit]\nhalf = { value=3.25, to=4 }\n"
        );
        let error = calibration(vec![parameter("b", "1 ms")], true).rewritten(&text).unwrap_err().to_string();
        assert_eq!(error, "found no value of \"b\" in [fit]; the file has changed");
    }

    #[test]
    fn an_overlay_is_sections_of_a_scenario() {
        let parameters =
            [parameter("engine.a", "2.5 ms"), parameter("engine.b", "1 GB/s"), parameter("half", "3")];
        let known = "these rows do not determine it";
        let head = "# Fitted to the 3 rows of X: MAPE 12.3 % with the values before, 0.0 % with these.";
        assert_eq!(
            calibration(parameters[..2].to_vec(), true).overlay(),
            format!("{head}\n\n[engine]\na = \"2.5 ms\"  # {known}\nb = \"1 GB/s\"  # {known}\n")
        );
        assert_eq!(
            calibration(parameters[2..].to_vec(), false).overlay(),
            format!("{head}\n\n[parameters]\nhalf = 3  # {known}\n")
        );
    }
}
