//! From simulated rows to the numbers of a picture.

use super::reading::{Reading, Relative, missed_expert_bytes};
use super::{EffectFile, XAxis};
use crate::metrics::{Effect, EffectChart, EffectValue, Outcome, Row, SequenceSummary};

/// One place of the picture: a row, or a sequence of it.
struct Spot<'r> {
    x: String,
    group: String,
    row: &'r Row,
    sequence: Option<&'r SequenceSummary>,
}

impl EffectFile {
    /// The effect with the numbers of these rows.
    pub(super) fn told(&self, rows: &[Row]) -> Effect {
        let spots: Vec<Spot<'_>> = rows.iter().flat_map(|row| self.spots(row)).collect();
        let (places, unit) = places(&spots);
        let label = self.x_label.clone().unwrap_or_else(|| match &self.x {
            XAxis::Key(key) => key.clone(),
            XAxis::Sequence => "sequence of the trace".to_owned(),
            XAxis::ExpertSize => "bytes of one expert".to_owned(),
        });
        let unit = if self.x == XAxis::ExpertSize { "MB" } else { &unit };
        Effect {
            id: self.id.clone(),
            title: self.title.clone(),
            says: self.says.clone(),
            source: self.source.clone(),
            shows: self.shows.clone(),
            file: self.path.display().to_string(),
            setting: setting(rows),
            x_label: if unit.is_empty() { label } else { format!("{label} ({unit})") },
            group_label: self.group_label.clone().or_else(|| self.group.clone()).unwrap_or_default(),
            points: rows.len(),
            charts: self.readings.iter().map(|reading| self.chart(reading, &spots, &places)).collect(),
        }
    }

    fn spots<'r>(&self, row: &'r Row) -> Vec<Spot<'r>> {
        let axis = |key: &str| {
            let found = row.axes.iter().find(|(axis, _)| axis == key);
            found.map_or_else(String::new, |(_, text)| text.clone())
        };
        let group = self.group.as_deref().map_or_else(String::new, axis);
        let spot = |x: String, sequence| Spot { x, group: group.clone(), row, sequence };
        match &self.x {
            XAxis::Key(key) => vec![spot(axis(key), None)],
            XAxis::Sequence => {
                let sequences = row.summary().map(|summary| summary.sequences.as_slice()).unwrap_or_default();
                sequences.iter().map(|one| spot(one.sequence.to_string(), Some(one))).collect()
            }
            XAxis::ExpertSize => {
                let size = missed_expert_bytes(row);
                size.map(|size| spot(format!("{:.2}", size / 1e6), None)).into_iter().collect()
            }
        }
    }

    /// Whether two places have the same setting but for the group. The first such of all is one of the first curve.
    fn differ_in_group(&self, one: &Spot<'_>, other: &Spot<'_>) -> bool {
        let rest = |spot: &Spot<'_>| -> Vec<(String, String)> {
            let others = spot.row.axes.iter().filter(|(key, _)| self.group.as_ref() != Some(key));
            others.cloned().collect()
        };
        let sequence = |spot: &Spot<'_>| spot.sequence.map(|sequence| sequence.sequence);
        rest(one) == rest(other) && sequence(one) == sequence(other)
    }

    fn chart(&self, reading: &Reading, spots: &[Spot<'_>], places: &[Option<f64>]) -> EffectChart {
        let mut values: Vec<EffectValue> =
            spots.iter().zip(places).map(|(spot, place)| value(reading, spot, *place)).collect();
        let bases: Vec<Option<f64>> = match reading.relative {
            Relative::No => vec![Some(1.0); values.len()],
            Relative::FirstPlace => {
                let of =
                    |group: &str| values.iter().find(|value| value.group == group && value.value.is_some());
                values.iter().map(|value| of(&value.group).and_then(|first| first.value)).collect()
            }
            Relative::FirstGroup => {
                let of = |spot: &Spot<'_>| spots.iter().position(|other| self.differ_in_group(spot, other));
                spots.iter().map(|spot| of(spot).and_then(|first| values[first].value)).collect()
            }
        };
        for (value, base) in values.iter_mut().zip(bases) {
            value.value = value.value.zip(base).map(|(number, base)| number / base);
        }
        if self.x == XAxis::ExpertSize {
            values.sort_by(|a, b| a.place.unwrap_or(0.0).total_cmp(&b.place.unwrap_or(0.0)));
        }
        EffectChart {
            metric: reading.name.to_owned(),
            label: reading.label.to_owned(),
            unit: reading.unit.to_owned(),
            values,
        }
    }
}

fn value(reading: &Reading, spot: &Spot<'_>, place: Option<f64>) -> EffectValue {
    let number = match spot.sequence {
        Some(sequence) => reading.of_sequence(spot.row, sequence),
        None => reading.of_row(spot.row),
    };
    let number = number.filter(|number| number.is_finite());
    let reason = match (&spot.row.outcome, number) {
        (_, Some(_)) => String::new(),
        (Outcome::CannotRun(reasons), None) => reasons.join("; "),
        (Outcome::Done(_), None) => format!("no {}", reading.name),
    };
    EffectValue { x: spot.x.clone(), place, group: spot.group.clone(), value: number, reason }
}

/// The places as numbers with their unit, where all of them are numbers of one unit; otherwise none.
fn places(spots: &[Spot<'_>]) -> (Vec<Option<f64>>, String) {
    let numbers: Option<Vec<(f64, &str)>> = spots.iter().map(|spot| number(&spot.x)).collect();
    let none = || (vec![None; spots.len()], String::new());
    let Some(numbers) = numbers else { return none() };
    let unit = numbers.first().map_or("", |(_, unit)| unit);
    if numbers.iter().any(|(_, other)| *other != unit) || spots.iter().any(|spot| spot.sequence.is_some()) {
        return none();
    }
    (numbers.iter().map(|(number, _)| Some(*number)).collect(), unit.to_owned())
}

/// `12.5 GiB` as 12.5 and `GiB`.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// Model, storage, GPU and engine, as far as all points share them.
fn setting(rows: &[Row]) -> String {
    let shared = |name: fn(&Row) -> &str| {
        let first = rows.first().map_or("", name);
        rows.iter().all(|row| name(row) == first).then(|| first.to_owned())
    };
    let parts = [
        shared(|row| &row.config.model),
        shared(|row| &row.config.quant),
        shared(|row| &row.config.gpu),
        shared(|row| &row.config.engine),
    ];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" \u{b7} ")
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_told_from_names() {
        for (text, expected) in [
            ("25 %", Some((25.0, "%"))),
            ("1.5 GiB", Some((1.5, "GiB"))),
            ("32", Some((32.0, ""))),
            ("none", None),
            ("true", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
