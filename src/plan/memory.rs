//! Books everything but the expert cache: weights by part, KV cache, workspace, the engine's own, and the full copies
//! of the experts in the tiers below.

use super::machine::MachinePlan;
use super::model::ModelPlan;
use super::placement::Placement;
use super::resolve::Resolver;
use super::types::{LayerHome, kv_bytes};
use super::workload::Workload;
use crate::error::Error;
use crate::memory::{Ledger, Tier, workspace};
use crate::model::{ComponentBytes, LayerSpec};
use crate::scenario::ExpertHome;
use crate::units::Bytes;

/// The ledger so far, where uncached experts live, and what cannot work.
#[derive(Clone, Debug)]
pub(super) struct Booked {
    pub(super) ledger: Ledger,
    pub(super) home: ExpertHome,
    pub(super) problems: Vec<String>,
}

pub(super) fn book(
    resolver: &mut Resolver<'_>,
    model: &ModelPlan,
    machine: &MachinePlan,
    workload: &Workload,
    placement: &Placement,
) -> Booked {
    let mut ledger = Ledger::default();
    for (tier, capacity) in machine.capacities {
        ledger.set_capacity(tier, capacity);
    }
    let host = if machine.gpu.unified { Tier::Vram } else { Tier::Dram };
    let cpu_layers = placement.cpu_layers;
    for (part, bytes) in model.resident_from(cpu_layers).named() {
        ledger.add(Tier::Vram, &part.replace('_', " "), bytes);
    }
    let on_cpu: Bytes = model.layers.iter().take(cpu_layers).map(ComponentBytes::total).sum();
    let kv = |layers: &[LayerSpec]| kv_bytes(layers, workload.context, model.kv, workload.batch);
    let (kv_cpu, kv_gpu) = model.spec.layers.split_at(cpu_layers);
    ledger.add(host, "layers on the CPU", on_cpu);
    ledger.add(host, "kv cache on the CPU", kv(kv_cpu));
    ledger.add(Tier::Vram, "kv cache", kv(kv_gpu));
    ledger.add(Tier::Vram, "workspace", workspace(&model.spec, workload.pass_rows));
    ledger.add(Tier::Vram, "framework", machine.engine.framework_overhead.value);
    ledger.add(Tier::Vram, "reserve", machine.vram_reserve);
    ledger.add(Tier::Vram, "low-bit copies", placement.low_bit_bytes);
    let largest = model.experts.iter().max().copied().unwrap_or(Bytes::ZERO);
    let home = home(resolver, machine, placement);
    if placement.single_buffer && home != ExpertHome::Vram {
        ledger.add(Tier::Vram, "expert buffer", largest);
    }
    let (of_gpu, of_cpu) = (placement.gpu_experts(model), placement.cpu_experts(model));
    match home {
        ExpertHome::Dram => ledger.add(host, "routed experts", of_gpu + of_cpu),
        ExpertHome::Nvme => {
            ledger.add(Tier::Nvme, "routed experts", of_gpu);
            ledger.add(host, "routed experts", of_cpu);
            if !machine.nvme.to_vram {
                // Reads pass through host memory: one event's experts, twice, so that reads and copies can alternate.
                ledger.add(host, "staging", largest.times(2 * u64::from(workload.plan.trace.header().top_k)));
            }
        }
        ExpertHome::Vram => ledger.add(host, "routed experts", of_cpu),
    }
    let mut problems = Vec::new();
    if workload.longest > workload.context {
        problems.push(format!(
            "workload.context is {} tokens, but the longest sequence has {}",
            workload.context, workload.longest
        ));
    }
    Booked { ledger, home, problems }
}

pub(super) fn home(resolver: &mut Resolver<'_>, machine: &MachinePlan, placement: &Placement) -> ExpertHome {
    let written = resolver.scenario().placement.experts;
    if machine.gpu.unified && written == Some(ExpertHome::Dram) {
        resolver.refuse("placement.experts", |place| {
            let found = format!("{} has one pool of memory: \"dram\" is the same place", machine.gpu.id);
            Error::at(place, found).expected("\"vram\" or \"nvme\"")
        });
    }
    let split = placement.homes.iter().any(|home| *home != LayerHome::Gpu);
    let (default, why) = match (machine.gpu.unified, split) {
        (true, _) => (ExpertHome::Vram, "default where memory is one pool"),
        (false, true) => (ExpertHome::Vram, "default: what is not the CPU's lies in GPU memory"),
        (false, false) => (ExpertHome::Dram, "default"),
    };
    let home = written.unwrap_or(default);
    match written {
        Some(_) => resolver.given("placement.experts", home.spelling()),
        None => resolver.note("placement.experts", home.spelling(), why),
    }
    home
}
