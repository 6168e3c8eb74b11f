//! The eight parts that a model's weights fall into, each with a count, a size or a storage type.
//!
//! Every parameter belongs to exactly one part, so the parts of a model add up to it.

use std::iter::Sum;
use std::ops::AddAssign;

use super::Dtype;
use crate::units::Bytes;

/// One value for each part of a model's weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Components<T> {
    /// Input embedding. With tied embeddings this is the output projection, too.
    pub embeddings: T,
    /// Output projection; nothing where it is tied to the input embedding.
    pub lm_head: T,
    /// Whatever mixes tokens: projections of softmax and linear attention, Mamba mixers, sparse-attention indexers.
    pub attention: T,
    /// Normalisations: of blocks, of queries and keys, of latents, and the last one before the output projection.
    pub norms: T,
    /// Routers with their biases and scales.
    pub router: T,
    /// Experts that every token passes in an MoE layer, and their gates.
    pub shared_experts: T,
    /// Feed-forward networks of layers without experts.
    pub dense_ffn: T,
    /// Routed experts of all layers.
    pub routed_experts: T,
}

/// Numbers of parameters by part.
pub type ParamCounts = Components<u64>;
/// Sizes by part.
pub type ComponentBytes = Components<Bytes>;
/// How each part is stored.
pub type WeightTypes = Components<Dtype>;

impl<T: Copy> Components<T> {
    /// The same value for every part.
    pub fn uniform(value: T) -> Self {
        Self {
            embeddings: value,
            lm_head: value,
            attention: value,
            norms: value,
            router: value,
            shared_experts: value,
            dense_ffn: value,
            routed_experts: value,
        }
    }

    /// Name and value of each part, in a fixed order. The names are those of the fields.
    pub fn named(&self) -> [(&'static str, T); 8] {
        [
            ("embeddings", self.embeddings),
            ("lm_head", self.lm_head),
            ("attention", self.attention),
            ("norms", self.norms),
            ("router", self.router),
            ("shared_experts", self.shared_experts),
            ("dense_ffn", self.dense_ffn),
            ("routed_experts", self.routed_experts),
        ]
    }
}

impl<T: Copy + Sum> Components<T> {
    /// All parts together.
    pub fn total(&self) -> T {
        self.named().into_iter().map(|(_, value)| value).sum()
    }
}

impl<T: AddAssign> AddAssign for Components<T> {
    fn add_assign(&mut self, other: Self) {
        self.embeddings += other.embeddings;
        self.lm_head += other.lm_head;
        self.attention += other.attention;
        self.norms += other.norms;
        self.router += other.router;
        self.shared_experts += other.shared_experts;
        self.dense_ffn += other.dense_ffn;
        self.routed_experts += other.routed_experts;
    }
}

impl ParamCounts {
    /// The counts without the input embedding, as OpenAI counts active parameters. Where the embedding is tied to the
    /// output projection it stays, since that projection multiplies all of it.
    #[must_use]
    pub fn without_input_embedding(mut self) -> Self {
        if self.lm_head > 0 {
            self.embeddings = 0;
        }
        self
    }

    /// The counts without input embedding and output projection, as `non-embedding` figures are given.
    #[must_use]
    pub fn without_embeddings(mut self) -> Self {
        self.embeddings = 0;
        self.lm_head = 0;
        self
    }

    /// The bytes of these counts, each part as one run of blocks.
    pub fn bytes(&self, types: &WeightTypes) -> ComponentBytes {
        Components {
            embeddings: types.embeddings.bytes_for(self.embeddings),
            lm_head: types.lm_head.bytes_for(self.lm_head),
            attention: types.attention.bytes_for(self.attention),
            norms: types.norms.bytes_for(self.norms),
            router: types.router.bytes_for(self.router),
            shared_experts: types.shared_experts.bytes_for(self.shared_experts),
            dense_ffn: types.dense_ffn.bytes_for(self.dense_ffn),
            routed_experts: types.routed_experts.bytes_for(self.routed_experts),
        }
    }
}
