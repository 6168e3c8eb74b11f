//! GPU time of a pass by roofline: the larger of FLOPs over compute rate and bytes over memory rate.
//!
//! Bytes are the weights, read once per pass, and the KV cache that attention reads. At batch 1 weight bytes decide;
//! with many tokens per pass FLOPs do. Activations are left out: at the sizes of a pass they stay in the GPU's caches.
//! A pass is cut into *stretches*, the GPU work between two routed-expert events: the stretch of an MoE layer holds any
//! dense layers before it, its attention, router and shared experts; the tail holds trailing layers and the output
//! projection.

use crate::model::{Dtype, LayerSpec, ModelSpec};
use crate::trace::Pass;
use crate::units::{Bandwidth, Bytes, FlopRate, SimDuration};

/// What the GPU reaches after the engine's efficiencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuRates {
    /// Dense matrix rate, operations per second.
    pub compute: FlopRate,
    /// Memory bandwidth, bytes per second.
    pub memory: Bandwidth,
}

impl GpuRates {
    /// Roofline time of an operation.
    pub fn time(&self, flops: u64, bytes: Bytes) -> SimDuration {
        self.compute.time_for(flops).max(self.memory.time_for(bytes))
    }
}

/// Time the engine adds on top of the roofline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overheads {
    /// Once per pass: sampling, host work, graph launch.
    pub per_pass: SimDuration,
    /// Once per model layer.
    pub per_layer: SimDuration,
    /// Once per launch of a group of routed experts.
    pub launch: SimDuration,
}

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
    /// Weights and KV read.
    pub bytes: Bytes,
    /// Operations; zero where nobody but the GPU computes it.
    pub flops: u64,
}

/// Routed experts: bytes by MoE layer, and time.
#[derive(Clone, Debug)]
pub struct ExpertCosts {
    rates: GpuRates,
    flops_per_token: u64,
    layer_bytes: Vec<Bytes>,
    /// `single_token[layer][count]`: time of `count` experts with one token each.
    single_token: Vec<Vec<SimDuration>>,
}

impl ExpertCosts {
    /// `layer_bytes` by MoE layer; tables reach to `top_k` experts.
    pub fn new(rates: GpuRates, params: u64, layer_bytes: Vec<Bytes>, top_k: u32) -> Self {
        let flops_per_token = 2 * params;
        let table = |size: &Bytes| {
            (0..=u64::from(top_k))
                .map(|count| rates.time(count * flops_per_token, size.times(count)))
                .collect()
        };
        let single_token = layer_bytes.iter().map(table).collect();
        Self { rates, flops_per_token, layer_bytes, single_token }
    }

    /// Bytes of one expert of a MoE layer.
    pub fn bytes(&self, layer: u32) -> Bytes {
        self.layer_bytes[layer as usize]
    }

    /// GPU time of `count` experts of a layer with one token each.
    #[inline]
    pub fn single_token_time(&self, layer: u32, count: usize) -> SimDuration {
        let table = &self.single_token[layer as usize];
        table.get(count).copied().unwrap_or_else(|| {
            let count = count as u64;
            self.rates.time(count * self.flops_per_token, self.bytes(layer).times(count))
        })
    }

    /// Operations of one token in one expert.
    pub fn flops_per_token(&self) -> u64 {
        self.flops_per_token
    }

    /// GPU time of one launch over experts with these tokens each.
    pub fn launch_time(&self, layer: u32, tokens: impl Iterator<Item = u64>) -> SimDuration {
        tokens.map(|tokens| self.time(layer, tokens)).sum()
    }

    /// GPU time of a copy of an expert that takes `ppm` parts per million of its bytes.
    pub fn low_bit_time(&self, layer: u32, tokens: u64, ppm: u64) -> SimDuration {
        self.rates.time(tokens * self.flops_per_token, self.bytes(layer).fraction(ppm, 1_000_000))
    }

    /// GPU time of one expert of a layer with `tokens` tokens.
    pub fn time(&self, layer: u32, tokens: u64) -> SimDuration {
        self.rates.time(tokens * self.flops_per_token, self.bytes(layer))
    }
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
    /// Of `model`, whose weights have these sizes and whose KV cache is stored as `kv`; `top_k` experts per token at
    /// most.
    pub fn new(
        model: &ModelSpec,
        sizes: WeightSizes,
        kv: Dtype,
        rates: GpuRates,
        overheads: Overheads,
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
        let experts = ExpertCosts::new(rates, params, sizes.experts, top_k);
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
    /// the pass that is sampled.
    pub fn tail_cost(&self, pass: &Pass) -> StretchCost {
        let (tail, head) = (self.cost(&self.tail, pass, pass.rows), self.cost(&self.head, pass, 1));
        StretchCost {
            compute: tail.compute + head.compute,
            overhead: tail.overhead + head.overhead,
            bytes: tail.bytes + head.bytes,
            flops: tail.flops + head.flops,
        }
    }

    fn cost(&self, stretch: &Stretch, pass: &Pass, rows: u64) -> StretchCost {
        // Attention reads the cache once for all tokens of the pass; each token sees half of the pass on average.
        let seen = pass.context + pass.rows.div_ceil(2);
        let kv_bytes = |layer: &LayerSpec| layer.kv_bytes(pass.context + pass.rows, self.kv);
        let attention_flops = |layer: &LayerSpec| match pass.rows {
            1 => layer.attention_flops(seen),
            rows => layer.prefill_attention_flops(seen).saturating_mul(rows),
        };
        let bytes = stretch.weight_bytes + stretch.layers.iter().map(kv_bytes).sum();
        let flops = 2 * stretch.params * rows + stretch.layers.iter().map(attention_flops).sum::<u64>();
        StretchCost {
            compute: self.rates.time(flops, bytes),
            overhead: self.overheads.per_layer.times(stretch.layers.len() as u64),
            bytes,
            flops,
        }
    }

    /// Bytes of the KV cache of one sequence with `context` tokens.
    pub fn kv_bytes(&self, context: u64) -> Bytes {
        let of = |stretch: &Stretch| -> Bytes {
            stretch.layers.iter().map(|layer| layer.kv_bytes(context, self.kv)).sum()
        };
        self.stretch_of_layer.iter().map(|stretch| of(&self.stretches[*stretch])).sum::<Bytes>()
            + of(&self.tail)
    }
}
