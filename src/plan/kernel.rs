//! The kernel of the routed experts: a measured one where the engine has such and the GPU was measured, else a roofline
//! with the efficiencies of the engine's profile.

use super::machine::MachinePlan;
use super::model::ModelPlan;
use super::resolve::Resolver;
use crate::catalogue::{EngineProfile, Kernel};
use crate::model::{Dtype, LayerSpec};
use crate::serving::{GpuRates, MoeKernel, activation_bytes};
use crate::units::{Bytes, SimDuration};

/// Engines whose grouped kernels the catalogue's measurements are of. SGLang's are of the same origin.
const GROUPED: [&str; 2] = ["vllm", "sglang"];
/// Largest tile where nothing was measured: that of vLLM's default configuration for many tokens (`fused_moe.py`).
const TILE_DEFAULT: u32 = 128;
/// Fixed time of a launch where nothing was measured: LSS-MOE on an RTX PRO 6000, the intercept over activated experts.
const FIXED_DEFAULT: SimDuration = SimDuration::from_ns(28_000);

pub(super) fn resolve(resolver: &mut Resolver<'_>, model: &ModelPlan, machine: &MachinePlan) -> MoeKernel {
    let Some(layer) = model.spec.layers.iter().find(|layer| layer.moe().is_some()) else {
        return MoeKernel::plain(machine.rates);
    };
    if !is_grouped(machine.engine) {
        return MoeKernel::plain(machine.rates);
    }
    let stored = model.experts.iter().max().copied().unwrap_or(Bytes::ZERO);
    let rows = ["bf16", "fp8", "mxfp4"].into_iter().filter(|name| is_stored_as(layer, stored, name));
    let Some(row) = rows.filter_map(|name| Kernel::on(machine.gpu, name)).next() else {
        let why = "assumed: efficiencies of the engine, tiles of up to 128 tokens, 28 us a launch";
        resolver.note("expert kernel", "not measured on this GPU in this type", why);
        return MoeKernel::grouped(machine.rates, TILE_DEFAULT, Bytes::ZERO, FIXED_DEFAULT);
    };
    let why = format!("catalogue; median error {}", row.median_error.value);
    resolver.note("expert kernel", &row.id, why);
    let rates = GpuRates { compute: row.compute(machine.gpu), memory: row.memory(machine.gpu) };
    let activations = layer.moe().map_or(Bytes::ZERO, |moe| {
        activation_bytes(layer.hidden, moe.expert_inter, moe.gated, row.input_bytes())
    });
    MoeKernel::grouped(rates, row.tile.value, activations, row.fixed.value)
}

fn is_grouped(engine: &EngineProfile) -> bool {
    GROUPED.contains(&engine.id.as_str())
}

/// Whether an expert of this layer takes as many bytes as in this storage type, its biases aside: to one percent. Types of
/// 16 bits are alike.
fn is_stored_as(layer: &LayerSpec, stored: Bytes, name: &str) -> bool {
    Dtype::by_name(name).is_some_and(|dtype| {
        let expected = dtype.bytes_for(layer.expert_params()).get();
        expected.abs_diff(stored.get()) <= expected / 100
    })
}
