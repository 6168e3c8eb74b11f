//! Drives a scheduler to the end of a workload and keeps books of its own beside it.

use moesim::serving::kv::{KvCache, KvShape};
use moesim::serving::scheduler::{
    Arrival, Batch, Batching, PassOrder, Preemption, Rejection, Scheduler, SchedulerConfig,
    SchedulingPolicy as Policy,
};
use moesim::serving::{RequestId, RequestView};
use moesim::units::{Bytes, SimTime};

pub(crate) const BLOCK_BYTES: u64 = 100;

/// A request, and the step of the loop at which it comes.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub at: u32,
    pub prompt: u32,
    pub output: u32,
    pub priority: u8,
    pub hashes: Vec<u64>,
}

/// A workload and what serves it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub config: SchedulerConfig,
    pub block_tokens: u32,
    pub hash_tokens: u32,
    pub capacity_blocks: u64,
    /// Steps at which the capacity changes, and to what.
    pub changes: Vec<(u32, u64)>,
    /// Passes under way at once.
    pub depth: usize,
    pub jobs: Vec<Job>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Unseen,
    Waiting,
    Running,
    Finished,
    Rejected(Rejection),
    Ended,
}

/// What can be known of a request from outside.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub state: State,
    pub target: u32,
    pub context: u32,
    pub emitted: u32,
    /// Tokens for which it holds room.
    held: u32,
    busy: bool,
    begun: bool,
    swapped: bool,
    /// Its next slot may begin where a prefix ends.
    fresh: bool,
}

/// The scheduler and the books.
pub(crate) struct Drive {
    pub case: Case,
    pub scheduler: Scheduler,
    pub seen: Vec<Seen>,
    pub admissions: Vec<u32>,
    pub passes: Vec<Batch>,
    shape: KvShape,
    capacity: u64,
    lowered: bool,
    under_way: Vec<Batch>,
    pub prefilled: u64,
    pub recomputed: u64,
    pub hits: u64,
    pub resumed_fresh: u64,
    pub swapped: (u64, u64),
    pub preemptions: u64,
}

fn id(number: usize) -> RequestId {
    RequestId(u32::try_from(number).unwrap())
}

impl Drive {
    pub(crate) fn new(case: Case) -> Self {
        let shape = KvShape::uniform(case.block_tokens, Bytes::new(BLOCK_BYTES));
        let capacity = case.capacity_blocks * BLOCK_BYTES;
        let kv = KvCache::new(shape.clone(), Bytes::new(capacity), case.hash_tokens);
        let seen = |job: &Job| Seen {
            state: State::Unseen,
            target: job.prompt,
            context: 0,
            emitted: 0,
            held: 0,
            busy: false,
            begun: false,
            swapped: false,
            fresh: true,
        };
        Self {
            scheduler: Scheduler::new(case.config, kv).unwrap(),
            seen: case.jobs.iter().map(seen).collect(),
            admissions: Vec::new(),
            passes: Vec::new(),
            shape,
            capacity,
            lowered: false,
            under_way: Vec::new(),
            prefilled: 0,
            recomputed: 0,
            hits: 0,
            resumed_fresh: 0,
            swapped: (0, 0),
            preemptions: 0,
            case,
        }
    }

    /// To the end; every step is checked.
    pub(crate) fn run(mut self) -> Self {
        let mut step = 0;
        while self.step(step) {
            step += 1;
            assert!(step < 100_000, "it does not end");
        }
        self
    }

    /// One step of the loop: arrivals, passes begin, the oldest pass ends. Says whether there is more.
    pub(crate) fn step(&mut self, step: u32) -> bool {
        for number in 0..self.case.jobs.len() {
            if self.case.jobs[number].at == step {
                self.arrive(number);
            }
        }
        for (_, blocks) in self.case.changes.iter().filter(|(at, _)| *at == step) {
            self.lowered |= blocks * BLOCK_BYTES < self.capacity;
            self.capacity = blocks * BLOCK_BYTES;
            self.scheduler.set_kv_capacity(Bytes::new(self.capacity));
        }
        while self.under_way.len() < self.case.depth && self.begin_pass() {}
        let idle = self.under_way.is_empty();
        assert!(!(idle && self.scheduler.has_work()), "there is work, and nobody does it");
        if !idle {
            let batch = self.under_way.remove(0);
            self.end_pass(&batch);
        }
        self.check_books();
        let later = self.case.jobs.iter().any(|job| job.at > step);
        later || self.scheduler.has_work()
    }

    fn arrive(&mut self, number: usize) {
        let job = &self.case.jobs[number];
        let waiting = self.scheduler.waiting();
        let view = RequestView {
            id: id(number),
            arrival: SimTime::from_ns(u64::from(job.at)),
            prompt_tokens: job.prompt,
            priority: job.priority,
        };
        let arrival = self.scheduler.arrive(view, &job.hashes);
        let too_long = self.shape.bytes(job.prompt + 1).get() > self.capacity;
        let full = self.case.config.max_queue.is_some_and(|most| waiting >= most as usize);
        let expected = match (too_long, full) {
            (true, _) => Arrival::Rejected(Rejection::TooLong),
            (_, true) => Arrival::Rejected(Rejection::QueueFull),
            _ => Arrival::Queued,
        };
        assert_eq!(arrival, expected);
        assert_eq!(self.seen[number].state, State::Unseen);
        self.seen[number].state = match arrival {
            Arrival::Queued => State::Waiting,
            Arrival::Rejected(why) => State::Rejected(why),
        };
    }

    fn begin_pass(&mut self) -> bool {
        let mut batch = Batch::default();
        let begins = self.scheduler.next_pass(&mut batch);
        assert_eq!(begins, !batch.slots.is_empty());
        self.check_decodes_first(&batch);
        self.runs(&batch);
        self.slots(&batch);
        self.check_limits(&batch);
        self.check_order(&batch);
        self.check_admission(&batch);
        (self.prefilled, self.recomputed) =
            (self.prefilled + batch.prefill_tokens, self.recomputed + batch.recomputed_tokens);
        self.hits += batch.prefix_hit_tokens;
        self.swapped = (self.swapped.0 + batch.swapped_out_bytes, self.swapped.1 + batch.swapped_in_bytes);
        self.passes.push(batch.clone());
        if begins {
            self.under_way.push(batch);
        }
        self.check_books();
        begins
    }

    /// Who runs and who does not, before the slots are looked at.
    fn runs(&mut self, batch: &Batch) {
        for request in &batch.admitted {
            let one = &mut self.seen[request.index()];
            assert!(one.state == State::Waiting && !one.begun, "{request:?} is admitted");
            (one.state, one.begun) = (State::Running, true);
            self.admissions.push(request.0);
            self.holds(request.index());
        }
        for number in 0..self.seen.len() {
            let times = |list: &[RequestId]| list.iter().filter(|other| other.index() == number).count();
            let (lost, back) = (times(&batch.preempted), times(&batch.resumed));
            self.preemptions += lost as u64;
            for _ in 0..lost + back {
                match self.seen[number].state {
                    State::Running => self.loses(number),
                    State::Waiting => {
                        let one = &mut self.seen[number];
                        assert!(one.begun);
                        one.state = State::Running;
                        self.holds(number);
                        self.seen[number].swapped = false;
                    }
                    state => panic!("{number} is {state:?} and is preempted or resumed"),
                }
            }
        }
        for request in &batch.ended_by_capacity {
            let one = &mut self.seen[request.index()];
            assert!(matches!(one.state, State::Running | State::Waiting) && !one.busy);
            assert!(self.shape.bytes(one.target.max(one.context + 1)).get() > self.capacity);
            (one.state, one.held) = (State::Ended, 0);
        }
    }

    /// What a request is granted when it begins to run, before its slot is known.
    fn holds(&mut self, number: usize) {
        let fixed = self.case.config.batching == Batching::Static;
        let one = &mut self.seen[number];
        if fixed {
            one.held = one.target.max(one.context + 1);
        } else if one.swapped && one.context >= one.target {
            one.held = one.context + 1;
        }
    }

    fn loses(&mut self, number: usize) {
        let recompute = self.case.config.preemption == Preemption::Recompute;
        let prompt = self.case.jobs[number].prompt;
        let one = &mut self.seen[number];
        assert!(!one.busy, "{number} is preempted in a pass");
        (one.state, one.held) = (State::Waiting, 0);
        if recompute {
            self.resumed_fresh += u64::from(one.emitted > 0 && one.context >= one.target);
            (one.target, one.context, one.fresh) = (prompt + one.emitted, 0, true);
        } else {
            one.swapped = true;
        }
    }

    fn slots(&mut self, batch: &Batch) {
        let (mut prefill, mut decode) = (0, 0);
        let sharing = self.case.hash_tokens > 0;
        for slot in &batch.slots {
            let one = &mut self.seen[slot.request.index()];
            assert!(one.state == State::Running && !one.busy, "{slot:?} of {one:?}");
            if one.fresh && sharing {
                assert!(slot.context < one.target);
                one.context = slot.context;
            }
            assert_eq!(slot.context, one.context);
            assert_eq!(slot.is_prefill, one.context < one.target);
            assert!(slot.tokens > 0);
            one.context += slot.tokens;
            if slot.is_prefill {
                prefill += u64::from(slot.tokens);
                assert!(one.context <= one.target);
                assert!(self.case.config.chunked_prefill || one.context == one.target);
                assert_eq!(slot.emits, one.context == one.target);
            } else {
                decode += 1;
                assert!(slot.tokens == 1 && slot.emits);
            }
            one.held = one.held.max(one.context);
            (one.busy, one.fresh) = (true, false);
        }
        assert_eq!((batch.prefill_tokens, batch.decode_tokens), (prefill, decode));
    }

    fn end_pass(&mut self, batch: &Batch) {
        let (jobs, seen) = (&self.case.jobs, &mut self.seen);
        let mut asked = Vec::new();
        self.scheduler.pass_done(batch, |request| {
            let one = &mut seen[request.index()];
            one.emitted += 1;
            asked.push(request);
            let last = one.emitted == jobs[request.index()].output;
            if last {
                (one.state, one.held) = (State::Finished, 0);
            }
            last
        });
        let emitting = batch.slots.iter().filter(|slot| slot.emits).map(|slot| slot.request);
        assert_eq!(asked, emitting.collect::<Vec<_>>());
        for slot in &batch.slots {
            self.seen[slot.request.index()].busy = false;
        }
    }

    fn check_limits(&self, batch: &Batch) {
        let config = &self.case.config;
        let alone = batch.slots.len() == 1 && !config.chunked_prefill;
        assert!(batch.tokens() <= u64::from(config.token_budget) || alone);
        assert!(self.scheduler.running() <= config.max_batch as usize);
        if config.batching == Batching::Static || config.order == PassOrder::PrefillFirst {
            assert!(batch.prefill_tokens == 0 || batch.decode_tokens == 0);
        }
    }

    /// Whoever decodes and is free is in the next pass, unless it is preempted or other passes are under way.
    fn check_decodes_first(&self, batch: &Batch) {
        let config = &self.case.config;
        if config.batching == Batching::Static || config.order == PassOrder::PrefillFirst {
            return;
        }
        for (number, one) in self.seen.iter().enumerate() {
            let decodes = one.state == State::Running && !one.busy && one.context >= one.target;
            if decodes && self.under_way.is_empty() {
                let there = batch.slots.iter().any(|slot| slot.request == id(number));
                let dropped = batch.preempted.iter().chain(&batch.ended_by_capacity);
                assert!(
                    there || dropped.into_iter().any(|request| *request == id(number)),
                    "{number} is delayed"
                );
            }
        }
    }

    /// Place in the queue.
    fn place(&self, number: usize) -> (u32, usize) {
        let job = &self.case.jobs[number];
        let key = match self.case.config.policy {
            Policy::Fcfs => 0,
            Policy::ShortestPrefillFirst if self.seen[number].begun => 0,
            Policy::ShortestPrefillFirst => job.prompt,
            Policy::Priority => u32::from(job.priority),
        };
        (key, number)
    }

    /// Nobody is admitted while somebody waits who comes first.
    fn check_order(&self, batch: &Batch) {
        let waits = |number: &usize| {
            self.seen[*number].state == State::Waiting && !batch.preempted.contains(&id(*number))
        };
        let first = (0..self.seen.len()).filter(waits).map(|number| self.place(number)).min();
        for request in &batch.admitted {
            let mut own = self.place(request.index());
            if self.case.config.policy == Policy::ShortestPrefillFirst {
                own.0 = self.case.jobs[request.index()].prompt;
            }
            assert!(first.is_none_or(|first| own < first), "{request:?} is admitted before {first:?}");
        }
    }

    /// Whoever is first in the queue and fits is admitted, but not in a pass that had to preempt.
    fn check_admission(&self, batch: &Batch) {
        let config = &self.case.config;
        let mixed = config.batching == Batching::Continuous && config.order == PassOrder::DecodeFirst;
        let Some(first) = batch.slots.first().filter(|_| mixed) else { return };
        if !batch.preempted.is_empty() {
            // Where nobody else was left to run, those that were preempted may come back at once.
            let joined = [&batch.admitted[..], &batch.resumed].concat();
            assert!(joined.is_empty() || joined.contains(&first.request));
            return;
        }
        let budget = u64::from(config.token_budget).saturating_sub(batch.tokens());
        let room = budget > 0 && self.scheduler.running() < config.max_batch as usize;
        let waiting = (0..self.seen.len()).filter(|number| self.seen[*number].state == State::Waiting);
        let Some(next) = waiting.min_by_key(|number| self.place(*number)) else { return };
        if !room || !config.chunked_prefill || self.case.hash_tokens > 0 {
            return;
        }
        let one = &self.seen[next];
        let more = u64::from(one.target.saturating_sub(one.context).max(1)).min(budget);
        let bytes = self.shape.bytes(one.context + u32::try_from(more).unwrap());
        let used = self.scheduler.kv().used();
        assert!(used.get() + bytes.get() > self.capacity, "{next} fits and is not admitted");
    }

    /// Bytes are those of a recount, and counts are those of the states.
    fn check_books(&self) {
        let count = |state: State| self.seen.iter().filter(|one| one.state == state).count();
        assert_eq!(self.scheduler.running(), count(State::Running));
        assert_eq!(self.scheduler.waiting(), count(State::Waiting));
        assert_eq!(self.scheduler.passes_under_way() as usize, self.under_way.len());
        let recount: u64 = self.seen.iter().map(|one| self.shape.bytes(one.held).get()).sum();
        let kv = self.scheduler.kv();
        if self.case.hash_tokens == 0 {
            assert_eq!(kv.used().get(), recount);
        }
        assert!(self.lowered || kv.used().get() + kv.cached().get() <= self.capacity);
        assert!(kv.peak() >= kv.used());
    }
}
