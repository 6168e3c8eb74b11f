//! The machine as the engine uses it: achieved rates and overheads.

use super::resolve::Resolver;
use super::{LinkPlan, Overlap};
use crate::catalogue::{self, Cpu, EngineProfile, Gpu, Storage};
use crate::error::Error;
use crate::memory::Tier;
use crate::scenario::ExpertHome;
use crate::serving::{GpuRates, Overheads};
use crate::units::{Bandwidth, Bytes, SimDuration};

/// Host memory where the scenario does not say: a common size of a desktop.
const DRAM_DEFAULT: Bytes = Bytes::GIB.times(64);
/// Room on the storage device where the scenario does not say.
const NVME_DEFAULT: Bytes = Bytes::new(1_000_000_000_000);
/// One lane of PCI Express, both generation and count unknown: generation 4, 16 lanes.
const HOST_LINK_DEFAULT: u64 = 31_500_000_000;
/// PCI Express per lane and direction by generation from 1, in bytes per second (PCI-SIG, encoding taken off).
const PCIE_PER_LANE: [u64; 6] =
    [250_000_000, 500_000_000, 984_600_000, 1_969_000_000, 3_938_000_000, 7_563_000_000];

/// Devices, rates and capacities.
#[derive(Clone, Debug)]
pub(super) struct MachinePlan {
    pub(super) gpu: &'static Gpu,
    pub(super) engine: &'static EngineProfile,
    pub(super) rates: GpuRates,
    pub(super) overheads: Overheads,
    pub(super) overlap: Overlap,
    pub(super) h2d: Option<LinkPlan>,
    pub(super) nvme: LinkPlan,
    pub(super) capacities: [(Tier, Bytes); 3],
    pub(super) vram_reserve: Bytes,
}

pub(super) fn resolve(resolver: &mut Resolver<'_>) -> Option<MachinePlan> {
    let hardware = &resolver.scenario().hardware;
    let gpu = match &hardware.gpu {
        Some(name) => resolver.row::<Gpu>("hardware.gpu", name),
        None => {
            resolver.refuse("hardware.gpu", |place| {
                Error::at(place, "hardware.gpu is missing")
                    .expected("a GPU of the catalogue, like \"rtx4090\"")
            });
            None
        }
    };
    let cpu = hardware.cpu.as_ref().map(|name| resolver.row::<Cpu>("hardware.cpu", name));
    let engine = engine(resolver);
    let storage = storage(resolver);
    let (gpu, engine, storage) = (gpu?, engine?, storage?);
    let cpu = match cpu {
        Some(row) => Some(row?),
        None => None,
    };
    resolver.given("hardware.gpu", &gpu.name);
    if let Some(cpu) = cpu {
        resolver.given("hardware.cpu", &cpu.name);
    }
    let capacities = capacities(resolver, gpu);
    let h2d = (!gpu.unified).then(|| h2d(resolver, gpu, cpu, engine));
    let nvme = nvme(resolver, storage, engine);
    Some(MachinePlan {
        gpu,
        engine,
        rates: rates(resolver, gpu, engine),
        overheads: overheads(resolver, engine),
        overlap: overlap(resolver, engine),
        h2d,
        nvme,
        capacities,
        vram_reserve: hardware.vram_reserve.map_or(Bytes::ZERO, |reserve| reserve.0),
    })
}

fn engine(resolver: &mut Resolver<'_>) -> Option<&'static EngineProfile> {
    if let Some(name) = &resolver.scenario().engine.profile {
        resolver.given("engine.profile", name);
        resolver.row("engine.profile", name)
    } else {
        resolver.note("engine.profile", "generic", "default");
        resolver.row("engine.profile", "generic")
    }
}

/// The storage device; where none is named, a consumer drive of generation 4.
fn storage(resolver: &mut Resolver<'_>) -> Option<&'static Storage> {
    match &resolver.scenario().hardware.storage {
        Some(name) => {
            resolver.given("hardware.storage", name);
            resolver.row("hardware.storage", name)
        }
        None => resolver.row("hardware.storage", "nvme-gen4"),
    }
}

fn capacities(resolver: &mut Resolver<'_>, gpu: &Gpu) -> [(Tier, Bytes); 3] {
    let hardware = &resolver.scenario().hardware;
    let vram =
        resolver.or_default("hardware.vram", hardware.vram, gpu.memory.value, &format!("GPU {}", gpu.id));
    let dram = if gpu.unified {
        // One pool: what the host uses is not modelled apart.
        Bytes::ZERO
    } else {
        resolver.or_default("hardware.dram", hardware.dram, DRAM_DEFAULT, "default")
    };
    let nvme = if resolver.scenario().placement.experts == Some(ExpertHome::Nvme) {
        resolver.or_default("hardware.nvme_capacity", hardware.nvme_capacity, NVME_DEFAULT, "default")
    } else {
        hardware.nvme_capacity.unwrap_or(NVME_DEFAULT)
    };
    [(Tier::Vram, vram), (Tier::Dram, dram), (Tier::Nvme, nvme)]
}

fn rates(resolver: &mut Resolver<'_>, gpu: &Gpu, engine: &EngineProfile) -> GpuRates {
    let memory = gpu.bandwidth.value.at_ppm(engine.gpu_memory_efficiency.value.ppm());
    let compute = gpu.fp16.value.at_ppm(engine.gpu_compute_efficiency.value.ppm());
    let of = |share: catalogue::Ratio, peak: String| format!("{share} of {peak}, engine {}", engine.id);
    resolver.note(
        "gpu memory rate",
        memory,
        of(engine.gpu_memory_efficiency.value, gpu.bandwidth.value.to_string()),
    );
    resolver.note(
        "gpu compute rate",
        compute,
        of(engine.gpu_compute_efficiency.value, gpu.fp16.value.to_string()),
    );
    GpuRates { compute, memory }
}

fn overheads(resolver: &mut Resolver<'_>, engine: &EngineProfile) -> Overheads {
    let section = &resolver.scenario().engine;
    let origin = format!("engine {}", engine.id);
    let mut pick = |key: &str, written: Option<SimDuration>, profile: SimDuration| {
        resolver.or_default(key, written, profile, &origin)
    };
    Overheads {
        per_pass: pick(
            "engine.per_token_overhead",
            section.per_token_overhead,
            engine.per_token_overhead.value,
        ),
        per_layer: pick(
            "engine.per_layer_overhead",
            section.per_layer_overhead,
            engine.per_layer_overhead.value,
        ),
        launch: pick("engine.kernel_launch", section.kernel_launch, engine.kernel_launch.value),
        launches_per_layer: 0,
        graphs: engine.graphs.value,
    }
}

fn overlap(resolver: &mut Resolver<'_>, engine: &EngineProfile) -> Overlap {
    use crate::scenario::Overlap as Written;
    match resolver.scenario().engine.overlap {
        Some(written) => {
            resolver.given("engine.overlap", written.spelling());
            match written {
                Written::None => Overlap::None,
                Written::WithinLayer => Overlap::WithinLayer,
            }
        }
        None => {
            let (overlap, text) = match engine.overlap.value {
                catalogue::Overlap::None => (Overlap::None, "none"),
                catalogue::Overlap::WithinLayer => (Overlap::WithinLayer, "within-layer"),
                // Copies for later layers need a predictor; without one they begin with their own layer.
                catalogue::Overlap::AcrossLayers => {
                    (Overlap::WithinLayer, "within-layer (nothing is prefetched)")
                }
            };
            resolver.note("engine.overlap", text, format!("engine {}", engine.id));
            overlap
        }
    }
}

fn h2d(resolver: &mut Resolver<'_>, gpu: &Gpu, cpu: Option<&Cpu>, engine: &EngineProfile) -> LinkPlan {
    let section = &resolver.scenario().engine;
    let origin = format!("engine {}", engine.id);
    let latency =
        resolver.or_default("engine.h2d_latency", section.h2d_latency, engine.h2d_latency.value, &origin);
    if let Some(bandwidth) = section.h2d_bandwidth {
        resolver.given("engine.h2d_bandwidth", bandwidth);
        return LinkPlan { bandwidth, latency };
    }
    let (peak, why) = host_link(resolver, gpu, cpu);
    let share = engine.h2d_efficiency.value;
    let bandwidth = peak.at_ppm(share.ppm());
    resolver.note(
        "engine.h2d_bandwidth",
        bandwidth,
        format!("{share} of {peak} ({why}), engine {}", engine.id),
    );
    LinkPlan { bandwidth, latency }
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

fn nvme(resolver: &mut Resolver<'_>, storage: &Storage, engine: &EngineProfile) -> LinkPlan {
    let section = &resolver.scenario().engine;
    let share = engine.nvme_efficiency.value;
    let (bandwidth, latency) = (storage.read.value.at_ppm(share.ppm()), storage.latency.value);
    if resolver.scenario().placement.experts != Some(ExpertHome::Nvme) {
        return LinkPlan { bandwidth, latency };
    }
    let origin = format!("storage {}", storage.id);
    let why = format!("{share} of {} ({origin}), engine {}", storage.read.value, engine.id);
    LinkPlan {
        bandwidth: resolver.or_default("engine.nvme_bandwidth", section.nvme_bandwidth, bandwidth, &why),
        latency: resolver.or_default("engine.nvme_latency", section.nvme_latency, latency, &origin),
    }
}
