//! GPU time of the routed experts of a model, layer by layer.

use super::MoeKernel;
use crate::units::{Bytes, SimDuration};

/// Routed experts: bytes by MoE layer, and time. Time is that of the kernel's work; what a launch takes beside it is
/// [`super::PassCosts::launch_overhead`].
#[derive(Clone, Debug)]
pub struct ExpertCosts {
    kernel: MoeKernel,
    flops_per_token: u64,
    layer_bytes: Vec<Bytes>,
    /// `single_token[layer][count]`: time of `count` experts with one token each.
    single_token: Vec<Vec<SimDuration>>,
    /// Time of one expert by tokens, a table for each size of experts, and which of them a layer reads.
    by_tokens: Vec<Vec<SimDuration>>,
    table_of: Vec<usize>,
}

/// Tokens up to which the time of an expert is looked up.
const TABLE_TOKENS: u64 = 1024;

impl ExpertCosts {
    /// `layer_bytes` by MoE layer; tables reach to `top_k` experts.
    pub fn new(kernel: MoeKernel, params: u64, layer_bytes: Vec<Bytes>, top_k: u32) -> Self {
        let flops_per_token = 2 * params;
        let table = |size: &Bytes| {
            (0..=u64::from(top_k)).map(|count| kernel.time_alike(count, 1, flops_per_token, *size)).collect()
        };
        let single_token = layer_bytes.iter().map(table).collect();
        let (mut sizes, mut by_tokens, mut table_of) = (Vec::new(), Vec::new(), Vec::new());
        for size in &layer_bytes {
            let known = sizes.iter().position(|other| other == size);
            table_of.push(known.unwrap_or(sizes.len()));
            if known.is_none() {
                sizes.push(*size);
                let time = |tokens| kernel.time(tokens, flops_per_token, *size);
                by_tokens.push((0..TABLE_TOKENS).map(time).collect());
            }
        }
        Self { kernel, flops_per_token, layer_bytes, single_token, by_tokens, table_of }
    }

    /// The kernel that computes them.
    pub fn kernel(&self) -> &MoeKernel {
        &self.kernel
    }

    /// Bytes of one expert of a MoE layer.
    pub fn bytes(&self, layer: u32) -> Bytes {
        self.layer_bytes[layer as usize]
    }

    /// FLOPs of one token in one expert.
    pub fn flops_per_token(&self) -> u64 {
        self.flops_per_token
    }

    /// GPU time of `count` experts of a layer with one token each.
    #[inline]
    pub fn single_token_time(&self, layer: u32, count: usize) -> SimDuration {
        let table = &self.single_token[layer as usize];
        table.get(count).copied().unwrap_or_else(|| {
            self.kernel.time_alike(count as u64, 1, self.flops_per_token, self.bytes(layer))
        })
    }

    /// GPU time of one launch over experts with these tokens each.
    pub fn launch_time(&self, layer: u32, tokens: impl Iterator<Item = u64>) -> SimDuration {
        tokens.map(|tokens| self.time(layer, tokens)).sum()
    }

    /// GPU time of a copy of an expert that takes `ppm` parts per million of its bytes.
    pub fn low_bit_time(&self, layer: u32, tokens: u64, ppm: u64) -> SimDuration {
        self.kernel.time(tokens, self.flops_per_token, self.bytes(layer).fraction(ppm, 1_000_000))
    }

    /// GPU time of one expert of a layer with `tokens` tokens; the experts of a launch add up.
    #[inline]
    pub fn time(&self, layer: u32, tokens: u64) -> SimDuration {
        let table: &[SimDuration] = &self.by_tokens[self.table_of[layer as usize]];
        let known = usize::try_from(tokens).ok().and_then(|tokens| table.get(tokens));
        known.copied().unwrap_or_else(|| self.kernel.time(tokens, self.flops_per_token, self.bytes(layer)))
    }

    /// The same experts computed by another kernel.
    pub(super) fn with_kernel(&self, kernel: MoeKernel) -> Self {
        let top_k = self.single_token.iter().map(|counts| counts.len() - 1).max().unwrap_or(0);
        let top_k = u32::try_from(top_k).unwrap_or(u32::MAX);
        Self::new(kernel, self.flops_per_token / 2, self.layer_bytes.clone(), top_k)
    }
}
