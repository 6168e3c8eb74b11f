//! The same point with more of one resource, for whoever asks what would help.
//!
//! It changes what was resolved, not the scenario: rates that are achieved, pools of caches, times of the engine. Ledger
//! and settings stay those of the point, since the question is what more would bring, not what it would take.

use super::{CachePlan, LayerHome, Machine, Plan, links};
use crate::cache::Scope;
use crate::metrics::Relief;
use crate::resource::{DriveCurve, RateCurve};
use crate::serving::{CpuRates, GpuRates, Overheads};
use crate::units::{Bandwidth, FlopRate, SimDuration};

const TWICE_PPM: u64 = 2_000_000;

fn twice(rate: Bandwidth) -> Bandwidth {
    rate.at_ppm(TWICE_PPM)
}

fn twice_flops(rate: FlopRate) -> FlopRate {
    rate.at_ppm(TWICE_PPM)
}

fn half(time: SimDuration) -> SimDuration {
    SimDuration::from_ns(time.as_ns() / 2)
}

impl Plan {
    /// This point with the resource doubled, or the engine's overheads halved; `None` where it does not have the
    /// resource, or has all that it can use.
    ///
    /// Latencies of links and drives stay. Where the memory of the host is known, the faster devices may come to share
    /// it. VRAM that is left when every expert of the GPU's layers fits takes in the experts of CPU layers, the last
    /// layer first. A cache that comes to have room for every expert starts filled, as engines load them then.
    pub fn relieved(&self, relief: Relief) -> Option<Plan> {
        let mut plan = self.clone();
        let machine = &mut plan.machine;
        match relief {
            Relief::GpuMemory => {
                plan.costs = plan.costs.with_rates(|rates| GpuRates { memory: twice(rates.memory), ..rates });
                if let Some(compaction) = plan.allocator.as_mut().and_then(|all| all.compaction.as_mut()) {
                    compaction.memory = twice(compaction.memory);
                }
            }
            Relief::GpuCompute => {
                plan.costs =
                    plan.costs.with_rates(|rates| GpuRates { compute: twice_flops(rates.compute), ..rates });
            }
            Relief::HostLink => {
                machine.h2d?;
                for link in [&mut machine.h2d, &mut machine.d2h].into_iter().flatten() {
                    link.curve = faster_link(link.curve);
                }
                share_again(machine);
            }
            Relief::Nvme => {
                let drive = machine.nvme.as_mut()?;
                let DriveCurve { stream, peak, .. } = drive.curve;
                drive.curve = DriveCurve { stream: twice(stream), peak: twice(peak), ..drive.curve };
                share_again(machine);
            }
            Relief::CpuMemory => {
                if machine.cpu.is_none() && machine.dram_bus.is_none() {
                    return None;
                }
                machine.cpu = machine.cpu.map(|cpu| CpuRates {
                    per_thread: cpu.per_thread.map(twice),
                    bandwidth: twice(cpu.bandwidth),
                    ..cpu
                });
                machine.dram = machine.dram.map(twice);
                share_again(machine);
            }
            Relief::CpuCompute => {
                let cpu = machine.cpu.as_mut()?;
                cpu.compute = twice_flops(cpu.compute);
            }
            Relief::ExpertVram => plan.double_expert_vram()?,
            Relief::ExpertDram => {
                let homes = &plan.placement.homes;
                let dram = plan.placement.dram.as_mut()?;
                let room = of_layers(dram, homes);
                double_pools(dram, &room)?;
            }
            Relief::Overheads => plan.halve_overheads()?,
        }
        Some(plan)
    }

    fn double_expert_vram(&mut self) -> Option<()> {
        if self.cache.hit_rate_ppm.is_some() || self.machine.single_buffer {
            return None;
        }
        let homes = &mut self.placement.homes;
        let before: u64 = self.cache.shape.pool_capacity.iter().sum();
        let room = of_layers(&self.cache, homes);
        let grown = double_pools(&mut self.cache, &room);
        let mut spare = before - grown.unwrap_or(0);
        let mut moved = false;
        let CachePlan { shape, elsewhere, .. } = &mut self.cache;
        for layer in (0..homes.len()).rev().filter(|_| before >= room.iter().sum()) {
            let size = shape.sizes.get(layer).copied().unwrap_or(0) * u64::from(shape.experts);
            if homes[layer] == LayerHome::CpuExperts && size > 0 && size <= spare {
                spare -= size;
                moved = true;
                homes[layer] = LayerHome::Gpu;
                elsewhere.retain(|other| *other as usize != layer);
                match shape.scope {
                    Scope::Global => shape.pool_capacity[0] += size,
                    Scope::PerLayer => shape.pool_capacity[layer] = size,
                }
            }
        }
        if moved {
            self.cache.start_filled = true;
        }
        if self.cache.start_filled {
            // One pass tells nothing of a cache that is filled before the first event.
            self.workload.foretold = None;
        }
        self.labels.cache_capacity_bytes = self.cache.shape.pool_capacity.iter().sum();
        let grown = grown.unwrap_or(0);
        if let Some(shared) = &mut self.cache.shared_with_kv {
            shared.bytes += crate::units::Bytes::new(grown);
        }
        if let Some(allocator) = &mut self.allocator {
            allocator.capacity += crate::units::Bytes::new(grown);
        }
        (grown > 0 || moved).then_some(())
    }

    fn halve_overheads(&mut self) -> Option<()> {
        let Overheads { per_pass, per_request, per_layer, launch, .. } = *self.costs.overheads();
        let fixed = self.costs.experts().kernel().fixed();
        let of_cpu = self.machine.cpu.map_or(SimDuration::ZERO, |cpu| cpu.layer_overhead);
        if [per_pass, per_request, per_layer, launch, fixed, of_cpu]
            .into_iter()
            .all(|time| time == SimDuration::ZERO)
        {
            return None;
        }
        let overheads = Overheads {
            per_pass: half(per_pass),
            per_request: half(per_request),
            per_layer: half(per_layer),
            launch: half(launch),
            ..*self.costs.overheads()
        };
        self.costs = self.costs.with_overheads(overheads, half(fixed));
        if let Some(cpu) = &mut self.machine.cpu {
            cpu.layer_overhead = half(cpu.layer_overhead);
        }
        Some(())
    }
}

fn faster_link(curve: RateCurve) -> RateCurve {
    let large = curve.large.map(|(threshold, rate)| (threshold, twice(rate)));
    RateCurve { peak: twice(curve.peak), large, ..curve }
}

/// Whether the devices can now exceed the host's memory together.
fn share_again(machine: &mut Machine) {
    let cpu = machine.cpu.map(|cpu| cpu.achieved());
    machine.dram_bus = links::bus(machine.dram, [machine.h2d, machine.d2h], machine.nvme, cpu);
}

/// Bytes of all experts of each layer that the cache serves.
fn of_layers(cache: &CachePlan, homes: &[LayerHome]) -> Vec<u64> {
    let shape = &cache.shape;
    let served = shape.sizes.iter().zip(homes);
    served
        .map(|(size, home)| if *home == LayerHome::Gpu { size * u64::from(shape.experts) } else { 0 })
        .collect()
}

/// Twice the bytes in each pool, but no more than `room` for all experts of each layer: how many more there are in all.
/// `None` where there is nothing to double, or nothing that more would hold.
fn double_pools(cache: &mut CachePlan, room: &[u64]) -> Option<u64> {
    let shape = &mut cache.shape;
    let whole = match shape.scope {
        Scope::Global => vec![room.iter().sum()],
        Scope::PerLayer => room.to_vec(),
    };
    let mut grown = 0;
    for (capacity, whole) in shape.pool_capacity.iter_mut().zip(&whole) {
        let doubled = capacity.saturating_mul(2).min(*whole).max(*capacity);
        grown += doubled - *capacity;
        *capacity = doubled;
    }
    if shape.pool_capacity.iter().zip(&whole).all(|(capacity, whole)| capacity >= whole) && grown > 0 {
        cache.start_filled = true;
    }
    (grown > 0).then_some(grown)
}
