//! Prefetches on their way: from the predictor's guesses to transfers, and from a claim back to the layer event.

use super::books::Wait;
use super::event::Device;
use super::fabric::Fabric;
use super::fetch::PREFETCH;
use super::layer::Fate;
use super::run::Simulation;
use crate::metrics::PrefetchCounts;
use crate::plan::{LayerHome, Plan, PrefetchPlan};
use crate::prefetch::{Claim, Observed, PredictorInput, PrefetchShape, Prefetcher, Request, Target};
use crate::resource::{Class, Transfer};
use crate::serving::NextRuns;
use crate::trace::ExpertNumber;
use crate::units::{Bytes, SimDuration};

/// The prefetcher with the buffers that its calls fill.
pub(super) struct Prefetching {
    prefetcher: Prefetcher,
    cost: SimDuration,
    requests: Vec<Request>,
    cancelled: Vec<u32>,
}

impl Prefetching {
    pub(super) fn new(plan: &PrefetchPlan, whole: &Plan) -> Self {
        let shape = &whole.cache.shape;
        let input = PredictorInput {
            layers: shape.layers,
            experts: shape.experts,
            top_k: whole.workload.trace.header().top_k,
            seed: plan.seed,
            recall_ppm: &plan.recall_ppm,
            profile: plan.profile.as_deref(),
        };
        let shape = PrefetchShape {
            layers: shape.layers,
            experts: shape.experts,
            sizes: shape.sizes.clone(),
            budget: plan.budget.get(),
            depth: plan.depth,
            limit: plan.limit,
        };
        let predictor = (plan.predictor.build)(&input);
        Self {
            prefetcher: Prefetcher::new(shape, predictor, plan.predictor.needs),
            cost: plan.cost.times(u64::from(plan.depth)),
            requests: Vec::new(),
            cancelled: Vec::new(),
        }
    }

    /// GPU time that guessing takes in each layer.
    pub(super) fn cost(&self) -> SimDuration {
        self.cost
    }

    /// Hears of the transfers that have begun.
    fn hear_of_starts(&mut self, fabric: &mut Fabric) {
        for tag in fabric.started_prefetches() {
            self.prefetcher.started(tag & !PREFETCH);
        }
    }

    /// Takes back the transfers of what was dropped.
    fn take_back(&mut self, fabric: &mut Fabric) {
        for object in self.cancelled.drain(..) {
            let tag = PREFETCH | object;
            let moved = fabric.cancel(Device::Nvme, tag) + fabric.cancel(Device::H2d, tag);
            self.prefetcher.wasted(moved.get());
        }
    }

    pub(super) fn begin_sequence(&mut self, fabric: &mut Fabric) {
        self.end_of_sequence(fabric);
        self.prefetcher.begin_sequence();
    }

    pub(super) fn end_of_sequence(&mut self, fabric: &mut Fabric) {
        self.hear_of_starts(fabric);
        self.prefetcher.end_of_sequence(&mut self.cancelled);
        self.take_back(fabric);
    }

    /// Bytes that the buffer holds or awaits.
    pub(super) fn held_bytes(&self) -> u64 {
        self.prefetcher.held_bytes()
    }

    pub(super) fn into_counts(self) -> PrefetchCounts {
        self.prefetcher.counts()
    }
}

impl<I: ExpertNumber> Simulation<'_, I> {
    fn object(&self, expert: u32) -> u32 {
        self.layer * self.plan.cache.shape.experts + expert
    }

    /// What the prefetch buffer holds of the missing experts is there already; what is on its way is waited for.
    pub(super) fn claim_prefetched(&mut self) {
        let Some(mut prefetching) = self.prefetching.take() else { return };
        prefetching.hear_of_starts(&mut self.fabric);
        for index in 0..self.event.missing.len() {
            let object = self.object(self.event.missing[index].expert);
            let missing = &mut self.event.missing[index];
            match prefetching.prefetcher.claim(object) {
                Claim::Absent => {}
                Claim::Ready => missing.fate = Fate::Prefetched,
                Claim::Waiting | Claim::InFlight => {
                    missing.under_way = true;
                    self.fabric.promote(PREFETCH | object);
                }
            }
        }
        self.prefetching = Some(prefetching);
    }

    /// After the router has chosen: drops what was fetched for this layer in vain, and asks for what the layers ahead
    /// are expected to want.
    pub(super) fn prefetch_ahead(&mut self) {
        let Some(mut prefetching) = self.prefetching.take() else { return };
        let pass = self.pass as u64;
        prefetching.hear_of_starts(&mut self.fabric);
        let seen = Observed { layer: self.layer, experts: &self.event.asked, pass };
        prefetching.prefetcher.observe(&seen);
        prefetching.prefetcher.event_over(self.layer, &mut prefetching.cancelled);
        prefetching.take_back(&mut self.fabric);
        let shape = &self.plan.cache.shape;
        let goes_on = !self.work.next_runs.is_empty();
        let left = shape.layers - 1 - self.layer + if goes_on { shape.layers } else { 0 };
        let truth = |target: Target, out: &mut Vec<u32>| {
            let seen = |_, expert| {
                if !out.contains(&expert) {
                    out.push(expert);
                }
            };
            if target.next_pass {
                self.routing.selections(&NextRuns(&self.work), target.layer, seen);
            } else {
                self.routing.selections(&self.work, target.layer, seen);
            }
        };
        let resident = |object: u32| {
            let (layer, expert) = (object / shape.experts, object % shape.experts);
            !self.part.holds(layer, expert)
                || self.plan.placement.homes[layer as usize] != LayerHome::Gpu
                || self.cache.is_resident(layer, expert)
        };
        prefetching.requests.clear();
        prefetching.prefetcher.plan(self.layer, u64::from(left), truth, resident, &mut prefetching.requests);
        for index in 0..prefetching.requests.len() {
            let Request { object, bytes } = prefetching.requests[index];
            let in_host = self
                .dram
                .as_ref()
                .is_some_and(|dram| dram.is_resident(object / shape.experts, object % shape.experts));
            let from_nvme = self.fabric.has(Device::Nvme) && !in_host;
            let device = if from_nvme { Device::Nvme } else { Device::H2d };
            if !self.fabric.has(device) {
                // Memory is one pool, and the expert lies in it.
                prefetching.prefetcher.arrived(object);
                continue;
            }
            let transfer =
                Transfer { tag: PREFETCH | object, bytes: Bytes::new(bytes), class: Class::Prefetch };
            self.fabric.transfer(&mut self.engine, device, transfer);
        }
        self.fabric.go_on(&mut self.engine, Device::Nvme);
        self.prefetching = Some(prefetching);
    }

    /// Position of a prefetched expert in the current event, where that waits for it.
    fn waiting_for(&self, object: u32) -> Option<usize> {
        let (layer, expert) =
            (object / self.plan.cache.shape.experts, object % self.plan.cache.shape.experts);
        let index = if layer == self.layer { self.event.position(expert) } else { None };
        index.filter(|index| self.event.missing[*index].under_way)
    }

    /// A prefetch has left a device.
    pub(super) fn prefetch_moved(&mut self, device: Device, tag: u32) {
        let object = tag & !PREFETCH;
        let waiting = self.waiting_for(object);
        if device == Device::Nvme && !self.reads_land_in_vram() {
            if let Some(index) = waiting {
                self.event.missing[index].read_done = Some(self.engine.now());
            }
            let class = if waiting.is_some() { Class::Demand } else { Class::Prefetch };
            let bytes = self.plan.costs.experts().bytes(object / self.plan.cache.shape.experts);
            self.fabric.transfer(&mut self.engine, Device::H2d, Transfer { tag, bytes, class });
            return;
        }
        match waiting {
            Some(index) => {
                self.event.missing[index].under_way = false;
                if device == Device::Nvme {
                    self.event.missing[index].read_done = Some(self.engine.now());
                }
                self.arrived(index);
            }
            None => {
                self.wait = Wait::Copy { read_done: None };
                if let Some(prefetching) = &mut self.prefetching {
                    prefetching.hear_of_starts(&mut self.fabric);
                    prefetching.prefetcher.arrived(object);
                }
            }
        }
    }
}
