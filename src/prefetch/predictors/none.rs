//! No prediction: every miss is fetched on demand, as llama.cpp-style engines do. No parameters.

use crate::prefetch::{Ask, Observed, Predictor};

/// Names nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Nothing {
    /// It needs to know nothing.
    pub fn new() -> Self {
        Self
    }
}

impl Predictor for Nothing {
    fn begin_sequence(&mut self) {}

    fn observe(&mut self, _seen: &Observed<'_>) {}

    fn predict(&mut self, _ask: &Ask<'_>, _out: &mut Vec<u32>) {}
}
