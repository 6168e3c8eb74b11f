//! Experts of one layer onto ranks, with what a profile says of their load.
//!
//! Replication and greedy packing are those of EPLB (`deepseek-ai/EPLB`, `eplb.py`: `replicate_experts`,
//! `balanced_packing`): a further replica goes to the expert with the highest load per replica, and replicas go, the most
//! loaded first, to the least loaded rank with room. Unlike there no rank holds an expert twice, which would serve nothing.
//! Its hierarchical form, which keeps groups of experts within a machine, is left out.

/// Ranks of each expert of a layer.
pub(super) type Owners = Vec<Vec<u16>>;

/// Fraction bits of a load: replicas share an expert's load evenly.
pub(super) const FRACTION_BITS: u32 = 32;

/// What is given of a layer.
#[derive(Clone, Copy)]
pub(super) struct LayerLoad<'a> {
    /// Ranks.
    pub(super) ranks: usize,
    /// Selections of each expert; its length is the number of experts.
    pub(super) selections: &'a [u64],
}

/// How many replicas each expert has; grows one replica at a time.
#[derive(Clone)]
pub(super) struct Replicas {
    counts: Vec<u64>,
}

impl Replicas {
    /// One of each.
    pub(super) fn new(experts: usize) -> Self {
        Self { counts: vec![1; experts] }
    }

    /// One more of the expert with the highest load per replica, of equals of the one with the fewest, then the first.
    /// Nothing where every expert is on every rank.
    pub(super) fn grow(&mut self, load: LayerLoad) {
        let ranks = load.ranks as u64;
        let mut hottest: Option<usize> = None;
        for expert in (0..self.counts.len()).filter(|expert| self.counts[*expert] < ranks) {
            let per_replica =
                |one: usize, other: usize| u128::from(load.selections[one]) * u128::from(self.counts[other]);
            let is_hotter = hottest.is_none_or(|best| {
                let (mine, its) = (per_replica(expert, best), per_replica(best, expert));
                mine > its || (mine == its && self.counts[expert] < self.counts[best])
            });
            if is_hotter {
                hottest = Some(expert);
            }
        }
        if let Some(expert) = hottest {
            self.counts[expert] += 1;
        }
    }

    /// First one of each expert, then the further replicas, expert by expert.
    fn in_order(&self) -> impl Iterator<Item = usize> + '_ {
        let further = self.counts.iter().enumerate();
        (0..self.counts.len()).chain(further.flat_map(|(expert, count)| (1..*count).map(move |_| expert)))
    }
}

/// A rank that takes experts.
#[derive(Clone, Default)]
struct Rank {
    held: usize,
    load: u128,
}

fn fixed(selections: u64, replicas: u64) -> u128 {
    (u128::from(selections) << FRACTION_BITS) / u128::from(replicas.max(1))
}

/// Load of the busiest rank, in units of 2^-32 selections.
pub(super) fn busiest(owners: &Owners, load: LayerLoad) -> u128 {
    let mut loads = vec![0_u128; load.ranks];
    for (ranks, selections) in owners.iter().zip(load.selections) {
        for rank in ranks {
            loads[usize::from(*rank)] += fixed(*selections, ranks.len() as u64);
        }
    }
    loads.into_iter().max().unwrap_or(0)
}

/// The preferred rank takes the expert; where it is full or has it already, the next one that can. Nothing where none can.
fn give(owners: &mut Owners, held: &mut [usize], slots: usize, expert: usize, preferred: usize) {
    let ranks = held.len();
    let free = (0..ranks)
        .map(|step| (preferred + step) % ranks)
        .find(|rank| held[*rank] < slots && !owners[expert].iter().any(|owner| usize::from(*owner) == *rank));
    if let Some(rank) = free {
        held[rank] += 1;
        owners[expert].extend(u16::try_from(rank));
    }
}

/// Experts in their order over ranks in their order, `slots` to each; replicas follow the last expert.
pub(super) fn contiguous(replicas: &Replicas, ranks: usize, slots: usize) -> Owners {
    in_turn(replicas, ranks, slots, |position| position / slots.max(1))
}

/// Expert after expert to rank after rank.
pub(super) fn round_robin(replicas: &Replicas, ranks: usize, slots: usize) -> Owners {
    in_turn(replicas, ranks, slots, |position| position % ranks)
}

fn in_turn(replicas: &Replicas, ranks: usize, slots: usize, rank: impl Fn(usize) -> usize) -> Owners {
    let mut owners = vec![Vec::new(); replicas.counts.len()];
    let mut held = vec![0; ranks];
    for (position, expert) in replicas.in_order().enumerate() {
        give(&mut owners, &mut held, slots, expert, rank(position) % ranks);
    }
    owners
}

/// The most loaded replica first, onto the least loaded rank with room.
fn greedy(replicas: &Replicas, load: LayerLoad, slots: usize) -> Owners {
    let mut order: Vec<usize> = (0..replicas.counts.len()).collect();
    let share = |expert: &usize| fixed(load.selections[*expert], replicas.counts[*expert]);
    order.sort_by_key(|expert| (std::cmp::Reverse(share(expert)), *expert));
    let mut owners: Owners = vec![Vec::new(); replicas.counts.len()];
    let mut ranks = vec![Rank::default(); load.ranks];
    for expert in order {
        for _ in 0..replicas.counts[expert] {
            let has = |rank: usize| owners[expert].iter().any(|owner| usize::from(*owner) == rank);
            let room = (0..ranks.len()).filter(|rank| ranks[*rank].held < slots && !has(*rank));
            let Some(rank) = room.min_by_key(|rank| (ranks[*rank].load, *rank)) else { break };
            ranks[rank].held += 1;
            ranks[rank].load += share(&expert);
            owners[expert].extend(u16::try_from(rank));
        }
    }
    owners
}

/// The evenest of the greedy placement and the two plain ones, with `redundant` replicas or with fewer: greedy packing
/// is not optimal, so that more replicas or an unlucky order could make it worse than what it should improve. Of equals
/// the greedy one with the most replicas. Slots that do not help stay spare.
pub(super) fn load_balanced(load: LayerLoad, redundant: usize) -> Owners {
    let experts = load.selections.len();
    let mut replicas = Replicas::new(experts);
    let mut best: Option<(u128, Owners)> = None;
    for more in 0..=redundant {
        if more > 0 {
            replicas.grow(load);
        }
        if !(experts + more).is_multiple_of(load.ranks) {
            continue;
        }
        let slots = (experts + more) / load.ranks;
        let plain = [contiguous(&replicas, load.ranks, slots), round_robin(&replicas, load.ranks, slots)];
        for owners in plain.into_iter().chain([greedy(&replicas, load, slots)]) {
            let found = busiest(&owners, load);
            if best.as_ref().is_none_or(|(least, _)| found <= *least) {
                best = Some((found, owners));
            }
        }
    }
    best.map_or_else(|| vec![Vec::new(); experts], |(_, owners)| owners)
}
