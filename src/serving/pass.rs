//! GPU time of a pass by roofline: the larger of FLOPs over compute rate and bytes over memory rate.
//!
//! Bytes are the weights, read once per pass, and what attention moves of the cache of each sequence. At batch 1 weight
//! bytes decide; with many tokens per pass FLOPs do. Activations are left out but for the routed experts': elsewhere
//! they are few beside the weights, or overlap with them.
//! A pass is cut into *stretches*, the GPU work between two routed-expert events: the stretch of an MoE layer holds any
//! dense layers before it, its attention, router and shared experts; the tail holds trailing layers and the output
//! projection.

use super::{ExpertCosts, GpuRates, MoeKernel, Overheads};
use crate::model::{Dtype, LayerSpec, ModelSpec};
use crate::trace::Pass;
use crate::units::{Bytes, SimDuration};

/// GPU work without routed experts in it, and what it costs in one pass.
#[derive(Clone, Debug, PartialEq)]
struct Stretch {
    layers: Vec<LayerSpec>,
    weight_bytes: Bytes,
    params: u64,
}

/// What a stretch costs in one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StretchCost {
    /// Roofline time.
    pub compute: SimDuration,
    /// The engine's own time.
    pub overhead: SimDuration,
    /// Weights and cache moved.
    pub bytes: Bytes,
    /// Operations; zero where nobody but the GPU computes it.
    pub flops: u64,
}

/// Everything the simulator needs to know of a model's GPU work.
#[derive(Clone, Debug)]
pub struct PassCosts {
    rates: GpuRates,
    overheads: Overheads,
    kv: Dtype,
    stretches: Vec<Stretch>,
    stretch_of_layer: Vec<usize>,
    tail: Stretch,
    head: Stretch,
    experts: ExpertCosts,
}

/// Sizes of a model's weights as a pass reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightSizes {
    /// Each layer without its routed experts, in the model's own numbering.
    pub layers: Vec<Bytes>,
    /// One routed expert, by MoE layer.
    pub experts: Vec<Bytes>,
    /// The output projection, whether or not it has weights of its own.
    pub logits: Bytes,
}

impl PassCosts {
    /// Of `model`, whose weights have these sizes and whose KV cache is stored as `kv`. `kernel` computes the routed
    /// experts, at most `top_k` per token, `rates` hold for everything else.
    pub fn new(
        model: &ModelSpec,
        sizes: WeightSizes,
        kv: Dtype,
        rates: GpuRates,
        overheads: Overheads,
        kernel: MoeKernel,
        top_k: u32,
    ) -> Self {
        let empty = Stretch { layers: Vec::new(), weight_bytes: Bytes::ZERO, params: 0 };
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut stretch_of_layer = Vec::new();
        let mut open = empty.clone();
        for (layer, size) in model.layers.iter().zip(&sizes.layers) {
            let mut params = layer.params();
            params.routed_experts = 0;
            open.weight_bytes += *size;
            open.params += params.total();
            open.layers.push(*layer);
            if layer.moe().is_some() {
                let known = stretches.iter().position(|stretch| *stretch == open);
                stretch_of_layer.push(known.unwrap_or(stretches.len()));
                let closed = std::mem::replace(&mut open, empty.clone());
                if known.is_none() {
                    stretches.push(closed);
                }
            }
        }
        let head = Stretch { layers: Vec::new(), weight_bytes: sizes.logits, params: model.logits_params() };
        let params = model.layers.iter().map(LayerSpec::expert_params).max().unwrap_or(0);
        let experts = ExpertCosts::new(kernel, params, sizes.experts, top_k);
        Self { rates, overheads, kv, stretches, stretch_of_layer, tail: open, head, experts }
    }

    /// The routed experts.
    pub fn experts(&self) -> &ExpertCosts {
        &self.experts
    }

    /// The engine's own time.
    pub fn overheads(&self) -> &Overheads {
        &self.overheads
    }

    /// What one launch of a group of routed experts costs beside their work.
    pub fn launch_overhead(&self) -> SimDuration {
        self.overheads.launch + self.experts.kernel().fixed()
    }

    /// Costs of the distinct stretches in a pass, to be indexed by [`PassCosts::stretch_of`].
    pub fn stretch_costs(&self, pass: &Pass, costs: &mut Vec<StretchCost>) {
        costs.clear();
        costs.extend(self.stretches.iter().map(|stretch| self.cost(stretch, pass, pass.rows)));
    }

    /// Which of the stretch costs is that of a MoE layer.
    pub fn stretch_of(&self, layer: u32) -> usize {
        self.stretch_of_layer[layer as usize]
    }

    /// What follows the last MoE layer: trailing layers for all tokens, and the output projection for the one token of
    /// each sequence that is sampled.
    pub fn tail_cost(&self, pass: &Pass) -> StretchCost {
        let sampled = u64::from(pass.sequences);
        let (tail, head) = (self.cost(&self.tail, pass, pass.rows), self.cost(&self.head, pass, sampled));
        StretchCost {
            compute: tail.compute + head.compute,
            overhead: tail.overhead + head.overhead,
            bytes: tail.bytes + head.bytes,
            flops: tail.flops + head.flops,
        }
    }

    fn cost(&self, stretch: &Stretch, pass: &Pass, rows: u64) -> StretchCost {
        let sequences = u64::from(pass.sequences.max(1));
        // Tokens of one sequence: one where it decodes.
        let own = pass.rows.div_ceil(sequences);
        // Each token sees half of its own sequence's tokens in the pass on average.
        let seen = pass.context + own.div_ceil(2);
        let cache_bytes = |layer: &LayerSpec| {
            let one = match own {
                1 => layer.decode_cache_bytes(pass.context + 1, self.kv),
                // The cache is read once for all tokens of the sequence.
                own => layer.kv_bytes(pass.context + own, self.kv) + layer.state_bytes(),
            };
            one.times(sequences)
        };
        let attention_flops = |layer: &LayerSpec| {
            let one =
                if own == 1 { layer.attention_flops(seen) } else { layer.prefill_attention_flops(seen) };
            one.saturating_mul(pass.rows)
        };
        let bytes = stretch.weight_bytes + stretch.layers.iter().map(cache_bytes).sum();
        let flops = 2 * stretch.params * rows + stretch.layers.iter().map(attention_flops).sum::<u64>();
        StretchCost {
            compute: self.rates.time(flops, bytes),
            overhead: self.overheads.of_layer().times(stretch.layers.len() as u64),
            bytes,
            flops,
        }
    }

    /// The same on a GPU of other rates, those of the kernel of routed experts included.
    #[must_use]
    pub fn with_rates(&self, change: impl Fn(GpuRates) -> GpuRates) -> Self {
        let experts = self.experts.with_kernel(self.experts.kernel().with_rates(&change));
        Self { rates: change(self.rates), experts, ..self.clone() }
    }

    /// The same with other times of the engine; `fixed` is what a launch of routed experts takes beside its work.
    #[must_use]
    pub fn with_overheads(&self, overheads: Overheads, fixed: SimDuration) -> Self {
        let experts = self.experts.with_kernel(self.experts.kernel().with_fixed(fixed));
        Self { overheads, experts, ..self.clone() }
    }
}
