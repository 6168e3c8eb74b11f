//! Settings that are more than a number, a name or a choice.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use toml::Value;

use crate::error::Result;
use crate::units::{Bytes, ExpertId, LayerIndex};

use super::Percent;
use super::given::{FromGiven, any_size, refuse};

/// How much room the expert cache has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheCapacity {
    /// So many bytes.
    Size(Bytes),
    /// This share of the bytes of all routed experts; above zero, at most the whole.
    Share(Percent),
    /// What is left of the GPU's memory when everything else has its place.
    Rest,
}

impl FromGiven for CacheCapacity {
    fn from_given(value: &Value) -> Result<Self> {
        const EXPECTED: &str = "a size like \"8 GiB\", a percentage like \"25 %\", or \"rest\"";
        match value {
            Value::String(text) if text == "rest" => Ok(Self::Rest),
            Value::String(text) if text.trim().ends_with('%') => {
                let share: Percent = text.parse()?;
                if share.ppm() == 0 || share > Percent::WHOLE {
                    return Err(refuse(value, "a percentage above 0 % and up to 100 %"));
                }
                Ok(Self::Share(share))
            }
            Value::String(text) if text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Err(refuse(value, EXPECTED))
            }
            Value::String(_) | Value::Integer(_) | Value::Float(_) => {
                Bytes::from_given(value).map(Self::Size)
            }
            _ => Err(refuse(value, EXPECTED)),
        }
    }
}

/// How much room the KV cache has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvCapacity {
    /// So many bytes on each GPU.
    Size(Bytes),
    /// This share of what weights and the engine leave; above zero, at most the whole.
    Share(Percent),
    /// What is left when everything else has its place.
    Rest,
}

impl FromGiven for KvCapacity {
    fn from_given(value: &Value) -> Result<Self> {
        CacheCapacity::from_given(value).map(|capacity| match capacity {
            CacheCapacity::Size(size) => Self::Size(size),
            CacheCapacity::Share(share) => Self::Share(share),
            CacheCapacity::Rest => Self::Rest,
        })
    }
}

/// Memory that is kept free; unlike other sizes it may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve(
    /// How much.
    pub Bytes,
);

impl FromGiven for Reserve {
    fn from_given(value: &Value) -> Result<Self> {
        any_size(value).map(Self)
    }
}

/// Share of lookups that hit; unlike other percentages it may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitRate(
    /// The share.
    pub Percent,
);

impl FromGiven for HitRate {
    fn from_given(value: &Value) -> Result<Self> {
        let share = match value {
            Value::String(text) => text.parse()?,
            _ => return Err(refuse(value, "a percentage like \"80 %\"")),
        };
        if share > Percent::WHOLE {
            return Err(refuse(value, "a percentage from 0 % to 100 %"));
        }
        Ok(Self(share))
    }
}

/// An expert that never leaves the cache, written `layer:expert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinnedExpert {
    /// Position among the model's MoE layers, from 0.
    pub layer: LayerIndex,
    /// Expert within the layer, from 0.
    pub expert: ExpertId,
}

impl FromGiven for PinnedExpert {
    fn from_given(value: &Value) -> Result<Self> {
        let parse = |text: &str| {
            let (layer, expert) = text.split_once(':')?;
            Some(Self {
                layer: LayerIndex(layer.trim().parse().ok()?),
                expert: ExpertId(expert.trim().parse().ok()?),
            })
        };
        value
            .as_str()
            .and_then(parse)
            .ok_or_else(|| refuse(value, "\"layer:expert\", both from 0, like \"3:17\""))
    }
}

impl<'de> Deserialize<'de> for PinnedExpert {
    fn deserialize<D: Deserializer<'de>>(source: D) -> std::result::Result<Self, D::Error> {
        Self::read(source)
    }
}

impl FromGiven for Vec<PinnedExpert> {
    fn from_given(value: &Value) -> Result<Self> {
        let items = value.as_array().ok_or_else(|| refuse(value, "a list like [\"3:17\", \"4:2\"]"))?;
        items.iter().map(PinnedExpert::from_given).collect()
    }

    /// Item by item, so that an error knows the item's position.
    fn read<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<Self, D::Error> {
        source.deserialize_any(PinList)
    }
}

struct PinList;

impl<'de> Visitor<'de> for PinList {
    type Value = Vec<PinnedExpert>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list like [\"3:17\", \"4:2\"]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Self::Value, A::Error> {
        let mut pins = Vec::new();
        while let Some(pin) = items.next_element()? {
            pins.push(pin);
        }
        Ok(pins)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> std::result::Result<Self::Value, A::Error> {
        let given = Value::deserialize(MapAccessDeserializer::new(entries))?;
        FromGiven::from_given(&given).map_err(A::Error::custom)
    }

    fn visit_str<E: serde::de::Error>(self, given: &str) -> std::result::Result<Self::Value, E> {
        FromGiven::from_given(&Value::from(given)).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, given: i64) -> std::result::Result<Self::Value, E> {
        FromGiven::from_given(&Value::from(given)).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, given: f64) -> std::result::Result<Self::Value, E> {
        FromGiven::from_given(&Value::from(given)).map_err(E::custom)
    }

    fn visit_bool<E: serde::de::Error>(self, given: bool) -> std::result::Result<Self::Value, E> {
        FromGiven::from_given(&Value::from(given)).map_err(E::custom)
    }
}
