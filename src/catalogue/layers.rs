//! Storage types that differ by layer, as the K mixes of llama.cpp do.
//!
//! Rules follow `llama_tensor_get_type` and `use_more_bits` in llama.cpp's `src/llama-quant.cpp` (2026). Left out: its
//! exceptions for Falcon, for models of exactly eight experts and for quantising with an importance matrix.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::error::Error;
use crate::model::{DTYPES, Dtype};
use crate::units::Bytes;

/// Which layers of a stack are stored differently from the rest. All divisions are of integers, as in llama.cpp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerRule {
    /// The first eighth, the last eighth and every third layer between.
    MoreBits,
    /// The first eighth.
    FirstEighth,
    /// The first sixteenth.
    FirstSixteenth,
    /// Layers 0 and 1.
    FirstTwo,
    /// Layers 0 to 3.
    FirstFour,
}

impl LayerRule {
    /// Whether layer `layer` of `layers`, counted from 0 in the model's own numbering, is among the different ones.
    pub const fn selects(self, layer: usize, layers: usize) -> bool {
        match self {
            Self::MoreBits => {
                let eighth = layers / 8;
                layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
            }
            Self::FirstEighth => layer < layers / 8,
            Self::FirstSixteenth => layer < layers / 16,
            Self::FirstTwo => layer < 2,
            Self::FirstFour => layer < 4,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::MoreBits => "more-bits",
            Self::FirstEighth => "first-eighth",
            Self::FirstSixteenth => "first-sixteenth",
            Self::FirstTwo => "first-two",
            Self::FirstFour => "first-four",
        }
    }
}

/// One storage type for most layers and perhaps another for some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerMix {
    /// The type of all layers that `exception` does not select.
    pub base: Dtype,
    /// The type of the layers that the rule selects.
    pub exception: Option<(LayerRule, Dtype)>,
}

impl LayerMix {
    /// One type for every layer.
    pub const fn uniform(base: Dtype) -> Self {
        Self { base, exception: None }
    }

    /// The type in layer `layer` of `layers`, in the model's own numbering from 0.
    pub fn at(&self, layer: usize, layers: usize) -> Dtype {
        match self.exception {
            Some((rule, dtype)) if rule.selects(layer, layers) => dtype,
            _ => self.base,
        }
    }

    /// Bytes of `weights` weights in layer `layer` of `layers`.
    pub fn bytes_at(&self, weights: u64, layer: usize, layers: usize) -> Bytes {
        self.at(layer, layers).bytes_for(weights)
    }
}

impl fmt::Display for LayerMix {
    /// `q4_k`, or `q4_k (more-bits: q6_k)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.name)?;
        match self.exception {
            Some((rule, dtype)) => write!(f, " ({}: {})", rule.name(), dtype.name),
            None => Ok(()),
        }
    }
}

/// The storage type of this name, or a message that suggests one.
pub(super) fn dtype_by_name(name: &str) -> Result<Dtype, String> {
    Dtype::by_name(name).ok_or_else(|| {
        let error = Error::new(format!("unknown storage type {name:?}"));
        error.nearest(name, DTYPES.iter().map(|dtype| dtype.name)).to_string()
    })
}

impl<'de> Deserialize<'de> for LayerMix {
    /// `"q4_k"` or `{ base = "q4_k", rule = "more-bits", then = "q6_k" }`.
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Mixed {
            base: String,
            rule: LayerRule,
            then: String,
        }
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a storage type, or a table of base, rule and then")]
        enum Spelling {
            Uniform(String),
            Mixed(Mixed),
        }
        let named = |name: &str| dtype_by_name(name).map_err(D::Error::custom);
        Ok(match Spelling::deserialize(source)? {
            Spelling::Uniform(name) => Self::uniform(named(&name)?),
            Spelling::Mixed(mixed) => {
                let exception = Some((mixed.rule, named(&mixed.then)?));
                Self { base: named(&mixed.base)?, exception }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(rule: LayerRule, layers: usize) -> Vec<usize> {
        (0..layers).filter(|layer| rule.selects(*layer, layers)).collect()
    }

    #[test]
    fn rules_select_what_llama_cpp_selects() {
        assert_eq!(selected(LayerRule::MoreBits, 16), [0, 1, 4, 7, 10, 13, 14, 15]);
        // Qwen3-30B-A3B: half of its 48 layers.
        assert_eq!(selected(LayerRule::MoreBits, 48).len(), 24);
        // Fewer than eight layers have an empty first eighth: 7 * 2 / 8 is 1.
        assert_eq!(selected(LayerRule::MoreBits, 2), [1]);
        assert_eq!(selected(LayerRule::FirstEighth, 48), [0, 1, 2, 3, 4, 5]);
        assert_eq!(selected(LayerRule::FirstSixteenth, 48), [0, 1, 2]);
        assert_eq!(selected(LayerRule::FirstTwo, 48), [0, 1]);
        assert_eq!(selected(LayerRule::FirstFour, 3), [0, 1, 2]);
    }
}
