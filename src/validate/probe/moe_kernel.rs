//! The grouped expert kernels of one MoE layer on a GPU: the kernel of the simulator with a row of the catalogue.
//!
//! Tokens are spread over the experts evenly, or by a power law where `skew` is given. Any of the row's four parameters
//! may be given in its place, so that they can be fitted to launches measured elsewhere.

use super::routing::{tokens_by_power_law, tokens_evenly};
use super::{Input, Kind, Probe, Values, Work, needed, optional};
use crate::catalogue::{Entry, Gpu, Kernel, Ratio};
use crate::model::Dtype;
use crate::serving::{GpuRates, MoeKernel, activation_bytes};
use crate::units::{Bytes, SimDuration};

const INPUTS: &[Input] = &[
    needed("kernel", Kind::Kernel, "row of the catalogue's kernels: GPU, storage type and parameters"),
    needed("tokens", Kind::Number, "tokens of the pass"),
    needed("hidden", Kind::Number, "width of the model"),
    needed("expert_ffn", Kind::Number, "width of one expert, which has three matrices"),
    needed("experts", Kind::Number, "experts of the layer"),
    needed("top_k", Kind::Number, "experts of one token"),
    optional("activated", Kind::Number, "experts that any token asks for, else as many as can be"),
    optional("skew", Kind::Number, "exponent of a power law of the experts' tokens, else they are even"),
    optional("fixed", Kind::Time, "fixed time of a launch, instead of the row's"),
    optional("memory_efficiency", Kind::Share, "share of peak bandwidth, instead of the row's"),
    optional("compute_efficiency", Kind::Share, "share of peak compute, instead of the row's"),
    optional("tile", Kind::Number, "largest tile in tokens, instead of the row's"),
];

/// Most tokens, experts or channels, far beyond any launch.
const COUNT_MAX: u64 = 1 << 20;

pub(super) const PROBE: Probe = Probe {
    name: "moe-kernel",
    doc: "fixed + sum over experts of max(weights / memory, padded tokens x FLOPs / compute) + activations / memory",
    inputs: INPUTS,
    predict,
};

fn predict(values: &Values) -> Work {
    // What is not a launch has no time, which is refused as a prediction.
    launch(values).unwrap_or(Work { seconds: f64::NAN, bytes: 0.0 })
}

fn launch(values: &Values) -> Option<Work> {
    let row = row(values)?;
    let gpu = Gpu::find(&row.gpu.value)?;
    let count = |key| Some(whole(values.of(key))).filter(|count| *count <= COUNT_MAX);
    let (tokens, experts, top_k) = (count("tokens")?, count("experts")?, count("top_k")?);
    let (hidden, inter) = (count("hidden")?, count("expert_ffn")?);
    let activations = activation_bytes(hidden, inter, true, row.input_bytes());
    let rates = GpuRates { compute: row.compute(gpu), memory: row.memory(gpu) };
    let kernel = MoeKernel::grouped(rates, row.tile.value, activations, row.fixed.value);
    let params = 3 * hidden * inter;
    let weights = weights(&row, params)?;
    let spread = match values.get("skew") {
        Some(skew) => tokens_by_power_law(tokens, experts, top_k, skew),
        None => tokens_evenly(tokens * top_k, values.get("activated").map_or(experts, whole).min(experts)),
    };
    let work: SimDuration = spread.iter().map(|tokens| kernel.time(*tokens, 2 * params, weights)).sum();
    let seconds = (kernel.fixed() + work).as_ns() as f64 / 1e9;
    Some(Work { seconds, bytes: weights.times(spread.len() as u64).get() as f64 })
}

/// The catalogue's row, with the parameters that are given in place of its own.
fn row(values: &Values) -> Option<Kernel> {
    let index = usize::try_from(whole(values.get("kernel")?)).ok()?;
    let mut row = Kernel::all().get(index)?.clone();
    let share = |key| values.get(key).and_then(|ppm| Ratio::from_ppm(whole(ppm)));
    if let Some(ns) = values.get("fixed") {
        row.fixed.value = SimDuration::from_ns(whole(ns));
    }
    if let Some(share) = share("memory_efficiency") {
        row.memory_efficiency.value = share;
    }
    if let Some(share) = share("compute_efficiency") {
        row.compute_efficiency.value = share;
    }
    if let Some(tile) = values.get("tile") {
        row.tile.value = u32::try_from(whole(tile)).ok()?;
    }
    Some(row)
}

/// Weights of one expert. `fp8-tensor` tells a kernel apart, not a storage size.
fn weights(row: &Kernel, params: u64) -> Option<Bytes> {
    let name = if row.dtype.value == "fp8-tensor" { "fp8" } else { &row.dtype.value };
    Dtype::by_name(name).map(|dtype| dtype.bytes_for(params))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts, rounded; none is negative"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::super::work;
    use super::*;

    /// One layer of Qwen3-30B-A3B in BF16.
    fn given(kernel: &str) -> Vec<(&'static str, f64)> {
        let index = Kernel::all().iter().position(|row| row.id == kernel).unwrap();
        vec![
            ("kernel", index as f64),
            ("hidden", 2048.0),
            ("expert_ffn", 768.0),
            ("experts", 128.0),
            ("top_k", 8.0),
        ]
    }

    #[test]
    fn few_tokens_read_weights_and_many_compute() {
        let row = Kernel::find("rtx-pro-6000-moe-bf16").unwrap();
        let gpu = Gpu::find(&row.gpu.value).unwrap();
        let of = |more: &[(&'static str, f64)]| work(&PROBE, &[&given(&row.id)[..], more].concat());
        // Eight tokens of eight experts each activate 64 experts of 9,437,184 bytes.
        let few = of(&[("tokens", 8.0)]);
        assert_eq!(few.bytes, 64.0 * 9_437_184.0);
        let least = few.bytes / row.memory(gpu).bytes_per_s() as f64 + row.fixed.value.as_ns() as f64 / 1e9;
        assert!((1.0..1.02).contains(&(few.seconds / least)), "{}", few.seconds / least);
        let half = of(&[("tokens", 8.0), ("activated", 32.0)]);
        assert_eq!(half.bytes, few.bytes / 2.0);
        // Where arithmetic binds, experts that share the tokens differently take as long.
        let many = of(&[("tokens", 16_384.0)]);
        let flops = 2.0 * 3.0 * 2048.0 * 768.0 * 16_384.0 * 8.0;
        assert!(many.seconds > flops / row.compute(gpu).flops_per_s() as f64);
        assert!(of(&[("tokens", 16_384.0), ("skew", 1.2)]).seconds > many.seconds * 0.9);
    }

    #[test]
    fn given_parameters_take_the_place_of_the_rows() {
        let base = [&given("h200-sxm-moe-bf16")[..], &[("tokens", 1.0)]].concat();
        let time = |more: (&'static str, f64)| work(&PROBE, &[&base[..], &[more]].concat()).seconds;
        let own = work(&PROBE, &base).seconds;
        assert!((time(("fixed", 1_021_000.0)) - own - 1e-3).abs() < 1e-9);
        assert!(time(("memory_efficiency", 429_000.0)) > 1.4 * own);
        assert!(time(("compute_efficiency", 10.0)) > 10.0 * own);
        assert!(time(("kernel", 999.0)).is_nan() && time(("tokens", 1e12)).is_nan());
    }
}
