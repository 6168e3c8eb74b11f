//! Settings of a question with a closed list of spellings.

use toml::Value;

use super::choice::{choice, unknown};
use super::given::{FromGiven, refuse};
use crate::error::Result;

choice! {
    /// Where the experts of a candidate lie and who computes them.
    PlacementFamily {
        /// All of them in GPU memory.
        Resident = "resident",
        /// Those of the first layers in host memory, computed by the CPU.
        CpuLayers = "cpu-layers",
        /// In host memory, with a cache in GPU memory.
        Cache = "cache",
        /// The same, but what is missing is computed by the CPU where that is faster.
        CpuMisses = "cpu-misses",
        /// On the drive, with caches in host and GPU memory.
        Nvme = "nvme",
        /// In host memory, one at a time through one buffer.
        SingleBuffer = "single-buffer",
    }
}

choice! {
    /// How a configuration is sought.
    AdviseStrategy {
        /// All candidates, screened by bounds, the rest simulated.
        Search = "search",
        /// One optimisation after another, from the least harmful, until the limits are kept.
        Staged = "staged",
    }
}

impl FromGiven for Vec<PlacementFamily> {
    fn from_given(value: &Value) -> Result<Self> {
        let items = value.as_array().ok_or_else(|| refuse(value, "a list of texts in quotes"))?;
        items.iter().map(PlacementFamily::from_given).collect()
    }
}
