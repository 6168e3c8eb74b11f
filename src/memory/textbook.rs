//! Activations as introductory texts count them, for tables that are compared with theirs.
//!
//! Such texts keep what every layer puts out for every token of the context, as training does. Inference keeps one layer at
//! a time, which is what [`super::workspace()`] books.

use crate::model::{Ffn, LayerSpec, ModelSpec};
use crate::units::Bytes;

/// Bytes of a 16-bit activation.
const ACTIVATION_BYTES: u64 = 2;

/// Activations of all layers at once, those of the residual stream and those inside experts and dense networks:
///
/// - `2 x tokens x hidden x layers x 2 B`, a layer's input and its attention's output: 1.07 GB for 2,048 tokens of
///   Mixtral-8x7B ("1 GB");
/// - `tokens x inner width x layers x top-k x 2 B x 2`, the inner rows of both matrices of each chosen expert: 7.52 GB
///   ("7.5 GB").
///
/// Saturates at 2^64 bytes.
pub fn textbook_activations(model: &ModelSpec, tokens: u64) -> (Bytes, Bytes) {
    let inner = |layer: &LayerSpec| match &layer.ffn {
        Ffn::Dense(dense) => dense.inter,
        Ffn::Moe(moe) => u64::from(moe.top_k) * moe.expert_inter + moe.shared_inter,
        Ffn::None => 0,
    };
    let widths = |width: &dyn Fn(&LayerSpec) -> u64| -> u64 { model.layers.iter().map(width).sum() };
    let bytes = |width: u64| Bytes::new(tokens.saturating_mul(width).saturating_mul(2 * ACTIVATION_BYTES));
    (bytes(widths(&|layer| layer.hidden)), bytes(widths(&inner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::models;

    #[test]
    fn mixtral_keeps_what_introductory_texts_say() {
        let model = models::find("mixtral-8x7b").unwrap().spec.simplified();
        let (residual, experts) = textbook_activations(&model, 2048);
        assert_eq!(residual.get(), 2 * 2048 * 4096 * 32 * 2);
        assert_eq!(experts.get(), 2048 * 14_336 * 32 * 2 * 2 * 2);
        assert_eq!(textbook_activations(&model, u64::MAX).1.get(), u64::MAX);
    }
}
