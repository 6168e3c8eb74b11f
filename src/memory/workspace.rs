//! Working memory of a pass: activations and logits.

use crate::model::{Ffn, LayerSpec, ModelSpec};
use crate::units::Bytes;

/// Bytes of an activation: engines compute in 16 bits and accumulate in 32; the larger is booked.
const ACTIVATION_BYTES: u64 = 4;
/// Residual, its normalised copy, and the attention's and the network's output, alive at once.
const RESIDUAL_COPIES: u64 = 4;

/// Working memory of a pass of `rows` tokens: the widest layer's activations and one row of logits.
///
/// Derived from what a layer keeps alive at once: four rows of the residual's width, and the inner rows of all networks
/// a token passes, gate and up. Engines add their own alignment and reuse, so this is an estimate of tens of per cent.
pub fn workspace(model: &ModelSpec, rows: u64) -> Bytes {
    workspace_parts(model, rows).into_iter().sum()
}

/// The same as its three allocations: what is as wide as the residual, the inner rows, and the logits.
pub fn workspace_parts(model: &ModelSpec, rows: u64) -> [Bytes; 3] {
    let inner = |layer: &LayerSpec| match &layer.ffn {
        Ffn::Dense(dense) => 2 * dense.inter,
        Ffn::Moe(moe) => 2 * (u64::from(moe.top_k) * moe.expert_inter + moe.shared_inter),
        Ffn::None => 0,
    };
    let widest = model.layers.iter().map(inner).max().unwrap_or(0);
    [RESIDUAL_COPIES * model.hidden * rows, widest * rows, model.vocab]
        .map(|elements| Bytes::new(elements * ACTIVATION_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::models;

    #[test]
    fn grows_with_the_rows_of_a_pass() {
        let model = &models::find("qwen3-30b-a3b").unwrap().spec;
        // (4 x 2048 + 2 x 8 x 768) x 4 B a row, and 151,936 logits of 4 B.
        assert_eq!(workspace(model, 1), Bytes::new((8192 + 12_288) * 4 + 607_744));
        assert_eq!(workspace(model, 512) - workspace(model, 511), Bytes::new((8192 + 12_288) * 4));
    }
}
