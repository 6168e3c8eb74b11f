//! Refuses a point whose simulated time could leave the clock's range.
//!
//! The clock counts nanoseconds in 64 bits, 584 years. A rate or an overhead that was mistyped by many orders of
//! magnitude would exceed that, and a run of centuries answers nobody's question. Arithmetic of the GPU and the CPU is
//! left out: its rates are the catalogue's and far from the limit.

use super::PrefetchPlan;
use super::links::activation_bytes;
use super::machine::MachinePlan;
use super::model::ModelPlan;
use super::resolve::Resolver;
use super::types::kv_bytes;
use super::workload::Workload;
use crate::error::Error;
use crate::model::ComponentBytes;
use crate::serving::CpuRates;
use crate::units::{Bandwidth, Bytes, SimDuration};

/// Half of the clock's range, so that what is left out has the other half.
const SPAN_NS_MAX: u128 = 1 << 63;

/// What decides how long a run can take.
pub(super) struct Run<'a> {
    pub(super) model: &'a ModelPlan,
    pub(super) machine: &'a MachinePlan,
    pub(super) cpu: Option<CpuRates>,
    pub(super) workload: &'a Workload,
    pub(super) prefetch: Option<&'a PrefetchPlan>,
    /// Rate of the GPU's memory, what spills of it included.
    pub(super) memory: Bandwidth,
    /// All that is booked in GPU memory.
    pub(super) vram: Bytes,
}

/// A key, and the most nanoseconds that its value could take.
type Part = (&'static str, u128);

/// What one run could take by each setting, if every expert had to be fetched and nothing overlapped; refuses the point
/// at its largest part where the sum is out of range.
pub(super) fn check(resolver: &mut Resolver<'_>, run: &Run<'_>) {
    let pcie = resolver.scenario().engine.h2d_bandwidth.is_none();
    let mut parts = run.by_engine();
    parts.extend(run.by_copies(if pcie { "hardware.pcie" } else { "engine.h2d_bandwidth" }));
    parts.extend(run.by_cpu());
    let total: u128 = parts.iter().map(|(_, part)| part).sum();
    let largest = parts.into_iter().max_by_key(|(_, part)| *part);
    if let Some((key, _)) = largest.filter(|_| total > SPAN_NS_MAX) {
        let years = total / (365 * 24 * 3600 * 1_000_000_000);
        resolver.refuse(key, |place| {
            Error::at(place, format!("{key}: the run could take {years} years of simulated time"))
                .expected("less than 292 years")
        });
    }
}

impl Run<'_> {
    fn passes(&self) -> u128 {
        self.workload.requested_tokens.unwrap_or(self.workload.plan.passes.len() as u128)
    }

    fn rows(&self) -> u128 {
        if let Some(tokens) = self.workload.requested_tokens {
            return tokens;
        }
        self.workload.plan.passes.iter().map(|pass| u128::from(pass.rows)).sum()
    }

    fn layers(&self) -> u128 {
        self.model.layers.len() as u128
    }

    /// Experts that are fetched when every lookup misses.
    fn fetches(&self) -> u128 {
        let header = self.workload.plan.trace.header();
        if let Some(tokens) = self.workload.requested_tokens {
            return tokens * u128::from(header.top_k) * header.layers() as u128;
        }
        let asked = |rows: u64| (u128::from(rows) * u128::from(header.top_k)).min(u128::from(header.experts));
        let per_layer: u128 = self.workload.plan.passes.iter().map(|pass| asked(pass.rows)).sum();
        per_layer * header.layers() as u128
    }

    /// Layers that are guessed.
    fn guesses(&self) -> u128 {
        self.prefetch.map_or(0, |prefetch| self.passes() * self.layers() * u128::from(prefetch.depth))
    }

    fn expert(&self) -> Bytes {
        self.model.experts.iter().max().copied().unwrap_or(Bytes::ZERO)
    }

    /// The engine's own times, and all of GPU memory read in every pass.
    fn by_engine(&self) -> Vec<Part> {
        let (passes, layers, overheads) = (self.passes(), self.layers(), self.machine.overheads);
        let guess = self.prefetch.map_or(SimDuration::ZERO, |prefetch| prefetch.cost);
        let launches = if overheads.graphs { 0 } else { u128::from(overheads.launches_per_layer) };
        vec![
            ("engine.per_token_overhead", passes * ns(overheads.per_pass)),
            // Every sequence of a pass has a token in it.
            ("engine.per_request_overhead", self.rows() * ns(overheads.per_request)),
            ("engine.per_layer_overhead", passes * layers * ns(overheads.per_layer)),
            // Each fetched expert may be a launch of its own, beside one for the resident ones of a layer and those of the
            // layer's other operations.
            (
                "engine.kernel_launch",
                (self.fetches() + passes * layers * (1 + launches)) * ns(overheads.launch),
            ),
            ("engine.gpu_memory_efficiency", passes * ns(self.memory.time_for(self.vram))),
            ("prefetch.cost", self.guesses() * ns(guess)),
        ]
    }

    /// Experts over the host link, from storage and over the host's memory, and activations there and back.
    fn by_copies(&self, rate: &'static str) -> Vec<Part> {
        let limit = self.prefetch.map_or(0, |prefetch| u128::from(prefetch.limit));
        let transfers = self.fetches() + self.guesses() * limit;
        let expert = self.expert();
        let drive = self.machine.nvme.curve;
        let mut parts = vec![
            ("engine.nvme_bandwidth", transfers * ns(drive.peak.min(drive.stream).time_for(expert))),
            ("engine.nvme_latency", transfers * ns(drive.latency)),
        ];
        if let Some(link) = self.machine.copies {
            // A chunk has a latency of its own.
            let chunks = link.chunk.map_or(1, |chunk| expert.get().div_ceil(chunk.get().max(1)));
            let crossings = 2 * self.passes() * self.layers();
            let state = activation_bytes(self.model.spec.hidden);
            let bytes = transfers * ns(link.curve.peak.time_for(expert));
            let states = 2 * self.layers() * self.rows() * ns(link.curve.peak.time_for(state));
            parts.push((rate, bytes + states));
            parts.push((
                "engine.h2d_latency",
                (transfers * u128::from(chunks) + crossings) * ns(link.curve.latency),
            ));
        }
        if let Some(memory) = self.machine.dram {
            // Read from storage, copied, and read by the CPU: at most three times over the bus.
            parts.push(("hardware.dram_bandwidth", 3 * transfers * ns(memory.time_for(expert))));
        }
        parts
    }

    /// Experts and whole layers on the CPU.
    fn by_cpu(&self) -> Vec<Part> {
        let Some(cpu) = self.cpu else { return Vec::new() };
        let slowest = cpu.per_thread.map_or(cpu.bandwidth, |thread| thread.min(cpu.bandwidth));
        let layers: Bytes = self.model.layers.iter().map(ComponentBytes::total).sum();
        let (context, batch) = (self.workload.context, self.workload.batch);
        let cache = kv_bytes(&self.model.spec.layers, context, self.model.kv, batch);
        let whole = self.passes() * (ns(slowest.time_for(layers)) + ns(slowest.time_for(cache)));
        let experts = self.fetches() * ns(slowest.time_for(self.expert()));
        vec![
            ("engine.cpu_thread_bandwidth", whole + experts),
            ("engine.cpu_layer_overhead", self.passes() * self.layers() * ns(cpu.layer_overhead)),
        ]
    }
}

fn ns(span: SimDuration) -> u128 {
    u128::from(span.as_ns())
}
