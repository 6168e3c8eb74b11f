//! One copy of the deployment: the schedulers of its data-parallel ranks, the timers of its pipeline stages, and the
//! passes under way in it.

use std::collections::VecDeque;

use super::flight::Flight;
use super::timer::Timer;
use crate::error::Result;
use crate::plan::ServingPlan;
use crate::serving::scheduler::Scheduler;
use crate::units::{Bytes, SimDuration, SimTime};

/// A stage of the pipeline.
pub(super) struct PipelineStage<'a> {
    pub(super) timer: Box<dyn Timer + 'a>,
    /// A pass is in it.
    pub(super) is_busy: bool,
    /// Passes that wait for it, by number of their flight.
    pub(super) queue: VecDeque<u16>,
}

/// One replica.
pub(super) struct Replica<'a> {
    pub(super) schedulers: Vec<Scheduler>,
    pub(super) stages: Vec<PipelineStage<'a>>,
    pub(super) flights: Vec<Flight>,
    /// It is about to try to begin a pass.
    pub(super) is_trying: bool,
}

impl<'a> Replica<'a> {
    pub(super) fn new(plan: &ServingPlan, timers: Vec<Box<dyn Timer + 'a>>) -> Result<Self> {
        let ranks = plan.layout.dp as usize;
        let schedulers =
            (0..ranks).map(|_| Scheduler::new(plan.scheduler, plan.kv.build())).collect::<Result<_>>()?;
        let flights = timers.iter().map(|_| Flight::new(ranks)).collect();
        let stage = |timer| PipelineStage { timer, is_busy: false, queue: VecDeque::new() };
        Ok(Self { schedulers, stages: timers.into_iter().map(stage).collect(), flights, is_trying: false })
    }

    /// Requests that run or wait.
    pub(super) fn requests(&self) -> usize {
        self.schedulers.iter().map(|scheduler| scheduler.running() + scheduler.waiting()).sum()
    }

    /// The data-parallel rank with the fewest requests, the first of those.
    pub(super) fn least_loaded_rank(&self) -> usize {
        let load = |rank: &usize| self.schedulers[*rank].running() + self.schedulers[*rank].waiting();
        (0..self.schedulers.len()).min_by_key(load).unwrap_or(0)
    }

    /// A place for another pass, where the first stage is free and no more passes are under way than there are stages.
    pub(super) fn free_flight(&self) -> Option<usize> {
        if self.stages[0].is_busy {
            return None;
        }
        self.flights.iter().position(|flight| !flight.is_under_way)
    }

    /// Asks every rank for its part of a pass; whether any has one.
    pub(super) fn fill(&mut self, flight: usize) -> bool {
        let batches = &mut self.flights[flight].batches;
        let mut any = false;
        for (scheduler, batch) in self.schedulers.iter_mut().zip(batches) {
            any |= scheduler.next_pass(batch);
        }
        any
    }

    /// How long the KV caches that a pass moves to host memory and back keep it from beginning.
    pub(super) fn swap_time(&self, plan: &ServingPlan, flight: usize) -> SimDuration {
        let Some((out, back)) = plan.swap else { return SimDuration::ZERO };
        let time = |bytes: u64, curve: crate::resource::RateCurve| match bytes {
            0 => SimDuration::ZERO,
            bytes => curve.time(Bytes::new(bytes)),
        };
        let of = |batch: &crate::serving::scheduler::Batch| {
            time(batch.swapped_out_bytes, out) + time(batch.swapped_in_bytes, back)
        };
        self.flights[flight].batches.iter().map(of).max().unwrap_or_default()
    }

    /// Times a stage's part of a pass that begins now.
    pub(super) fn time_stage(&mut self, stage: usize, flight: usize, start: SimTime) -> Result<SimTime> {
        self.stages[stage].is_busy = true;
        self.stages[stage].timer.pass(start, &self.flights[flight].works)
    }

    /// Bytes of the KV cache in use on one GPU of each rank, summed over ranks.
    pub(super) fn kv_bytes(&self) -> u64 {
        self.schedulers.iter().map(|scheduler| scheduler.kv().used().get()).sum()
    }
}
