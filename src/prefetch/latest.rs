//! The latest event of each layer in the running sequence.

use super::Observed;

/// Each layer's latest event, in one flat array with room for all experts of every layer.
#[derive(Clone, Debug)]
pub(super) struct Latest {
    experts: usize,
    asked: Vec<u32>,
    /// Pass of the latest event of each layer and how many experts it asked for; `None` before the first.
    events: Vec<Option<(u64, usize)>>,
}

impl Latest {
    pub(super) fn new(layers: u32, experts: u32) -> Self {
        let (layers, experts) = (layers as usize, experts as usize);
        Self { experts, asked: vec![0; layers * experts], events: vec![None; layers] }
    }

    pub(super) fn clear(&mut self) {
        self.events.fill(None);
    }

    pub(super) fn set(&mut self, seen: &Observed<'_>) {
        let first = seen.layer as usize * self.experts;
        let count = seen.experts.len().min(self.experts);
        self.asked[first..first + count].copy_from_slice(&seen.experts[..count]);
        self.events[seen.layer as usize] = Some((seen.pass, count));
    }

    /// Pass and experts of the latest event of `layer`, in order of first appearance.
    pub(super) fn get(&self, layer: u32) -> Option<(u64, &[u32])> {
        let (pass, count) = self.events[layer as usize]?;
        let first = layer as usize * self.experts;
        Some((pass, &self.asked[first..first + count]))
    }
}
