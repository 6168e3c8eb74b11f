//! Engine profiles: what share of the hardware's peaks an engine reaches, and what it costs per token, layer and call.
//!
//! A profile is where measurements enter the model; `all()` holds those derived from published ones. It names no model
//! and no machine, so it carries over to others as well as its source does. Left out: scheduling, cache policy and
//! placement, which scenarios choose.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::cpus::Cpu;
use super::entry::{Entry, Fact, named_row};
use super::load::parse_embedded;
use super::quantity::Ratio;
use super::sourced::Sourced;
use crate::units::{Bytes, FlopRate, SimDuration};

/// What runs at the same time as expert transfers and experts on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// Nothing: every copy and every CPU expert is waited for.
    None,
    /// The same layer's resident experts on the GPU.
    WithinLayer,
    /// Earlier layers too: copies run ahead of the compute stream.
    AcrossLayers,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::WithinLayer => "within-layer",
            Self::AcrossLayers => "across-layers",
        })
    }
}

/// How an engine uses the hardware.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineProfile {
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
    /// Share of the GPU's peak bandwidth that weight reads reach at batch 1.
    pub gpu_memory_efficiency: Sourced<Ratio>,
    /// Share of the GPU's dense peak that large matrix products reach.
    pub gpu_compute_efficiency: Sourced<Ratio>,
    /// Share of the theoretical DRAM bandwidth that experts on the CPU reach.
    pub cpu_memory_efficiency: Sourced<Ratio>,
    /// Share of the CPU's FP32 vector peak that experts on the CPU reach with many tokens; integer kernels exceed it.
    pub cpu_compute_efficiency: Sourced<Ratio>,
    /// Share of the CPU's matrix-unit peak that they reach; zero where the engine does not use such units.
    pub cpu_matrix_efficiency: Sourced<Ratio>,
    /// Share of the theoretical host link that large copies from pinned memory reach.
    pub h2d_efficiency: Sourced<Ratio>,
    /// The same from pageable memory.
    pub h2d_pageable_efficiency: Sourced<Ratio>,
    /// Fixed time of one copy between host and GPU.
    pub h2d_latency: Sourced<SimDuration>,
    /// Share of the drive's sequential rate that expert-sized reads reach at the best queue depth.
    pub nvme_efficiency: Sourced<Ratio>,
    /// Fixed time of one operation on the GPU.
    pub kernel_launch: Sourced<SimDuration>,
    /// Fixed time of one layer beyond its operations.
    pub per_layer_overhead: Sourced<SimDuration>,
    /// Fixed time of one layer whose experts run on the CPU: activations over and back, waking the workers.
    pub cpu_layer_overhead: Sourced<SimDuration>,
    /// Fixed time of one pass: sampling, graph launch, host code.
    pub per_token_overhead: Sourced<SimDuration>,
    /// What runs at the same time.
    pub overlap: Sourced<Overlap>,
    /// Whether operations are replayed as one graph, which spares their launches.
    pub graphs: Sourced<bool>,
    /// GPU memory that the framework holds beside weights, KV and workspace: contexts, libraries, allocator.
    pub framework_overhead: Sourced<Bytes>,
}

impl EngineProfile {
    /// Operations per second that experts on this CPU reach with many tokens: vector or matrix units, whichever is
    /// faster.
    pub fn cpu_rate(&self, cpu: &Cpu) -> FlopRate {
        let vector = cpu.fp32.value.at_ppm(self.cpu_compute_efficiency.value.ppm());
        let matrix =
            cpu.matrix_bf16.as_ref().map(|peak| peak.value.at_ppm(self.cpu_matrix_efficiency.value.ppm()));
        matrix.map_or(vector, |matrix| matrix.max(vector))
    }
}

static ROWS: LazyLock<Vec<EngineProfile>> =
    LazyLock::new(|| parse_embedded(include_str!("data/engines.toml"), "engines.toml"));

impl Entry for EngineProfile {
    const WHAT: &'static str = "engine";
    const KIND: &'static str = "engines";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "GPU memory",
        "GPU compute",
        "CPU memory",
        "host link",
        "per token",
        "per layer",
        "overlap",
        "graphs",
    ];

    named_row!(ROWS);

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.gpu_memory_efficiency.value.to_string(),
            self.gpu_compute_efficiency.value.to_string(),
            self.cpu_memory_efficiency.value.to_string(),
            self.h2d_efficiency.value.to_string(),
            self.per_token_overhead.value.to_string(),
            self.per_layer_overhead.value.to_string(),
            self.overlap.value.to_string(),
            (if self.graphs.value { "yes" } else { "no" }).to_owned(),
        ]
    }
    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::new("gpu_memory_efficiency", &self.gpu_memory_efficiency),
            Fact::new("gpu_compute_efficiency", &self.gpu_compute_efficiency),
            Fact::new("cpu_memory_efficiency", &self.cpu_memory_efficiency),
            Fact::new("cpu_compute_efficiency", &self.cpu_compute_efficiency),
            Fact::new("cpu_matrix_efficiency", &self.cpu_matrix_efficiency),
            Fact::new("h2d_efficiency", &self.h2d_efficiency),
            Fact::new("h2d_pageable_efficiency", &self.h2d_pageable_efficiency),
            Fact::new("h2d_latency", &self.h2d_latency),
            Fact::new("nvme_efficiency", &self.nvme_efficiency),
            Fact::new("kernel_launch", &self.kernel_launch),
            Fact::new("per_layer_overhead", &self.per_layer_overhead),
            Fact::new("cpu_layer_overhead", &self.cpu_layer_overhead),
            Fact::new("per_token_overhead", &self.per_token_overhead),
            Fact::new("overlap", &self.overlap),
            Fact::new("graphs", &self.graphs),
            Fact::new("framework_overhead", &self.framework_overhead),
        ]
    }
}
