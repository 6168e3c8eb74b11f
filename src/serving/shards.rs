//! How much of a model's work is one GPU's, where several share it.

use crate::units::Bytes;

/// One GPU's part of a layer without its routed experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Weights that it reads.
    pub bytes: Bytes,
    /// Its parameters, in parts per million of the layer's.
    pub params_ppm: u64,
}

impl Shard {
    /// Its share of so many parameters, rounded up.
    pub fn of_params(&self, params: u64) -> u64 {
        if self.params_ppm == WHOLE_PPM {
            return params;
        }
        let share = (u128::from(params) * u128::from(self.params_ppm)).div_ceil(u128::from(WHOLE_PPM));
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

/// Parts per million that are everything.
const WHOLE_PPM: u64 = 1_000_000;

/// One GPU's part of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shards {
    /// By layer; empty where all of every layer is its own.
    pub layers: Vec<Shard>,
    /// GPUs that share the arithmetic of attention by heads.
    pub attention_parts: u64,
    /// GPUs that share each sequence's cache.
    pub cache_parts: u64,
    /// GPUs that share the output projection.
    pub head_parts: u64,
    /// GPUs that share each routed expert.
    pub expert_parts: u64,
}

impl Default for Shards {
    /// All of it.
    fn default() -> Self {
        Self { layers: Vec::new(), attention_parts: 1, cache_parts: 1, head_parts: 1, expert_parts: 1 }
    }
}

impl Shards {
    /// The shard of each layer, of the sizes of whole layers.
    pub(super) fn of(&self, sizes: &[Bytes]) -> Vec<Shard> {
        if self.layers.is_empty() {
            sizes.iter().map(|bytes| Shard { bytes: *bytes, params_ppm: WHOLE_PPM }).collect()
        } else {
            self.layers.clone()
        }
    }
}
