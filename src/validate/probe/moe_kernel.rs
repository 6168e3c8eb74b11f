//! The grouped expert kernels of one MoE layer on a GPU.
//!
//! Bound by the weights of the activated experts, read once, or by arithmetic, whose efficiency grows with the tokens of
//! each expert: `fixed + max(bytes / bandwidth, flops / peak x (1 + half / tokens per expert))`.

use super::{Input, Kind, Probe, Values, Work, needed, optional};

const INPUTS: &[Input] = &[
    needed("tokens", Kind::Number, "tokens of the pass"),
    needed("hidden", Kind::Number, "width of the model"),
    needed("expert_ffn", Kind::Number, "width of one expert"),
    needed("experts", Kind::Number, "experts of the layer"),
    needed("top_k", Kind::Number, "experts of one token"),
    needed("bits", Kind::Number, "bits of one weight, scales included"),
    optional("activated", Kind::Number, "experts that any token asks for; else as a uniform router would"),
    optional("matrices", Kind::Number, "weight matrices of one expert, else 3"),
    needed("fixed", Kind::Time, "launches, routing and gathering"),
    needed("bandwidth", Kind::Rate, "achieved memory bandwidth"),
    needed("peak", Kind::Flops, "achieved compute rate with many tokens per expert"),
    optional("half", Kind::Number, "tokens per expert at which half of it is achieved"),
];

pub(super) const PROBE: Probe = Probe {
    name: "moe-kernel",
    doc: "fixed + max(bytes / bandwidth, flops / peak x (1 + half / tokens per expert))",
    inputs: INPUTS,
    predict,
};

/// Experts that `tokens` ask for when each of them chooses `top_k` of `experts` evenly.
fn activated_evenly(tokens: f64, experts: f64, top_k: f64) -> f64 {
    experts * (1.0 - libm::pow(1.0 - top_k / experts, tokens))
}

fn predict(values: &Values) -> Work {
    let (tokens, experts, top_k) = (values.of("tokens"), values.of("experts"), values.of("top_k"));
    let weights = values.get("matrices").unwrap_or(3.0) * values.of("hidden") * values.of("expert_ffn");
    let activated = values.get("activated").unwrap_or_else(|| activated_evenly(tokens, experts, top_k));
    let bytes = activated * weights * values.of("bits") / 8.0;
    let seconds = kernel_seconds(values, bytes, 2.0 * weights * tokens * top_k, tokens * top_k / activated);
    Work { seconds, bytes }
}

/// The time of the kernels, from the bytes of weights they read, their FLOPs and the tokens of each expert.
fn kernel_seconds(values: &Values, bytes: f64, flops: f64, tokens_per_expert: f64) -> f64 {
    let memory = bytes / values.of("bandwidth");
    let compute = flops / values.of("peak") * (1.0 + values.of("half") / tokens_per_expert);
    values.seconds("fixed") + memory.max(compute)
}

#[cfg(test)]
mod tests {
    use super::super::work;
    use super::*;

    #[test]
    fn few_tokens_read_weights_and_many_compute() {
        let given = [
            ("hidden", 1000.0),
            ("expert_ffn", 1000.0),
            ("experts", 64.0),
            ("top_k", 8.0),
            ("bits", 8.0),
            ("fixed", 5_000.0),
            ("bandwidth", 3e12),
            ("peak", 600e12),
            ("half", 64.0),
        ];
        let time = |tokens: f64, activated: f64| {
            work(&PROBE, &[&given[..], &[("tokens", tokens), ("activated", activated)]].concat()).seconds
        };
        // 8 experts of 3 MB at 3 TB/s.
        assert!((time(1.0, 8.0) - 13e-6).abs() < 1e-12);
        // 512 tokens per expert: 9/8 of 24.576 GFLOP / 600 TFLOP/s.
        assert!((time(4096.0, 64.0) - (5e-6 + 4096.0 * 8.0 * 6e6 / 600e12 * 1.125)).abs() < 1e-12);
        assert!((activated_evenly(1.0, 64.0, 8.0) - 8.0).abs() < 1e-12);
    }
}
