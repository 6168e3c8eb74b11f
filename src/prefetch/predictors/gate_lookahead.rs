//! The gate of a layer ahead, applied to the hidden state of this one.
//!
//! Speculative loading of mixtral-offloading (Eliseev and Mazur, 2023, arXiv 2312.17238), also in AdapMoE (Zhong et al.,
//! 2024, arXiv 2408.10284) and Fate (Fang et al., 2025, arXiv 2502.12224): hidden states change little from layer to
//! layer, so the next gate's choice is nearly known. A trace holds no hidden states, so the outcome is drawn instead.
//!
//! Parameter: the recall of each distance, in parts per million, as papers and engines measure it. Driven by the truth:
//! each expert that the target will ask for is found with that probability, whatever its rank, and one that is not found
//! is replaced by another that will not be asked for: one of those that the target asked for last, as a gate that errs
//! errs towards what it likes, and else any, all with equal chance. So it names as many experts as the truth has, and its
//! recall is its precision. An engine that loads more candidates than the router chooses has no counterpart.
//!
//! The draws of an event come from the stream (seed, gate lookahead, layer, pass). They do not depend on other draws, and
//! each expert is found or not by the same number at every distance: what a gate three layers away finds, a gate two
//! layers away finds too, where its recall is no worse.

use crate::prefetch::latest::Latest;
use crate::prefetch::{Ask, Observed, Predictor};
use crate::rng::{Purpose, Xoshiro256PlusPlus, below, stream};

/// Recall is given in parts of this.
const MILLION: u64 = 1_000_000;
/// In the list of guesses: to be replaced.
const NOT_FOUND: u32 = u32::MAX;

/// Finds each true expert with a given probability.
#[derive(Clone, Debug)]
pub struct GateLookahead {
    seed: u64,
    recall_ppm: Vec<u32>,
    /// The number of the question that an expert was last part of, as truth or as guess.
    taken: Vec<u64>,
    question: u64,
    latest: Latest,
}

impl GateLookahead {
    /// For so many layers of so many experts. `recall_ppm` holds the recall at distance 1, 2, ...; its last entry holds beyond,
    /// and without any nothing is predicted.
    pub fn new(layers: u32, experts: u32, seed: u64, recall_ppm: &[u32]) -> Self {
        let latest = Latest::new(layers, experts);
        Self { seed, recall_ppm: recall_ppm.to_vec(), taken: vec![0; experts as usize], question: 0, latest }
    }

    /// One of the experts that `layer` asked for last and that is neither true nor guessed yet, the first of them.
    fn liked(&mut self, layer: u32) -> Option<u32> {
        let question = self.question;
        let (_, asked) = self.latest.get(layer)?;
        let liked = asked.iter().copied().find(|expert| self.taken[*expert as usize] != question)?;
        self.taken[liked as usize] = question;
        Some(liked)
    }

    /// An expert that is neither true nor guessed yet, all with equal chance; `None` where there is none.
    fn other(&mut self, rng: &mut Xoshiro256PlusPlus, free: usize) -> Option<u32> {
        // The free expert of this rank, counted from the lowest.
        let rank = below(free as u64, rng);
        let question = self.question;
        let mut free = self.taken.iter_mut().enumerate().filter(|(_, last)| **last != question);
        let (expert, last) = free.nth(usize::try_from(rank).ok()?)?;
        *last = question;
        u32::try_from(expert).ok()
    }
}

impl Predictor for GateLookahead {
    fn begin_sequence(&mut self) {
        self.latest.clear();
    }

    fn observe(&mut self, seen: &Observed<'_>) {
        self.latest.set(seen);
    }

    fn predict(&mut self, ask: &Ask<'_>, out: &mut Vec<u32>) {
        let last = self.recall_ppm.len().checked_sub(1);
        let Some(at) = last.map(|last| last.min(ask.distance.saturating_sub(1) as usize)) else { return };
        let recall = u64::from(self.recall_ppm[at]);
        let mut rng = stream(self.seed, Purpose::GateLookahead, u64::from(ask.target), ask.pass);
        self.question += 1;
        ask.truth.iter().for_each(|expert| self.taken[*expert as usize] = self.question);
        // All of these come before the first replacement, so that one expert's luck is not another's.
        let found = |expert: &u32| if below(MILLION, &mut rng) < recall { *expert } else { NOT_FOUND };
        out.extend(ask.truth.iter().take(ask.limit).map(found));
        let mut free = self.taken.len().saturating_sub(ask.truth.len());
        for guess in out.iter_mut().filter(|guess| **guess == NOT_FOUND) {
            let liked = self.liked(ask.target);
            if let Some(other) = liked.or_else(|| self.other(&mut rng, free)) {
                *guess = other;
                free -= 1;
            }
        }
        // Where the truth is nearly all experts, not every miss has a wrong one to stand for it.
        out.retain(|guess| *guess != NOT_FOUND);
    }
}
