//! Books what one GPU of a deployment holds beside its expert cache, and what the host of its machine holds.

use super::deployment::{Deployment, node_gpus};
use crate::error::Error;
use crate::memory::{Ledger, Tier, workspace};
use crate::plan::machine::MachinePlan;
use crate::plan::memory::{Booked, home};
use crate::plan::model::ModelPlan;
use crate::plan::placement::Placement;
use crate::plan::resolve::Resolver;
use crate::scenario::{CacheCapacity, ExpertHome, KvCapacity};
use crate::units::Bytes;

/// Owner of the KV cache in the ledger.
const KV: &str = "kv cache";

/// The ledger of one GPU of the heaviest stage and of its machine's host, expert cache and the rest that the KV cache may
/// take left out. `model` is as one GPU computes it, `whole` as it is.
pub(in crate::plan) fn book(
    resolver: &mut Resolver<'_>,
    (model, whole): (&ModelPlan, &ModelPlan),
    machine: &MachinePlan,
    deployment: &Deployment,
    placement: &Placement,
    pass_rows: u64,
) -> Booked {
    let mut ledger = Ledger::default();
    for (tier, capacity) in machine.capacities {
        ledger.set_capacity(tier, capacity);
    }
    let host = if machine.gpu.unified { Tier::Vram } else { Tier::Dram };
    for (part, bytes) in deployment.share.named() {
        ledger.add(Tier::Vram, &part.replace('_', " "), bytes);
    }
    ledger.add(Tier::Vram, "workspace", workspace(&model.spec, pass_rows));
    ledger.add(Tier::Vram, "framework", machine.engine.framework_overhead.value);
    ledger.add(Tier::Vram, "reserve", machine.vram_reserve);
    ledger.add(Tier::Vram, "low-bit copies", placement.low_bit_bytes);
    let home = home(resolver, machine, placement);
    let largest = model.experts.iter().max().copied().unwrap_or(Bytes::ZERO);
    if placement.single_buffer && home != ExpertHome::Vram {
        ledger.add(Tier::Vram, "expert buffer", largest);
    }
    // Hosts hold the experts of their own machine's GPUs, once.
    let hosts = u64::from(deployment.layout.gpus()).div_ceil(u64::from(node_gpus(resolver)));
    let of_host = |bytes: Bytes| Bytes::new(bytes.get().div_ceil(hosts));
    let (of_gpu, of_cpu) = (placement.all_gpu_experts(whole), placement.cpu_experts(whole));
    match home {
        ExpertHome::Dram => ledger.add(host, "routed experts", of_host(of_gpu + of_cpu)),
        ExpertHome::Nvme => {
            ledger.add(Tier::Nvme, "routed experts", of_host(of_gpu));
            ledger.add(host, "routed experts", of_host(of_cpu));
            if !machine.nvme.to_vram {
                let each = largest.times(2 * u64::from(model.spec.top_k()));
                ledger.add(host, "staging", each.times(deployment.gpus_of_host(node_gpus(resolver))));
            }
        }
        ExpertHome::Vram => ledger.add(host, "routed experts", of_host(of_cpu)),
    }
    Booked { ledger, home, problems: Vec::new() }
}

/// Room of the KV cache where it is known before the expert cache has its own: a size, or a share of what weights leave.
/// `experts` are those of one GPU.
pub(in crate::plan) fn kv_first(
    resolver: &mut Resolver<'_>,
    booked: &mut Booked,
    experts: Bytes,
) -> Option<Bytes> {
    let written = resolver.scenario().kv.capacity;
    let cache = &resolver.scenario().cache;
    let experts_take_rest = experts > Bytes::ZERO
        && booked.home != ExpertHome::Vram
        && cache.slots_per_layer.is_none()
        && cache.experts.is_none()
        && matches!(cache.capacity, None | Some(CacheCapacity::Rest));
    let mut free = booked.ledger.free(Tier::Vram);
    if booked.home == ExpertHome::Vram {
        free = free.saturating_sub(experts);
    }
    let room = match written {
        Some(KvCapacity::Size(size)) => size,
        Some(KvCapacity::Share(share)) => share.of(free),
        Some(KvCapacity::Rest) | None if experts_take_rest => {
            resolver.refuse("kv.capacity", |place| {
                let found = "kv.capacity and cache.capacity both take the rest of GPU memory";
                Error::at(place, found)
                    .expected("a size or a percentage for one of them, like kv.capacity = \"30 %\"")
            });
            return None;
        }
        Some(KvCapacity::Rest) | None => return None,
    };
    resolver.given("kv.capacity", room);
    booked.ledger.add(Tier::Vram, KV, room);
    Some(room)
}

/// Room of the KV cache where it takes what everything else leaves.
pub(in crate::plan) fn kv_rest(resolver: &mut Resolver<'_>, booked: &mut Booked) -> Bytes {
    let room = booked.ledger.free(Tier::Vram);
    resolver.note("kv.capacity", room, "what GPU memory is left");
    booked.ledger.add(Tier::Vram, KV, room);
    room
}
