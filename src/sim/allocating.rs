//! Where the simulation asks its allocator for GPU memory. One without an allocator passes by at the cost of a branch.
//!
//! A compaction before its pass stops everything. One that a request forces in the middle of a pass stops the GPU stream;
//! copies to places that are free already go on.

use super::event::Happening;
use super::layer::Fate;
use super::pace::Pause;
use super::recorder::Launch;
use super::run::Simulation;
use crate::metrics::{AllocatorSummary, Quantiles, Summary};
use crate::resource::Job;
use crate::serving::StretchCost;
use crate::trace::ExpertNumber;
use crate::units::SimDuration;

impl<I: ExpertNumber> Simulation<'_, I> {
    /// Allocates what the pass needs. Says whether its first layer has to wait: for a compaction, or for ever.
    pub(super) fn allocate_pass(&mut self) -> bool {
        let Some(vram) = &mut self.vram else { return false };
        vram.begin_pass(&self.work);
        let compacted = self.stall();
        if let Some(job) = compacted {
            self.engine.schedule_at(job.end, Happening::Compacted);
        }
        compacted.is_some() || self.pause.is_some()
    }

    /// Allocates what the layer event fetches to stay or to pass through, in place of what it evicts.
    pub(super) fn allocate_experts(&mut self) {
        let Some(vram) = &mut self.vram else { return };
        if self.plan.machine.single_buffer {
            return;
        }
        let comes = |fate: Fate| matches!(fate, Fate::Fetch | Fate::Prefetched);
        let fetched = self.event.missing.iter().filter(|missing| comes(missing.fate));
        vram.event(&self.cache, self.layer, fetched.map(|missing| missing.expert));
        self.stall();
    }

    /// Stops the GPU stream for compactions since the last time, if there were any. A request that could not be served
    /// ends the run.
    fn stall(&mut self) -> Option<Job> {
        let vram = self.vram.as_mut()?;
        if vram.is_out_of_memory() {
            self.pause = Some(Pause::OutOfMemory);
            return None;
        }
        let (duration, bytes) = vram.take_pause()?;
        let now = self.engine.now();
        if self.gpu.free_at() < now {
            self.books.waited(self.gpu.free_at(), now, self.wait);
            self.record_wait(self.gpu.free_at());
        }
        self.books.compacted(duration);
        let job = self.gpu.submit(now, duration, bytes);
        let cost = StretchCost { compute: duration, bytes, ..StretchCost::default() };
        self.record_launch(job, &cost, Launch::Compaction);
        Some(job)
    }

    /// Time of all compactions so far.
    pub(super) fn compaction_time(&self) -> SimDuration {
        SimDuration::from_ns(self.books.compaction_ns())
    }

    /// The summary of a run that ended because a request could not be served, and of no other.
    pub(super) fn out_of_memory(&self) -> Option<Summary> {
        let vram = self.vram.as_ref().filter(|vram| vram.is_out_of_memory())?;
        Some(Summary { allocator: Some(Box::new(vram.summary())), ..Summary::default() })
    }

    /// The allocator's part of a summary; `latency_ns` as the run has it.
    pub(super) fn allocator_summary(&mut self) -> Option<Box<AllocatorSummary>> {
        let vram = self.vram.as_ref()?;
        let without = std::mem::take(&mut self.books.latencies_without_ns);
        Some(Box::new(AllocatorSummary { latency_without_ns: Quantiles::of(without), ..vram.summary() }))
    }
}
