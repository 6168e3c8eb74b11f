//! The kernel of the routed experts: a measured one where the engine has such and the GPU was measured, else a roofline
//! with the efficiencies of the engine's profile.

use super::machine::MachinePlan;
use super::model::ModelPlan;
use super::resolve::Resolver;
use crate::catalogue::{EngineProfile, Kernel};
use crate::serving::{GpuRates, MoeKernel, activation_bytes};
use crate::units::{Bytes, SimDuration};

/// Engines whose grouped kernels the catalogue's measurements are of. SGLang's are of the same origin.
const GROUPED: [&str; 2] = ["vllm", "sglang"];
/// Largest tile where nothing was measured: that of vLLM's default configuration for many tokens (`fused_moe.py`).
const TILE_DEFAULT: u32 = 128;
/// Fixed time of a launch where nothing was measured: LSS-MOE on an RTX PRO 6000, the intercept over activated experts.
const FIXED_DEFAULT: SimDuration = SimDuration::from_ns(28_000);

/// The kernel of one of `parts` GPUs that share every expert.
pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    model: &ModelPlan,
    machine: &MachinePlan,
    parts: u64,
) -> MoeKernel {
    let Some(layer) = model.spec.layers.iter().find(|layer| layer.moe().is_some()) else {
        return MoeKernel::plain(machine.rates);
    };
    if !is_grouped(machine.engine) {
        return MoeKernel::plain(machine.rates);
    }
    // Efficiencies that the scenario gives hold for the experts, too.
    let engine = &resolver.scenario().engine;
    let given = engine.gpu_memory_efficiency.is_some() || engine.gpu_compute_efficiency.is_some();
    let row = model.expert_dtype.and_then(|dtype| Kernel::on(machine.gpu, measured_as(dtype.name)));
    let Some(row) = row.filter(|_| !given) else {
        let why = "assumed: the rates of the GPU, tiles of up to 128 tokens, 28 us a launch";
        resolver.note("expert kernel", "none of the catalogue", why);
        return MoeKernel::grouped(machine.rates, TILE_DEFAULT, Bytes::ZERO, FIXED_DEFAULT);
    };
    resolver.note("expert kernel", &row.id, format!("catalogue, median error {}", row.median_error.value));
    let rates = GpuRates { compute: row.compute(machine.gpu), memory: row.memory(machine.gpu) };
    let activations = layer.moe().map_or(Bytes::ZERO, |moe| {
        activation_bytes(layer.hidden, moe.expert_inter.div_ceil(parts), moe.gated, row.input_bytes())
    });
    MoeKernel::grouped(rates, row.tile.value, activations, row.fixed.value)
}

fn is_grouped(engine: &EngineProfile) -> bool {
    GROUPED.contains(&engine.id.as_str())
}

/// The storage type that kernels were measured with; the 16-bit types are alike.
fn measured_as(name: &str) -> &str {
    if name == "f16" { "bf16" } else { name }
}
