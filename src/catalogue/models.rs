//! Known models: the figures of their `config.json`, read by the same code as a file that a user brings.
//!
//! Rows hold figures only, one file for each family of architectures under `data/`. Weights, tokenizers and licences
//! are left out.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::{Entry, Fact, Fidelity};
use crate::error::{Error, Place, Result};
use crate::model::{ModelSpec, ParamCounts, hf};

/// Which embeddings a published number of active parameters counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ActiveCounts {
    /// Input embedding and output projection, as most do.
    #[default]
    #[serde(rename = "all")]
    All,
    /// The output projection alone.
    #[serde(rename = "without input embedding")]
    WithoutInputEmbedding,
    /// Neither.
    #[serde(rename = "without embeddings")]
    WithoutEmbeddings,
}

impl ActiveCounts {
    /// What this convention makes of the active parameters of a model.
    pub fn apply(self, active: &ParamCounts) -> u64 {
        match self {
            Self::All => active.total(),
            Self::WithoutInputEmbedding => active.without_input_embedding().total(),
            Self::WithoutEmbeddings => active.without_embeddings().total(),
        }
    }
}

/// A figure as its publisher gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Billions of parameters, with the publisher's rounding.
    pub value_b_text: String,
    /// Where it stands.
    pub source: String,
}

/// A known model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRow {
    /// Name as scenarios write it: lower case with dashes.
    pub id: String,
    /// Name as its publisher writes it.
    pub display_name: String,
    /// Repository of the weights.
    pub source: String,
    /// What the figures were read from: `config.json`, or what stands in for a part of it.
    pub fidelity: String,
    /// All parameters, as published.
    pub published_total: Option<Published>,
    /// Parameters used for one token, as published.
    pub published_active: Option<Published>,
    /// What the published active figure counts. Where the publisher does not say, the convention that fits.
    pub active_counts: ActiveCounts,
    /// The architecture.
    pub spec: ModelSpec,
}

/// A row as its file holds it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    id: String,
    display_name: String,
    source: String,
    fidelity: String,
    published_total_b: Option<String>,
    published_active_b: Option<String>,
    published_source: Option<String>,
    #[serde(default)]
    active_counts: ActiveCounts,
    config: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    model: Vec<RawRow>,
}

const FILES: [(&str, &str); 5] = [
    ("models_qwen.toml", include_str!("data/models_qwen.toml")),
    ("models_latent.toml", include_str!("data/models_latent.toml")),
    ("models_gqa.toml", include_str!("data/models_gqa.toml")),
    ("models_glm_minimax.toml", include_str!("data/models_glm_minimax.toml")),
    ("models_hybrid.toml", include_str!("data/models_hybrid.toml")),
];

/// Embedded rows cannot fail on a user's machine if they do not fail in the tests.
static ROWS: LazyLock<Vec<ModelRow>> = LazyLock::new(|| match read(&FILES) {
    Ok(rows) => rows,
    Err(error) => unreachable!("embedded models: {error}"),
});

/// All known models, in the order of their files.
pub fn all() -> &'static [ModelRow] {
    &ROWS
}

/// The model with this id or display name; case and separators do not matter.
pub fn find(name: &str) -> Option<&'static ModelRow> {
    ModelRow::find(name)
}

impl Entry for ModelRow {
    const WHAT: &'static str = "model";
    const KIND: &'static str = "models";
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "parameters", "active", "layers", "MoE layers", "experts", "top-k", "published"];

    fn all() -> &'static [Self] {
        &ROWS
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn display_name(&self) -> &str {
        &self.display_name
    }
    fn aliases(&self) -> &[String] {
        &[]
    }
    fn note(&self) -> &str {
        ""
    }
    fn cells(&self) -> Vec<String> {
        let published = |figure: &Option<Published>| {
            figure.as_ref().map_or("-".to_owned(), |figure| figure.value_b_text.clone())
        };
        vec![
            self.id.clone(),
            self.display_name.clone(),
            billions(self.spec.params().total()),
            billions(self.active_params()),
            self.spec.layers.len().to_string(),
            self.spec.moe_layer_ids().len().to_string(),
            self.spec.experts().to_string(),
            self.spec.top_k().to_string(),
            format!("{} / {}", published(&self.published_total), published(&self.published_active)),
        ]
    }
    fn facts(&self) -> Vec<Fact> {
        let fact = |key: &str, value: String| Fact {
            key: key.to_owned(),
            value,
            source: format!("{} of {}", self.fidelity, self.source),
            fidelity: Fidelity::Derived,
        };
        let published = |key: &str, figure: &Option<Published>| {
            figure.as_ref().map(|figure| Fact {
                key: key.to_owned(),
                value: format!("{} B", figure.value_b_text),
                source: figure.source.clone(),
                fidelity: Fidelity::Datasheet,
            })
        };
        let mut facts = vec![
            fact("parameters", billions(self.spec.params().total())),
            fact("active parameters", billions(self.active_params())),
        ];
        facts.extend(published("published parameters", &self.published_total));
        facts.extend(published("published active parameters", &self.published_active));
        for (part, count) in self.spec.params().named() {
            facts.push(fact(part, format!("{count} parameters")));
        }
        facts.push(fact("hidden", self.spec.hidden.to_string()));
        facts.push(fact("vocabulary", self.spec.vocab.to_string()));
        facts.push(fact("layers", self.spec.layers.len().to_string()));
        facts.push(fact("MoE layers", self.spec.moe_layer_ids().len().to_string()));
        facts.push(fact("experts per layer", self.spec.experts().to_string()));
        facts.push(fact("experts per token", self.spec.top_k().to_string()));
        facts
    }
}

impl ModelRow {
    /// Repository of the weights on Hugging Face, as engines name it: `Qwen/Qwen3-30B-A3B`.
    pub fn hf(&self) -> Option<&str> {
        self.source.strip_prefix("huggingface.co/")
    }

    /// Parameters used for one token, counted as the publisher counts them.
    pub fn active_params(&self) -> u64 {
        self.active_counts.apply(&self.spec.active_params())
    }
}

/// Parameters in billions, two decimals, for display.
fn billions(parameters: u64) -> String {
    format!("{:.2} B", parameters as f64 / 1e9)
}

fn read(files: &[(&str, &str)]) -> Result<Vec<ModelRow>> {
    let mut rows = Vec::new();
    for (name, text) in files {
        let place = Place::file(name);
        let file: RawFile = toml::from_str(text)
            .map_err(|cause| Error::at(place.clone(), cause.to_string().trim_end().to_owned()))?;
        for raw in file.model {
            rows.push(row(raw, &place)?);
        }
    }
    Ok(rows)
}

fn row(raw: RawRow, place: &Place) -> Result<ModelRow> {
    let spec = hf::import_value(&raw.config, &raw.display_name, place.clone())?;
    let published = |value: Option<String>| {
        value
            .zip(raw.published_source.clone())
            .map(|(value_b_text, source)| Published { value_b_text, source })
    };
    Ok(ModelRow {
        published_total: published(raw.published_total_b),
        published_active: published(raw.published_active_b),
        id: raw.id,
        display_name: raw.display_name,
        source: raw.source,
        fidelity: raw.fidelity,
        active_counts: raw.active_counts,
        spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_and_has_a_name_of_its_own() {
        let rows = all();
        assert!(rows.len() >= 30, "{}", rows.len());
        for (index, row) in rows.iter().enumerate() {
            let plain = |letter: char| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter)
            };
            assert!(row.id.chars().all(plain), "{}", row.id);
            assert!(rows[index + 1..].iter().all(|other| other.id != row.id), "{}", row.id);
            let parts = row.hf().map(|id| id.split('/').filter(|part| !part.is_empty()).count());
            assert_eq!(parts, Some(2), "{}", row.id);
            assert!(row.published_total.is_some() == row.published_active.is_some(), "{}", row.id);
        }
    }

    #[test]
    fn finds_a_model_whatever_the_case() {
        for name in ["qwen3-30b-a3b", "Qwen3-30B-A3B", "QWEN3-30B-A3B"] {
            assert_eq!(find(name).map(|row| row.id.as_str()), Some("qwen3-30b-a3b"), "{name}");
        }
        assert_eq!(find("qwen3"), None);
    }

    #[test]
    fn a_row_that_cannot_be_read_says_where() {
        let text = "[[model]]\nid = \"x\"\ndisplay_name = \"X\"\nsource = \"s\"\nfidelity = \"f\"\n\
                    config = { model_type = \"mixtral\", hidden_size = 8 }\n";
        let error = read(&[("x.toml", text)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "x.toml: key \"vocab_size\" is missing, expected a whole number from 1 to 16777216"
        );
    }
}
