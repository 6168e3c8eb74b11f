//! The truth itself: the bound that no predictor passes at the same depth, limit and budget. No parameters.
//!
//! It reads the future, so every report marks it. Perfect knowledge does not make a transfer free: with a slow link or
//! a small buffer even this predictor is late.

use crate::prefetch::{Ask, Observed, Predictor};

/// Names what the target event will ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Oracle;

impl Oracle {
    /// All it needs comes with each question.
    pub fn new() -> Self {
        Self
    }
}

impl Predictor for Oracle {
    fn begin_sequence(&mut self) {}

    fn observe(&mut self, _seen: &Observed<'_>) {}

    fn predict(&mut self, ask: &Ask<'_>, out: &mut Vec<u32>) {
        out.extend(ask.truth.iter().take(ask.limit));
    }
}
