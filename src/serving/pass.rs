//! GPU time of a pass by roofline: the larger of FLOPs over compute rate and bytes over memory rate.
//!
//! Bytes are the weights, read once per pass, and what attention moves of the cache of each sequence. At batch 1 weight
//! bytes decide; with many tokens per pass FLOPs do. Activations are left out but for the routed experts': elsewhere
//! they are few beside the weights, or overlap with them.
//! A pass is cut into *stretches*, the GPU work between two routed-expert events: the stretch of an MoE layer holds any
//! dense layers before it, its attention, router and shared experts; the tail holds trailing layers and the output
//! projection.

use super::{ExpertCosts, GpuRates, MoeKernel, Overheads, SequenceGroup, Shards, Work};
use crate::model::{Dtype, LayerSpec, ModelSpec};
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
    /// GPUs that share the arithmetic of attention, and those that share each sequence's cache.
    parts: (u64, u64),
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
    /// experts, at most `top_k` per token, `rates` hold for everything else. `shards` say how much is one GPU's; the sizes
    /// of experts are those of its part of each.
    pub fn new(
        model: &ModelSpec,
        sizes: WeightSizes,
        kv: Dtype,
        rates: GpuRates,
        overheads: Overheads,
        kernel: MoeKernel,
        (top_k, shards): (u32, &Shards),
    ) -> Self {
        let empty = Stretch { layers: Vec::new(), weight_bytes: Bytes::ZERO, params: 0 };
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut stretch_of_layer = Vec::new();
        let mut open = empty.clone();
        for (layer, shard) in model.layers.iter().zip(shards.of(&sizes.layers)) {
            let mut params = layer.params();
            params.routed_experts = 0;
            open.weight_bytes += shard.bytes;
            open.params += shard.of_params(params.total());
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
        let head = Stretch {
            layers: Vec::new(),
            weight_bytes: Bytes::new(sizes.logits.get().div_ceil(shards.head_parts)),
            params: model.logits_params().div_ceil(shards.head_parts),
        };
        let params = model.layers.iter().map(LayerSpec::expert_params).max().unwrap_or(0);
        let params = params.div_ceil(shards.expert_parts);
        let experts = ExpertCosts::new(kernel, params, sizes.experts, top_k);
        let parts = (shards.attention_parts, shards.cache_parts);
        Self { rates, overheads, kv, stretches, stretch_of_layer, tail: open, head, experts, parts }
    }

    /// The routed experts.
    pub fn experts(&self) -> &ExpertCosts {
        &self.experts
    }

    /// What the GPU reaches with everything but routed experts.
    pub fn rates(&self) -> GpuRates {
        self.rates
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
    pub fn stretch_costs(&self, work: &Work, costs: &mut Vec<StretchCost>) {
        costs.clear();
        let rows = work.own_rows();
        costs.extend(self.stretches.iter().map(|stretch| self.cost(stretch, work, rows)));
    }

    /// Which of the stretch costs is that of a MoE layer.
    pub fn stretch_of(&self, layer: u32) -> usize {
        self.stretch_of_layer[layer as usize]
    }

    /// Model layers of a stretch, by its index.
    pub fn layers_of_stretch(&self, stretch: usize) -> u64 {
        self.stretches[stretch].layers.len() as u64
    }

    /// Model layers of the tail.
    pub fn tail_layers(&self) -> u64 {
        self.tail.layers.len() as u64
    }

    /// What follows the last MoE layer: trailing layers for all tokens, and the output projection for the one token of
    /// each sequence that is sampled.
    pub fn tail_cost(&self, work: &Work) -> StretchCost {
        let tail = self.cost(&self.tail, work, work.own_rows());
        let head = self.cost(&self.head, work, work.sampled);
        StretchCost {
            compute: tail.compute + head.compute,
            overhead: tail.overhead + head.overhead,
            bytes: tail.bytes + head.bytes,
            flops: tail.flops + head.flops,
        }
    }

    fn cost(&self, stretch: &Stretch, work: &Work, rows: u64) -> StretchCost {
        let (mut cache_bytes, mut attention_flops) = (Bytes::ZERO, 0_u64);
        for layer in &stretch.layers {
            for group in &work.groups {
                cache_bytes += self.cache_bytes(layer, group);
                attention_flops += attention_flops_of(layer, group);
            }
        }
        let (attention, cache) = self.parts;
        let bytes = stretch.weight_bytes + Bytes::new(cache_bytes.get().div_ceil(cache));
        let flops = 2 * stretch.params * rows + attention_flops.div_ceil(attention);
        StretchCost {
            compute: self.rates.time(flops, bytes),
            overhead: self.overheads.of_layer().times(stretch.layers.len() as u64),
            bytes,
            flops,
        }
    }

    /// What attention moves of the caches of a group's sequences. The cache is read once for all tokens of a sequence.
    fn cache_bytes(&self, layer: &LayerSpec, group: &SequenceGroup) -> Bytes {
        let one = match group.tokens {
            1 => layer.decode_cache_bytes(group.context + 1, self.kv),
            own => layer.kv_bytes(group.context + own, self.kv) + layer.state_bytes(),
        };
        one.times(u64::from(group.sequences))
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

/// FLOPs of the attention of a group's tokens: each sees half of its own sequence's tokens in the pass on average.
fn attention_flops_of(layer: &LayerSpec, group: &SequenceGroup) -> u64 {
    let seen = group.context + group.tokens.div_ceil(2);
    let one = match group.tokens {
        1 => layer.attention_flops(seen),
        _ => layer.prefill_attention_flops(seen),
    };
    one.saturating_mul(group.tokens).saturating_mul(u64::from(group.sequences))
}
