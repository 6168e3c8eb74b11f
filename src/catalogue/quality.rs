//! What quantisation, merging and leaving experts out cost in the quality of answers, as others have published it.
//!
//! A loss is a share of the published 16-bit model's score, the mean over the benchmarks of the source. Perplexity is
//! turned into a score where nothing else is published; such rows are `derived` and say by what factor. Nothing here was
//! measured by this project. Models and recipes differ by more than the rows do.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::entry::{Entry, Fact, named_row};
use super::load::parse_embedded;
use super::quantity::Ratio;
use super::sourced::Sourced;
use crate::units::UnitError;

/// What of a configuration costs quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossPart {
    /// How weights are stored.
    Weights,
    /// How keys and values are stored.
    Kv,
    /// Experts merged into fewer.
    Merge,
    /// One up projection for all experts.
    SharedUp,
    /// What becomes of experts that are not in GPU memory.
    Miss,
}

impl LossPart {
    const fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Kv => "KV cache",
            Self::Merge => "merging",
            Self::SharedUp => "shared up-projection",
            Self::Miss => "misses",
        }
    }
}

/// A loss, or that nothing is published of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A share of the score; for misses a share of the gate weight not served.
    Known(Ratio),
    /// Nothing is published.
    Unknown,
}

impl Loss {
    /// Parts per million; `None` where nothing is published.
    pub const fn ppm(self) -> Option<u64> {
        match self {
            Self::Known(ratio) => Some(ratio.ppm()),
            Self::Unknown => None,
        }
    }
}

impl FromStr for Loss {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "unknown" { Ok(Self::Unknown) } else { text.parse().map(Self::Known) }
    }
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(ratio) => ratio.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// One published loss.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityRow {
    /// Name of the row.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Further names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What to know before trusting it.
    #[serde(default)]
    pub note: String,
    /// What costs it.
    pub part: LossPart,
    /// Schemes and storage types, or miss actions, that it holds for.
    #[serde(default)]
    pub of: Vec<String>,
    /// Parts of the names of models that were published so, and lose nothing.
    #[serde(default)]
    pub native: Vec<String>,
    /// Share of the experts that merging leaves.
    #[serde(default)]
    pub kept: Option<Ratio>,
    /// The loss.
    pub loss: Sourced<Loss>,
}

impl QualityRow {
    /// The row of a part for a scheme, storage type or action.
    pub fn of(part: LossPart, name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|row| row.part == part && row.of.iter().any(|of| of == name))
    }

    /// Whether a model of this name was published so.
    pub fn is_native_to(&self, model: &str) -> bool {
        let model = model.to_lowercase();
        self.native.iter().any(|name| model.contains(&name.to_lowercase()))
    }

    /// The row of a part that has one.
    pub fn only(part: LossPart) -> Option<&'static Self> {
        Self::all().iter().find(|row| row.part == part)
    }

    /// Published points of merging with the share of experts kept in parts per million, most kept first.
    pub fn merging() -> Vec<(u64, &'static Self)> {
        let kept = |row: &'static Self| Some((row.kept?.ppm(), row));
        let mut rows: Vec<_> =
            Self::all().iter().filter(|row| row.part == LossPart::Merge).filter_map(kept).collect();
        rows.sort_by_key(|(kept, _)| std::cmp::Reverse(*kept));
        rows
    }
}

static ROWS: LazyLock<Vec<QualityRow>> =
    LazyLock::new(|| parse_embedded(include_str!("data/quality.toml"), "quality.toml"));

impl Entry for QualityRow {
    const WHAT: &'static str = "quality estimate";
    const KIND: &'static str = "quality";
    const COLUMNS: &'static [&'static str] = &["id", "name", "what", "of", "loss", "fidelity"];

    named_row!(ROWS);

    fn cells(&self) -> Vec<String> {
        let of = self.kept.map_or_else(|| self.of.join(", "), |kept| format!("{kept} kept"));
        vec![
            self.id.clone(),
            self.name.clone(),
            self.part.name().to_owned(),
            if of.is_empty() { "-".to_owned() } else { of },
            self.loss.value.to_string(),
            self.loss.fidelity.to_string(),
        ]
    }
    fn facts(&self) -> Vec<Fact> {
        vec![Fact::new("loss", &self.loss)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::QuantScheme;
    use crate::model::DTYPES;

    #[test]
    fn every_scheme_and_type_is_spelled_as_it_is_known() {
        for row in QualityRow::all() {
            let known = |name: &str| {
                DTYPES.iter().any(|dtype| dtype.name == name)
                    || QuantScheme::all().iter().any(|row| row.id == name)
            };
            for name in row.of.iter().filter(|_| matches!(row.part, LossPart::Weights | LossPart::Kv)) {
                assert!(known(name), "{}: {name}", row.id);
            }
            assert_eq!(row.kept.is_some(), row.part == LossPart::Merge, "{}", row.id);
            assert!(row.loss.value.ppm().is_none_or(|loss| loss <= 1_000_000), "{}", row.id);
        }
        // Fewer bits never lose less, within a family.
        let loss =
            |name| QualityRow::of(LossPart::Weights, name).and_then(|row| row.loss.value.ppm()).unwrap();
        for pair in ["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_k_s", "q3_k_m", "q2_k"].windows(2) {
            assert!(loss(pair[0]) < loss(pair[1]), "{pair:?}");
        }
        assert!(loss("fp8") < loss("int4"));
        let kept: Vec<u64> = QualityRow::merging().iter().map(|(kept, _)| *kept).collect();
        assert_eq!(kept, [750_000, 500_000]);
    }
}
