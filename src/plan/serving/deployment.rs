//! How many GPUs share the work, and what each of them holds.

use std::ops::Range;

use crate::catalogue::{Entry, ExchangeKind as Terms, Gpu, LinkClass};
use crate::error::Error;
use crate::model::{ComponentBytes, LayerSpec};
use crate::plan::model::ModelPlan;
use crate::plan::resolve::Resolver;
use crate::scenario::{ExchangeKind, PlacementRule};
use crate::serving::parallel::{
    Exchange, Interconnect, Layout, Link, Strategy, gpu_share, kv_divisor, layer_share,
};
use crate::serving::{Shard, Shards};
use crate::units::Bytes;

/// GPUs of a machine where the scenario does not say: those of a common server.
const NODE_GPUS_DEFAULT: u32 = 8;

/// A layout with what it was read from.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Deployment {
    pub(in crate::plan) layout: Layout,
    pub(in crate::plan) redundant: u32,
    pub(in crate::plan) strategy: Strategy,
    /// MoE layers of each stage.
    pub(in crate::plan) stages: Vec<Range<u32>>,
    /// The stage whose GPUs hold most.
    pub(in crate::plan) heaviest: u32,
    /// What its GPUs hold without routed experts.
    pub(in crate::plan) share: ComponentBytes,
    /// Experts that each rank has room for in a layer.
    pub(in crate::plan) slots: u32,
}

impl Deployment {
    pub(in crate::plan) fn is_single(&self) -> bool {
        self.layout == Layout::SINGLE
    }

    /// Routed experts that one GPU of the heaviest stage holds when all of its own lie there. `experts` are the sizes of
    /// one GPU's part of an expert, by MoE layer.
    pub(in crate::plan) fn own_experts(&self, experts: &[Bytes]) -> Bytes {
        let range = &self.stages[self.heaviest as usize];
        let own = &experts[range.start as usize..range.end as usize];
        own.iter().map(|size| size.times(u64::from(self.slots))).sum()
    }

    /// How much of each layer's work is one GPU's.
    pub(in crate::plan) fn shards(&self, whole: &ModelPlan) -> Shards {
        if self.is_single() {
            return Shards::default();
        }
        let layers = whole.spec.layers.iter().zip(&whole.layers);
        let share = |(layer, bytes): (&LayerSpec, &ComponentBytes)| {
            let held = layer_share(layer, bytes, &self.layout, 0);
            let (own, all) = (held.total(), bytes.total());
            Shard { bytes: own, params_ppm: own.get().saturating_mul(1_000_000) / all.get().max(1) }
        };
        Shards {
            layers: layers.map(share).collect(),
            attention_parts: u64::from(self.layout.tp),
            cache_parts: u64::from(kv_spread(whole, self.layout.tp)),
            head_parts: u64::from(self.layout.tp),
            expert_parts: u64::from(self.layout.moe_tp()),
        }
    }

    /// GPUs of one machine that share its host memory, drives and CPU.
    pub(in crate::plan) fn gpus_of_host(&self, node_gpus: u32) -> u64 {
        u64::from(self.layout.gpus().min(node_gpus)).max(1)
    }
}

/// Reads `[parallel]` and holds it against the model.
pub(in crate::plan) fn resolve(resolver: &mut Resolver<'_>, model: &ModelPlan) -> Option<Deployment> {
    let section = &resolver.scenario().parallel;
    let mut degree = |key: &str, written: Option<std::num::NonZeroU32>| {
        if let Some(written) = written {
            resolver.given(key, written);
        }
        written.map_or(1, std::num::NonZeroU32::get)
    };
    let (tp, dp) = (degree("parallel.tp", section.tp), degree("parallel.dp", section.dp));
    let (ep, pp) = (degree("parallel.ep", section.ep), degree("parallel.pp", section.pp));
    let layout = Layout { tp, dp, ep, pp };
    let redundant = u32::try_from(section.redundant_experts.unwrap_or(0)).unwrap_or(u32::MAX);
    if redundant > 0 {
        resolver.given("parallel.redundant_experts", redundant);
    }
    if let Err(error) = layout.check(&model.spec, redundant) {
        resolver.refuse_file("parallel", error);
        return None;
    }
    if model.experts.is_empty() && pp > 1 {
        resolver.refuse("parallel.pp", |place| {
            Error::at(
                place,
                format!("parallel.pp: found {pp}, and {} has no routed experts", model.spec.name),
            )
            .expected("1: dense layers are timed in one piece")
        });
        return None;
    }
    let strategy = strategy(resolver);
    Some(deployment(model, layout, redundant, strategy))
}

fn strategy(resolver: &mut Resolver<'_>) -> Strategy {
    let rule = resolver.scenario().parallel.placement;
    if let Some(rule) = rule {
        resolver.given("parallel.placement", rule.spelling());
    }
    match rule.unwrap_or(PlacementRule::Contiguous) {
        PlacementRule::Contiguous => Strategy::Contiguous,
        PlacementRule::RoundRobin => Strategy::RoundRobin,
        PlacementRule::LoadBalanced => Strategy::LoadBalanced,
    }
}

fn deployment(model: &ModelPlan, layout: Layout, redundant: u32, strategy: Strategy) -> Deployment {
    let moe_ids = model.spec.moe_layer_ids();
    let stage_of = |stage: u32| {
        let range = layout.stage_layers(stage, model.spec.layers.len());
        let before = |end: usize| moe_ids.iter().filter(|id| (**id as usize) < end).count();
        u32::try_from(before(range.start)).unwrap_or(0)..u32::try_from(before(range.end)).unwrap_or(0)
    };
    let stages: Vec<Range<u32>> = (0..layout.pp).map(stage_of).collect();
    let slots = model.spec.experts().saturating_add(redundant) / layout.ep.max(1);
    let share = |stage: u32| {
        let held = gpu_share(&model.spec, &model.layers, &model.outside, &layout, redundant, stage);
        ComponentBytes { routed_experts: Bytes::ZERO, ..held }
    };
    let experts = |stage: u32| -> Bytes {
        let range = &stages[stage as usize];
        let own = &model.experts[range.start as usize..range.end as usize];
        own.iter().map(|size| size.times(u64::from(slots)).fraction(1, u64::from(layout.moe_tp()))).sum()
    };
    // The last of equals: it has the output head.
    let heaviest = (0..layout.pp).max_by_key(|stage| share(*stage).total() + experts(*stage)).unwrap_or(0);
    Deployment { layout, redundant, strategy, share: share(heaviest), heaviest, stages, slots }
}

/// A model as one GPU of the layout computes it: each expert is its part of it.
pub(in crate::plan) fn sliced(model: &ModelPlan, layout: &Layout) -> ModelPlan {
    let parts = u64::from(layout.moe_tp());
    let experts = model.experts.iter().map(|size| Bytes::new(size.get().div_ceil(parts))).collect();
    ModelPlan { experts, ..model.clone() }
}

/// Over how many GPUs a sequence's cache is spread: the fewest over layers that have one.
pub(in crate::plan) fn kv_spread(model: &ModelPlan, tp: u32) -> u32 {
    let layers = model.spec.layers.iter();
    let with_cache = layers.filter(|layer| layer.attention.kv_elements_per_token() > 0);
    with_cache.map(|layer| kv_divisor(layer, tp)).min().unwrap_or(tp)
}

/// What joins the GPUs; `None` after an error, and on one GPU anything would do.
pub(in crate::plan) fn interconnect(
    resolver: &mut Resolver<'_>,
    gpu: &Gpu,
    layout: &Layout,
) -> Option<Interconnect> {
    let section = &resolver.scenario().parallel;
    let node_gpus = node_gpus(resolver);
    let within = match &section.interconnect {
        Some(name) => {
            resolver.given("parallel.interconnect", name);
            resolver.row::<LinkClass>("parallel.interconnect", name)?
        }
        None => LinkClass::within_machine(gpu).or_else(|| LinkClass::find("pcie"))?,
    };
    if layout.gpus() > 1 && section.interconnect.is_none() {
        resolver.note("parallel.interconnect", &within.name, format!("default: what {} has", gpu.id));
    }
    let between = LinkClass::find("infiniband-400g")?;
    let link = |class: &LinkClass| {
        let peak = class.peak_of(gpu)?;
        let exchange = |kind: Terms| {
            let terms = class.terms(kind);
            Exchange { latency: terms.latency, step: terms.step, bandwidth: peak.at_ppm(terms.share.ppm()) }
        };
        Some(Link {
            all_reduce: exchange(Terms::AllReduce),
            gather: exchange(Terms::Gather),
            all_to_all: exchange(Terms::AllToAll),
            send: exchange(Terms::Send),
        })
    };
    let far = link(between)?;
    let Some(near) = link(within) else {
        if layout.gpus() == 1 {
            return Some(Interconnect { node_gpus, near: far, far });
        }
        resolver.refuse("parallel", |place| {
            let found = format!("{} has no link to other GPUs of the kind {}", gpu.id, within.id);
            Error::at(place, found).expected("a GPU with one, or parallel.interconnect")
        });
        return None;
    };
    Some(Interconnect { node_gpus, near, far })
}

/// GPUs of one machine.
pub(in crate::plan) fn node_gpus(resolver: &Resolver<'_>) -> u32 {
    resolver.scenario().parallel.node_gpus.map_or(NODE_GPUS_DEFAULT, std::num::NonZeroU32::get)
}

/// How tokens get to their experts: data-parallel ranks send each token to the ranks of its experts, tensor-parallel ones
/// have every token already and sum their results.
pub(in crate::plan) fn exchange(resolver: &mut Resolver<'_>, layout: &Layout) -> ExchangeKind {
    let why = "default: all-to-all between data-parallel ranks, else all-reduce";
    let default = if layout.dp > 1 { ExchangeKind::AllToAll } else { ExchangeKind::AllReduce };
    let written = resolver.scenario().parallel.exchange;
    if layout.stage_gpus() > 1 {
        match written {
            Some(written) => resolver.given("parallel.exchange", written.spelling()),
            None => resolver.note("parallel.exchange", default.spelling(), why),
        }
    }
    written.unwrap_or(default)
}
