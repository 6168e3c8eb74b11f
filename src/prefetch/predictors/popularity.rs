//! The experts that the target layer asks for most often, whatever was just seen.
//!
//! The baseline of Lina (Li et al., USENIX ATC 2023, arXiv 2210.17223), which plans by expert popularity, and of engines
//! that keep their hottest experts at hand. Parameter: a profile. With one, its selections are the counts for good;
//! without, events are counted as they come, over all sequences of the run, and an expert that was never asked for is
//! never named.

use crate::prefetch::ranking::Ranking;
use crate::prefetch::{Ask, Observed, Predictor, Profile};

/// Names the most popular experts of the target layer.
#[derive(Clone, Debug)]
pub struct Popularity {
    experts: usize,
    counts: Vec<u64>,
    learns: bool,
    ranking: Ranking,
}

impl Popularity {
    /// For this many layers and experts per layer, with a profile of the same shape or none.
    pub fn new(layers: u32, experts: u32, profile: Option<&Profile>) -> Self {
        let (objects, experts) = (layers as usize * experts as usize, experts as usize);
        let counts = profile.map_or_else(|| vec![0; objects], |profile| profile.selections().to_vec());
        Self { experts, counts, learns: profile.is_none(), ranking: Ranking::default() }
    }
}

impl Predictor for Popularity {
    fn begin_sequence(&mut self) {}

    fn observe(&mut self, seen: &Observed<'_>) {
        if self.learns {
            let first = seen.layer as usize * self.experts;
            seen.experts.iter().for_each(|expert| self.counts[first + *expert as usize] += 1);
        }
    }

    fn predict(&mut self, ask: &Ask<'_>, out: &mut Vec<u32>) {
        let first = ask.target as usize * self.experts;
        let counts = &self.counts[first..first + self.experts];
        self.ranking.best(counts.iter().copied(), ask.limit, out);
    }
}
