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

/// Times of one expert by tokens; filled as they are asked for.
#[derive(Debug, Default)]
struct ExpertTimes {
    /// Which table a MoE layer reads: layers whose experts have one size share it.
    of_layer: Vec<usize>,
    tables: Vec<Vec<u64>>,
}

/// Tokens up to which times of experts are looked up rather than computed.
const TABLE_TOKENS: u64 = 16_384;

impl ExpertTimes {
    fn new(plan: &Plan) -> Self {
        let experts = plan.costs.experts();
        let (mut sizes, mut times) = (Vec::<Bytes>::new(), Self::default());
        for layer in 0..plan.cache.shape.layers {
            let size = experts.bytes(layer);
            let known = sizes.iter().position(|other| *other == size);
            times.of_layer.push(known.unwrap_or(sizes.len()));
            if known.is_none() {
                sizes.push(size);
                times.tables.push((0..TABLE_TOKENS).map(|tokens| experts.time(layer, tokens).as_ns()).collect());
            }
        }
        times
    }

    #[inline]
    fn table(&self, layer: u32) -> &[u64] {
        &self.tables[self.of_layer[layer as usize]]
    }
}

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
    times: ExpertTimes,
    /// Of each data-parallel rank.
    stretches: Vec<Vec<StretchCost>>,
    /// Tokens of each expert of a layer.
    counts: Vec<u32>,
    /// Of each expert-parallel rank of a layer: time, experts and tokens.
    ranks: Vec<RankWork>,
    books: StageBooks,
}

#[derive(Clone, Copy, Debug, Default)]
struct RankWork {
    ns: u64,
    experts: u32,
    tokens: u64,
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
        let gpus = serving.layout.stage_gpus() as usize;
        let experts = plan.cache.shape.experts as usize;
        let books = StageBooks {
            gpus: vec![GpuTime::default(); gpus],
            load: LoadCounts {
                selections: vec![0; plan.cache.shape.layers as usize * experts],
                ..LoadCounts::default()
            },
            ..StageBooks::default()
        };
        Self {
            plan,
            serving,
            is_last: stage + 1 == serving.layout.pp,
            layers,
            routes,
            times: ExpertTimes::new(plan),
            stretches: vec![Vec::new(); serving.layout.dp as usize],
            counts: vec![0; experts],
            ranks: vec![RankWork::default(); serving.layout.ep as usize],
            books,
        }
    }

    fn is_single(&self) -> bool {
        self.serving.layout.stage_gpus() == 1
    }

    /// Stretches up to the routers: adds what each data-parallel rank works and what the slowest takes.
    fn dense(&mut self, works: &[Work], exchanges: &Exchanges, spent: &mut Spent) {
        for (work, stretches) in works.iter().zip(&mut self.stretches) {
            self.plan.costs.stretch_costs(work, stretches);
        }
        for layer in self.layers.clone() {
            let kind = self.plan.costs.stretch_of(layer);
            let layers = self.plan.costs.layers_of_stretch(kind);
            let exchange = exchanges.dense(2 * layers - 1);
            self.alongside(exchange, spent, |stretches| stretches[kind]);
        }
        if self.is_last {
            let tails: Vec<StretchCost> = works.iter().map(|work| self.plan.costs.tail_cost(work)).collect();
            let exchange = exchanges.dense(2 * self.plan.costs.tail_layers());
            self.each_rank(exchange, spent, |rank| tails[rank]);
        }
    }

    fn alongside(
        &mut self,
        exchange: SimDuration,
        spent: &mut Spent,
        cost: impl Fn(&[StretchCost]) -> StretchCost,
    ) {
        let stretches = std::mem::take(&mut self.stretches);
        self.each_rank(exchange, spent, |rank| cost(&stretches[rank]));
        self.stretches = stretches;
    }

    /// All data-parallel ranks work side by side; the slowest and the exchange decide.
    fn each_rank(&mut self, exchange: SimDuration, spent: &mut Spent, cost: impl Fn(usize) -> StretchCost) {
        let (tp, dp) = (self.serving.layout.tp as usize, self.serving.layout.dp as usize);
        let total = |rank: usize| {
            let cost = cost(rank);
            cost.compute + cost.overhead
        };
        let slowest = (0..dp).map(total).max().unwrap_or_default();
        for (gpu, books) in self.books.gpus.iter_mut().enumerate() {
            books.busy += total(gpu / tp);
            books.exchanged += slowest - total(gpu / tp) + exchange;
        }
        let first = cost(0);
        spent.compute += first.compute;
        spent.overhead += first.overhead;
        spent.span += slowest + exchange;
    }

    /// Tokens of each expert of a layer, and what each rank makes of them.
    fn route(&mut self, counts: &RoutingCounts, layer: u32, works: &[Work], rows: u64) {
        self.counts.fill(0);
        let index = LayerIndex(u16::try_from(layer).unwrap_or(u16::MAX));
        for run in works.iter().flat_map(|work| &work.runs) {
            let rows = u32::try_from(run.rows).unwrap_or(u32::MAX);
            counts.add_counts(index, run.first_row, rows, &mut self.counts);
        }
        let experts = self.counts.len();
        let selections = &mut self.books.load.selections[layer as usize * experts..][..experts];
        for (selected, count) in selections.iter_mut().zip(&self.counts) {
            *selected += u64::from(*count);
        }
        let table = self.times.table(layer);
        let costs = self.plan.costs.experts();
        let time = |tokens: u32| match table.get(tokens as usize) {
            Some(ns) => *ns,
            None => costs.time(layer, u64::from(tokens)).as_ns(),
        };
        if let [only] = self.ranks.as_mut_slice() {
            *only = RankWork::default();
            for tokens in self.counts.iter().filter(|tokens| **tokens > 0) {
                only.ns += time(*tokens);
                only.experts += 1;
                only.tokens += u64::from(*tokens);
            }
        } else {
            self.ranks.fill(RankWork::default());
            let ranks = &mut self.ranks;
            self.serving.placement.deal(layer, &self.counts, |rank, _, tokens| {
                let rank = &mut ranks[usize::from(rank)];
                rank.ns += time(tokens);
                rank.experts += 1;
                rank.tokens += u64::from(tokens);
            });
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
        let own = |rank: &RankWork| if rank.experts == 0 { SimDuration::ZERO } else { SimDuration::from_ns(rank.ns) + launch };
        let slowest = self.ranks.iter().map(own).max().unwrap_or_default();
        let received = self.ranks.iter().map(|rank| rank.tokens).max().unwrap_or(0);
        let exchange = if self.is_single() {
            SimDuration::ZERO
        } else {
            exchanges.dispatch(self.serving, received) + exchanges.combine(self.serving, received)
        };
        let moe_tp = self.serving.layout.moe_tp() as usize;
        for (gpu, books) in self.books.gpus.iter_mut().enumerate() {
            let own = own(&self.ranks[gpu / moe_tp]);
            books.busy += own;
            books.exchanged += slowest - own + exchange;
        }
        if self.ranks.len() > 1 {
            let tokens: u64 = self.ranks.iter().map(|rank| rank.tokens).sum();
            let load = &mut self.books.load;
            load.spread_events += 1;
            load.busiest_permille +=
                (received * 1000 * self.ranks.len() as u64).checked_div(tokens).unwrap_or(0);
        }
        *lookups += self.ranks.iter().map(|rank| u64::from(rank.experts)).sum::<u64>();
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
        let work = SimDuration::from_ns(expected.slowest_ns) + launch;
        let mean = SimDuration::from_ns(expected.mean_ns) + launch;
        let exchange = if self.serving.layout.stage_gpus() == 1 {
            SimDuration::ZERO
        } else {
            let received = expected.busiest_tokens;
            (exchanges.dispatch(self.serving, received) + exchanges.combine(self.serving, received)).times(layers)
        };
        let own = work.min(mean);
        for books in &mut self.books.gpus {
            books.busy += own;
            books.exchanged += work - own + exchange;
        }
        *lookups += expected.distinct;
        spent.compute += own - launch.min(own);
        spent.overhead += launch.min(own);
        spent.span += work + exchange;
    }
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
            self.books.gpus.iter_mut().for_each(|gpu| gpu.busy += once);
        }
        self.dense(works, &exchanges, &mut spent);
        let mut lookups = 0;
        if let Routes::Rows(counts) = self.routes {
            for layer in self.layers.clone() {
                self.route(counts, layer, works, rows);
                self.experts(&exchanges, &mut lookups, &mut spent);
            }
        } else {
            self.by_shares(&exchanges, rows, &mut lookups, &mut spent);
        }
        let prefill = works.iter().any(|work| work.phase == Phase::Prefill);
        let (counts, shares) = if prefill {
            (&mut self.books.prefill, &mut self.books.prefill_time)
        } else {
            (&mut self.books.decode, &mut self.books.decode_time)
        };
        book(counts, rows, u64::from(self.layers.end - self.layers.start), self.serving.top_k, lookups);
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
        let mut books = self.books;
        if let Routes::Shares(shares) = &self.routes {
            let tokens = books.prefill.tokens + books.decode.tokens;
            shares.spread(tokens, &mut books.load.selections);
            (books.load.spread_events, books.load.busiest_permille) = shares.imbalance();
        }
        books
    }
}

/// Books the lookups of a pass, all of which hit.
fn book(counts: &mut AccessCounts, rows: u64, layers: u64, top_k: u32, lookups: u64) {
    counts.tokens += rows;
    counts.events += layers;
    counts.selections += rows * layers * u64::from(top_k);
    counts.lookups += lookups;
    counts.hits += lookups;
    counts.hits_when_needed += lookups;
}
