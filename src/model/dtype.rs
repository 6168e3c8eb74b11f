//! How weights are stored: a block of `block_weights` weights takes `block_bytes` bytes, scales included.
//!
//! Block layouts of the GGUF types are those of `ggml-common.h` and the type numbers those of `ggml.h` (llama.cpp,
//! 2026); MXFP4 follows the OCP Microscaling specification v1.0 (32 weights and one 8-bit scale), NVFP4 NVIDIA's
//! format (16 weights and one FP8 scale), NF4 the `QLoRA` paper (Dettmers et al., 2023).

use crate::units::Bytes;

/// A storage type of weights or of the KV cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype {
    /// Name as scenarios write it, lower case.
    pub name: &'static str,
    /// Number in a GGUF file's tensor list, where the type exists there.
    pub ggml_type: Option<u32>,
    /// Weights in a block.
    pub block_weights: u64,
    /// Bytes of a block, scales and zero points included.
    pub block_bytes: u64,
}

impl Dtype {
    /// The type of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        DTYPES.iter().find(|dtype| dtype.name == name).copied()
    }

    /// The type with this number in a GGUF file.
    pub fn by_ggml_type(number: u32) -> Option<Self> {
        DTYPES.iter().find(|dtype| dtype.ggml_type == Some(number)).copied()
    }

    /// Bytes of `weights` weights, the last block counted whole.
    pub fn bytes_for(self, weights: u64) -> Bytes {
        let blocks = u128::from(weights) * u128::from(self.block_bytes);
        Bytes::new(u64::try_from(blocks.div_ceil(u128::from(self.block_weights))).unwrap_or(u64::MAX))
    }

    /// The type without what its blocks hold beside the weights: whole bits for each, as introductory texts count. Eight
    /// for `int8` and `fp8`, four for `int4`, `nvfp4` and `q4_k`.
    #[must_use]
    pub const fn plain(self) -> Self {
        Self { block_weights: 8, block_bytes: self.block_bytes * 8 / self.block_weights, ..self }
    }

    /// Bits per weight in thousandths: 4,500 for `q4_k`.
    pub const fn millibits_per_weight(self) -> u64 {
        self.block_bytes * 8_000 / self.block_weights
    }
}

const fn dtype(name: &'static str, ggml_type: u32, block_weights: u64, block_bytes: u64) -> Dtype {
    Dtype { name, ggml_type: Some(ggml_type), block_weights, block_bytes }
}

const fn other(name: &'static str, block_weights: u64, block_bytes: u64) -> Dtype {
    Dtype { name, ggml_type: None, block_weights, block_bytes }
}

/// Every storage type known here.
pub const DTYPES: &[Dtype] = &[
    dtype("f32", 0, 1, 4),
    dtype("f16", 1, 1, 2),
    dtype("bf16", 30, 1, 2),
    dtype("q4_0", 2, 32, 18),
    dtype("q4_1", 3, 32, 20),
    dtype("q5_0", 6, 32, 22),
    dtype("q5_1", 7, 32, 24),
    dtype("q8_0", 8, 32, 34),
    dtype("q8_1", 9, 32, 36),
    dtype("q2_k", 10, 256, 84),
    dtype("q3_k", 11, 256, 110),
    dtype("q4_k", 12, 256, 144),
    dtype("q5_k", 13, 256, 176),
    dtype("q6_k", 14, 256, 210),
    dtype("q8_k", 15, 256, 292),
    dtype("iq2_xxs", 16, 256, 66),
    dtype("iq2_xs", 17, 256, 74),
    dtype("iq3_xxs", 18, 256, 98),
    dtype("iq1_s", 19, 256, 50),
    dtype("iq4_nl", 20, 32, 18),
    dtype("iq3_s", 21, 256, 110),
    dtype("iq2_s", 22, 256, 82),
    dtype("iq4_xs", 23, 256, 136),
    dtype("i8", 24, 1, 1),
    dtype("i16", 25, 1, 2),
    dtype("i32", 26, 1, 4),
    dtype("i64", 27, 1, 8),
    dtype("f64", 28, 1, 8),
    dtype("iq1_m", 29, 256, 56),
    dtype("tq1_0", 34, 256, 54),
    dtype("tq2_0", 35, 256, 66),
    dtype("mxfp4", 39, 32, 17),
    // 16 weights of 4 bits and one FP8 scale.
    other("nvfp4", 16, 9),
    // One 32-bit scale for each 128 x 128 tile, as in DeepSeek-V3's checkpoints.
    other("fp8", 16_384, 16_388),
    // Groups of 128 with a 16-bit scale.
    other("int8", 128, 130),
    // Groups of 128 with a 16-bit scale and a 4-bit zero point (AWQ, GPTQ).
    other("int4", 256, 133),
    // Blocks of 64 with a 32-bit scale; `nf4_dq` quantises the scales again (QLoRA, section 3).
    other("nf4", 64, 36),
    other("nf4_dq", 16_384, 8_452),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_unique() {
        for (index, one) in DTYPES.iter().enumerate() {
            for two in &DTYPES[index + 1..] {
                assert_ne!(one.name, two.name);
                assert!(
                    one.ggml_type.is_none() || one.ggml_type != two.ggml_type,
                    "{} and {}",
                    one.name,
                    two.name
                );
            }
        }
    }

    #[test]
    fn plain_types_count_the_bits_of_the_weights_alone() {
        for (name, bits) in [
            ("f32", 32),
            ("bf16", 16),
            ("fp8", 8),
            ("int8", 8),
            ("q8_0", 8),
            ("q6_k", 6),
            ("q5_k", 5),
            ("int4", 4),
            ("nf4", 4),
            ("nvfp4", 4),
            ("mxfp4", 4),
            ("q4_k", 4),
            ("q3_k", 3),
            ("q2_k", 2),
        ] {
            let dtype = Dtype::by_name(name).unwrap();
            assert_eq!(dtype.plain().millibits_per_weight(), bits * 1000, "{name}");
            assert_eq!(dtype.plain().plain(), dtype.plain());
        }
        assert!(DTYPES.iter().all(|dtype| dtype.plain().block_bytes > 0));
    }

    #[test]
    fn block_overheads_are_real() {
        for (name, millibits) in
            [("q4_k", 4_500), ("mxfp4", 4_250), ("nvfp4", 4_500), ("q8_0", 8_500), ("bf16", 16_000)]
        {
            assert_eq!(Dtype::by_name(name).map(Dtype::millibits_per_weight), Some(millibits), "{name}");
        }
        // Qwen3-30B-A3B, Q4_K_M, a layer whose down projection is Q6_K: gate and up 2048 x 768 each at Q4_K, down at
        // Q6_K. The engine that recorded it says 3,059,712 bytes an expert.
        let q4 = Dtype::by_name("q4_k").unwrap().bytes_for(2 * 2048 * 768);
        let q6 = Dtype::by_name("q6_k").unwrap().bytes_for(2048 * 768);
        assert_eq!(q4 + q6, Bytes::new(3_059_712));
    }
}
