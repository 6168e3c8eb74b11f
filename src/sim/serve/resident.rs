//! Passes in closed form, where every expert of a GPU lies in its memory and nothing is ever fetched.
//!
//! A layer is its stretch up to the router, the exchange, the experts of the slowest rank, and the exchange back; a pass
//! is the sum of its layers. That is what the event-driven simulation gives too (`tests/serving_timer.rs` compares them);
//! here it costs no event, and with routing by shares it does not depend on the number of layers.

use std::ops::Range;

use super::exchange::Exchanges;
use super::timer::{GpuTime, LoadCounts, StageBooks, Timer};
use crate::error::Result;
use crate::metrics::{AccessCounts, TimeShares};
use crate::plan::{Plan, ServingPlan};
use crate::serving::{ExpertShares, StretchCost, Work};
use crate::trace::{Phase, RoutingCounts};
use crate::units::{Bytes, LayerIndex, SimDuration, SimTime};

/// What routes the tokens of a pass.
enum Routes<'a> {
    /// Rows of the trace.
    Rows(&'a RoutingCounts),
    /// Each expert's share of the trace.
    Shares(Box<ExpertShares>),
}

/// The timer of one stage.
pub(super) struct Resident<'a> {
    plan: &'a Plan,
    serving: &'a ServingPlan,
    /// MoE layers of the stage.
    layers: Range<u32>,
    is_last: bool,
    routes: Routes<'a>,
    /// How many layers of the stage begin with each kind of stretch.
    kinds: Vec<u64>,
    /// The only rank of each expert, `[layer * experts + expert]`; empty where an expert has several, or all one rank.
    owner: Vec<u16>,
    /// Of one data-parallel rank.
    stretches: Vec<StretchCost>,
    /// Rows of all ranks' tokens.
    pieces: Vec<(u64, u32)>,
    /// Tokens of each expert of a layer.
    counts: Vec<u32>,
    /// Of each expert-parallel rank of a layer: time, experts and tokens.
    ranks: Vec<RankWork>,
    /// Nanoseconds that each data-parallel rank, and each expert-parallel rank, has worked.
    dense_ns: Vec<u64>,
    expert_ns: Vec<u64>,
    /// All passes together, the slowest ranks and exchanges included.
    span: SimDuration,
    books: StageBooks,
}

#[derive(Clone, Copy, Debug, Default)]
struct RankWork {
    ns: u64,
    experts: u32,
    tokens: u32,
}

/// What a pass of the stage took, on its first GPU.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    compute: SimDuration,
    overhead: SimDuration,
    span: SimDuration,
}

impl<'a> Resident<'a> {
    pub(super) fn new(plan: &'a Plan, serving: &'a ServingPlan, stage: u32) -> Self {
        let layers = serving.stages[stage as usize].clone();
        let routes = match &serving.counts {
            Some(counts) => Routes::Rows(counts),
            None => Routes::Shares(Box::new(ExpertShares::new(
                &serving.shares,
                &serving.placement,
                plan.costs.experts(),
                layers.clone(),
            ))),
        };
        let experts = plan.cache.shape.experts as usize;
        let mut kinds = Vec::new();
        for layer in layers.clone() {
            let kind = plan.costs.stretch_of(layer);
            kinds.resize(kinds.len().max(kind + 1), 0);
            kinds[kind] += 1;
        }
        let books = StageBooks {
            load: LoadCounts {
                selections: vec![0; plan.cache.shape.layers as usize * experts],
                ..LoadCounts::default()
            },
            ..StageBooks::default()
        };
        let layout = &serving.layout;
        Self {
            plan,
            serving,
            is_last: stage + 1 == layout.pp,
            layers,
            routes,
            kinds,
            owner: sole_owners(serving),
            stretches: Vec::new(),
            pieces: Vec::new(),
            counts: vec![0; experts],
            ranks: vec![RankWork::default(); layout.ep as usize],
            dense_ns: vec![0; layout.dp as usize],
            expert_ns: vec![0; layout.ep as usize],
            span: SimDuration::ZERO,
            books,
        }
    }

    /// Everything but the experts, layer by layer: the slowest data-parallel rank decides, then all-reduces follow.
    fn dense(&mut self, works: &[Work], exchanges: &Exchanges, spent: &mut Spent) {
        let costs = &self.plan.costs;
        let mut slowest = vec![SimDuration::ZERO; self.kinds.len()];
        let mut slowest_tail = SimDuration::ZERO;
        for (rank, work) in works.iter().enumerate() {
            costs.stretch_costs(work, &mut self.stretches);
            let mut own = SimDuration::ZERO;
            for (kind, layers) in self.kinds.iter().enumerate().filter(|(_, layers)| **layers > 0) {
                let cost = self.stretches[kind];
                own += (cost.compute + cost.overhead).times(*layers);
                slowest[kind] = slowest[kind].max(cost.compute + cost.overhead);
                if rank == 0 {
                    spent.compute += cost.compute.times(*layers);
                    spent.overhead += cost.overhead.times(*layers);
                }
            }
            if self.is_last {
                let cost = costs.tail_cost(work);
                own += cost.compute + cost.overhead;
                slowest_tail = slowest_tail.max(cost.compute + cost.overhead);
                if rank == 0 {
                    spent.compute += cost.compute;
                    spent.overhead += cost.overhead;
                }
            }
            self.dense_ns[rank] += own.as_ns();
        }
        for (kind, layers) in self.kinds.iter().enumerate().filter(|(_, layers)| **layers > 0) {
            let exchange = exchanges.dense(2 * costs.layers_of_stretch(kind) - 1);
            spent.span += (slowest[kind] + exchange).times(*layers);
        }
        if self.is_last {
            spent.span += slowest_tail + exchanges.dense(2 * costs.tail_layers());
        }
    }

    /// Tokens of each expert of a layer, and what each rank makes of them.
    fn route(&mut self, counts: &RoutingCounts, layer: u32, rows: u64) {
        self.counts.fill(0);
        let index = LayerIndex(u16::try_from(layer).unwrap_or(u16::MAX));
        counts.add_pieces(index, &self.pieces, &mut self.counts);
        let experts = self.counts.len();
        let begin = layer as usize * experts;
        let selections = &mut self.books.load.selections[begin..begin + experts];
        for (selected, count) in selections.iter_mut().zip(&self.counts) {
            *selected += u64::from(*count);
        }
        let costs = self.plan.costs.experts();
        self.ranks.fill(RankWork::default());
        let ranks = &mut self.ranks;
        // An expert that no token chose is not read.
        let mut give = |rank: u16, tokens: u32| {
            if tokens > 0 {
                let rank = &mut ranks[usize::from(rank)];
                rank.ns += costs.time(layer, u64::from(tokens)).as_ns();
                rank.experts += 1;
                rank.tokens += tokens;
            }
        };
        if self.serving.layout.ep == 1 {
            self.counts.iter().for_each(|tokens| give(0, *tokens));
        } else if let Some(owners) = self.owner.get(begin..begin + experts) {
            owners.iter().zip(&self.counts).for_each(|(rank, tokens)| give(*rank, *tokens));
        } else {
            self.serving.placement.deal(layer, &self.counts, |rank, _, tokens| give(rank, tokens));
        }
        if rows == 1 {
            // One token's experts have one token each, and their times a table of their own.
            for rank in &mut self.ranks {
                rank.ns = costs.single_token_time(layer, rank.experts as usize).as_ns();
            }
        }
    }

    /// The experts of a layer on all ranks.
    fn experts(&mut self, exchanges: &Exchanges, lookups: &mut u64, spent: &mut Spent) {
        let launch = self.plan.costs.launch_overhead();
        let (mut slowest, mut received, mut tokens) = (SimDuration::ZERO, 0, 0);
        for (rank, worked) in self.ranks.iter().zip(&mut self.expert_ns) {
            if rank.experts > 0 {
                let own = SimDuration::from_ns(rank.ns) + launch;
                *worked += own.as_ns();
                slowest = slowest.max(own);
            }
            received = received.max(u64::from(rank.tokens));
            tokens += u64::from(rank.tokens);
            *lookups += u64::from(rank.experts);
        }
        let exchange = exchanges.dispatch(self.serving, received) + exchanges.combine(self.serving, received);
        if self.ranks.len() > 1 {
            let load = &mut self.books.load;
            load.spread_events += 1;
            load.busiest_permille +=
                (received * 1000 * self.ranks.len() as u64).checked_div(tokens).unwrap_or(0);
        }
        let first = &self.ranks[0];
        if first.experts > 0 {
            spent.compute += SimDuration::from_ns(first.ns);
            spent.overhead += launch;
        }
        spent.span += slowest + exchange;
    }

    /// The experts of all layers of the stage by their shares.
    fn by_shares(&mut self, exchanges: &Exchanges, rows: u64, lookups: &mut u64, spent: &mut Spent) {
        let Routes::Shares(shares) = &mut self.routes else { return };
        let layers = u64::from(self.layers.end - self.layers.start);
        let expected = shares.expected(rows);
        let launch = self.plan.costs.launch_overhead().times(layers);
        let received = expected.busiest_tokens;
        let exchange = exchanges.dispatch(self.serving, received) + exchanges.combine(self.serving, received);
        let mean = SimDuration::from_ns(expected.mean_ns.min(expected.slowest_ns));
        self.expert_ns.iter_mut().for_each(|worked| *worked += (mean + launch).as_ns());
        *lookups += expected.distinct;
        spent.compute += mean;
        spent.overhead += launch;
        spent.span += SimDuration::from_ns(expected.slowest_ns) + launch + exchange.times(layers);
    }

    /// Selections of so many tokens in the stage's layers, by the trace's mean.
    fn selections_by_shares(&self, rows: u64) -> u64 {
        let shares = &self.serving.shares;
        let experts = shares.experts as usize;
        let own = self.layers.start as usize * experts..self.layers.end as usize * experts;
        let all: u128 =
            shares.selections.get(own).into_iter().flatten().map(|count| u128::from(*count)).sum();
        u64::try_from(all * u128::from(rows) / u128::from(shares.tokens.max(1))).unwrap_or(u64::MAX)
    }

    /// Where the time of each GPU went, as far as it was in a pass.
    fn gpus(&self) -> Vec<GpuTime> {
        let layout = &self.serving.layout;
        let of = |gpu: u32| {
            let (dense, experts) = (layout.dp_rank_of(gpu) as usize, layout.ep_rank_of(gpu) as usize);
            let busy = SimDuration::from_ns(self.dense_ns[dense] + self.expert_ns[experts]);
            GpuTime { busy, waited: SimDuration::ZERO, exchanged: self.span - busy }
        };
        (0..layout.stage_gpus()).map(of).collect()
    }
}

/// The rank of each expert where each has one; empty else.
fn sole_owners(serving: &ServingPlan) -> Vec<u16> {
    let shape = serving.placement.shape();
    let pairs = (0..shape.layers).flat_map(|layer| (0..shape.experts).map(move |expert| (layer, expert)));
    let owners: Option<Vec<u16>> = pairs
        .map(|(layer, expert)| match serving.placement.owners(layer, expert) {
            [only] => Some(*only),
            _ => None,
        })
        .collect();
    owners.unwrap_or_default()
}

impl Timer for Resident<'_> {
    fn pass(&mut self, start: SimTime, works: &[Work]) -> Result<SimTime> {
        let rows: u64 = works.iter().map(Work::own_rows).sum();
        let exchanges = Exchanges::of(self.serving, works, self.serving.top_k);
        let mut spent = Spent::default();
        if self.layers.start == 0 {
            // Ranks begin a pass together, so the one with the most requests holds up all.
            let most = works.iter().map(Work::sequences).max().unwrap_or(0);
            let once = self.plan.costs.overheads().of_pass(most);
            spent.overhead += once;
            spent.span += once;
            self.dense_ns.iter_mut().for_each(|worked| *worked += once.as_ns());
        }
        self.dense(works, &exchanges, &mut spent);
        let (mut lookups, mut selections) = (0, 0);
        if let Routes::Rows(counts) = self.routes {
            self.pieces.clear();
            let runs = works.iter().flat_map(|work| &work.runs);
            self.pieces.extend(runs.map(|run| (run.first_row, u32::try_from(run.rows).unwrap_or(u32::MAX))));
            for layer in self.layers.clone() {
                self.route(counts, layer, rows);
                selections += self.counts.iter().map(|count| u64::from(*count)).sum::<u64>();
                self.experts(&exchanges, &mut lookups, &mut spent);
            }
        } else {
            selections = self.selections_by_shares(rows);
            self.by_shares(&exchanges, rows, &mut lookups, &mut spent);
        }
        self.span += spent.span;
        let prefill = works.iter().any(|work| work.phase == Phase::Prefill);
        let (counts, shares) = if prefill {
            (&mut self.books.prefill, &mut self.books.prefill_time)
        } else {
            (&mut self.books.decode, &mut self.books.decode_time)
        };
        book(counts, rows, u64::from(self.layers.end - self.layers.start), (selections, lookups));
        shares.add(&TimeShares {
            gpu_compute_ns: spent.compute.as_ns(),
            overhead_ns: spent.overhead.as_ns(),
            exchange_ns: (spent.span - spent.compute - spent.overhead).as_ns(),
            ..TimeShares::default()
        });
        Ok(start + spent.span)
    }

    fn expert_bytes(&self) -> Bytes {
        self.serving.resident_bytes
    }

    fn lookups(&self) -> (u64, u64) {
        let both = self.books.prefill.lookups + self.books.decode.lookups;
        (both, both)
    }

    fn finish(self: Box<Self>, _: SimDuration) -> StageBooks {
        let gpus = self.gpus();
        let mut books = self.books;
        books.gpus = gpus;
        if let Routes::Shares(shares) = &self.routes {
            let tokens = books.prefill.tokens + books.decode.tokens;
            shares.spread(tokens, &mut books.load.selections);
            (books.load.spread_events, books.load.busiest_permille) = shares.imbalance();
        }
        books
    }
}

/// Books the lookups of a pass, all of which hit.
fn book(counts: &mut AccessCounts, rows: u64, layers: u64, (selections, lookups): (u64, u64)) {
    counts.tokens += rows;
    counts.events += layers;
    counts.selections += selections;
    counts.lookups += lookups;
    counts.hits += lookups;
    counts.hits_when_needed += lookups;
}
