//! What copies and reads achieve: the link between host and GPU, and the drive.

use super::resolve::Resolver;
use super::types::{CopyPlan, DrivePlan};
use crate::catalogue::{CopyKind, Cpu, EngineProfile, Gpu, NvmePath, Storage};
use crate::resource::{DriveCurve, RateCurve};
use crate::scenario::{self, ExpertHome};
use crate::units::{Bandwidth, Bytes};

/// PCI Express where neither generation nor lanes are known: generation 4, 16 lanes.
const HOST_LINK_DEFAULT: u64 = 31_500_000_000;
/// PCI Express per lane and direction by generation from 1, in bytes per second (PCI-SIG, encoding taken off).
const PCIE_PER_LANE: [u64; 6] =
    [250_000_000, 500_000_000, 984_600_000, 1_969_000_000, 3_938_000_000, 7_563_000_000];
/// Parts per million that are everything.
const WHOLE_PPM: u32 = 1_000_000;

/// Copies between host and GPU; the same in both directions.
pub(super) fn copies(
    resolver: &mut Resolver<'_>,
    gpu: &Gpu,
    cpu: Option<&Cpu>,
    engine: &EngineProfile,
) -> CopyPlan {
    let section = &resolver.scenario().engine;
    let origin = format!("engine {}", engine.id);
    let latency =
        resolver.or_default("engine.h2d_latency", section.h2d_latency, engine.h2d_latency.value, &origin);
    let chunk = match (section.copy_chunk, &engine.copy_chunk) {
        (Some(chunk), _) => {
            resolver.given("engine.copy_chunk", chunk);
            Some(chunk)
        }
        (None, Some(chunk)) => {
            resolver.note("engine.copy_chunk", chunk.value, &origin);
            Some(chunk.value)
        }
        (None, None) => None,
    };
    let peak = match section.h2d_bandwidth {
        Some(bandwidth) => {
            resolver.given("engine.h2d_bandwidth", bandwidth);
            bandwidth
        }
        None => link_rate(resolver, gpu, cpu, engine),
    };
    CopyPlan { curve: RateCurve { latency, peak, large: None }, chunk }
}

fn link_rate(resolver: &mut Resolver<'_>, gpu: &Gpu, cpu: Option<&Cpu>, engine: &EngineProfile) -> Bandwidth {
    let (peak, why) = host_link(resolver, gpu, cpu);
    let pinned = match resolver.scenario().engine.copies {
        Some(copies) => {
            resolver.given("engine.copies", copies.spelling());
            copies == scenario::Copies::Pinned
        }
        None if resolver.scenario().placement.page_cache == Some(true) => {
            resolver.note("engine.copies", CopyKind::Pageable, "the page cache is not page-locked");
            false
        }
        None => {
            resolver.note("engine.copies", engine.copies.value, format!("engine {}", engine.id));
            engine.copies.value == CopyKind::Pinned
        }
    };
    let share = if pinned { engine.h2d_efficiency.value } else { engine.h2d_pageable_efficiency.value };
    let bandwidth = peak.at_ppm(share.ppm());
    resolver.note(
        "engine.h2d_bandwidth",
        bandwidth,
        format!("{share} of {peak} ({why}), engine {}", engine.id),
    );
    bandwidth
}

/// Peak of the link between host and GPU, and where it comes from: the slower of the card's and the CPU's generation.
fn host_link(resolver: &Resolver<'_>, gpu: &Gpu, cpu: Option<&Cpu>) -> (Bandwidth, String) {
    if let Some(written) = resolver.scenario().hardware.pcie {
        return (written, resolver.place("hardware.pcie").to_string());
    }
    let Some(card) = gpu.host_link.as_ref().map(|link| link.value) else {
        let fallback = Bandwidth::from_bytes_per_s(HOST_LINK_DEFAULT);
        return (fallback.unwrap_or(gpu.bandwidth.value), "assumed PCIe 4.0 x16".to_owned());
    };
    let lanes = gpu.pcie_lanes.as_ref().map_or(16, |lanes| u64::from(lanes.value));
    let slot = cpu.and_then(|cpu| {
        let generation = cpu.pcie_generation.value as usize;
        let per_lane = PCIE_PER_LANE.get(generation.checked_sub(1)?)?;
        Some((
            Bandwidth::from_bytes_per_s(per_lane * lanes)?,
            format!("PCIe {generation}.0 x{lanes} of {}", cpu.id),
        ))
    });
    match slot {
        // Both figures are of one table, so a slot of the card's own generation differs at most by rounding.
        Some((slot, why)) if slot.bytes_per_s() < card.bytes_per_s() / 100 * 99 => (slot, why),
        _ => (card, format!("GPU {}", gpu.id)),
    }
}

/// Reads from the drive. A rate that the user wrote makes it a plain link, whatever the drive's own curve is.
pub(super) fn drive(resolver: &mut Resolver<'_>, storage: &Storage, engine: &EngineProfile) -> DrivePlan {
    let section = &resolver.scenario().engine;
    let latency = storage.latency.value;
    let used = resolver.scenario().placement.experts == Some(ExpertHome::Nvme);
    let paged = resolver.scenario().placement.page_cache == Some(true);
    let depth =
        if paged { 1 } else { section.nvme_queue_depth.map_or(engine.nvme_queue_depth.value, |d| d.get()) };
    let to_vram = match section.nvme_path {
        Some(path) => path == scenario::NvmePath::Vram,
        None => engine.nvme_path.value == NvmePath::Vram,
    };
    let origin = format!("storage {}", storage.id);
    let share = engine.nvme_efficiency.value;
    let shared = storage.read.value.at_ppm(share.ppm());
    let plain = section.nvme_bandwidth.or(if storage.curve().is_some() { None } else { Some(shared) });
    if used {
        note_drive(resolver, storage, engine, plain, depth, to_vram);
    }
    let latency = match section.nvme_latency.filter(|_| used) {
        Some(latency) => {
            resolver.given("engine.nvme_latency", latency);
            latency
        }
        None if used => {
            resolver.note("engine.nvme_latency", latency, &origin);
            latency
        }
        None => latency,
    };
    let link = |rate| DriveCurve { latency, stream: rate, peak: rate, best_depth: 1, deep_ppm: WHOLE_PPM };
    let curve = match (plain, storage.curve()) {
        (None, Some(curve)) => DriveCurve { latency, ..curve },
        (plain, _) => link(plain.unwrap_or(shared)),
    };
    DrivePlan { curve, queue_depth: if plain.is_some() { 1 } else { depth }, to_vram }
}

fn note_drive(
    resolver: &mut Resolver<'_>,
    storage: &Storage,
    engine: &EngineProfile,
    plain: Option<Bandwidth>,
    depth: u32,
    to_vram: bool,
) {
    let section = &resolver.scenario().engine;
    let by_engine = format!("engine {}", engine.id);
    match (section.nvme_bandwidth, plain) {
        (Some(written), _) => resolver.given("engine.nvme_bandwidth", written),
        (None, Some(rate)) => {
            let (share, peak) = (engine.nvme_efficiency.value, storage.read.value);
            let why = format!("{share} of {peak} (storage {}), {by_engine}", storage.id);
            resolver.note("engine.nvme_bandwidth", rate, why);
        }
        (None, None) => {
            let why = format!("read curve of storage {}, {depth} reads in flight", storage.id);
            resolver.note("engine.nvme_bandwidth", format!("up to {}", storage.read.value), why);
        }
    }
    if section.nvme_queue_depth.is_some() {
        resolver.given("engine.nvme_queue_depth", depth);
    } else {
        resolver.note("engine.nvme_queue_depth", depth, &by_engine);
    }
    let path = if to_vram { "vram" } else { "dram" };
    if section.nvme_path.is_some() {
        resolver.given("engine.nvme_path", path);
    } else {
        resolver.note("engine.nvme_path", path, &by_engine);
    }
}

/// The host's memory as copies, reads and the CPU share it; `None` where together they cannot exceed it.
pub(super) fn bus(
    capacity: Option<Bandwidth>,
    copies: [Option<CopyPlan>; 2],
    drive: Option<DrivePlan>,
    cpu: Option<Bandwidth>,
) -> Option<Bandwidth> {
    let copies = copies.iter().flatten().map(|link| link.curve.peak.bytes_per_s());
    let reads = drive.filter(|drive| !drive.to_vram).map(|drive| drive.curve.peak.bytes_per_s());
    let together: u128 = copies.chain(reads).chain(cpu.map(Bandwidth::bytes_per_s)).map(u128::from).sum();
    capacity.filter(|capacity| together > u128::from(capacity.bytes_per_s()))
}

/// Bytes of a token's hidden state as activations travel: 16 bits a value.
pub(super) fn activation_bytes(hidden: u64) -> Bytes {
    Bytes::new(2 * hidden)
}
