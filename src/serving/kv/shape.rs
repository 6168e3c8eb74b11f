//! Bytes of one sequence's KV cache by its number of blocks.
//!
//! Layers that keep every token take the same for each block. Windows grow block by block up to a limit, and states are
//! there from the first token on; both are in a table, so that the bytes of a sequence are one lookup. Left out: the
//! blocks that a window needs beside its own while a long chunk of a prompt passes through it.

use crate::model::{Dtype, LayerSpec};
use crate::units::Bytes;

/// Blocks beyond which a window counts as the whole context, so that the table stays small.
const WINDOW_BLOCKS_MAX: u64 = 1 << 20;

/// What a sequence takes on one rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvShape {
    block_tokens: u32,
    /// Of one block in all layers that keep every token.
    full_block_bytes: u64,
    /// Of all other layers together, by number of blocks; the last entry holds for any more. Starts with zero.
    bounded_bytes: Vec<u64>,
}

impl KvShape {
    /// Of these layers, kept as `dtype` in blocks of `block_tokens` tokens, each layer's bytes shared out evenly to
    /// `divisor` ranks. How many ranks share is the caller's to say: heads divide, a latent does not.
    ///
    /// A window rarely begins where a block does, so it holds up to `ceil((window - 1) / block_tokens) + 1` blocks.
    pub fn of(layers: &[LayerSpec], dtype: Dtype, block_tokens: u32, divisor: u32) -> Self {
        let (block_tokens, divisor) = (block_tokens.max(1), u64::from(divisor.max(1)));
        let tokens = u64::from(block_tokens);
        let (mut full, mut growing, mut state) = (0_u64, 0_u64, 0_u64);
        // What stops growing after this many blocks.
        let mut ends: Vec<u64> = vec![0];
        for layer in layers {
            state = state.saturating_add(layer.state_bytes().get().div_ceil(divisor));
            let elements = layer.attention.kv_elements_per_token().saturating_mul(tokens);
            let block = dtype.bytes_for(elements).get().div_ceil(divisor);
            let window = layer.kv_tokens_kept(u64::MAX);
            let blocks = window.saturating_sub(1).div_ceil(tokens) + 1;
            if window == 0 || block == 0 {
                continue;
            }
            match usize::try_from(blocks) {
                Ok(last) if blocks <= WINDOW_BLOCKS_MAX => {
                    growing = growing.saturating_add(block);
                    ends.resize(ends.len().max(last + 1), 0);
                    ends[last] = ends[last].saturating_add(block);
                }
                _ => full = full.saturating_add(block),
            }
        }
        let mut bounded = vec![0, growing.saturating_add(state)];
        for end in ends.iter().skip(1).take(ends.len().saturating_sub(2)) {
            growing = growing.saturating_sub(*end);
            bounded.push(bounded.last().map_or(0, |bytes| bytes.saturating_add(growing)));
        }
        Self { block_tokens, full_block_bytes: full, bounded_bytes: bounded }
    }

    /// Of blocks of `block_tokens` tokens that take `block` each, and nothing that is bounded.
    pub fn uniform(block_tokens: u32, block: Bytes) -> Self {
        Self { block_tokens: block_tokens.max(1), full_block_bytes: block.get(), bounded_bytes: vec![0] }
    }

    /// Tokens of a block.
    pub fn block_tokens(&self) -> u32 {
        self.block_tokens
    }

    /// Bytes of a block in the layers that keep every token.
    pub fn full_block_bytes(&self) -> Bytes {
        Bytes::new(self.full_block_bytes)
    }

    /// Blocks that hold `tokens` tokens.
    pub fn blocks(&self, tokens: u32) -> u32 {
        tokens.div_ceil(self.block_tokens)
    }

    /// Bytes of a sequence of `tokens` tokens that shares nothing; saturates at 2^64.
    pub fn bytes(&self, tokens: u32) -> Bytes {
        Bytes::new(self.unshared_bytes(self.blocks(tokens), 0))
    }

    /// Bytes of a sequence of `blocks` blocks, of which the first `shared` are counted elsewhere but for what is bounded.
    #[inline]
    pub(super) fn unshared_bytes(&self, blocks: u32, shared: u32) -> u64 {
        let last = self.bounded_bytes.len() - 1;
        let bounded = self.bounded_bytes[(blocks as usize).min(last)];
        self.full_block_bytes.saturating_mul(u64::from(blocks.saturating_sub(shared))).saturating_add(bounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attention::{DeltaNet, Gqa, Linear};
    use crate::model::{Attention, Ffn};
    use proptest::prelude::*;

    fn layer(attention: Attention) -> LayerSpec {
        LayerSpec { hidden: 64, attention, ffn: Ffn::None, norms: 0, norm_bias: false }
    }

    fn gqa(kv_heads: u64) -> Gqa {
        Gqa { heads: 4, kv_heads, head_dim: 8, v_head_dim: 8, ..Gqa::default() }
    }

    fn state(key_dim: u64) -> Attention {
        let shape = DeltaNet { key_heads: 2, value_heads: 2, key_dim, value_dim: 8, conv_kernel: 4 };
        Attention::Linear(Linear::DeltaNet(shape))
    }

    fn layers() -> impl Strategy<Value = Vec<LayerSpec>> {
        let attention = prop_oneof![
            Just(Attention::None),
            (1..4_u64).prop_map(|heads| Attention::Gqa(gqa(heads))),
            ((1..4_u64), (1..90_u64))
                .prop_map(|(heads, window)| Attention::SlidingWindow { gqa: gqa(heads), window }),
            (1..9_u64).prop_map(state),
        ];
        prop::collection::vec(attention.prop_map(layer), 0..6)
    }

    /// Block by block and layer by layer, from the definition.
    fn slow(layers: &[LayerSpec], dtype: Dtype, block_tokens: u32, divisor: u64, tokens: u32) -> u64 {
        let (block, blocks) = (u64::from(block_tokens), u64::from(tokens.div_ceil(block_tokens)));
        let of_layer = |layer: &LayerSpec| {
            let one =
                dtype.bytes_for(layer.attention.kv_elements_per_token() * block).get().div_ceil(divisor);
            let kept = match layer.attention {
                Attention::SlidingWindow { window, .. } => blocks.min((window - 1).div_ceil(block) + 1),
                _ => blocks,
            };
            let state = if tokens == 0 { 0 } else { layer.state_bytes().get().div_ceil(divisor) };
            one * kept + state
        };
        layers.iter().map(of_layer).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn is_the_sum_of_its_layers(
            layers in layers(), block_tokens in 1..20_u32, divisor in 1..5_u32, tokens in 0..300_u32,
        ) {
            let dtype = Dtype::by_name("f16").unwrap();
            let shape = KvShape::of(&layers, dtype, block_tokens, divisor);
            let expected = slow(&layers, dtype, block_tokens, u64::from(divisor), tokens);
            prop_assert_eq!(shape.bytes(tokens).get(), expected);
        }

        /// Never less than the model counts for the tokens that it keeps, and at most two blocks a layer more.
        #[test]
        fn holds_what_the_model_keeps(layers in layers(), block_tokens in 1..20_u32, tokens in 1..300_u32) {
            let dtype = Dtype::by_name("f16").unwrap();
            let bytes = KvShape::of(&layers, dtype, block_tokens, 1).bytes(tokens).get();
            let kept: u64 = layers.iter().map(|layer| layer.kv_bytes(u64::from(tokens), dtype).get()).sum();
            let spare: u64 = layers.iter().map(|layer| layer.kv_bytes_per_token(dtype).get()).sum();
            prop_assert!((kept..=kept + 2 * spare * u64::from(block_tokens)).contains(&bytes));
        }
    }

    #[test]
    fn windows_fill_and_states_are_there_from_the_start() {
        let dtype = Dtype::by_name("f16").unwrap();
        let window = layer(Attention::SlidingWindow { gqa: gqa(1), window: 33 });
        // 16 numbers of 2 bytes a token, 16 tokens a block; 33 tokens can touch 3 blocks.
        let shape = KvShape::of(&[window, layer(Attention::Gqa(gqa(2)))], dtype, 16, 1);
        for (tokens, blocks) in [(0, 0), (1, 3), (16, 3), (17, 6), (48, 9), (49, 11), (64, 11), (65, 13)] {
            assert_eq!(shape.bytes(tokens), Bytes::new(blocks * 512), "{tokens}");
        }
        let shape = KvShape::of(&[layer(state(8))], dtype, 16, 1);
        assert_eq!((shape.bytes(0), shape.bytes(1)), (Bytes::ZERO, shape.bytes(u32::MAX)));
        assert_eq!(shape.bytes(1), layer(state(8)).state_bytes());
    }

    #[test]
    fn sizes_beyond_reason_saturate() {
        let dtype = Dtype::by_name("f32").unwrap();
        let wide = Gqa { kv_heads: 1 << 40, head_dim: 1 << 20, ..gqa(1) };
        let endless = Attention::SlidingWindow { gqa: gqa(1), window: u64::MAX - 1 };
        let shape = KvShape::of(&[layer(Attention::Gqa(wide)), layer(endless)], dtype, 16, 0);
        assert_eq!(shape.bytes(u32::MAX), Bytes::new(u64::MAX));
        assert_eq!(KvShape::of(&[layer(endless)], dtype, 0, 1).block_tokens(), 1);
    }
}
