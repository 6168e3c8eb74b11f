//! The indexer of sparse attention: small heads that score all of the past and select what attention looks at.
//!
//! DeepSeek-V3.2's "lightning indexer" (technical report, 2025) and MiniMax-M3's block indexer. The selection itself
//! is left out of the FLOPs.

/// Where an indexer's queries come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexerQuery {
    /// The query latent of this rank; its scores are weighted by a projection of the hidden state, and its keys have a
    /// layer norm with bias (DeepSeek-V3.2).
    Latent(u64),
    /// The hidden state; queries and keys have a norm each (MiniMax-M3).
    Hidden,
}

/// A sparse-attention indexer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexer {
    /// Heads; all share one key.
    pub heads: u64,
    /// Width of a query and of the key.
    pub head_dim: u64,
    /// Most tokens that attention then looks at.
    pub selected: u64,
    /// Where queries come from.
    pub query: IndexerQuery,
    /// The layer takes over the selection of an earlier layer: no weights, no keys, no FLOPs of its own (GLM-5.2).
    pub shared: bool,
}

impl Indexer {
    pub(super) fn params(&self, hidden: u64) -> u64 {
        let width = self.heads * self.head_dim;
        match (self.shared, self.query) {
            (true, _) => 0,
            (false, IndexerQuery::Latent(rank)) => rank * width + hidden * (self.head_dim + self.heads),
            (false, IndexerQuery::Hidden) => hidden * (width + self.head_dim),
        }
    }

    /// Two vectors in either form: weight and bias of the key's layer norm, or the norms of query and key.
    pub(super) fn norm_params(&self) -> u64 {
        if self.shared { 0 } else { 2 * self.head_dim }
    }

    pub(super) fn key_elements(&self) -> u64 {
        if self.shared { 0 } else { self.head_dim }
    }

    pub(super) fn attended(&self, context: u64) -> u64 {
        context.min(self.selected)
    }

    pub(super) fn flops(&self, context: u64) -> u64 {
        if self.shared { 0 } else { (2 * self.heads * self.head_dim).saturating_mul(context) }
    }
}
