//! What all pictures of one sweep share: its series with their looks, words and units.

use crate::metrics::{Row, Summary};
use crate::report::draw::{
    Align, Curve, Entry, GREY, Ink, Marker, Scale, Scene, Stroke, Swatch, heading, series_look, size_unit,
};
use crate::report::format::{counted, size};
use crate::report::meta::ReportMeta;
use crate::report::series::{Series, series_of};

/// Series drawn; more than this many lines cannot be told apart.
const SERIES_MAX: usize = 24;
/// Bands drawn around lines; more would cover each other.
pub(super) const BANDS_MAX: usize = 6;

/// A sweep prepared for drawing.
pub(super) struct Sheet<'a> {
    pub rows: &'a [Row],
    pub subtitle: String,
    /// All series, in sweep order; their position decides their look in every picture.
    pub series: Vec<Series<'a>>,
    title: &'a str,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(meta: &'a ReportMeta, rows: &'a [Row]) -> Self {
        Self { rows, subtitle: subtitle(rows), series: series_of(rows), title: &meta.title }
    }

    /// The picture's own title after the report's.
    pub(super) fn title(&self, own: &str) -> String {
        if self.title.is_empty() { own.to_owned() } else { format!("{}: {own}", self.title) }
    }

    /// The series that are drawn, with their looks.
    pub(super) fn drawn(&self) -> impl Iterator<Item = (&Series<'a>, Stroke, Marker)> {
        self.series.iter().take(SERIES_MAX).enumerate().map(|(index, series)| {
            let (stroke, marker) = series_look(index, series.oracle);
            (series, stroke, marker)
        })
    }

    /// A legend line that counts the series left out; none where all are drawn.
    pub(super) fn left_out(&self) -> Option<Entry> {
        let count = self.series.len().saturating_sub(SERIES_MAX);
        (count > 0).then(|| text_entry(format!("and {count} more series, not drawn")))
    }

    /// A frame that says why there is nothing in it.
    pub(super) fn nothing(&self, own: &str, why: &str) -> Scene {
        let mut scene = Scene::default();
        heading(&mut scene, &self.title(own), &self.subtitle);
        scene.text((500.0, 330.0), why, 16.0, Align::Middle, GREY);
        scene
    }

    /// Why a picture of results is empty.
    pub(super) fn no_result(&self) -> String {
        match self.rows.len() {
            0 => "The sweep has no points.".to_owned(),
            1 => "The only point cannot run or decoded nothing; summary.md says why.".to_owned(),
            count => format!("None of the {count} points ran and decoded a token; summary.md says why."),
        }
    }

    /// Curves over expert VRAM, one per drawn series that has points; `value` gives the height and its band.
    pub(super) fn curves(
        &self,
        unit_bytes: f64,
        value: impl Fn(&Summary) -> Option<(f64, Option<(f64, f64)>)>,
    ) -> Vec<(Curve, &Series<'a>)> {
        self.drawn()
            .map(|(series, stroke, marker)| {
                let mut curve = Curve { points: Vec::new(), band: Vec::new(), stroke, marker: Some(marker) };
                for row in &series.rows {
                    if let Some((height, band)) = row.summary().and_then(&value) {
                        curve.points.push((row.config.cache_capacity_bytes as f64 / unit_bytes, height));
                        curve.band.extend(band);
                    }
                }
                (curve, series)
            })
            .filter(|(curve, _)| !curve.points.is_empty())
            .collect()
    }

    /// Bytes per unit and its name, for the expert VRAM of all points.
    pub(super) fn capacity_unit(&self) -> (f64, &'static str) {
        size_unit(self.rows.iter().map(|row| row.config.cache_capacity_bytes).max().unwrap_or(0))
    }

    /// The size of all experts, where it is the same for all points.
    pub(super) fn experts_total_bytes(&self) -> Option<u64> {
        only(self.rows.iter().map(|row| row.config.experts_total_bytes)).filter(|bytes| *bytes > 0)
    }

    /// Where one token's experts would just fit: a line in the plot, or a legend entry where there is no one place.
    pub(super) fn cliff(&self, scale: Scale, unit_bytes: f64) -> (Option<(f64, String)>, Option<Entry>) {
        let cached = self.rows.iter().filter(|row| row.config.is_cached());
        let sizes = cached.map(|row| row.config.token_working_set_bytes).filter(|bytes| *bytes > 0);
        let (Some(least), Some(most)) = (sizes.clone().min(), sizes.max()) else {
            return (None, None);
        };
        if least < most {
            let text = format!("one token's experts: {} to {}", size(least), size(most));
            return (None, Some(text_entry(text)));
        }
        let at = least as f64 / unit_bytes;
        if scale.contains(at) {
            return (Some((at, format!("one token's experts, {} (LRU cliff)", size(least)))), None);
        }
        (None, Some(text_entry(format!("one token's experts: {} (off axis)", size(least)))))
    }
}

/// A legend line without a sample.
pub(super) fn text_entry(text: String) -> Entry {
    Entry { swatch: Swatch::None, text }
}

/// A label with every long part cut in its middle, where names of models differ least.
pub(super) fn short_label(label: &str) -> String {
    let short = |part: &str| {
        let all: Vec<char> = part.chars().collect();
        if all.len() <= 22 {
            return part.to_owned();
        }
        let (head, tail) = (&all[..12], &all[all.len() - 8..]);
        head.iter().chain(&['\u{2026}']).chain(tail).collect()
    };
    label.split(", ").map(short).collect::<Vec<_>>().join(", ")
}

/// A legend line for each curve.
pub(super) fn legend_of(curves: &[(Curve, &Series<'_>)]) -> Vec<Entry> {
    curves
        .iter()
        .map(|(curve, series)| Entry {
            swatch: Swatch::Line(curve.stroke, curve.marker),
            text: short_label(&series.label),
        })
        .collect()
}

/// A legend line for a shaded area.
pub(super) fn area_entry(ink: Ink, text: &str) -> Entry {
    Entry { swatch: Swatch::Area(ink), text: text.to_owned() }
}

/// The one value of all, if they are all alike.
pub(super) fn only<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// Model, machine, engine and trace; where they vary, how many there are.
fn subtitle(rows: &[Row]) -> String {
    let named = |noun: &str, name: fn(&Row) -> &str| {
        let mut names: Vec<&str> = rows.iter().map(name).collect();
        names.sort_unstable();
        names.dedup();
        match names.as_slice() {
            [] => String::new(),
            [one] => (*one).to_owned(),
            several => counted(several.len(), noun),
        }
    };
    let parts = [
        named("model", |row| &row.config.model),
        named("quantisation", |row| &row.config.quant),
        named("GPU", |row| &row.config.gpu),
        named("engine", |row| &row.config.engine),
        named("trace", |row| &row.config.trace),
        counted(rows.len(), "point"),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" \u{b7} ")
}
