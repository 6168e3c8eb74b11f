//! What a configuration costs in the quality of answers: an estimate from publications, never a measurement of ours.

use serde::{Deserialize, Serialize};

/// One reason why answers are worse than those of the unquantised model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityPart {
    /// The reason: `experts in int4`, `8 experts merged into 4`, `4.2 % of the gate weight skipped`.
    pub what: String,
    /// Share of the unquantised model's benchmark score that is lost, in parts per million; `None` where nothing is
    /// published that an estimate could rest on.
    pub loss_ppm: Option<u64>,
    /// Where the estimate comes from.
    pub source: String,
    /// How the source knows: `measured`, `datasheet`, `derived` or `assumed`.
    pub fidelity: String,
}

/// All reasons; empty for a model as it was published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// In a fixed order.
    pub parts: Vec<QualityPart>,
}

impl Quality {
    /// The losses of all parts together, in parts per million; `None` where one is unknown. Adding is the usual first
    /// approximation for small independent losses; it stops at all of the score.
    pub fn loss_ppm(&self) -> Option<u64> {
        let losses = self.parts.iter().map(|part| part.loss_ppm);
        losses.sum::<Option<u64>>().map(|sum| sum.min(1_000_000))
    }
}
