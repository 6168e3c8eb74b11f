//! GPU memory as an allocator serves it: who holds which block, when blocks are moved together, and the request that could
//! not be served.
//!
//! Requests follow what the rest of the simulation does and never change it: the expert cache holds what it holds with an
//! exact allocator. What is evicted leaves before what comes in is placed. Weights, prefetch and expert buffers are
//! allocated once; the framework's memory and the user's reserve are not the allocator's.
//!
//! Left out: experts of layers on the CPU that long prompts copy to the GPU, which the ledger does not book either.

use super::vram_history::{History, Standing};
use crate::cache::{ExpertCache, Policy};
use crate::memory::allocator::{Allocator, BlockId, Class};
use crate::metrics::AllocatorSummary;
use crate::plan::{AllocatorPlan, KvPieces};
use crate::serving::Work;
use crate::units::{Bytes, SimDuration, SimTime};

/// An allocator and everything that asks it for memory.
#[derive(Clone, Debug)]
pub(super) struct Vram<'a> {
    plan: &'a AllocatorPlan,
    allocator: Allocator,
    /// The block of each expert and its bytes, `[layer * experts + expert]`.
    experts: Vec<Option<(BlockId, u64)>>,
    /// Bytes of them all.
    expert_bytes: u64,
    /// Experts that are here until the next event: the cache does not keep them.
    guests: Vec<u32>,
    /// Blocks of the KV cache, the last of which goes first.
    kv: Vec<BlockId>,
    /// Blocks of each sequence.
    kv_blocks: u64,
    /// Bytes and block of each layer's KV cache.
    kv_layers: Vec<(u64, Option<BlockId>)>,
    workspace: Vec<BlockId>,
    /// Passes that have begun.
    passes: u64,
    history: History,
    /// Time and moved bytes of compactions that nobody has waited for yet.
    owed: (SimDuration, Bytes),
    /// Compactions and flushes when the last pass ended.
    before: (u64, u64),
    /// Sum over passes.
    fragmentation_ppm: u128,
    /// What the run's summary will say, as far as it is known.
    summary: AllocatorSummary,
}

impl<'a> Vram<'a> {
    /// With everything allocated that is there before the first pass, but for experts.
    pub(super) fn new(plan: &'a AllocatorPlan) -> Self {
        let mut vram = Self {
            plan,
            allocator: Allocator::new(plan.kind, plan.capacity.get()),
            experts: Vec::new(),
            expert_bytes: 0,
            guests: Vec::new(),
            kv: Vec::new(),
            kv_blocks: 0,
            kv_layers: Vec::new(),
            workspace: Vec::new(),
            passes: 0,
            history: History::new(),
            owed: Default::default(),
            before: (0, 0),
            fragmentation_ppm: 0,
            summary: AllocatorSummary {
                kind: plan.kind.name().to_owned(),
                capacity_bytes: plan.capacity.get(),
                ..AllocatorSummary::default()
            },
        };
        for (owner, bytes) in &plan.fixed {
            vram.allocate(Class::Fixed, bytes.get(), owner);
        }
        vram
    }

    /// The same with what the cache holds at first.
    pub(super) fn with_experts<P: Policy>(plan: &'a AllocatorPlan, cache: &ExpertCache<P>) -> Self {
        let mut vram = Self::new(plan);
        vram.fill(cache);
        vram
    }

    /// Allocates what a cache holds, layer by layer.
    fn fill<P: Policy>(&mut self, cache: &ExpertCache<P>) {
        let shape = cache.shape();
        self.experts.resize((shape.layers * shape.experts) as usize, None);
        for layer in 0..shape.layers {
            for expert in (0..shape.experts).filter(|expert| cache.is_resident(layer, *expert)) {
                self.expert_in(layer * shape.experts + expert, shape.sizes[layer as usize]);
            }
        }
    }

    /// Another cache takes the place of the one before.
    pub(super) fn refill<P: Policy>(&mut self, cache: &ExpertCache<P>) {
        for object in 0..self.experts.len() {
            self.expert_out(u32::try_from(object).unwrap_or(u32::MAX));
        }
        self.guests.clear();
        self.fill(cache);
    }

    fn allocate(&mut self, class: Class, bytes: u64, what: &str) -> Option<BlockId> {
        if bytes == 0 || self.summary.out_of_memory.is_some() {
            return None;
        }
        let first = self.allocator.allocate(class, bytes);
        let served = first.or_else(|refused| {
            if self.plan.compaction.is_none() {
                return Err(refused);
            }
            self.compact();
            self.summary.compactions_forced += 1;
            self.allocator.allocate(class, bytes)
        });
        match served {
            Ok(block) => Some(block),
            Err(refused) => {
                let when = match self.passes {
                    0 => "before the first pass".to_owned(),
                    pass => format!("in pass {pass}"),
                };
                let [asked, free, largest] = [refused.asked, refused.free, refused.largest].map(Bytes::new);
                self.summary.out_of_memory = Some(format!(
                    "out of memory {when}: {what} of {asked}, {free} are free in pieces of at most {largest}"
                ));
                None
            }
        }
    }

    fn compact(&mut self) {
        let Some(plan) = &self.plan.compaction else { return };
        let moved = Bytes::new(self.allocator.compact());
        // Every byte is read and written.
        let carried = moved.times(2);
        let took = plan.memory.time_for(carried) + plan.sync;
        self.owed = (self.owed.0 + took, self.owed.1 + carried);
        let summary = &mut self.summary;
        summary.compactions += 1;
        summary.compaction_ns += took.as_ns();
        summary.compaction_ns_max = summary.compaction_ns_max.max(took.as_ns());
        summary.moved_bytes += moved.get();
    }

    /// Time of compactions that the GPU has yet to stand still for, and bytes that they read and wrote.
    pub(super) fn take_pause(&mut self) -> Option<(SimDuration, Bytes)> {
        let owed = std::mem::take(&mut self.owed);
        (owed.0 > SimDuration::ZERO).then_some(owed)
    }

    /// Whether a request could not be served, which ends the run.
    pub(super) fn is_out_of_memory(&self) -> bool {
        self.summary.out_of_memory.is_some()
    }

    /// A pass begins: blocks are moved together where it is time, and what the pass needs beside experts is allocated.
    pub(super) fn begin_pass(&mut self, work: &Work) {
        let due = |every: u64| self.passes > 0 && self.passes.is_multiple_of(every);
        let compacts = self.plan.compaction.is_some_and(|plan| due(plan.every));
        self.passes += 1;
        if compacts {
            self.compact();
        }
        self.grow_kv(work);
        let [hidden, inner, logits] = self.plan.workspace.map(Bytes::get);
        let rows = work.own_rows();
        for (class, bytes) in
            [(Class::Hidden, hidden * rows), (Class::Inner, inner * rows), (Class::Logits, logits)]
        {
            let block = self.allocate(class, bytes, "working memory");
            self.workspace.extend(block);
        }
    }

    /// Other sequences begin: nothing of the KV cache is left.
    pub(super) fn begin_sequence(&mut self) {
        self.kv_blocks = 0;
        self.kv.drain(..).for_each(|block| self.allocator.free(block));
        let layers = self.kv_layers.drain(..).filter_map(|(_, block)| block);
        layers.for_each(|block| self.allocator.free(block));
    }

    fn grow_kv(&mut self, work: &Work) {
        let plan = self.plan;
        let context = work.groups.iter().map(|group| group.context + group.tokens).max().unwrap_or(0);
        match &plan.kv {
            KvPieces::Whole => {}
            KvPieces::Paged(block) => {
                let wanted = work.kv_bytes.unwrap_or_default().get().div_ceil(block.get().max(1));
                while self.kv.len() as u64 > wanted {
                    self.kv.pop().into_iter().for_each(|block| self.allocator.free(block));
                }
                while (self.kv.len() as u64) < wanted && !self.is_out_of_memory() {
                    let block = self.allocate(Class::Kv, block.get(), "a block of the KV cache");
                    self.kv.extend(block);
                }
            }
            KvPieces::Blocks { tokens, .. } => {
                for index in self.kv_blocks..context.div_ceil(*tokens) {
                    for _ in 0..work.sequences() {
                        let bytes = plan.kv.block_bytes(index);
                        let block = self.allocate(Class::Kv, bytes.get(), "a block of the KV cache");
                        self.kv.extend(block);
                    }
                    self.kv_blocks = index + 1;
                }
            }
            KvPieces::Tokens { layers, dtype } => {
                self.kv_layers.resize(layers.len(), (0, None));
                for (index, layer) in layers.iter().enumerate() {
                    let bytes = layer.kv_bytes(context, *dtype).get().saturating_mul(work.sequences());
                    if bytes == self.kv_layers[index].0 {
                        continue;
                    }
                    let block = self.allocate(Class::Kv, bytes, "the KV cache of a layer");
                    let (_, old) = std::mem::replace(&mut self.kv_layers[index], (bytes, block));
                    old.into_iter().for_each(|block| self.allocator.free(block));
                }
            }
        }
    }

    /// An expert is placed.
    fn expert_in(&mut self, object: u32, bytes: u64) {
        if self.experts[object as usize].is_none()
            && let Some(block) = self.allocate(Class::Expert, bytes, "an expert")
        {
            self.experts[object as usize] = Some((block, bytes));
            self.expert_bytes += bytes;
        }
    }

    /// An expert goes, where it is here.
    fn expert_out(&mut self, object: u32) {
        if let Some((block, bytes)) = self.experts[object as usize].take() {
            self.allocator.free(block);
            self.expert_bytes -= bytes;
        }
    }

    /// What a layer event brings and takes: what the cache has evicted goes, and the experts that were fetched come. Those
    /// that the cache does not keep go with the next event. Panics where the two then hold different experts.
    pub(super) fn event<P: Policy>(
        &mut self,
        cache: &ExpertCache<P>,
        layer: u32,
        fetched: impl Iterator<Item = u32>,
    ) {
        let mut guests = std::mem::take(&mut self.guests);
        guests.drain(..).for_each(|object| self.expert_out(object));
        cache.evicted().iter().for_each(|object| self.expert_out(*object));
        let shape = cache.shape();
        for expert in fetched {
            let object = layer * shape.experts + expert;
            self.expert_in(object, shape.sizes[layer as usize]);
            if !cache.is_resident(layer, expert) {
                guests.push(object);
            }
        }
        let passing = guests.len() as u64 * shape.sizes[layer as usize];
        let kept = self.expert_bytes.saturating_sub(passing);
        assert!(
            self.is_out_of_memory() || kept == cache.used(),
            "blocks are those of the experts that are kept"
        );
        self.guests = guests;
    }

    /// A pass ends: how things stand is noted, and its working memory is given back.
    pub(super) fn end_pass(&mut self, at: SimTime) {
        let books = *self.allocator.books();
        let summary = &mut self.summary;
        let (compactions, flushes) = (summary.compactions, books.flushes);
        self.history.pass(
            at,
            &Standing {
                allocated: books.allocated,
                reserved: books.reserved,
                compactions: compactions - self.before.0,
                flushes: flushes - self.before.1,
            },
        );
        self.before = (compactions, flushes);
        let lost = u128::from(books.reserved - books.allocated) * 1_000_000;
        let lost = u64::try_from(lost / u128::from(books.reserved.max(1))).unwrap_or(u64::MAX);
        self.fragmentation_ppm += u128::from(lost);
        summary.fragmentation_max_ppm = summary.fragmentation_max_ppm.max(lost);
        summary.segments_max = summary.segments_max.max(books.segments);
        self.workspace.drain(..).for_each(|block| self.allocator.free(block));
    }

    /// The books of the run, or of what there was of it.
    pub(super) fn summary(&self) -> AllocatorSummary {
        let books = self.allocator.books();
        let mean = self.fragmentation_ppm / u128::from(self.passes.max(1));
        AllocatorSummary {
            allocations: books.allocations,
            frees: books.frees,
            allocated_peak_bytes: books.allocated_peak,
            reserved_peak_bytes: books.reserved_peak,
            fragmentation_mean_ppm: u64::try_from(mean).unwrap_or(u64::MAX),
            flushes: books.flushes,
            slices: self.history.finish(),
            ..self.summary.clone()
        }
    }
}
