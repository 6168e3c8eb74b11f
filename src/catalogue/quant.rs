//! Quantisation schemes: which storage type each component of a model has.
//!
//! A scheme names types only; their block sizes are `model::Dtype`'s. GGUF mixes are those that `llama-quantize` makes
//! without an importance matrix of a model with four or more query heads to a key head and other than eight experts;
//! files with types picked by hand for each tensor differ from them.

use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::entry::{Entry, Fact, named_row};
use super::layers::{LayerMix, dtype_by_name};
use super::load::parse_embedded;
use super::sourced::Sourced;
use crate::model::Dtype;
use crate::units::Bytes;

/// Types of the attention projections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionMix {
    /// Query and key projections; in multi-head latent attention every projection but the output.
    pub query_key: LayerMix,
    /// Value projection.
    pub value: LayerMix,
    /// Output projection.
    pub output: LayerMix,
}

/// Types of a gated feed-forward network: three matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FfnMix {
    /// Gate and up projections.
    pub gate_up: LayerMix,
    /// Down projection.
    pub down: LayerMix,
}

impl AttentionMix {
    /// Bytes of the projections in layer `layer` of `layers`, given the weights of each.
    pub fn bytes_at(&self, query_key: u64, value: u64, output: u64, layer: usize, layers: usize) -> Bytes {
        self.query_key.bytes_at(query_key, layer, layers)
            + self.value.bytes_at(value, layer, layers)
            + self.output.bytes_at(output, layer, layers)
    }
}

impl FfnMix {
    /// Bytes of one network in layer `layer` of `layers`, given the weights of gate and up together and of down.
    pub fn bytes_at(&self, gate_up: u64, down: u64, layer: usize, layers: usize) -> Bytes {
        self.gate_up.bytes_at(gate_up, layer, layers) + self.down.bytes_at(down, layer, layers)
    }
}

/// Which storage type each component of a model has. Biases and attention sinks count with the norms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantScheme {
    /// Name in scenarios.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Further names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What to know before trusting it.
    #[serde(default)]
    pub note: String,
    /// Token embeddings; where they are tied to the output head the one matrix has the type of `lm_head`.
    #[serde(deserialize_with = "sourced_dtype")]
    pub embeddings: Sourced<Dtype>,
    /// Output head.
    #[serde(deserialize_with = "sourced_dtype")]
    pub lm_head: Sourced<Dtype>,
    /// Attention projections.
    pub attention: Sourced<AttentionMix>,
    /// Norm weights.
    #[serde(deserialize_with = "sourced_dtype")]
    pub norms: Sourced<Dtype>,
    /// Router of each MoE layer.
    #[serde(deserialize_with = "sourced_dtype")]
    pub router: Sourced<Dtype>,
    /// Shared experts.
    pub shared_experts: Sourced<FfnMix>,
    /// Networks of the dense layers.
    pub dense_ffn: Sourced<FfnMix>,
    /// Routed experts.
    pub routed_experts: Sourced<FfnMix>,
    /// Keys and values of the KV cache, unless the user chooses otherwise.
    #[serde(deserialize_with = "sourced_dtype")]
    pub kv: Sourced<Dtype>,
}

impl QuantScheme {
    /// Bytes of one routed expert in layer `layer` of `layers`, both in the model's own numbering with dense layers
    /// counted, given the weights of gate and up together and of down.
    pub fn expert_bytes(&self, gate_up: u64, down: u64, layer: usize, layers: usize) -> Bytes {
        self.routed_experts.value.bytes_at(gate_up, down, layer, layers)
    }

    /// The scheme as introductory texts count it: whole bits for each weight, one type for all layers, and everything
    /// that is neither attention nor a network stored as attention is, so that INT8 halves all of a model.
    #[must_use]
    pub fn plain(&self) -> Self {
        let network = |mix: &Sourced<FfnMix>| {
            let same = LayerMix::uniform(mix.value.gate_up.base.plain());
            Sourced { value: FfnMix { gate_up: same, down: same }, ..mix.clone() }
        };
        let attention = self.attention.value.query_key.base.plain();
        let as_attention = |part: &Sourced<Dtype>| Sourced { value: attention, ..part.clone() };
        let same = LayerMix::uniform(attention);
        let mix = AttentionMix { query_key: same, value: same, output: same };
        Self {
            embeddings: as_attention(&self.embeddings),
            lm_head: as_attention(&self.lm_head),
            attention: Sourced { value: mix, ..self.attention.clone() },
            norms: as_attention(&self.norms),
            router: as_attention(&self.router),
            shared_experts: network(&self.shared_experts),
            dense_ffn: network(&self.dense_ffn),
            routed_experts: network(&self.routed_experts),
            ..self.clone()
        }
    }
}

fn sourced_dtype<'de, D: Deserializer<'de>>(source: D) -> Result<Sourced<Dtype>, D::Error> {
    let named = Sourced::<String>::deserialize(source)?;
    let value = dtype_by_name(&named.value).map_err(D::Error::custom)?;
    Ok(Sourced { value, source: named.source, fidelity: named.fidelity })
}

/// Reads one mix for all matrices, or a table with a mix for each.
macro_rules! deserialize_mix {
    ($mix:ident { $($field:ident),* }) => {
        impl<'de> Deserialize<'de> for $mix {
            fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Each { $($field: LayerMix),* }
                #[derive(Deserialize)]
                #[serde(untagged, expecting = "expected a known storage type, a layer mix, or one for each matrix")]
                enum Spelling { Same(LayerMix), Each(Each) }
                Ok(match Spelling::deserialize(source)? {
                    Spelling::Same(mix) => Self { $($field: mix),* },
                    Spelling::Each(each) => Self { $($field: each.$field),* },
                })
            }
        }
    };
}

deserialize_mix!(AttentionMix { query_key, value, output });
deserialize_mix!(FfnMix { gate_up, down });

static ROWS: LazyLock<Vec<QuantScheme>> =
    LazyLock::new(|| parse_embedded(include_str!("data/quant.toml"), "quant.toml"));

/// A sourced value in other words.
fn reworded<T, U: std::fmt::Display>(key: &str, sourced: &Sourced<T>, words: impl FnOnce(&T) -> U) -> Fact {
    let value = words(&sourced.value);
    Fact::new(key, &Sourced { value, source: sourced.source.clone(), fidelity: sourced.fidelity })
}

impl Entry for QuantScheme {
    const WHAT: &'static str = "quantisation";
    const KIND: &'static str = "quant";
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "routed experts", "attention", "embeddings", "output head", "KV cache"];

    named_row!(ROWS);

    fn cells(&self) -> Vec<String> {
        let name = |dtype: &Sourced<Dtype>| dtype.value.name.to_owned();
        vec![
            self.id.clone(),
            self.name.clone(),
            show_ffn(&self.routed_experts.value),
            show_attention(&self.attention.value),
            name(&self.embeddings),
            name(&self.lm_head),
            name(&self.kv),
        ]
    }
    fn facts(&self) -> Vec<Fact> {
        let name = |dtype: &Dtype| dtype.name;
        vec![
            reworded("embeddings", &self.embeddings, name),
            reworded("lm_head", &self.lm_head, name),
            reworded("attention", &self.attention, show_attention),
            reworded("norms", &self.norms, name),
            reworded("router", &self.router, name),
            reworded("shared_experts", &self.shared_experts, show_ffn),
            reworded("dense_ffn", &self.dense_ffn, show_ffn),
            reworded("routed_experts", &self.routed_experts, show_ffn),
            reworded("kv", &self.kv, name),
        ]
    }
}

fn show_attention(mix: &AttentionMix) -> String {
    if mix.query_key == mix.value && mix.value == mix.output {
        return mix.value.to_string();
    }
    format!("q,k {}; v {}; o {}", mix.query_key, mix.value, mix.output)
}

fn show_ffn(mix: &FfnMix) -> String {
    if mix.gate_up == mix.down {
        return mix.down.to_string();
    }
    format!("gate,up {}; down {}", mix.gate_up, mix.down)
}
