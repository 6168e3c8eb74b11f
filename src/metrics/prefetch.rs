//! What became of the experts that a prefetcher loaded ahead.

use serde::{Deserialize, Serialize};

/// Counts of a prefetcher, in experts unless a field says bytes.
///
/// Conservation: `predicted == issued + already_resident + already_held + dropped_for_budget`, and
/// `issued == used + cancelled + wasted +` what the buffer still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefetchCounts {
    /// Named by the predictor.
    pub predicted: u64,
    /// Predicted, and requested from the memory below.
    pub issued: u64,
    /// Bytes of what was issued.
    pub issued_bytes: u64,
    /// Issued, and asked for by the event they were issued for.
    pub used: u64,
    /// Of those used, the ones whose transfer had not ended (or not begun) when they were asked for.
    pub late: u64,
    /// Issued, and dropped before their transfer began: they moved nothing.
    pub cancelled: u64,
    /// Issued, and dropped after their transfer began.
    pub wasted: u64,
    /// Bytes that were moved for what was wasted.
    pub wasted_bytes: u64,
    /// Predicted, but the prefetch buffer had no room.
    pub dropped_for_budget: u64,
    /// Predicted, but resident in the expert cache already.
    pub already_resident: u64,
    /// Predicted, but in the prefetch buffer or on the way there already.
    pub already_held: u64,
}

impl PrefetchCounts {
    /// Used over issued, for display; `None` where nothing was issued.
    pub fn useful(&self) -> Option<f64> {
        (self.issued > 0).then(|| self.used as f64 / self.issued as f64)
    }

    /// Adds another phase or sequence.
    pub fn add(&mut self, other: &Self) {
        self.predicted += other.predicted;
        self.issued += other.issued;
        self.issued_bytes += other.issued_bytes;
        self.used += other.used;
        self.late += other.late;
        self.cancelled += other.cancelled;
        self.wasted += other.wasted;
        self.wasted_bytes += other.wasted_bytes;
        self.dropped_for_budget += other.dropped_for_budget;
        self.already_resident += other.already_resident;
        self.already_held += other.already_held;
    }
}
