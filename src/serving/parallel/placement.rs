//! Which expert-parallel ranks hold which experts, and how a pass's tokens fall on them.
//!
//! Every rank has equally many slots in each layer, so that all hold equally many bytes. A placement is made once and
//! stays; engines that move experts while they serve are left out.

use super::balance::{self, LayerLoad, Owners, Replicas};
use crate::error::{Error, Result};

/// How experts are placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Neighbours together: the first experts on the first rank (vLLM's `linear`).
    #[default]
    Contiguous,
    /// Expert after expert to rank after rank (vLLM's `round_robin`).
    RoundRobin,
    /// By the load that a profile shows, the hottest first onto the least loaded rank (EPLB).
    LoadBalanced,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 3] = [Self::Contiguous, Self::RoundRobin, Self::LoadBalanced];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contiguous => "contiguous",
            Self::RoundRobin => "round-robin",
            Self::LoadBalanced => "load-balanced",
        }
    }

    /// The strategy of this name.
    ///
    /// # Errors
    /// A name that there is not, with the nearest one.
    pub fn by_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name).ok_or_else(|| {
            Error::new(format!("unknown placement {name:?}")).nearest(name, Self::ALL.map(Self::name))
        })
    }
}

/// What is to be placed where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacementShape {
    /// MoE layers.
    pub layers: u32,
    /// Routed experts of a layer.
    pub experts: u32,
    /// Expert-parallel ranks.
    pub ranks: u32,
    /// Further replicas in each layer.
    pub redundant: u32,
}

impl PlacementShape {
    fn slots(&self) -> u32 {
        self.experts.saturating_add(self.redundant) / self.ranks.max(1)
    }

    fn check(&self, strategy: Strategy, profile: Option<&[u64]>) -> Result<()> {
        let Self { experts, ranks, redundant, .. } = *self;
        let mut problems = Vec::new();
        if experts == 0 || ranks == 0 || ranks > u32::from(u16::MAX) {
            let message = format!("{experts} experts on {ranks} ranks");
            problems.push(
                Error::new(message).expected(format!("at least one of each and at most {} ranks", u16::MAX)),
            );
        } else if !experts.saturating_add(redundant).is_multiple_of(ranks) {
            let message = format!("{experts} experts and {redundant} replicas on {ranks} ranks");
            let fitting = (ranks - experts % ranks) % ranks;
            problems.push(
                Error::new(message).expected(format!("equally many on each, as with {fitting} replicas")),
            );
        }
        if redundant > experts {
            problems.push(
                Error::new(format!("{redundant} redundant experts")).expected(format!("at most {experts}")),
            );
        }
        let places = self.layers as usize * experts as usize;
        match profile {
            None if strategy == Strategy::LoadBalanced => problems.push(
                Error::new("a load-balanced placement without a profile")
                    .expected("selections of each layer and expert"),
            ),
            Some(profile) if profile.len() != places => problems.push(
                Error::new(format!("a profile of {} numbers", profile.len()))
                    .expected(format!("{} layers x {experts} experts = {places}", self.layers)),
            ),
            _ => {}
        }
        Error::join(problems).map_or(Ok(()), Err)
    }
}

/// What falls on one rank of one layer of one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RankLoad {
    /// Tokens of all its experts; a token sent to two of them counts twice.
    pub tokens: u64,
    /// Experts with at least one token.
    pub experts: u32,
}

/// Experts on ranks, layer by layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    shape: PlacementShape,
    /// Ranks of all experts of all layers, one after another.
    owners: Vec<u16>,
    /// Where each expert's ranks end in `owners`; before the first stands 0.
    owner_ends: Vec<u32>,
    /// Experts of all ranks of all layers, ascending within a rank.
    held: Vec<u16>,
    /// Where each rank's experts end in `held`; before the first stands 0.
    held_ends: Vec<u32>,
}

impl Placement {
    /// Places the experts of all layers. `profile` holds the selections of each expert, layer by layer. Without one the
    /// redundant replicas go to the first experts, as vLLM begins (`build_initial_global_physical_to_logical_map`).
    ///
    /// # Errors
    /// Ranks that cannot have equally many slots, more replicas than experts, a profile of another size, and none where
    /// the strategy needs one.
    pub fn new(strategy: Strategy, shape: PlacementShape, profile: Option<&[u64]>) -> Result<Self> {
        shape.check(strategy, profile)?;
        let experts = shape.experts as usize;
        let even = vec![1; experts];
        let (mut owners, mut owner_ends) = (Vec::new(), vec![0]);
        let (mut held, mut held_ends) = (Vec::new(), vec![0]);
        for layer in 0..shape.layers as usize {
            let selections = profile.map_or(&even[..], |profile| &profile[layer * experts..][..experts]);
            let mut placed = place(strategy, shape, selections);
            placed.iter_mut().for_each(|ranks| ranks.sort_unstable());
            for ranks in &placed {
                owners.extend_from_slice(ranks);
                owner_ends.push(end_of(&owners));
            }
            for rank in 0..shape.ranks {
                let here = |ranks: &Vec<u16>| ranks.iter().any(|owner| u32::from(*owner) == rank);
                held.extend(
                    (0..=u16::MAX).zip(&placed).filter(|(_, ranks)| here(ranks)).map(|(expert, _)| expert),
                );
                held_ends.push(end_of(&held));
            }
        }
        Ok(Self { shape, owners, owner_ends, held, held_ends })
    }

    /// What was placed.
    pub fn shape(&self) -> PlacementShape {
        self.shape
    }

    /// Experts that each rank has room for in each layer, whether or not it uses all of it.
    pub fn slots_per_rank(&self) -> u32 {
        self.shape.slots()
    }

    /// The ranks that hold an expert, ascending: at least one.
    #[inline]
    pub fn owners(&self, layer: u32, expert: u32) -> &[u16] {
        let place = layer as usize * self.shape.experts as usize + expert as usize;
        &self.owners[self.owner_ends[place] as usize..self.owner_ends[place + 1] as usize]
    }

    /// The experts that a rank holds in a layer, ascending.
    pub fn experts_of(&self, layer: u32, rank: u32) -> &[u16] {
        let place = layer as usize * self.shape.ranks as usize + rank as usize;
        &self.held[self.held_ends[place] as usize..self.held_ends[place + 1] as usize]
    }

    /// Deals the tokens of one pass out to ranks and calls `give(rank, expert, tokens)` for each that gets any, expert by
    /// expert. `counts` are the tokens of each expert. Replicas share an expert's tokens as evenly as whole numbers
    /// allow; which of them takes one more depends on the tokens before, as in vLLM, where it is the place of a token
    /// in the pass, so that single tokens do not all go to the first replica. Allocates nothing.
    #[inline]
    pub fn deal(&self, layer: u32, counts: &[u32], mut give: impl FnMut(u16, u32, u32)) {
        debug_assert!(counts.len() <= self.shape.experts as usize);
        let mut before = 0_u32;
        for (expert, tokens) in (0..self.shape.experts).zip(counts).filter(|(_, tokens)| **tokens > 0) {
            match self.owners(layer, expert) {
                [rank] => give(*rank, expert, *tokens),
                ranks => deal_to(ranks, before, *tokens, |rank, part| give(rank, expert, part)),
            }
            before = before.wrapping_add(*tokens);
        }
    }

    /// Tokens and experts of each rank in one pass; `out` has one place for each rank and is overwritten.
    pub fn split(&self, layer: u32, counts: &[u32], out: &mut [RankLoad]) {
        out.fill(RankLoad::default());
        self.deal(layer, counts, |rank, _, tokens| {
            let load = &mut out[usize::from(rank)];
            load.tokens += u64::from(tokens);
            load.experts += 1;
        });
    }

    /// Load of a layer's busiest rank over the mean rank's in thousandths, by these selections of each expert; zero where
    /// there are none.
    pub fn busiest_permille(&self, layer: u32, selections: &[u64]) -> u64 {
        let owners: Owners =
            (0..self.shape.experts).map(|expert| self.owners(layer, expert).to_vec()).collect();
        let load = LayerLoad { ranks: self.shape.ranks as usize, selections };
        let all: u128 = selections.iter().map(|count| u128::from(*count)).sum();
        let busiest = balance::busiest(&owners, load).saturating_mul(1000 * u128::from(self.shape.ranks));
        let permille = busiest.checked_div(all).unwrap_or(0) >> balance::FRACTION_BITS;
        u64::try_from(permille).unwrap_or(u64::MAX)
    }
}

fn end_of(places: &[u16]) -> u32 {
    u32::try_from(places.len()).unwrap_or(u32::MAX)
}

fn place(strategy: Strategy, shape: PlacementShape, selections: &[u64]) -> Owners {
    let load = LayerLoad { ranks: shape.ranks as usize, selections };
    let (ranks, slots) = (shape.ranks as usize, shape.slots() as usize);
    let mut replicas = Replicas::new(selections.len());
    if strategy != Strategy::LoadBalanced {
        (0..shape.redundant).for_each(|_| replicas.grow(load));
    }
    match strategy {
        Strategy::Contiguous => balance::contiguous(&replicas, ranks, slots),
        Strategy::RoundRobin => balance::round_robin(&replicas, ranks, slots),
        Strategy::LoadBalanced => balance::load_balanced(load, shape.redundant as usize),
    }
}

/// Shares `tokens` among replicas; those from place `before` on take one more.
#[inline]
fn deal_to(ranks: &[u16], before: u32, tokens: u32, mut give: impl FnMut(u16, u32)) {
    let count = u32::try_from(ranks.len()).unwrap_or(u32::MAX).max(1);
    let (each, more, first) = (tokens / count, tokens % count, before % count);
    for (place, rank) in (0..count).zip(ranks) {
        let turn = if place >= first { place - first } else { place + count - first };
        let part = each + u32::from(turn < more);
        if part > 0 {
            give(*rank, part);
        }
    }
}
