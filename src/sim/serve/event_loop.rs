//! The event loop: arrivals, passes, and what follows from their ends.

use super::books::ServingBooks;
use super::ranks::Ranks;
use super::replica::Replica;
use super::requests::{Requests, Stage};
use super::resident::Resident;
use super::slices::{Levels, Slices};
use super::timer::Timer;
use crate::engine::{Engine, Event, Rank};
use crate::error::{Error, Result};
use crate::metrics::{AllocatorSummary, Summary};
use crate::plan::{KvPieces, Plan, ReplicaRouting, ServingPlan};
use crate::serving::scheduler::{Arrival, Rejection, Scheduler};
use crate::serving::{RequestId, RequestSet};
use crate::units::{Bytes, SimDuration, SimTime};

/// Something that happens to requests.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A request comes.
    Arrives(RequestId),
    /// A replica begins a pass if it can.
    Tries(u16),
    /// A stage of a replica is done with its part of a pass.
    StageDone { replica: u16, flight: u16 },
}

impl Event for Happening {
    fn rank(&self) -> Rank {
        match self {
            Self::StageDone { .. } => Rank::ComputeDone,
            Self::Arrives(_) => Rank::Arrival,
            Self::Tries(_) => Rank::Dispatch,
        }
    }
}

pub(super) struct Serving<'a> {
    pub(super) plan: &'a Plan,
    pub(super) serving: &'a ServingPlan,
    pub(super) requests: Requests<'a>,
    pub(super) replicas: Vec<Replica<'a>>,
    pub(super) books: ServingBooks,
    pub(super) slices: Slices,
    engine: Engine<Happening>,
    /// The next request that a user of a closed loop asks.
    next: u32,
    /// Whose turn it is where replicas take turns.
    turn: usize,
    /// Lookups and hits when the last pass ended.
    lookups: (u64, u64),
    /// The allocator that could not serve a request, which ends the run.
    out_of_memory: Option<Box<AllocatorSummary>>,
}

/// Serves the requests of a plan.
///
/// # Errors
/// A simulation that does not advance, which would be a bug of the simulator.
pub(in crate::sim) fn serve(plan: &Plan, serving: &ServingPlan) -> Result<Summary> {
    let masks = serving.masks();
    let timer = |stage: u32| -> Result<Box<dyn Timer + '_>> {
        if serving.is_resident {
            return Ok(Box::new(Resident::new(plan, serving, stage)));
        }
        let Some(counts) = &serving.counts else {
            return Err(Error::new("experts that come and go are routed row by row"));
        };
        Ok(Box::new(Ranks::new(plan, serving, counts, &masks, stage)))
    };
    serve_by(plan, serving, timer)
}

/// Serves them with other timers, made by stage.
pub(super) fn serve_by<'a>(
    plan: &'a Plan,
    serving: &'a ServingPlan,
    mut timer: impl FnMut(u32) -> Result<Box<dyn Timer + 'a>>,
) -> Result<Summary> {
    let replica = |_| Replica::new(serving, (0..serving.layout.pp).map(&mut timer).collect::<Result<_>>()?);
    let run = Serving {
        plan,
        serving,
        requests: Requests::new(serving),
        replicas: (0..serving.replicas).map(replica).collect::<Result<_>>()?,
        books: ServingBooks::default(),
        slices: Slices::new(),
        engine: Engine::default(),
        next: 0,
        turn: 0,
        lookups: (0, 0),
        out_of_memory: None,
    };
    run.run()
}

fn id(index: usize) -> RequestId {
    RequestId(u32::try_from(index).unwrap_or(u32::MAX))
}

fn small(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

impl Serving<'_> {
    fn run(mut self) -> Result<Summary> {
        self.invite();
        while let Some(happening) = self.engine.next()? {
            match happening {
                Happening::Arrives(request) => self.arrive(request),
                Happening::Tries(replica) => self.try_pass(usize::from(replica))?,
                Happening::StageDone { replica, flight } => {
                    self.stage_done(usize::from(replica), usize::from(flight))?;
                }
            }
            if self.out_of_memory.is_some() {
                return Ok(Summary { allocator: self.out_of_memory, ..Summary::default() });
            }
            self.observe();
        }
        self.check_end()?;
        let (end, events) = (self.engine.now(), self.engine.dispatched());
        self.summarise(end.since(SimTime::ZERO), events)
    }

    /// Nothing more will happen, so nobody may wait and no KV cache may be held.
    fn check_end(&self) -> Result<()> {
        for (index, replica) in self.replicas.iter().enumerate() {
            let (requests, bytes) = (replica.requests(), replica.kv_bytes());
            if requests > 0 || bytes > 0 {
                let found =
                    format!("replica {index} ends with {requests} requests and {bytes} bytes of KV cache");
                return Err(Error::new(found).expected("none"));
            }
        }
        Ok(())
    }

    fn set(&self) -> &RequestSet {
        &self.serving.requests
    }

    /// The first arrivals: one of an open loop, which each invites the next; one of each user of a closed loop.
    fn invite(&mut self) {
        if let Some(closed) = &self.serving.requests.closed {
            for _ in 0..closed.users {
                self.ask_next();
            }
        } else if let Some(first) = self.set().requests.first() {
            self.engine.schedule_at(first.arrival, Happening::Arrives(RequestId(0)));
        }
    }

    /// A user of a closed loop thinks, and asks the next request.
    fn ask_next(&mut self) {
        let Some(closed) = &self.serving.requests.closed else { return };
        if let Some(think) = closed.think_ns.get(self.next as usize) {
            let think = SimDuration::from_ns(*think);
            self.engine.schedule_in(think, Happening::Arrives(RequestId(self.next)));
            self.next += 1;
        }
    }

    fn arrive(&mut self, request: RequestId) {
        let now = self.engine.now();
        if self.set().closed.is_none()
            && let Some(next) = self.set().requests.get(request.index() + 1)
        {
            self.engine.schedule_at(next.arrival, Happening::Arrives(id(request.index() + 1)));
        }
        let replica = self.choose_replica();
        let rank = self.replicas[replica].least_loaded_rank();
        self.slices.counts(now).arrived += 1;
        let view = self.serving.requests.view(request, now);
        let hashes =
            if self.serving.kv.reuses_prefixes { self.serving.requests.hashes_of(request) } else { &[] };
        let found = self.replicas[replica].schedulers[rank].arrive(view, hashes);
        let progress = self.requests.progress_mut(request);
        progress.arrival = now;
        (progress.replica, progress.rank) = (small(replica), small(rank));
        match found {
            Arrival::Queued => {
                progress.stage = Stage::Here;
                self.wake(replica);
            }
            Arrival::Rejected(why) => {
                progress.stage = Stage::Rejected;
                self.books.too_long += u64::from(why == Rejection::TooLong);
                self.ask_next();
            }
        }
    }

    fn choose_replica(&mut self) -> usize {
        match self.serving.routing {
            ReplicaRouting::RoundRobin => {
                let chosen = self.turn;
                self.turn = (self.turn + 1) % self.replicas.len();
                chosen
            }
            ReplicaRouting::LeastLoaded => {
                let load = |replica: &usize| self.replicas[*replica].requests();
                (0..self.replicas.len()).min_by_key(load).unwrap_or(0)
            }
        }
    }

    /// Has a replica try to begin a pass, after everything else of this instant.
    fn wake(&mut self, replica: usize) {
        let is_trying = &mut self.replicas[replica].is_trying;
        if !std::mem::replace(is_trying, true) {
            self.engine.schedule_in(SimDuration::ZERO, Happening::Tries(small(replica)));
        }
    }

    fn try_pass(&mut self, index: usize) -> Result<()> {
        let now = self.engine.now();
        let pieces = self.plan.allocator.as_ref().map(|allocator| &allocator.kv);
        let shared = self.plan.cache.shared_with_kv.is_some() || matches!(pieces, Some(KvPieces::Paged(_)));
        let replica = &mut self.replicas[index];
        replica.is_trying = false;
        let Some(flight) = replica.free_flight() else { return Ok(()) };
        let any = replica.fill(flight);
        let swap = replica.swap_time(self.serving, flight);
        self.books.before(&replica.flights[flight]);
        self.slices.counts(now).preemptions += replica.flights[flight].preempted();
        let cut: Vec<RequestId> = replica.flights[flight]
            .batches
            .iter()
            .flat_map(|batch| &batch.ended_by_capacity)
            .copied()
            .collect();
        if any {
            for batch in &replica.flights[flight].batches {
                for slot in batch.slots.iter().filter(|slot| slot.is_prefill) {
                    self.requests.progress_mut(slot.request).begun.get_or_insert(now);
                }
            }
            let taken = |scheduler: &Scheduler| scheduler.kv().used() + scheduler.kv().cached();
            let used: Vec<Bytes> = replica.schedulers.iter().map(taken).collect();
            let under_way = &mut replica.flights[flight];
            under_way.describe(&mut self.requests, |rank| shared.then_some(used[rank]));
            (under_way.is_under_way, under_way.stage, under_way.began) = (true, 0, now);
            let end = replica.time_stage(0, flight, now + swap)?;
            self.out_of_memory = replica.stages[0].timer.out_of_memory();
            self.engine
                .schedule_at(end, Happening::StageDone { replica: small(index), flight: small(flight) });
        }
        let replica = &self.replicas[index];
        let stands = replica.flights.iter().all(|flight| !flight.is_under_way);
        if stands && replica.requests() > 0 {
            let found = format!("replica {index} stands idle with {} requests", replica.requests());
            return Err(Error::new(found).expected("a pass"));
        }
        for request in cut {
            self.requests.progress_mut(request).stage = Stage::Rejected;
            self.books.too_long += 1;
            self.ask_next();
        }
        Ok(())
    }

    fn stage_done(&mut self, index: usize, flight: usize) -> Result<()> {
        let replica = &mut self.replicas[index];
        let stage = replica.flights[flight].stage as usize;
        replica.stages[stage].is_busy = false;
        if stage == 0 {
            self.wake(index);
        } else if let Some(next) = self.replicas[index].stages[stage].queue.pop_front() {
            self.enter(index, usize::from(next), stage)?;
        }
        if stage + 1 == self.replicas[index].stages.len() {
            self.pass_done(index, flight);
            return Ok(());
        }
        let sent = self.serving.hand_over(&self.replicas[index].flights[flight].works, stage);
        let under_way = &mut self.replicas[index].flights[flight];
        (under_way.stage, under_way.is_there) = (under_way.stage + 1, self.engine.now() + sent);
        if self.replicas[index].stages[stage + 1].is_busy {
            self.replicas[index].stages[stage + 1].queue.push_back(small(flight));
            return Ok(());
        }
        self.enter(index, flight, stage + 1)
    }

    /// A pass enters a stage that is free, once its activations are there.
    fn enter(&mut self, index: usize, flight: usize, stage: usize) -> Result<()> {
        let start = self.engine.now().max(self.replicas[index].flights[flight].is_there);
        let end = self.replicas[index].time_stage(stage, flight, start)?;
        self.out_of_memory = self.replicas[index].stages[stage].timer.out_of_memory();
        self.engine.schedule_at(end, Happening::StageDone { replica: small(index), flight: small(flight) });
        Ok(())
    }

    /// The last stage is done with a pass: its tokens are out.
    fn pass_done(&mut self, index: usize, flight: usize) {
        let now = self.engine.now();
        let Self { replicas, requests, books, .. } = self;
        let replica = &mut replicas[index];
        let may_compact = self.plan.allocator.is_some();
        let paused: SimDuration = replica.stages.iter().map(|stage| stage.timer.compaction_time()).sum();
        let pass = &mut replica.flights[flight];
        pass.is_under_way = false;
        books.pass(pass, now.since(pass.began).as_ns());
        let (mut generated, mut ended) = (0, 0_u32);
        for (scheduler, batch) in replica.schedulers.iter_mut().zip(&pass.batches) {
            scheduler.pass_done(batch, |request| {
                let progress = requests.progress_mut(request);
                generated += 1;
                progress.generated += 1;
                if progress.generated == 1 {
                    progress.first_token = now;
                } else {
                    let gap = now.since(progress.last_token);
                    books.gaps.add(gap.as_ns());
                    if may_compact {
                        books.gaps_without.add((gap - (paused - progress.paused)).as_ns());
                    }
                }
                (progress.last_token, progress.paused) = (now, paused);
                let count = progress.generated;
                let last = requests.is_last(request, count);
                if last {
                    requests.progress_mut(request).stage = Stage::Finished;
                    ended += 1;
                }
                last
            });
        }
        let prefilled = pass.prefill_tokens();
        books.generated += generated;
        let lookups = self.lookups_now();
        let before = std::mem::replace(&mut self.lookups, lookups);
        let counts = self.slices.counts(now);
        counts.generated += generated;
        counts.prefilled += prefilled;
        counts.passes += 1;
        counts.lookups += lookups.0 - before.0;
        counts.hits += lookups.1 - before.1;
        for _ in 0..ended {
            self.ask_next();
        }
        self.wake(index);
    }

    fn lookups_now(&self) -> (u64, u64) {
        let stages = self.replicas.iter().flat_map(|replica| &replica.stages);
        stages.map(|stage| stage.timer.lookups()).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Notes the state from now on.
    fn observe(&mut self) {
        let mut levels = Levels::default();
        for replica in &self.replicas {
            for scheduler in &replica.schedulers {
                levels.running += scheduler.running() as u64;
                levels.waiting += scheduler.waiting() as u64;
            }
            levels.kv_bytes += self.serving.kv_of_all(replica.kv_bytes());
            levels.expert_bytes +=
                replica.stages.iter().map(|stage| stage.timer.expert_bytes().get()).sum::<u64>();
            levels.busy += u64::from(replica.flights.iter().any(|flight| flight.is_under_way));
        }
        self.books.kv_peak_bytes = self.books.kv_peak_bytes.max(levels.kv_bytes);
        self.slices.set(self.engine.now(), levels);
    }
}
