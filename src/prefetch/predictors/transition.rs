//! What follows what: pairs of an expert in one layer and an expert in a layer ahead.
//!
//! The inter-layer affinity that ExFlow (Yao et al., 2024, arXiv 2401.08383) and Lina (Li et al., USENIX ATC 2023, arXiv
//! 2210.17223) measure, and that ProMoE (Song et al., 2024, arXiv 2410.22134) learns with small networks instead of
//! tables. The score of an expert is how often it followed the experts just seen, summed over them.
//!
//! Parameter: a profile. With one, its counts stay as they are; without, pairs are counted as they come, over all
//! sequences of the run, for each distance from the first time that it is asked about. A pass of a sequence is followed by
//! its next pass. A model that needs more than 2^28 pairs (16,384 experts in one layer, or 512 in each of 1,024) is not
//! learned.

use crate::prefetch::latest::Latest;
use crate::prefetch::profile::{count_pairs, pair_table};
use crate::prefetch::ranking::Ranking;
use crate::prefetch::{Ask, Observed, Predictor, Profile};

/// Names what most often followed the experts just seen.
#[derive(Clone, Debug)]
pub struct Transition {
    layers: u32,
    experts: usize,
    profile: Option<Profile>,
    /// Counted pairs at distance 1, 2, ...; empty where nobody has asked about that distance.
    learned: Vec<Vec<u32>>,
    latest: Latest,
    scores: Vec<u64>,
    ranking: Ranking,
}

impl Transition {
    /// For this many layers and experts per layer, with a profile of the same shape or none.
    pub fn new(layers: u32, experts: u32, profile: Option<&Profile>) -> Self {
        Self {
            layers,
            experts: experts as usize,
            profile: profile.cloned(),
            learned: Vec::new(),
            latest: Latest::new(layers, experts),
            scores: vec![0; experts as usize],
            ranking: Ranking::default(),
        }
    }

    /// Begins to count at this distance, unless it is done already. Beyond one whole pass nothing is counted.
    fn learn(&mut self, distance: u32) {
        let wanted = if distance > self.layers { 0 } else { distance as usize };
        self.learned.resize_with(self.learned.len().max(wanted), Vec::new);
        if let Some(table) = wanted.checked_sub(1).map(|index| &mut self.learned[index])
            && table.is_empty()
        {
            *table = pair_table(self.layers as usize, self.experts).unwrap_or_default();
        }
    }
}

impl Predictor for Transition {
    fn begin_sequence(&mut self) {
        self.latest.clear();
    }

    fn observe(&mut self, seen: &Observed<'_>) {
        let (layers, layer) = (self.layers, seen.layer);
        for (distance, table) in (1..=layers).zip(&mut self.learned) {
            let (source, pass) = match layer.checked_sub(distance) {
                Some(source) => (source, Some(seen.pass)),
                None => (layer + layers - distance, seen.pass.checked_sub(1)),
            };
            if let Some((of, before)) = self.latest.get(source)
                && Some(of) == pass
                && !table.is_empty()
            {
                count_pairs(table, self.experts, source as usize, before, seen.experts);
            }
        }
        self.latest.set(seen);
    }

    fn predict(&mut self, ask: &Ask<'_>, out: &mut Vec<u32>) {
        if self.profile.is_none() {
            self.learn(ask.distance);
        }
        let learned = (ask.distance as usize).checked_sub(1).and_then(|index| self.learned.get(index));
        let table = match &self.profile {
            Some(profile) => profile.transitions(ask.distance),
            None => learned.map_or(&[][..], Vec::as_slice),
        };
        let Some((_, seen)) = self.latest.get(ask.from_layer).filter(|_| !table.is_empty()) else { return };
        self.scores.fill(0);
        for from in seen {
            let first = (ask.from_layer as usize * self.experts + *from as usize) * self.experts;
            let row = &table[first..first + self.experts];
            self.scores.iter_mut().zip(row).for_each(|(score, count)| *score += u64::from(*count));
        }
        self.ranking.best(self.scores.iter().copied(), ask.limit, out);
    }
}
