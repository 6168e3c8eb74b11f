//! One GPU of several: which layers and experts are its own, and where it waits for the others.
//!
//! A run on one GPU never pauses within a pass. With several, every GPU pauses when its router's choice is known and when
//! its part of a layer is done; whoever drives them lets all go on when the slowest is there and the exchange between
//! them is over. What a GPU does between two pauses depends on no other.

use std::ops::Range;

use super::event::Happening;
use super::run::Simulation;
use crate::cache::{ExpertCache, Policy};
use crate::plan::{Plan, SharedRoom};
use crate::serving::Work;
use crate::trace::ExpertNumber;
use crate::units::{SimDuration, SimTime};

/// Where a GPU has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The router's choice is known; the layer event has not begun.
    Routed,
    /// All experts of the layer that are its own have computed.
    LayerDone,
    /// The pass is over, or its part of it.
    PassDone,
    /// A request for GPU memory could not be served: the run is over.
    OutOfMemory,
}

/// What is one GPU's own.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    /// MoE layers.
    pub(super) layers: Range<u32>,
    /// Another GPU has the layers after these.
    pub(super) is_followed: bool,
    /// Whether it pauses within a pass.
    pub(super) is_paced: bool,
    /// Whether each expert of each layer is its own, `[layer * experts + expert]`; `None` where all are.
    pub(super) own: Option<&'a [bool]>,
    experts: usize,
}

impl<'a> Part<'a> {
    /// All of it, on one GPU.
    pub(super) fn whole(plan: &Plan) -> Self {
        let shape = &plan.cache.shape;
        Self {
            layers: 0..shape.layers,
            is_followed: false,
            is_paced: false,
            own: None,
            experts: shape.experts as usize,
        }
    }

    /// These layers, of whose experts those that `own` names.
    pub(super) fn of(plan: &Plan, layers: Range<u32>, own: Option<&'a [bool]>) -> Self {
        let shape = &plan.cache.shape;
        Self {
            is_followed: layers.end < shape.layers,
            layers,
            is_paced: true,
            own,
            experts: shape.experts as usize,
        }
    }

    /// Which experts of a layer are its own; `None` where all are.
    pub(super) fn mask(&self, layer: u32) -> Option<&'a [bool]> {
        let begin = layer as usize * self.experts;
        self.own.map(|own| &own[begin..begin + self.experts])
    }

    /// Whether an expert can ever lie here.
    pub(super) fn holds(&self, layer: u32, expert: u32) -> bool {
        self.layers.contains(&layer) && self.mask(layer).is_none_or(|mask| mask[expert as usize])
    }

    /// Bytes of all experts that are its own.
    pub(super) fn experts_bytes(&self, plan: &Plan) -> u64 {
        let shape = &plan.cache.shape;
        if self.own.is_none() && self.layers == (0..shape.layers) {
            return shape.total();
        }
        let of_layer = |layer: u32| {
            let count = (0..shape.experts).filter(|expert| self.holds(layer, *expert)).count() as u64;
            count * shape.sizes[layer as usize]
        };
        self.layers.clone().map(of_layer).sum()
    }

    /// The expert cache at the start of a run.
    pub(super) fn cache(&self, plan: &Plan) -> ExpertCache<Box<dyn Policy>> {
        let cache = if self.is_paced {
            plan.build_cache_of(|layer, expert| self.holds(layer, expert))
        } else {
            plan.build_cache()
        };
        plan.watched(cache)
    }

    /// Bytes for experts beside the KV cache.
    pub(super) fn room(&self, shared: &SharedRoom, work: &Work) -> u64 {
        if let Some(kv) = work.kv_bytes {
            return shared.all().saturating_sub(kv).get();
        }
        let (mut sequences, mut context) = (0, 0);
        for group in &work.groups {
            sequences += u64::from(group.sequences);
            context = context.max(group.context + group.tokens);
        }
        shared.for_experts(context, sequences).get()
    }
}

impl<I: ExpertNumber> Simulation<'_, I> {
    /// The router's choice is known.
    pub(super) fn routed(&mut self) {
        if self.part.is_paced {
            self.settle_wait();
            self.pause = Some(Pause::Routed);
        } else {
            self.route();
        }
    }

    /// The layer is done.
    pub(super) fn layer_done(&mut self) {
        if self.part.is_paced {
            self.settle_wait();
            self.pause = Some(Pause::LayerDone);
        } else {
            self.begin_layer(SimDuration::ZERO);
        }
    }

    /// Lets the layer event begin at `at`.
    pub(super) fn dispatch(&mut self, at: SimTime) {
        self.engine.schedule_at(at.max(self.engine.now()), Happening::Dispatched);
    }

    /// Lets the next layer begin at `at`.
    pub(super) fn go_on(&mut self, at: SimTime) {
        self.engine.schedule_at(at.max(self.engine.now()), Happening::LayerBegins);
    }

    pub(super) fn dispatched(&mut self) {
        self.settle_exchange();
        self.route();
    }

    pub(super) fn layer_begins(&mut self) {
        self.settle_exchange();
        self.begin_layer(SimDuration::ZERO);
    }

    /// Books the stream's idle time until now as a wait for whatever ended last.
    pub(super) fn settle_wait(&mut self) {
        let now = self.engine.now();
        if self.part.is_paced && self.gpu.free_at() < now {
            self.books.waited(self.gpu.free_at(), now, self.wait);
            self.gpu.idle_until(now);
        }
    }

    /// Books the stream's idle time until now as exchange.
    fn settle_exchange(&mut self) {
        let now = self.engine.now();
        let from = self.gpu.free_at();
        if from < now {
            self.books.exchanged(now.since(from));
            self.gpu.idle_until(now);
        }
    }
}
