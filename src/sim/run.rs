//! The run itself: devices, the pass and layer being served, and what each event does.

use super::books::Books;
use super::event::Happening;
use super::layer::LayerEvent;
use crate::cache::replay::Routing;
use crate::cache::{ExpertCache, Policy};
use crate::engine::Engine;
use crate::error::Result;
use crate::metrics::Summary;
use crate::plan::{LinkPlan, Overlap, Plan};
use crate::resource::{Link, SerialDevice};
use crate::serving::{PassCosts, StretchCost};
use crate::trace::{ExpertNumber, Ids, Pass};
use crate::units::{Bytes, SimDuration, SimTime};

/// Simulates one configuration.
///
/// # Errors
/// A simulation that does not advance, which would be a bug of the simulator.
pub fn simulate(plan: &Plan) -> Result<Summary> {
    match plan.workload.trace.ids() {
        Ids::U8(ids) => Simulation::new(plan, ids).run(),
        Ids::U16(ids) => Simulation::new(plan, ids).run(),
    }
}

/// A link and how long it takes for an expert of each layer.
struct Carrier {
    link: Link,
    time_of_layer: Vec<SimDuration>,
}

impl Carrier {
    fn new(plan: &LinkPlan, costs: &PassCosts, layers: u32) -> Self {
        let link = Link::new(plan.bandwidth, plan.latency);
        let time_of_layer =
            (0..layers).map(|layer| link.transfer_time(costs.experts().bytes(layer))).collect();
        Self { link, time_of_layer }
    }

    fn submit(&mut self, now: SimTime, layer: u32, size: Bytes) -> SimTime {
        self.link.submit(now, size, self.time_of_layer[layer as usize]).end
    }
}

struct Simulation<'a, I> {
    plan: &'a Plan,
    routing: Routing<'a, I>,
    engine: Engine<Happening>,
    gpu: SerialDevice,
    h2d: Option<Carrier>,
    nvme: Option<Carrier>,
    cache: ExpertCache<Box<dyn Policy>>,
    /// Of the caches before this one, where each sequence has its own.
    overshoot_max: u64,
    books: Books,
    layers: u32,
    /// Position in the list of passes, the layer being served, and its event.
    pass: usize,
    pass_began: SimTime,
    layer: u32,
    event: LayerEvent,
    resident_done: bool,
    stretch_costs: Vec<StretchCost>,
    decode_before: (u64, u64),
}

impl<'a, I: ExpertNumber> Simulation<'a, I> {
    fn new(plan: &'a Plan, ids: &'a [I]) -> Self {
        let layers = plan.cache.shape.layers;
        let carrier =
            |link: &Option<LinkPlan>| link.as_ref().map(|link| Carrier::new(link, &plan.costs, layers));
        let trace = &plan.workload.trace;
        let routing = Routing::new(trace, ids, plan.workload.future.as_deref(), plan.cache.grouping);
        Self {
            plan,
            routing,
            engine: Engine::default(),
            gpu: SerialDevice::default(),
            h2d: carrier(&plan.machine.h2d),
            nvme: carrier(&plan.machine.nvme),
            cache: plan.build_cache(),
            overshoot_max: 0,
            books: Books::default(),
            layers,
            pass: 0,
            pass_began: SimTime::ZERO,
            layer: 0,
            event: LayerEvent::new(plan.cache.shape.experts),
            resident_done: false,
            stretch_costs: Vec::new(),
            decode_before: (0, 0),
        }
    }

    fn run(mut self) -> Result<Summary> {
        if !self.plan.workload.passes.is_empty() {
            self.engine.schedule_at(SimTime::ZERO, Happening::PassBegins);
        }
        while let Some(happening) = self.engine.next()? {
            match happening {
                Happening::PassBegins => self.begin_pass(),
                Happening::Routed => self.route(),
                Happening::ResidentDone => self.resident_done(),
                Happening::ReadDone(index) => self.read_done(index),
                Happening::Arrived(index) => self.arrived(index),
                Happening::MissingDone => {
                    self.event.computing -= 1;
                    self.finish_layer_if_done();
                }
                Happening::PassDone => self.finish_pass(),
            }
        }
        let span = self.engine.now().since(SimTime::ZERO);
        let mut links = vec![self.gpu.usage("gpu", span)];
        links.extend(self.h2d.iter().map(|carrier| carrier.link.usage("h2d", span)));
        links.extend(self.nvme.iter().map(|carrier| carrier.link.usage("nvme", span)));
        let overshoot = self.overshoot_max.max(self.cache.overshoot_max());
        Ok(self.books.summarise(links, span, overshoot, self.engine.dispatched()))
    }

    fn current_pass(&self) -> &'a Pass {
        &self.plan.workload.passes[self.pass]
    }

    /// Appends work to the GPU stream and schedules its end. If the stream stood idle, it was waiting for an expert
    /// whose NVMe read ended at `read_done`.
    fn compute(&mut self, cost: StretchCost, read_done: Option<SimTime>, end: Happening) {
        let now = self.engine.now();
        if self.gpu.free_at() < now {
            self.books.waited(self.gpu.free_at(), now, read_done);
        }
        self.books.gpu(cost.compute, cost.overhead);
        let job = self.gpu.submit(now, cost.compute + cost.overhead, cost.bytes);
        self.engine.schedule_at(job.end, end);
    }

    fn begin_pass(&mut self) {
        let pass = self.current_pass();
        let previous = self.pass.checked_sub(1).map(|index| self.plan.workload.passes[index].sequence);
        if self.plan.cache.clear_between && previous.is_some_and(|sequence| sequence != pass.sequence) {
            self.overshoot_max = self.overshoot_max.max(self.cache.overshoot_max());
            self.cache = self.plan.rebuild_cache(self.pass, self.event.number);
        }
        self.pass_began = self.engine.now();
        self.decode_before = (self.books.decode.lookups, self.books.decode.hits);
        self.books.counts(pass.phase).tokens += pass.rows;
        self.layer = 0;
        self.plan.costs.stretch_costs(pass, &mut self.stretch_costs);
        self.begin_layer(self.plan.costs.overheads().per_pass);
    }

    /// The stretch up to the router of the current layer, or the tail where there is no further layer.
    fn begin_layer(&mut self, extra_overhead: SimDuration) {
        let (mut cost, end) = if self.layer < self.layers {
            (self.stretch_costs[self.plan.costs.stretch_of(self.layer)], Happening::Routed)
        } else {
            (self.plan.costs.tail_cost(self.current_pass()), Happening::PassDone)
        };
        cost.overhead += extra_overhead;
        self.compute(cost, None, end);
    }

    fn route(&mut self) {
        let pass = self.current_pass();
        let counts = self.books.counts(pass.phase);
        self.event.ask(&mut self.cache, &self.routing, pass, self.layer, counts);
        self.resident_done = false;
        if self.plan.machine.overlap == Overlap::WithinLayer {
            self.fetch_missing();
        }
        if self.event.resident.is_empty() {
            self.resident_done();
            return;
        }
        let tokens = self.event.resident.iter().copied();
        let cost = self.launch_cost(tokens, self.event.resident.len());
        self.compute(cost, None, Happening::ResidentDone);
    }

    /// Cost of one launch over `count` experts with these tokens each.
    fn launch_cost(&self, tokens: impl Iterator<Item = u64>, count: usize) -> StretchCost {
        let experts = self.plan.costs.experts();
        let compute = if self.current_pass().rows == 1 {
            experts.single_token_time(self.layer, count)
        } else {
            tokens.map(|tokens| experts.time(self.layer, tokens)).sum()
        };
        let bytes = experts.bytes(self.layer).times(count as u64);
        StretchCost { compute, overhead: self.plan.costs.launch_overhead(), bytes }
    }

    fn resident_done(&mut self) {
        self.resident_done = true;
        if self.plan.machine.overlap == Overlap::None {
            self.fetch_missing();
        }
        self.finish_layer_if_done();
    }

    fn fetch_missing(&mut self) {
        let (now, size) = (self.engine.now(), self.plan.costs.experts().bytes(self.layer));
        for index in 0..u32::try_from(self.event.missing.len()).unwrap_or(u32::MAX) {
            match &mut self.nvme {
                Some(nvme) => {
                    let end = nvme.submit(now, self.layer, size);
                    self.engine.schedule_at(end, Happening::ReadDone(index));
                }
                None => self.copy(index),
            }
        }
    }

    /// Copies a missing expert to VRAM; where memory is unified it is there already.
    fn copy(&mut self, index: u32) {
        let (now, size) = (self.engine.now(), self.plan.costs.experts().bytes(self.layer));
        let end = self.h2d.as_mut().map_or(now, |h2d| h2d.submit(now, self.layer, size));
        self.engine.schedule_at(end, Happening::Arrived(index));
    }

    fn read_done(&mut self, index: u32) {
        self.event.missing[index as usize].read_done = Some(self.engine.now());
        self.copy(index);
    }

    fn arrived(&mut self, index: u32) {
        self.event.awaited -= 1;
        let arrived = self.event.missing[index as usize];
        let cost = match self.plan.machine.overlap {
            Overlap::None if self.event.awaited > 0 => return,
            Overlap::None => {
                let tokens = self.event.missing.iter().map(|missing| missing.tokens);
                self.launch_cost(tokens, self.event.missing.len())
            }
            Overlap::WithinLayer => self.launch_cost(std::iter::once(arrived.tokens), 1),
        };
        self.event.computing += 1;
        self.compute(cost, arrived.read_done, Happening::MissingDone);
    }

    fn finish_layer_if_done(&mut self) {
        if self.resident_done && self.event.awaited == 0 && self.event.computing == 0 {
            self.layer += 1;
            self.begin_layer(SimDuration::ZERO);
        }
    }

    fn finish_pass(&mut self) {
        let span = self.engine.now().since(self.pass_began);
        self.books.close_pass(self.current_pass(), span, self.decode_before);
        self.pass += 1;
        if self.pass < self.plan.workload.passes.len() {
            self.engine.schedule_in(SimDuration::ZERO, Happening::PassBegins);
        }
    }
}
