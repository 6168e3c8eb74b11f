//! Passes by the simulation of every GPU's devices, where experts are fetched, prefetched or computed on the CPU.
//!
//! With one GPU this is the simulation that replays sequences, pass by pass. With several, one simulation stands for each
//! expert-parallel rank; GPUs that share every expert of a rank do the same at the same time. All ranks go through a layer
//! together: the layer event begins when the slowest rank's router has chosen and tokens have been exchanged, and the next
//! layer when the slowest rank's experts are done and results are back. Host memory, drives and CPU are divided between the
//! GPUs of a machine beforehand.

use super::dealing::Dealing;
use super::exchange::Exchanges;
use super::timer::{GpuTime, LoadCounts, StageBooks, Timer};
use crate::cache::replay::Selection;
use crate::error::Result;
use crate::metrics::{AllocatorSummary, Summary};
use crate::plan::{Plan, ServingPlan};
use crate::serving::Work;
use crate::serving::parallel::RankLoad;
use crate::sim::pace::{Part, Pause};
use crate::sim::run::Simulation;
use crate::trace::{ExpertNumber, Ids, Phase, RoutingCounts};
use crate::units::{Bytes, LayerIndex, SimDuration, SimTime};

/// One GPU's simulation, whatever the width of the trace's ids.
trait Rank {
    fn begin(&mut self, work: &Work, at: SimTime);
    fn turn(&mut self) -> Result<Pause>;
    fn now(&self) -> SimTime;
    /// Lets the layer event begin at `at`, with these of its selections.
    /// Lets the layer event begin at `at`, with these selections where the rank has only some; their list is taken.
    fn dispatch(&mut self, at: SimTime, picked: &mut Vec<Selection>);
    fn go_on(&mut self, at: SimTime);
    fn expert_bytes(&self) -> u64;
    fn lookups(&self) -> (u64, u64);
    fn compaction_time(&self) -> SimDuration;
    fn out_of_memory(&self) -> Option<Summary>;
    fn finish(self: Box<Self>, span: SimDuration) -> Summary;
}

impl<I: ExpertNumber> Rank for Simulation<'_, I> {
    fn begin(&mut self, work: &Work, at: SimTime) {
        self.work.clone_from(work);
        Simulation::begin(self, at);
    }

    fn turn(&mut self) -> Result<Pause> {
        Simulation::turn(self)
    }

    fn now(&self) -> SimTime {
        self.engine.now()
    }

    fn dispatch(&mut self, at: SimTime, picked: &mut Vec<Selection>) {
        std::mem::swap(&mut self.picked, picked);
        Simulation::dispatch(self, at);
    }

    fn go_on(&mut self, at: SimTime) {
        Simulation::go_on(self, at);
    }

    fn expert_bytes(&self) -> u64 {
        self.cache.used()
    }

    fn lookups(&self) -> (u64, u64) {
        let (prefill, decode) = (&self.books.prefill, &self.books.decode);
        (prefill.lookups + decode.lookups, prefill.hits + decode.hits)
    }

    fn compaction_time(&self) -> SimDuration {
        Simulation::compaction_time(self)
    }

    fn out_of_memory(&self) -> Option<Summary> {
        Simulation::out_of_memory(self)
    }

    fn finish(self: Box<Self>, span: SimDuration) -> Summary {
        Simulation::finish(*self, span).0
    }
}

/// The timer of one stage.
pub(super) struct Ranks<'a> {
    plan: &'a Plan,
    serving: &'a ServingPlan,
    layers: std::ops::Range<u32>,
    is_last: bool,
    ranks: Vec<Box<dyn Rank + 'a>>,
    counts: &'a RoutingCounts,
    /// Rows of all ranks' tokens.
    pieces: Vec<(u64, u32)>,
    /// Tokens of each expert of a layer.
    tokens: Vec<u32>,
    loads: Vec<RankLoad>,
    dealing: Dealing<'a>,
    load: LoadCounts,
    /// Time of all compactions, of the rank that took longest in each pass.
    paused: SimDuration,
    /// The same of each rank before the pass.
    paused_before: Vec<SimDuration>,
}

impl<'a> Ranks<'a> {
    /// `masks` say for each expert-parallel rank which experts of which layers are its own; none for one rank.
    pub(super) fn new(
        plan: &'a Plan,
        serving: &'a ServingPlan,
        counts: &'a RoutingCounts,
        masks: &'a [Vec<bool>],
        stage: u32,
    ) -> Self {
        let layers = serving.stages[stage as usize].clone();
        let single = serving.layout.gpus() == 1;
        let part = |rank: usize| match masks.get(rank) {
            _ if single => Part::whole(plan),
            mask => Part::of(plan, layers.clone(), mask.map(Vec::as_slice)),
        };
        let build = |rank: usize| -> Box<dyn Rank + 'a> {
            match plan.workload.trace.ids() {
                Ids::U8(ids) => Box::new(Simulation::new(plan, ids, part(rank))),
                Ids::U16(ids) => Box::new(Simulation::new(plan, ids, part(rank))),
            }
        };
        let experts = plan.cache.shape.experts as usize;
        let ep = serving.layout.ep as usize;
        Self {
            plan,
            serving,
            ranks: (0..ep).map(build).collect(),
            is_last: stage + 1 == serving.layout.pp,
            layers,
            counts,
            pieces: Vec::new(),
            tokens: vec![0; experts],
            loads: vec![RankLoad::default(); ep],
            dealing: Dealing::new(serving, plan),
            load: LoadCounts {
                selections: vec![0; plan.cache.shape.layers as usize * experts],
                ..LoadCounts::default()
            },
            paused: SimDuration::ZERO,
            paused_before: vec![SimDuration::ZERO; ep],
        }
    }

    /// Books the compactions of the pass that is over.
    fn settle_compactions(&mut self) {
        let mut longest = SimDuration::ZERO;
        for (rank, before) in self.ranks.iter().zip(&mut self.paused_before) {
            let all = rank.compaction_time();
            longest = longest.max(all - std::mem::replace(before, all));
        }
        self.paused += longest;
    }

    /// Lets every rank come to its next pause; says when the slowest is there.
    fn gather(&mut self) -> Result<(Pause, SimTime)> {
        let (mut pause, mut latest) = (Pause::PassDone, SimTime::ZERO);
        for rank in &mut self.ranks {
            pause = rank.turn()?;
            latest = latest.max(rank.now());
            if pause == Pause::OutOfMemory {
                break;
            }
        }
        Ok((pause, latest))
    }

    /// Counts a layer's tokens by expert and rank.
    fn count(&mut self, layer: u32) {
        self.tokens.fill(0);
        let index = LayerIndex(u16::try_from(layer).unwrap_or(u16::MAX));
        self.counts.add_pieces(index, &self.pieces, &mut self.tokens);
        let experts = self.tokens.len();
        let selections = &mut self.load.selections[layer as usize * experts..][..experts];
        selections.iter_mut().zip(&self.tokens).for_each(|(sum, count)| *sum += u64::from(*count));
        self.serving.placement.split(layer, &self.tokens, &mut self.loads);
        if self.loads.len() > 1 {
            let all: u64 = self.loads.iter().map(|load| load.tokens).sum();
            let busiest = self.loads.iter().map(|load| load.tokens).max().unwrap_or(0);
            self.load.spread_events += 1;
            self.load.busiest_permille +=
                (busiest * 1000 * self.loads.len() as u64).checked_div(all).unwrap_or(0);
        }
    }

    /// The work of each rank: all tokens of the experts, and the sequences of the data-parallel rank it belongs to, the
    /// one with most tokens where there are several.
    fn begin(&mut self, start: SimTime, works: &[Work]) {
        let layout = &self.serving.layout;
        let (moe_tp, tp) = (layout.moe_tp() as usize, layout.tp as usize);
        let mut all = works[0].clone();
        for other in &works[1..] {
            all.runs.extend_from_slice(&other.runs);
            all.next_runs.extend_from_slice(&other.next_runs);
            all.rows += other.rows;
        }
        if works.iter().any(|work| work.phase == Phase::Prefill) {
            all.phase = Phase::Prefill;
        }
        for (index, rank) in self.ranks.iter_mut().enumerate() {
            let (first, last) = (index * moe_tp / tp, ((index + 1) * moe_tp - 1) / tp);
            let own = works[first..=last].iter().max_by_key(|work| work.own_rows()).unwrap_or(&works[first]);
            let mut work = all.clone();
            work.groups.clone_from(&own.groups);
            work.sampled = own.sampled;
            work.kv_bytes = own.kv_bytes;
            rank.begin(&work, start);
        }
    }
}

impl Timer for Ranks<'_> {
    fn pass(&mut self, start: SimTime, works: &[Work]) -> Result<SimTime> {
        let exchanges = Exchanges::of(self.serving, works, self.serving.top_k);
        self.begin(start, works);
        self.pieces.clear();
        let runs = works.iter().flat_map(|work| &work.runs);
        self.pieces.extend(runs.map(|run| (run.first_row, u32::try_from(run.rows).unwrap_or(u32::MAX))));
        let mut layer = self.layers.start;
        if self.serving.layout.gpus() == 1 {
            for layer in self.layers.clone() {
                self.count(layer);
            }
        }
        loop {
            let (pause, at) = self.gather()?;
            match pause {
                Pause::Routed => {
                    self.count(layer);
                    let busiest = self.loads.iter().map(|load| load.tokens).max().unwrap_or(0);
                    let layers = self.plan.costs.layers_of_stretch(self.plan.costs.stretch_of(layer));
                    let span = exchanges.dense(2 * layers - 1) + exchanges.dispatch(self.serving, busiest);
                    let lists = self.dealing.deal(self.counts, layer, &self.pieces, &self.tokens);
                    for (rank, picked) in self.ranks.iter_mut().zip(lists) {
                        rank.dispatch(at + span, picked);
                    }
                }
                Pause::LayerDone => {
                    let busiest = self.loads.iter().map(|load| load.tokens).max().unwrap_or(0);
                    let span = exchanges.combine(self.serving, busiest);
                    self.ranks.iter_mut().for_each(|rank| rank.go_on(at + span));
                    layer += 1;
                }
                Pause::PassDone => {
                    self.settle_compactions();
                    let tail = if self.is_last { 2 * self.plan.costs.tail_layers() } else { 0 };
                    return Ok(at + exchanges.dense(tail));
                }
                Pause::OutOfMemory => return Ok(at),
            }
        }
    }

    fn expert_bytes(&self) -> Bytes {
        let each = u64::from(self.serving.layout.moe_tp());
        Bytes::new(self.ranks.iter().map(|rank| rank.expert_bytes() * each).sum())
    }

    fn lookups(&self) -> (u64, u64) {
        self.ranks.iter().map(|rank| rank.lookups()).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    fn compaction_time(&self) -> SimDuration {
        self.paused
    }

    fn out_of_memory(&self) -> Option<Box<AllocatorSummary>> {
        self.ranks.iter().find_map(|rank| rank.out_of_memory()).and_then(|summary| summary.allocator)
    }

    fn finish(self: Box<Self>, span: SimDuration) -> StageBooks {
        let mut books = StageBooks { load: self.load, ..StageBooks::default() };
        for (index, rank) in self.ranks.into_iter().enumerate() {
            let summary = rank.finish(span);
            let mut shares = summary.prefill_time;
            shares.add(&summary.decode_time);
            let time = GpuTime {
                busy: SimDuration::from_ns(shares.gpu_compute_ns + shares.overhead_ns + shares.compaction_ns),
                waited: SimDuration::from_ns(shares.waits_ns()),
                exchanged: SimDuration::from_ns(shares.exchange_ns),
            };
            books.gpus.extend(std::iter::repeat_n(time, self.serving.layout.moe_tp() as usize));
            let (mut prefill, mut decode) = (summary.prefill, summary.decode);
            if index > 0 {
                // All ranks see the same tokens and layer events.
                (prefill.tokens, prefill.events) = (0, 0);
                (decode.tokens, decode.events) = (0, 0);
            }
            books.prefill.add(&prefill);
            books.decode.add(&decode);
            books.events += summary.engine_events;
            books.overshoot_bytes_max = books.overshoot_bytes_max.max(summary.overshoot_bytes_max);
            if index == 0 {
                books.prefill_time = summary.prefill_time;
                books.decode_time = summary.decode_time;
                books.links = summary.links;
                books.prefetch = summary.prefetch;
                books.allocator = summary.allocator;
            }
        }
        books
    }
}
