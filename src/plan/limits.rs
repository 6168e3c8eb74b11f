//! Refuses a point whose simulated time could leave the clock's range.
//!
//! The clock counts nanoseconds in 64 bits, 584 years. A rate or an overhead that was mistyped by many orders of
//! magnitude would exceed that, and a run of centuries answers nobody's question. GPU time is left out: its rates are
//! the catalogue's and far from the limit.

use super::machine::MachinePlan;
use super::model::ModelPlan;
use super::resolve::Resolver;
use super::workload::Workload;
use crate::error::Error;
use crate::serving::CpuRates;
use crate::units::{Bandwidth, Bytes};

/// Half of the clock's range, so that GPU time has the other half.
const SPAN_NS_MAX: u128 = 1 << 63;

/// What one run could take by each setting, if every expert had to be fetched and nothing overlapped; refuses the point
/// at its largest part where the sum is out of range.
pub(super) fn check(
    resolver: &mut Resolver<'_>,
    model: &ModelPlan,
    machine: &MachinePlan,
    cpu: Option<CpuRates>,
    workload: &Workload,
) {
    let header = workload.plan.trace.header();
    let passes = workload.plan.passes.len() as u128;
    let asked = |rows: u64| (u128::from(rows) * u128::from(header.top_k)).min(u128::from(header.experts));
    let per_layer: u128 = workload.plan.passes.iter().map(|pass| asked(pass.rows)).sum();
    let fetches = per_layer * header.layers() as u128;
    let expert = model.experts.iter().max().copied().unwrap_or(Bytes::ZERO);
    let layers = model.layers.len() as u128;
    let mut parts = vec![
        ("engine.per_token_overhead", passes * ns(machine.overheads.per_pass)),
        ("engine.per_layer_overhead", passes * layers * ns(machine.overheads.of_layer())),
        // Each fetched expert may be a launch of its own, beside one for the resident ones of a layer.
        ("engine.kernel_launch", (fetches + passes * layers) * ns(machine.overheads.launch)),
    ];
    let engine = &resolver.scenario().engine;
    let copies = if engine.h2d_bandwidth.is_some() { "engine.h2d_bandwidth" } else { "hardware.pcie" };
    let link = |rate, latency, peak: Bandwidth, fixed| {
        [(rate, fetches * ns(peak.time_for(expert))), (latency, fetches * ns(fixed))]
    };
    if let Some(link_to_gpu) = machine.copies {
        let curve = link_to_gpu.curve;
        parts.extend(link(copies, "engine.h2d_latency", curve.peak, curve.latency));
    }
    let drive = machine.nvme.curve;
    parts.extend(link(
        "engine.nvme_bandwidth",
        "engine.nvme_latency",
        drive.peak.min(drive.stream),
        drive.latency,
    ));
    if let Some(cpu) = cpu {
        let slowest = cpu.per_thread.map_or(cpu.bandwidth, |thread| thread.min(cpu.bandwidth));
        parts.extend(link(
            "engine.cpu_thread_bandwidth",
            "engine.cpu_layer_overhead",
            slowest,
            cpu.layer_overhead,
        ));
    }
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

fn ns(span: crate::units::SimDuration) -> u128 {
    u128::from(span.as_ns())
}
