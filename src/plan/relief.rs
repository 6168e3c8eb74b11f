//! The same point with more of one resource, for whoever asks what would help.
//!
//! It changes what was resolved, not the scenario: rates that are achieved, pools of caches, times of the engine. Ledger
//! and settings stay those of the point, since the question is what more would bring, not what it would take.

use super::vary::rates::{quantity, scale, share_again};
use super::{CachePlan, LayerHome, Plan};
use crate::cache::Scope;
use crate::metrics::{Parameter, Relief};

const TWICE_PPM: u64 = 2_000_000;
const HALF_PPM: u64 = 500_000;
/// The engine's own times.
const OVERHEADS: [Parameter; 6] = [
    Parameter::PerToken,
    Parameter::PerRequest,
    Parameter::PerLayer,
    Parameter::Launch,
    Parameter::KernelFixed,
    Parameter::CpuLayer,
];

impl Plan {
    /// This point with the resource doubled, or the engine's overheads halved; `None` where it does not have the
    /// resource, or has all that it can use.
    ///
    /// Latencies of links and drives stay. Where the memory of the host is known, the faster devices may come to share
    /// it. VRAM that is left when every expert of the GPU's layers fits takes in the experts of CPU layers, the last
    /// layer first. A cache that comes to have room for every expert starts filled, as engines load them then.
    pub fn relieved(&self, relief: Relief) -> Option<Plan> {
        let mut plan = self.clone();
        let has = |parameter| quantity(self, parameter).is_some();
        match relief {
            Relief::GpuMemory => scale(&mut plan, Parameter::GpuMemory, TWICE_PPM),
            Relief::GpuCompute => scale(&mut plan, Parameter::GpuCompute, TWICE_PPM),
            Relief::HostLink if has(Parameter::HostLink) => scale(&mut plan, Parameter::HostLink, TWICE_PPM),
            Relief::Nvme if has(Parameter::Nvme) => scale(&mut plan, Parameter::Nvme, TWICE_PPM),
            Relief::CpuCompute if has(Parameter::CpuCompute) => {
                scale(&mut plan, Parameter::CpuCompute, TWICE_PPM);
            }
            Relief::CpuMemory if self.machine.cpu.is_some() || self.machine.dram_bus.is_some() => {
                scale(&mut plan, Parameter::CpuExperts, TWICE_PPM);
                plan.machine.dram = plan.machine.dram.map(|rate| rate.at_ppm(TWICE_PPM));
                share_again(&mut plan.machine);
            }
            Relief::HostLink | Relief::Nvme | Relief::CpuMemory | Relief::CpuCompute => return None,
            Relief::ExpertVram => plan.double_expert_vram()?,
            Relief::ExpertDram => {
                let homes = &plan.placement.homes;
                let dram = plan.placement.dram.as_mut()?;
                let room = of_layers(dram, homes);
                double_pools(dram, &room)?;
            }
            Relief::Overheads if OVERHEADS.into_iter().any(has) => {
                OVERHEADS.into_iter().for_each(|parameter| scale(&mut plan, parameter, HALF_PPM));
            }
            Relief::Overheads => return None,
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
