//! Where weights lie and where they are computed.

use super::model::ModelPlan;
use super::resolve::Resolver;
use super::types::{LayerHome, MissPlan};
use crate::catalogue::EngineProfile;
use crate::error::Error;
use crate::model::Dtype;
use crate::scenario::MissAction;
use crate::units::Bytes;

/// Homes of the layers, and what a miss leads to.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    /// By MoE layer.
    pub(super) homes: Vec<LayerHome>,
    /// Model layers, from the first, that run on the CPU as a whole.
    pub(super) cpu_layers: usize,
    pub(super) miss: MissPlan,
    /// Low-bit copies of all experts that the GPU may be asked for.
    pub(super) low_bit_bytes: Bytes,
    pub(super) single_buffer: bool,
    /// With several GPUs, what those of one GPU take; `None` on one, which has all.
    pub(super) own: Option<Bytes>,
}

impl Placement {
    /// Bytes of the experts of all MoE layers that `wanted` says yes to.
    fn experts(&self, model: &ModelPlan, wanted: impl Fn(LayerHome) -> bool) -> Bytes {
        let each = u64::from(model.spec.experts());
        let of_layer = self.homes.iter().zip(&model.experts);
        of_layer.filter(|(home, _)| wanted(**home)).map(|(_, expert)| expert.times(each)).sum()
    }

    /// Experts that one GPU computes.
    pub(super) fn gpu_experts(&self, model: &ModelPlan) -> Bytes {
        self.own.unwrap_or_else(|| self.all_gpu_experts(model))
    }

    /// Experts that GPUs compute, all of them together.
    pub(super) fn all_gpu_experts(&self, model: &ModelPlan) -> Bytes {
        self.experts(model, |home| home == LayerHome::Gpu)
    }

    /// Experts that always lie in host memory.
    pub(super) fn cpu_experts(&self, model: &ModelPlan) -> Bytes {
        self.experts(model, |home| home != LayerHome::Gpu)
    }

    /// MoE layers whose experts never come to GPU memory to stay.
    pub(super) fn layers_on_cpu(&self) -> Vec<u32> {
        let on_cpu = (0_u32..).zip(&self.homes).filter(|(_, home)| **home != LayerHome::Gpu);
        on_cpu.map(|(layer, _)| layer).collect()
    }

    /// Whether the CPU computes anything.
    pub(super) fn uses_cpu(&self) -> bool {
        self.cpu_layers > 0
            || self.homes.iter().any(|home| *home != LayerHome::Gpu)
            || matches!(self.miss.action, MissAction::Cpu | MissAction::Auto)
    }
}

pub(super) fn resolve(resolver: &mut Resolver<'_>, model: &ModelPlan) -> Placement {
    let section = &resolver.scenario().placement;
    let layers = model.spec.layers.len() as u64;
    let bounded = |resolver: &mut Resolver<'_>, key: &str, written: Option<u64>| {
        let count = written?;
        resolver.given(key, count);
        if count > layers {
            resolver.refuse(key, |place| {
                Error::at(place, format!("{key}: found {count}"))
                    .expected(format!("at most {layers}, the layers of {}", model.spec.name))
            });
        }
        usize::try_from(count.min(layers)).ok()
    };
    let experts_of = bounded(resolver, "placement.n_cpu_moe", section.n_cpu_moe).unwrap_or(0);
    let whole = bounded(resolver, "placement.cpu_layers", section.cpu_layers).unwrap_or(0);
    let home = |number: u32| match number as usize {
        number if number < whole => LayerHome::Cpu,
        number if number < experts_of => LayerHome::CpuExperts,
        _ => LayerHome::Gpu,
    };
    let homes: Vec<LayerHome> = model.spec.moe_layer_ids().into_iter().map(home).collect();
    let single_buffer = section.single_buffer == Some(true);
    if single_buffer {
        resolver.given("placement.single_buffer", "one expert at a time");
    }
    let (miss, copy) = miss(resolver, model);
    let of_gpu = homes.iter().filter(|home| **home == LayerHome::Gpu).count() as u64;
    let low_bit_bytes = copy.times(u64::from(model.spec.experts()) * of_gpu);
    Placement { homes, cpu_layers: whole, miss, low_bit_bytes, single_buffer, own: None }
}

/// What a miss leads to, and the bytes of one low-bit copy.
fn miss(resolver: &mut Resolver<'_>, model: &ModelPlan) -> (MissPlan, Bytes) {
    let section = &resolver.scenario().placement;
    let action = section.miss.unwrap_or(MissAction::Fetch);
    match section.miss {
        Some(_) => resolver.given("placement.miss", action.spelling()),
        None => resolver.note("placement.miss", action.spelling(), "default"),
    }
    let spares = matches!(action, MissAction::Degrade | MissAction::Skip | MissAction::Substitute);
    if let Some(limit) = section.miss_below {
        resolver.given("placement.miss_below", limit);
        if !spares {
            resolver.refuse("placement.miss_below", |place| {
                Error::at(
                    place,
                    format!("placement.miss_below: found beside the miss action {:?}", action.spelling()),
                )
                .expected("placement.miss = \"degrade\", \"skip\" or \"substitute\"")
            });
        }
    }
    let below_ppm = section.miss_below.map(crate::scenario::Percent::ppm);
    let low_bit = if action == MissAction::Degrade { low_bit(resolver) } else { None };
    let params = model.spec.layers.iter().map(crate::model::LayerSpec::expert_params).max().unwrap_or(0);
    let copy = low_bit.map_or(Bytes::ZERO, |dtype| dtype.bytes_for(params));
    let largest = model.experts.iter().max().copied().unwrap_or(Bytes::ZERO);
    let low_bit_ppm = (u128::from(copy.get()) * 1_000_000).div_ceil(u128::from(largest.get().max(1)));
    let low_bit_ppm = u64::try_from(low_bit_ppm).unwrap_or(u64::MAX);
    if let Some(dtype) = low_bit.filter(|_| copy > largest) {
        resolver.refuse("placement.low_bit", |place| {
            let found = format!("placement.low_bit: {} takes {copy} for an expert of {largest}", dtype.name);
            Error::at(place, found).expected("a smaller type than the experts' own")
        });
    }
    (MissPlan { action, below_ppm, low_bit_ppm, low_bit }, copy)
}

fn low_bit(resolver: &mut Resolver<'_>) -> Option<Dtype> {
    let Some(name) = &resolver.scenario().placement.low_bit else {
        resolver.note("placement.low_bit", "q2_k", "default");
        return Dtype::by_name("q2_k");
    };
    resolver.given("placement.low_bit", name);
    resolver.dtype("placement.low_bit", name)
}

/// From how many tokens in a pass the experts of CPU layers are computed on the GPU after all.
pub(super) fn offload_tokens(
    resolver: &mut Resolver<'_>,
    model: &ModelPlan,
    engine: &EngineProfile,
) -> Option<u64> {
    if let Some(written) = resolver.scenario().engine.prefill_offload_tokens {
        resolver.given("engine.prefill_offload_tokens", written);
        return Some(written.get());
    }
    engine.prefill_offload(model.spec.experts(), model.spec.top_k())
}
