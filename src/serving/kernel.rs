//! The grouped kernel that computes the routed experts of a layer in one launch.
//!
//! Time of a launch: `fixed + sum over experts of max(weights / memory, padded tokens x FLOPs / compute) +
//! activations / memory`. Tokens of an expert are padded to a power of two from 16, the smallest tile of the matrix
//! units, up to the kernel's largest tile, and beyond that to whole tiles: this is what makes few tokens per expert
//! inefficient. Activations are what the separate steps of the kernel write and read again between them.
//!
//! Against 1,296 measured launches on two GPUs, taking the larger of memory and arithmetic for each expert came out
//! closer than taking it for the launch as a whole. Weights always come from GPU memory: between two launches of the
//! same layer all other layers pass through the cache, other than in a benchmark that repeats one layer.

use super::GpuRates;
use crate::units::{Bytes, SimDuration};

/// Tokens of the smallest tile: rows of one matrix instruction of the tensor cores (`mma.m16n8k16`, PTX ISA).
const TILE_MIN: u64 = 16;

/// Rates of a grouped kernel and what it adds to the roofline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoeKernel {
    rates: GpuRates,
    /// Largest tile in tokens; 1 where nothing is padded.
    tile: u64,
    /// Activations moved for each token that an expert computes.
    activations: Bytes,
    fixed: SimDuration,
}

impl MoeKernel {
    /// A plain roofline: no tiles, activations or fixed time. For engines of which only overall efficiencies are known.
    pub const fn plain(rates: GpuRates) -> Self {
        Self { rates, tile: 1, activations: Bytes::ZERO, fixed: SimDuration::ZERO }
    }

    /// A kernel with tiles of up to `tile` tokens that moves `activations` for each token of each expert, beside its
    /// weights, and takes `fixed` for each launch.
    pub const fn grouped(rates: GpuRates, tile: u32, activations: Bytes, fixed: SimDuration) -> Self {
        let tile = if tile == 0 { 1 } else { tile as u64 };
        Self { rates, tile, activations, fixed }
    }

    /// What each launch takes beside its work: routing, alignment, the launches of the steps.
    pub const fn fixed(&self) -> SimDuration {
        self.fixed
    }

    /// The same on a GPU of other rates.
    pub(super) fn with_rates(self, change: impl Fn(GpuRates) -> GpuRates) -> Self {
        Self { rates: change(self.rates), ..self }
    }

    /// The same with another fixed time.
    pub(super) fn with_fixed(self, fixed: SimDuration) -> Self {
        Self { fixed, ..self }
    }

    /// Tokens that the kernel computes for an expert with `tokens` tokens.
    pub fn padded(&self, tokens: u64) -> u64 {
        if tokens >= self.tile || tokens == 0 {
            tokens.next_multiple_of(self.tile)
        } else {
            tokens.next_power_of_two().clamp(TILE_MIN.min(self.tile), self.tile)
        }
    }

    /// Time of one expert of a launch, the fixed time left out: it has `tokens` tokens, each of `flops_per_token`.
    pub fn time(&self, tokens: u64, flops_per_token: u64, weights: Bytes) -> SimDuration {
        self.time_alike(1, tokens, flops_per_token, weights)
    }

    /// Time of `count` experts of a launch with `tokens` tokens each, the fixed time left out.
    pub fn time_alike(&self, count: u64, tokens: u64, flops_per_token: u64, weights: Bytes) -> SimDuration {
        let flops = (count * self.padded(tokens)).saturating_mul(flops_per_token);
        let moved = self.activations.times(count * tokens);
        self.rates.time(flops, weights.times(count)) + self.rates.memory.time_for(moved)
    }
}

/// Bytes of activations for one token of one expert, when each step of the kernel leaves its result in memory: the
/// token is read (`input_bytes` an element), gate and up are written and read again in 16 bits, their product is
/// written and read (`input_bytes`), and the output is written and read again in 16 bits to be summed over the experts.
pub const fn activation_bytes(hidden: u64, inter: u64, gated: bool, input_bytes: u64) -> Bytes {
    let inputs = if gated { 2 } else { 1 };
    Bytes::new(input_bytes * (hidden + 2 * inter) + 2 * (2 * inputs * inter) + 2 * (2 * hidden))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bandwidth, FlopRate};

    fn rates() -> GpuRates {
        GpuRates {
            compute: FlopRate::from_flops_per_s(100_000_000_000_000).unwrap(),
            memory: Bandwidth::from_bytes_per_s(1_000_000_000_000).unwrap(),
        }
    }

    #[test]
    fn tokens_fill_tiles() {
        let check = |tile, pairs: &[(u64, u64)]| {
            let kernel = MoeKernel::grouped(rates(), tile, Bytes::ZERO, SimDuration::ZERO);
            for (tokens, padded) in pairs {
                assert_eq!(kernel.padded(*tokens), *padded, "{tokens} tokens, tile {tile}");
            }
        };
        check(128, &[(0, 0), (1, 16), (16, 16), (17, 32), (65, 128), (128, 128), (129, 256), (257, 384)]);
        check(16, &[(1, 16), (16, 16), (17, 32), (33, 48)]);
        check(8, &[(1, 8), (9, 16)]);
        check(1, &[(0, 0), (1, 1), (17, 17)]);
        check(0, &[(1, 1), (17, 17)]);
    }

    #[test]
    fn a_plain_kernel_is_the_roofline() {
        let (kernel, weights) = (MoeKernel::plain(rates()), Bytes::new(10_000_000));
        for (tokens, expected) in [(1, 10_000), (100, 10_000), (200, 20_000)] {
            assert_eq!(kernel.time(tokens, 10_000_000, weights), SimDuration::from_ns(expected));
        }
        assert_eq!(kernel.time_alike(3, 200, 10_000_000, weights), SimDuration::from_ns(60_000));
    }

    #[test]
    fn activations_of_a_gated_expert() {
        // Read 8 x 2, write and read 2 x 4 x 2, write and read 4 x 2, write and read 8 x 2.
        assert_eq!(activation_bytes(8, 4, true, 2), Bytes::new(16 + 32 + 16 + 32));
        assert_eq!(activation_bytes(8, 4, false, 1), Bytes::new(8 + 16 + 8 + 32));
        let kernel = MoeKernel::grouped(rates(), 16, Bytes::new(1000), SimDuration::from_ns(7));
        assert_eq!(kernel.time(10, 1, Bytes::new(5_000)), SimDuration::from_ns(5 + 10));
        assert_eq!(kernel.fixed(), SimDuration::from_ns(7));
    }
}
