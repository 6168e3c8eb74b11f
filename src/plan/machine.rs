//! The machine as the engine uses it: achieved rates and overheads.

use super::resolve::Resolver;
use super::types::{CopyPlan, DrivePlan};
use super::{Overlap, cpu, links};
use crate::catalogue::{self, Cpu, EngineProfile, Gpu, Storage};
use crate::error::Error;
use crate::memory::Tier;
use crate::resource::DriveCurve;
use crate::scenario::{ExpertHome, Percent};
use crate::serving::{GpuRates, Overheads};
use crate::units::{Bandwidth, Bytes, SimDuration};

/// Host memory where the scenario does not say: a common size of a desktop.
const DRAM_DEFAULT: Bytes = Bytes::GIB.times(64);
/// Room on the storage device where the scenario does not say.
const NVME_DEFAULT: Bytes = Bytes::new(1_000_000_000_000);
/// Parts per million that are everything.
const WHOLE_PPM: u64 = 1_000_000;

/// Devices, rates and capacities.
#[derive(Clone, Debug)]
pub(super) struct MachinePlan {
    pub(super) gpu: &'static Gpu,
    pub(super) engine: &'static EngineProfile,
    pub(super) rates: GpuRates,
    pub(super) overheads: Overheads,
    pub(super) overlap: Overlap,
    pub(super) cpu: Option<&'static Cpu>,
    pub(super) storage: &'static Storage,
    /// Host to device and back; absent where memory is unified.
    pub(super) copies: Option<CopyPlan>,
    pub(super) nvme: DrivePlan,
    /// Theoretical bandwidth of host memory, where it is known.
    pub(super) dram: Option<Bandwidth>,
    pub(super) capacities: [(Tier, Bytes); 3],
    pub(super) vram_reserve: Bytes,
}

impl MachinePlan {
    /// As one of several GPUs of a machine sees it, which share host memory and drives evenly.
    pub(super) fn shared_by(self, gpus: u64) -> Self {
        if gpus <= 1 {
            return self;
        }
        let part = |rate: Bandwidth| rate.at_ppm(WHOLE_PPM / gpus);
        let curve = DriveCurve {
            stream: part(self.nvme.curve.stream),
            peak: part(self.nvme.curve.peak),
            ..self.nvme.curve
        };
        Self { nvme: DrivePlan { curve, ..self.nvme }, dram: self.dram.map(part), ..self }
    }
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
    let copies = (!gpu.unified).then(|| links::copies(resolver, gpu, cpu, engine));
    let nvme = links::drive(resolver, storage, engine);
    let dram = cpu::dram_bandwidth(resolver, cpu);
    Some(MachinePlan {
        gpu,
        engine,
        rates: rates(resolver, gpu, engine),
        overheads: overheads(resolver, engine),
        overlap: overlap(resolver, engine),
        cpu,
        storage,
        copies,
        nvme,
        dram,
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
    let section = &resolver.scenario().engine;
    let share = |key: &str, written: Option<Percent>, profile: catalogue::Ratio, peak: String| {
        let (ppm, whose) = match written {
            Some(written) => (written.ppm(), resolver.place(key).to_string()),
            None => (profile.ppm(), format!("engine {}", engine.id)),
        };
        (ppm, format!("{} of {peak}, {whose}", Percent::from_ppm(ppm)))
    };
    let (memory, memory_why) = share(
        "engine.gpu_memory_efficiency",
        section.gpu_memory_efficiency,
        engine.gpu_memory_efficiency.value,
        gpu.bandwidth.value.to_string(),
    );
    let (compute, compute_why) = share(
        "engine.gpu_compute_efficiency",
        section.gpu_compute_efficiency,
        engine.gpu_compute_efficiency.value,
        gpu.fp16.value.to_string(),
    );
    let rates =
        GpuRates { memory: gpu.bandwidth.value.at_ppm(memory), compute: gpu.fp16.value.at_ppm(compute) };
    resolver.note("gpu memory rate", rates.memory, memory_why);
    resolver.note("gpu compute rate", rates.compute, compute_why);
    rates
}

fn overheads(resolver: &mut Resolver<'_>, engine: &EngineProfile) -> Overheads {
    let section = &resolver.scenario().engine;
    let origin = format!("engine {}", engine.id);
    let graphs = resolver.or_default("engine.graphs", section.graphs, engine.graphs.value, &origin);
    // A time per layer that was written is the whole of it, unless launches were written beside it.
    let launches_per_layer = match section.launches_per_layer.map(std::num::NonZeroU32::get) {
        Some(launches) => {
            resolver.given("engine.launches_per_layer", launches);
            launches
        }
        None if section.per_layer_overhead.is_some() => 0,
        None => engine.launches_per_layer.value,
    };
    let mut pick = |key: &str, written: Option<SimDuration>, profile: SimDuration| {
        resolver.or_default(key, written, profile, &origin)
    };
    let per_pass =
        pick("engine.per_token_overhead", section.per_token_overhead, engine.per_token_overhead.value);
    // Without graphs the host launches each operation; a launch that was written counts either way.
    let by_engine = if graphs { SimDuration::ZERO } else { engine.kernel_launch.value };
    let launch = pick("engine.kernel_launch", section.kernel_launch, by_engine);
    let per_layer =
        pick("engine.per_layer_overhead", section.per_layer_overhead, engine.per_layer_overhead.value);
    let per_request = match (section.per_request_overhead, &engine.per_request_overhead) {
        (None, None) => SimDuration::ZERO,
        (written, profile) => {
            let profile = profile.as_ref().map_or(SimDuration::ZERO, |time| time.value);
            resolver.or_default("engine.per_request_overhead", written, profile, &origin)
        }
    };
    Overheads { per_pass, per_request, per_layer, launch, launches_per_layer, graphs }
}

fn overlap(resolver: &mut Resolver<'_>, engine: &EngineProfile) -> Overlap {
    use crate::scenario::Overlap as Written;
    match resolver.scenario().engine.overlap {
        Some(written) => {
            resolver.given("engine.overlap", written.spelling());
            match written {
                Written::None => Overlap::None,
                Written::WithinLayer => Overlap::WithinLayer,
                Written::AcrossLayers => Overlap::AcrossLayers,
            }
        }
        None => {
            let (overlap, text) = match engine.overlap.value {
                catalogue::Overlap::None => (Overlap::None, "none"),
                catalogue::Overlap::WithinLayer => (Overlap::WithinLayer, "within-layer"),
                catalogue::Overlap::AcrossLayers => (Overlap::AcrossLayers, "across-layers"),
            };
            resolver.note("engine.overlap", text, format!("engine {}", engine.id));
            overlap
        }
    }
}
