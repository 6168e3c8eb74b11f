//! The run itself: the clock, the pass and layer being served, and what each event does.

use super::books::{Books, Wait};
use super::cpu::{CpuJob, CpuWork};
use super::event::{Device, Happening};
use super::fabric::{Fabric, Finished};
use super::foretold::ForetoldHits;
use super::layer::{AssumedHits, Fate, LayerEvent};
use super::pace::{Part, Pause};
use super::prefetching::Prefetching;
use super::recorder::{Launch, Recorder};
use super::serve::serve;
use super::vram::Vram;
use crate::cache::replay::{Routing, Selection};
use crate::cache::{ExpertCache, Policy};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::metrics::Summary;
use crate::metrics::timeline::{Timeline, Window};
use crate::plan::{LayerHome, Overlap, Plan};
use crate::resource::SerialDevice;
use crate::serving::{StretchCost, Work};
use crate::trace::{ExpertNumber, Ids};
use crate::units::{SimDuration, SimTime};

/// Simulates one configuration.
///
/// # Errors
/// A simulation that does not advance, which would be a bug of the simulator.
pub fn simulate(plan: &Plan) -> Result<Summary> {
    if let Some(serving) = &plan.serving {
        return serve(plan, serving);
    }
    let (summary, _) = match plan.workload.trace.ids() {
        Ids::U8(ids) => Simulation::new(plan, ids, Part::whole(plan)).run(None),
        Ids::U16(ids) => Simulation::new(plan, ids, Part::whole(plan)).run(None),
    }?;
    Ok(summary)
}

/// Simulates one configuration and writes down what every device did within a window of time. The summary is that of
/// [`simulate`].
///
/// # Errors
/// As [`simulate`], and where requests are served: their passes are timed one by one, and `slices` of the summary show
/// the run.
pub fn record(plan: &Plan, window: Window) -> Result<(Summary, Timeline)> {
    if plan.serving.is_some() {
        return Err(Error::new("a timeline shows sequences that are replayed one after another")
            .expected("a scenario without requests.arrivals"));
    }
    let recorder = Some(Box::new(Recorder::new(plan, window)));
    match plan.workload.trace.ids() {
        Ids::U8(ids) => Simulation::new(plan, ids, Part::whole(plan)).run(recorder),
        Ids::U16(ids) => Simulation::new(plan, ids, Part::whole(plan)).run(recorder),
    }
    .map(|(summary, recorder)| {
        let span_ns = summary.span_ns;
        (summary, recorder.map(|recorder| recorder.finish(span_ns)).unwrap_or_default())
    })
}

pub(super) struct Simulation<'a, I> {
    pub(super) plan: &'a Plan,
    pub(super) routing: Routing<'a, I>,
    pub(super) engine: Engine<Happening>,
    pub(super) gpu: SerialDevice,
    pub(super) fabric: Fabric,
    pub(super) cache: ExpertCache<Box<dyn Policy>>,
    /// Host memory as a cache over NVMe.
    pub(super) dram: Option<ExpertCache<Box<dyn Policy>>>,
    pub(super) assumed: Option<AssumedHits>,
    /// Residency by one pass for all capacities, in place of the cache.
    pub(super) foretold: Option<ForetoldHits<'a>>,
    /// Experts on their way back to host memory.
    pub(super) copying_back: usize,
    /// Tag of the last of them.
    pub(super) copied_back: u32,
    pub(super) prefetching: Option<Prefetching>,
    /// GPU memory, where what an allocator loses of it is simulated.
    pub(super) vram: Option<Box<Vram<'a>>>,
    /// Of the caches before this one, where each sequence has its own.
    overshoot_max: u64,
    pub(super) books: Books,
    /// Which layers and experts are this GPU's.
    pub(super) part: Part<'a>,
    /// The layer's selections that are this GPU's, where others have some.
    pub(super) picked: Vec<Selection>,
    /// Number of the pass, what it has to do, the layer being served, and its event.
    pub(super) pass: usize,
    pub(super) work: Work,
    pass_began: SimTime,
    pub(super) layer: u32,
    pub(super) event: LayerEvent,
    resident_done: bool,
    /// The CPU has work of this layer event left, its result on the way back included.
    pub(super) cpu_busy: bool,
    /// What the CPU's part of this event waits for: reads, and the activations on their way over.
    pub(super) cpu_waits_for: usize,
    stretch_costs: Vec<StretchCost>,
    decode_before: (u64, u64),
    sequence_before: u32,
    /// What ended last beside the GPU stream, and so ends the stream's idle time if it stood idle.
    pub(super) wait: Wait,
    /// What others are to hear of before anything goes on.
    pub(super) pause: Option<Pause>,
    pub(super) recorder: Option<Box<Recorder>>,
}

impl<'a, I: ExpertNumber> Simulation<'a, I> {
    pub(super) fn new(plan: &'a Plan, ids: &'a [I], part: Part<'a>) -> Self {
        let workload = &plan.workload;
        let cache = part.cache(plan);
        let allocator = plan.allocator.as_ref();
        let vram = allocator.map(|allocator| Box::new(Vram::with_experts(allocator, &cache)));
        let routing = Routing::new(&workload.trace, ids, workload.future.as_deref(), plan.cache.grouping);
        Self {
            plan,
            routing,
            engine: Engine::default(),
            gpu: SerialDevice::default(),
            fabric: Fabric::new(&plan.machine),
            cache,
            dram: plan.placement.dram.as_ref().map(|dram| dram.build(&[])),
            assumed: plan.cache.hit_rate_ppm.map(AssumedHits::new),
            foretold: workload.foretold.as_deref().map(|needs| ForetoldHits::new(needs, &plan.cache.shape)),
            copying_back: 0,
            copied_back: 0,
            prefetching: plan.prefetch.as_ref().map(|prefetch| Prefetching::new(prefetch, plan)),
            vram,
            overshoot_max: 0,
            books: Books::new(allocator.is_some()),
            part,
            picked: Vec::new(),
            pass: 0,
            work: Work::default(),
            pass_began: SimTime::ZERO,
            layer: 0,
            event: LayerEvent::new(plan.cache.shape.experts),
            resident_done: false,
            cpu_busy: false,
            cpu_waits_for: 0,
            stretch_costs: Vec::new(),
            decode_before: (0, 0),
            sequence_before: 0,
            wait: Wait::Cpu,
            pause: None,
            recorder: None,
        }
    }

    fn run(mut self, recorder: Option<Box<Recorder>>) -> Result<(Summary, Option<Box<Recorder>>)> {
        self.recorder = recorder;
        let passes = &self.plan.workload.passes;
        for (index, pass) in passes.iter().enumerate() {
            self.work.set(pass, passes.get(index + 1));
            self.begin(self.engine.now());
            if self.turn()? == Pause::OutOfMemory {
                break;
            }
        }
        if let Some(summary) = self.out_of_memory() {
            return Ok((summary, self.recorder));
        }
        // A prefetch in vain may outlast the last token: nobody waits for its end.
        let span = self.engine.now().since(SimTime::ZERO);
        Ok(self.finish(span))
    }

    /// Closes the books of a run that took `span`.
    pub(super) fn finish(mut self, span: SimDuration) -> (Summary, Option<Box<Recorder>>) {
        if let Some(prefetching) = &mut self.prefetching {
            prefetching.end_of_sequence(&mut self.fabric);
        }
        let mut links = vec![self.gpu.usage("gpu", span)];
        links.extend(self.fabric.usage(span));
        let foretold = self.foretold.as_ref().map_or(0, ForetoldHits::overshoot_max);
        let overshoot = self.overshoot_max.max(self.cache.overshoot_max()).max(foretold);
        let allocator = self.allocator_summary();
        let prefetch = self.prefetching.map(Prefetching::into_counts).unwrap_or_default();
        let mut summary = self.books.summarise(links, span, overshoot, self.engine.dispatched(), prefetch);
        summary.allocator = allocator;
        if let Some(allocator) = &mut summary.allocator {
            allocator.latency_ns = summary.token_latency_ns;
        }
        (summary, self.recorder)
    }

    /// Begins the pass that `work` describes, then or as soon as the clock allows.
    pub(super) fn begin(&mut self, at: SimTime) {
        self.engine.schedule_at(at.max(self.engine.now()), Happening::PassBegins);
    }

    /// Goes on until the pass is over, or until others are to hear of something.
    pub(super) fn turn(&mut self) -> Result<Pause> {
        while let Some(happening) = self.engine.next()? {
            match happening {
                Happening::PassBegins => self.begin_pass(),
                Happening::Compacted => self.begin_layers(),
                Happening::Routed => self.routed(),
                Happening::Dispatched => self.dispatched(),
                Happening::LayerBegins => self.layer_begins(),
                Happening::ResidentDone => self.resident_done(),
                Happening::DeviceDone(device) => self.device_done(device),
                Happening::BusTick(generation) => {
                    if let Some(device) = self.fabric.bus_tick(&mut self.engine, generation) {
                        self.device_done(device);
                    }
                }
                Happening::MissingDone => {
                    self.event.computing -= 1;
                    self.fetch_next_into_the_buffer();
                    self.finish_layer_if_done();
                }
                Happening::PassDone => self.finish_pass(),
            }
            self.record_levels();
            if let Some(pause) = self.pause.take() {
                return Ok(pause);
            }
        }
        Err(Error::new(format!("pass {} waits for something that never comes", self.pass)))
    }

    pub(super) fn home(&self) -> LayerHome {
        self.plan.placement.homes[self.layer as usize]
    }

    /// Appends work to the GPU stream and schedules its end. If the stream stood idle, what ended last beside it is what
    /// it waited for.
    fn compute(&mut self, cost: StretchCost, launch: Launch, end: Happening) {
        let now = self.engine.now();
        if self.gpu.free_at() < now {
            self.books.waited(self.gpu.free_at(), now, self.wait);
            self.record_wait(self.gpu.free_at());
        }
        self.books.gpu(cost.compute, cost.overhead);
        let job = self.gpu.submit(now, cost.compute + cost.overhead, cost.bytes);
        self.record_launch(job, &cost, launch);
        self.engine.schedule_at(job.end, end);
    }

    fn begin_pass(&mut self) {
        let previous = (self.pass > 0).then_some(self.sequence_before);
        if previous != Some(self.work.sequence) {
            self.begin_sequence(previous.is_some());
        }
        self.sequence_before = self.work.sequence;
        if let Some(shared) = &self.plan.cache.shared_with_kv {
            let room = self.part.room(shared, &self.work);
            self.cache.set_capacity(room.min(self.part.experts_bytes(self.plan)));
        }
        self.pass_began = self.engine.now();
        // Between two passes nobody waits.
        self.gpu.idle_until(self.pass_began);
        self.decode_before = (self.books.decode.lookups, self.books.decode.hits);
        self.books.counts(self.work.phase).tokens += self.work.rows;
        self.layer = self.part.layers.start;
        if !self.allocate_pass() {
            self.begin_layers();
        }
    }

    fn begin_layers(&mut self) {
        self.plan.costs.stretch_costs(&self.work, &mut self.stretch_costs);
        let first = self.part.layers.start == 0;
        let once = self.plan.costs.overheads().of_pass(self.work.sequences());
        self.begin_layer(if first { once } else { SimDuration::ZERO });
    }

    fn begin_sequence(&mut self, is_another: bool) {
        if is_another {
            self.vram.iter_mut().for_each(|vram| vram.begin_sequence());
        }
        if is_another && self.plan.cache.clear_between {
            self.overshoot_max = self.overshoot_max.max(self.cache.overshoot_max());
            let cache = self.plan.rebuild_cache(self.pass, self.event.number);
            self.cache = self.plan.watched(cache);
            if let Some(vram) = &mut self.vram {
                vram.refill(&self.cache);
            }
            if let Some(foretold) = &mut self.foretold {
                foretold.clear();
            }
            self.dram = self.plan.placement.dram.as_ref().map(|dram| dram.build(&[]));
        }
        if is_another {
            self.cache.begin_sequence();
            self.dram.iter_mut().for_each(ExpertCache::begin_sequence);
        }
        if let Some(prefetching) = &mut self.prefetching {
            prefetching.begin_sequence(&mut self.fabric);
        }
    }

    /// The stretch up to the router of the current layer, or the tail where there is no further layer.
    pub(super) fn begin_layer(&mut self, extra_overhead: SimDuration) {
        if self.layer == self.part.layers.end && self.part.is_followed {
            // Another GPU has the layers that follow.
            self.engine.schedule_in(SimDuration::ZERO, Happening::PassDone);
            return;
        }
        let has_experts = self.layer < self.part.layers.end;
        let (mut cost, launch, end) = if has_experts {
            let stretch = self.plan.costs.stretch_of(self.layer);
            (self.stretch_costs[stretch], Launch::Stretch, Happening::Routed)
        } else {
            (self.plan.costs.tail_cost(&self.work), Launch::Head, Happening::PassDone)
        };
        cost.overhead += extra_overhead;
        if has_experts && self.home() == LayerHome::Cpu {
            let duration = self.cpu_time(cost.bytes, cost.flops) + extra_overhead;
            let job = CpuJob { work: CpuWork::Stretch, duration, bytes: cost.bytes };
            self.fabric.compute(&mut self.engine, job);
            return;
        }
        if has_experts && let Some(prefetching) = &self.prefetching {
            cost.overhead += prefetching.cost();
        }
        self.compute(cost, launch, end);
    }

    /// The router's choice is known.
    pub(super) fn route(&mut self) {
        self.decide();
        self.resident_done = false;
        if self.plan.machine.overlap != Overlap::None {
            self.start_missing();
        }
        self.prefetch_ahead();
        let cost = self.resident_cost();
        if cost == StretchCost::default() {
            self.resident_done();
        } else {
            self.compute(cost, Launch::Resident, Happening::ResidentDone);
        }
    }

    fn resident_done(&mut self) {
        self.resident_done = true;
        if self.plan.machine.overlap == Overlap::None {
            self.start_missing();
        }
        self.finish_layer_if_done();
    }

    /// What ran on a device has ended.
    fn device_done(&mut self, device: Device) {
        let now = self.engine.now();
        self.record_device(device);
        match self.fabric.finish(now, device) {
            Some(Finished::Moved(device, tag)) => self.moved(device, tag),
            Some(Finished::Computed(CpuWork::Stretch)) => {
                self.wait = Wait::Cpu;
                self.routed();
            }
            Some(Finished::Computed(CpuWork::Experts)) => self.experts_computed(),
            None => {}
        }
        self.fabric.go_on(&mut self.engine, device);
        self.finish_layer_if_done();
    }

    /// A missing expert lies in GPU memory.
    pub(super) fn arrived(&mut self, index: usize) {
        self.event.awaited -= 1;
        let arrived = self.event.missing[index];
        self.wait = Wait::Copy { read_done: arrived.read_done };
        let cost = match self.plan.machine.overlap {
            Overlap::None if self.plan.machine.single_buffer => {
                self.launch_cost(std::iter::once(arrived.tokens), 1)
            }
            Overlap::None if self.event.awaited > 0 => return,
            Overlap::None => {
                let fetched = || self.event.of_fate(Fate::Fetch).map(|missing| missing.tokens);
                self.launch_cost(fetched(), fetched().count())
            }
            Overlap::WithinLayer | Overlap::AcrossLayers => {
                self.launch_cost(std::iter::once(arrived.tokens), 1)
            }
        };
        self.event.computing += 1;
        self.compute(cost, Launch::Arrived(index), Happening::MissingDone);
    }

    fn finish_layer_if_done(&mut self) {
        let done = self.resident_done
            && self.event.awaited == 0
            && self.event.computing == 0
            && !self.cpu_busy
            && (self.copying_back == 0 || self.plan.machine.overlap == Overlap::AcrossLayers)
            && (self.plan.machine.overlap != Overlap::WithinLayer || self.fabric.is_quiet());
        if done {
            self.resident_done = false;
            self.layer += 1;
            self.layer_done();
        }
    }

    fn finish_pass(&mut self) {
        let span = self.engine.now().since(self.pass_began);
        self.settle_wait();
        self.books.close_pass(&self.work, span, self.decode_before);
        let now = self.engine.now();
        self.vram.iter_mut().for_each(|vram| vram.end_pass(now));
        self.record_pass(self.pass_began);
        self.pass += 1;
        self.pause = Some(Pause::PassDone);
    }
}
