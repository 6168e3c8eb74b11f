//! Engine profiles: what share of the hardware's peaks an engine reaches, and what it costs per token, layer and call.
//!
//! A profile is where measurements enter the model; `all()` holds those derived from published ones. It names no model
//! and no machine, so it carries over to others as well as its source does. Left out: scheduling, cache policy and
//! placement, which scenarios choose.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::cpus::Cpu;
use super::entry::{Entry, Fact, named_row};
use super::load::parse_embedded;
use super::quantity::Ratio;
use super::sourced::Sourced;
use crate::model::Dtype;
use crate::units::{Bandwidth, Bytes, FlopRate, SimDuration};

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

/// In what host memory copies to the GPU begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyKind {
    /// Page-locked memory, which the GPU reads by itself.
    Pinned,
    /// Ordinary memory, which the driver copies to page-locked memory first.
    Pageable,
}

impl fmt::Display for CopyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned => "pinned",
            Self::Pageable => "pageable",
        })
    }
}

/// Where reads from storage land.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NvmePath {
    /// In host memory, where the expert stays and takes room before it is copied to the GPU.
    Dram,
    /// On the GPU, straight or through a bounce buffer that keeps nothing.
    Vram,
}

impl fmt::Display for NvmePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dram => "dram",
            Self::Vram => "vram",
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
    /// Bytes of expert weights per second that one CPU thread works through while memory is not saturated; the rate of
    /// `n` threads is the smaller of `n` times this and what the memory gives.
    pub cpu_thread_bandwidth: Sourced<Bandwidth>,
    /// Factor on the memory rate of experts on the CPU, by storage type (names of [`Dtype`]), where unpacking the type
    /// bounds the kernel or where it was measured apart; a type that is not listed runs at the whole rate. The limit of the
    /// threads is not scaled by it.
    #[serde(default)]
    pub cpu_dtype_efficiency: BTreeMap<String, Sourced<Ratio>>,
    /// Share of the rate of one NUMA node that is left when threads and weights are spread over several without care.
    pub cpu_numa_efficiency: Sourced<Ratio>,
    /// Share of the theoretical host link that large copies from pinned memory reach.
    pub h2d_efficiency: Sourced<Ratio>,
    /// The same from pageable memory.
    pub h2d_pageable_efficiency: Sourced<Ratio>,
    /// Fixed time of one copy between host and GPU.
    pub h2d_latency: Sourced<SimDuration>,
    /// Which of the two rates the engine's copies of experts reach.
    pub copies: Sourced<CopyKind>,
    /// Piece in which an expert is copied, so that a copy that is waited for can pass one that is not after each piece.
    /// None: an expert is copied in one piece.
    pub copy_chunk: Option<Sourced<Bytes>>,
    /// Share of the drive's sequential rate that expert-sized reads reach at the engine's queue depth. Where the drive has a
    /// read curve, the curve at that depth takes its place.
    pub nvme_efficiency: Sourced<Ratio>,
    /// Where reads from storage land.
    pub nvme_path: Sourced<NvmePath>,
    /// Reads that the engine keeps in flight.
    pub nvme_queue_depth: Sourced<u32>,
    /// Time in which the host launches one operation on the GPU where no graph is replayed. Zero where launches cannot be
    /// told from `per_layer_overhead`.
    pub kernel_launch: Sourced<SimDuration>,
    /// Operations per layer whose launch delays the GPU where no graph is replayed, in units of `kernel_launch`, beside those
    /// of the routed experts; launches that the GPU's work hides do not count, the host's own time between them does.
    pub launches_per_layer: Sourced<u32>,
    /// Fixed time of one layer beyond its operations, with a graph replayed.
    pub per_layer_overhead: Sourced<SimDuration>,
    /// Fixed time of one layer whose experts run on the CPU: activations over and back, waking the workers.
    pub cpu_layer_overhead: Sourced<SimDuration>,
    /// Fixed time of one pass: sampling, graph launch, host code.
    pub per_token_overhead: Sourced<SimDuration>,
    /// Time for each sequence of a pass: its part of scheduling, sampling and answering. None: not told from the time of a
    /// pass.
    pub per_request_overhead: Option<Sourced<SimDuration>>,
    /// What runs at the same time.
    pub overlap: Sourced<Overlap>,
    /// Whether operations are replayed as one graph, which spares their launches.
    pub graphs: Sourced<bool>,
    /// From how many tokens in a pass experts that live on the CPU are copied to the GPU and computed there.
    /// None: never.
    pub prefill_offload_tokens: Option<Sourced<u64>>,
    /// The same for engines that count the tokens of an average expert: a pass needs this x experts / active experts tokens.
    pub prefill_offload_tokens_per_expert: Option<Sourced<u64>>,
    /// Whether VRAM that is overcommitted spills to host memory unasked, as Windows drivers can make it, instead of failing.
    pub spills: Sourced<bool>,
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

    /// Factor on the memory rate of experts of this type on the CPU.
    pub fn cpu_dtype_share(&self, dtype: Dtype) -> Ratio {
        self.cpu_dtype_efficiency.get(dtype.name).map_or(Ratio::ONE, |share| share.value)
    }

    /// Tokens in a pass from which experts on the CPU are copied to the GPU and computed there, for a model with this many
    /// experts of which a token takes `active`; never where it is `None`.
    pub fn prefill_offload(&self, experts: u32, active: u32) -> Option<u64> {
        let per_expert = self.prefill_offload_tokens_per_expert.as_ref();
        let scaled =
            per_expert.map(|tokens| (tokens.value * u64::from(experts)).div_ceil(u64::from(active.max(1))));
        scaled.or(self.prefill_offload_tokens.as_ref().map(|tokens| tokens.value))
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
        let dtypes = self.cpu_dtype_efficiency.iter();
        let dtypes = dtypes.map(|(dtype, share)| Fact::new(&format!("cpu_dtype_efficiency.{dtype}"), share));
        let offload = self.prefill_offload_tokens_per_expert.as_ref();
        [
            Some(Fact::new("gpu_memory_efficiency", &self.gpu_memory_efficiency)),
            Some(Fact::new("gpu_compute_efficiency", &self.gpu_compute_efficiency)),
            Some(Fact::new("cpu_memory_efficiency", &self.cpu_memory_efficiency)),
            Some(Fact::new("cpu_compute_efficiency", &self.cpu_compute_efficiency)),
            Some(Fact::new("cpu_matrix_efficiency", &self.cpu_matrix_efficiency)),
            Some(Fact::new("cpu_thread_bandwidth", &self.cpu_thread_bandwidth)),
            Some(Fact::new("cpu_numa_efficiency", &self.cpu_numa_efficiency)),
            Some(Fact::new("h2d_efficiency", &self.h2d_efficiency)),
            Some(Fact::new("h2d_pageable_efficiency", &self.h2d_pageable_efficiency)),
            Some(Fact::new("h2d_latency", &self.h2d_latency)),
            Some(Fact::new("copies", &self.copies)),
            Fact::optional("copy_chunk", self.copy_chunk.as_ref()),
            Some(Fact::new("nvme_efficiency", &self.nvme_efficiency)),
            Some(Fact::new("nvme_path", &self.nvme_path)),
            Some(Fact::new("nvme_queue_depth", &self.nvme_queue_depth)),
            Some(Fact::new("kernel_launch", &self.kernel_launch)),
            Some(Fact::new("launches_per_layer", &self.launches_per_layer)),
            Some(Fact::new("per_layer_overhead", &self.per_layer_overhead)),
            Some(Fact::new("cpu_layer_overhead", &self.cpu_layer_overhead)),
            Some(Fact::new("per_token_overhead", &self.per_token_overhead)),
            Fact::optional("per_request_overhead", self.per_request_overhead.as_ref()),
            Some(Fact::new("overlap", &self.overlap)),
            Some(Fact::new("graphs", &self.graphs)),
            Fact::optional("prefill_offload_tokens", self.prefill_offload_tokens.as_ref()),
            Fact::optional("prefill_offload_tokens_per_expert", offload),
            Some(Fact::new("spills", &self.spills)),
            Some(Fact::new("framework_overhead", &self.framework_overhead)),
        ]
        .into_iter()
        .flatten()
        .chain(dtypes)
        .collect()
    }
}
