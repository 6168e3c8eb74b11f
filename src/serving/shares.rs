//! Time of the routed experts where routing is reduced to each expert's share of the tokens.
//!
//! A token of a layer chooses expert `e` with probability `q_e`, independently of other tokens. Of a pass of `T` tokens an
//! expert then computes with probability `1 - (1 - q_e)^T`, and, if it does, `T q_e / (1 - (1 - q_e)^T)` tokens on
//! average. Its time is that of so many tokens, between whole numbers by interpolation; a rank's time is the sum over its
//! experts, and the slowest rank decides. Left out: that tokens near each other choose alike (the union of a real batch is
//! smaller), and that the slowest rank of a pass is slower than the rank that is slowest on average.

use std::ops::Range;

use super::ExpertCosts;
use super::parallel::Placement;

/// How often each expert was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingShares {
    /// Selections of each expert, `[layer * experts + expert]`.
    pub selections: Vec<u64>,
    /// Tokens that made them.
    pub tokens: u64,
    /// Experts of a layer.
    pub experts: u32,
}

/// What the layers of a stage are expected to take in one pass, summed over layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedPass {
    /// Time of the slowest rank of each layer, launches left out.
    pub slowest_ns: u64,
    /// Time of the mean rank.
    pub mean_ns: u64,
    /// Tokens of a layer's busiest rank, mean over layers.
    pub busiest_tokens: u64,
    /// Distinct experts.
    pub distinct: u64,
    /// Busiest rank's tokens over the mean rank's, mean over layers, in thousandths.
    busiest_permille: u64,
}

/// Expected times by tokens, each worked out when it is first asked for.
#[derive(Clone, Debug)]
pub struct ExpertShares {
    layers: Range<u32>,
    experts: usize,
    ranks: usize,
    /// Probability that a token chooses each expert, layers of the stage only, and the logarithm of its opposite.
    chances: Vec<(f64, f64)>,
    /// Ranks of each expert, with the share of its tokens that each gets.
    owners: Vec<Vec<u16>>,
    costs: ExpertCosts,
    known: Vec<Option<ExpectedPass>>,
    events: u64,
    permille: u64,
}

/// Tokens of the longest pass that is remembered.
const TOKENS_MAX: u64 = 1 << 16;

impl ExpertShares {
    /// Of the MoE layers `layers`. `costs` are those of one rank's GPU.
    pub fn new(
        shares: &RoutingShares,
        placement: &Placement,
        costs: &ExpertCosts,
        layers: Range<u32>,
    ) -> Self {
        let experts = shares.experts as usize;
        let chance = |count: &u64| {
            let chance = (*count as f64 / shares.tokens.max(1) as f64).min(1.0 - 1e-12);
            (chance, libm::log1p(-chance))
        };
        let own = layers.start as usize * experts..layers.end as usize * experts;
        let chances = shares.selections[own].iter().map(chance).collect();
        let owners = layers
            .clone()
            .flat_map(|layer| (0..shares.experts).map(move |expert| (layer, expert)))
            .map(|(layer, expert)| placement.owners(layer, expert).to_vec())
            .collect();
        let ranks = placement.shape().ranks as usize;
        Self {
            layers,
            experts,
            ranks,
            chances,
            owners,
            costs: costs.clone(),
            known: Vec::new(),
            events: 0,
            permille: 0,
        }
    }

    /// What a pass of so many tokens is expected to take.
    pub fn expected(&mut self, tokens: u64) -> ExpectedPass {
        let found = match usize::try_from(tokens) {
            Ok(index) if tokens <= TOKENS_MAX => self.remembered(index),
            _ => self.work_out(tokens as f64),
        };
        self.events += u64::from(self.ranks > 1);
        self.permille += if self.ranks > 1 { found.busiest_permille } else { 0 };
        found
    }

    fn remembered(&mut self, tokens: usize) -> ExpectedPass {
        if tokens >= self.known.len() {
            self.known.resize(tokens + 1, None);
        }
        let found = self.known[tokens].unwrap_or_else(|| self.work_out(tokens as f64));
        self.known[tokens] = Some(found);
        found
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times and tokens, far below 2^53"
    )]
    fn work_out(&self, tokens: f64) -> ExpectedPass {
        let layers = self.layers.len();
        let (mut slowest, mut mean, mut busiest, mut distinct, mut uneven) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let mut ranks = vec![(0.0_f64, 0.0_f64); self.ranks];
        for (index, layer) in self.layers.clone().enumerate() {
            ranks.fill((0.0, 0.0));
            for place in index * self.experts..(index + 1) * self.experts {
                let (chance, log_opposite) = self.chances[place];
                let owners = &self.owners[place];
                // Replicas share the expert's tokens.
                let own = tokens / owners.len() as f64;
                let active = -libm::expm1(own * log_opposite);
                if active <= 0.0 {
                    continue;
                }
                distinct += active;
                let time = active * self.time(layer, own * chance / active);
                for rank in owners {
                    let rank = &mut ranks[usize::from(*rank)];
                    rank.0 += time;
                    rank.1 += own * chance;
                }
            }
            let most = |part: fn(&(f64, f64)) -> f64| ranks.iter().map(part).fold(0.0, f64::max);
            let count = self.ranks as f64;
            slowest += most(|rank| rank.0);
            mean += ranks.iter().map(|rank| rank.0).sum::<f64>() / count;
            busiest += most(|rank| rank.1);
            let all: f64 = ranks.iter().map(|rank| rank.1).sum();
            uneven += if all > 0.0 { most(|rank| rank.1) * count / all } else { 0.0 };
        }
        let layers = (layers as f64).max(1.0);
        ExpectedPass {
            slowest_ns: slowest.ceil() as u64,
            mean_ns: mean.ceil() as u64,
            busiest_tokens: (busiest / layers).ceil() as u64,
            distinct: distinct.round() as u64,
            busiest_permille: (uneven * 1000.0 / layers).round() as u64,
        }
    }

    /// Adds to `selections`, one for each expert of all layers, what so many tokens are expected to choose.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "selections, far below 2^53")]
    pub fn spread(&self, tokens: u64, selections: &mut [u64]) {
        let begin = self.layers.start as usize * self.experts;
        for (selected, (chance, _)) in selections[begin..].iter_mut().zip(&self.chances) {
            *selected += (chance * tokens as f64).round() as u64;
        }
    }

    /// Layer events with experts on several ranks, one for each pass, and the sum over them of the busiest rank's tokens
    /// over the mean rank's, in thousandths.
    pub fn imbalance(&self) -> (u64, u64) {
        (self.events, self.permille)
    }

    /// Nanoseconds of an expert with so many tokens, between whole numbers by interpolation.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most TOKENS_MAX")]
    fn time(&self, layer: u32, tokens: f64) -> f64 {
        let whole = |tokens: u64| self.costs.time(layer, tokens).as_ns() as f64;
        let last = TOKENS_MAX as f64;
        if tokens > last {
            // So many tokens are bound by arithmetic: time is in proportion.
            return whole(TOKENS_MAX) * (tokens / last);
        }
        let below = tokens.floor() as u64;
        let part = tokens - below as f64;
        whole(below) * (1.0 - part) + whole((below + 1).min(TOKENS_MAX)) * part
    }
}
