//! The experts that the same layer asked for in the pass before.
//!
//! The temporal locality that MoE-Infinity (Xue et al., 2024, arXiv 2401.14361) and mixtral-offloading (Eliseev and
//! Mazur, 2023, arXiv 2312.17238) observe, as the cheapest predictor of all. No parameters. It knows nothing in the first
//! pass of a sequence, and after a prompt it names the experts of the prompt's first tokens, since those appeared first.

use crate::prefetch::latest::Latest;
use crate::prefetch::{Ask, Observed, Predictor};

/// Repeats the latest event of the target layer.
#[derive(Clone, Debug)]
pub struct PreviousToken {
    latest: Latest,
}

impl PreviousToken {
    /// For this many layers and experts per layer.
    pub fn new(layers: u32, experts: u32) -> Self {
        Self { latest: Latest::new(layers, experts) }
    }
}

impl Predictor for PreviousToken {
    fn begin_sequence(&mut self) {
        self.latest.clear();
    }

    fn observe(&mut self, seen: &Observed<'_>) {
        self.latest.set(seen);
    }

    fn predict(&mut self, ask: &Ask<'_>, out: &mut Vec<u32>) {
        if let Some((_, experts)) = self.latest.get(ask.target) {
            out.extend(experts.iter().take(ask.limit));
        }
    }
}
