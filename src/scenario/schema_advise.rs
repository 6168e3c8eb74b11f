//! The section that `moesim advise` reads: what may be chosen from, and what the choice must keep. Every other command
//! leaves it out.

use std::num::NonZeroU32;

use super::choice_advise::{AdviseStrategy, PlacementFamily};
use super::section::section;

section! {
    /// What a configuration is sought for. What it does not name is chosen from the catalogue.
    AdviseSection, ADVISE_KEYS, "advise." {
        /// Models to choose from, instead of the scenario's.
        models: Vec<String> = "[\"qwen3-30b-a3b\", \"gpt-oss-20b\"]",
        /// Quantisation schemes to choose from, instead of those that the engines run.
        quants: Vec<String> = "[\"q4_k_m\", \"q8_0\"]",
        /// Machines to choose from: GPUs, CPU, host memory and drive; without it the scenario's, or all with known prices.
        machines: Vec<String> = "[\"2 x rtx3090, ryzen-7950x, 64 GiB, nvme-gen4\"]",
        /// Engine profiles to choose from.
        engines: Vec<String> = "[\"llama.cpp\", \"vllm\"]",
        /// Where experts may lie: resident, cpu-layers, cache, cpu-misses, nvme, single-buffer.
        placements: Vec<PlacementFamily> = "[\"resident\", \"cpu-layers\"]",
        /// Cache policies to choose from.
        policies: Vec<String> = "[\"lru\", \"lfu-ema\"]",
        /// Predictors of prefetches to choose from; "none" for no prefetching.
        predictors: Vec<String> = "[\"none\", \"previous-token\"]",
        /// Layouts over several GPUs to choose from.
        layouts: Vec<String> = "[\"tp4\", \"dp4 ep4\", \"tp2 replicas2\"]",
        /// Sizes of a cache, and numbers of layers on the CPU, that are tried.
        steps: NonZeroU32 = "4",
        /// What every answer must keep.
        limits: Vec<String> = "[\"tpot_p99 < 50 ms\", \"throughput > 10 tokens/s\", \"price < 1500 USD\"]",
        /// What answers are compared by.
        objectives: Vec<String> = "[\"tpot\", \"vram\", \"price\", \"quality_loss\"]",
        /// The objective that decides between answers of which none is better in everything.
        prefer: String = "\"price\"",
        /// How it is sought: search, or staged, one optimisation after another until it fits.
        strategy: AdviseStrategy = "\"search\"",
    }
}
