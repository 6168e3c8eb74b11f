//! What will run: a scenario's point with every name looked up, every default made visible, and every byte booked.
//!
//! [`plan`] turns one [`PointScenario`] into a [`Plan`], which the simulator takes as it
//! is. What the user wrote wrongly is an error that points into the file; a configuration that is merely too large is a
//! plan with [`Plan::problems`], since "it does not fit" is an answer. [`Inputs`] holds what points share, loaded once.

mod cache;
mod conflicts;
mod cost;
mod cpu;
mod describe;
mod dram;
mod foretold;
mod inputs;
mod kernel;
mod limits;
mod links;
mod machine;
mod memory;
mod merging;
mod model;
mod placement;
mod prefetch;
mod profile;
mod quality;
mod relief;
mod resolve;
mod router;
mod serving;
mod spill;
mod types;
pub mod vary;
mod workload;

pub use foretold::Foretold;
pub use inputs::Inputs;
pub use model::{ExpertSizes, WholeModel};
pub use serving::{Continuation, ExchangeKind, KvPlan, Links, ReplicaRouting, ServingPlan, Slo};
pub use types::{
    CachePlan, CopyPlan, DrivePlan, LayerHome, Machine, MissAction, MissPlan, Overlap, PlacementPlan, Plan,
    PrefetchPlan, Setting, SharedRoom, WorkloadPlan,
};

use std::path::PathBuf;
use std::sync::Arc;

use crate::cache::PolicyRow;
use crate::error::{Error, Result};
use crate::memory::Tier;
use crate::metrics::ConfigLabels;
use crate::prefetch::PredictorRow;
use crate::scenario::{ExpertHome, PointScenario, Tiers};
use crate::serving::scheduler::SchedulerConfig;
use crate::serving::{CpuRates, GpuRates, MoeKernel, PassCosts};
use crate::trace::Trace;
use crate::units::{Bytes, SimDuration};
use resolve::Resolver;

/// Plans one point.
///
/// # Errors
/// Unknown names, files that cannot be read, and settings that contradict each other: all that can be told at once.
pub fn plan(point: &PointScenario, inputs: &Inputs) -> Result<Plan> {
    let mut resolver = Resolver::new(point);
    let Some((named, trace, policy)) = named(&mut resolver, inputs) else {
        return Err(resolver.into_error());
    };
    let placed = placed(&mut resolver, inputs, &named, trace, policy)?;
    let rates = spill::rates(&mut resolver, &named.machine, &placed.booked.ledger);
    let run = limits::Run {
        model: &named.model,
        machine: &named.machine,
        cpu: named.cpu,
        workload: &placed.workload,
        prefetch: placed.prefetch.as_ref(),
        memory: rates.unwrap_or(named.machine.rates).memory,
        vram: placed.booked.ledger.total(Tier::Vram),
    };
    limits::check(&mut resolver, &run);
    let is_resident = rates.is_none() && is_resident(&named, &placed);
    serving::check_routing(&mut resolver, named.served.is_none() || is_resident);
    let costs = costs(&mut resolver, &named, rates, placed.workload.plan.trace.header().top_k);
    let offload = placement::offload_tokens(&mut resolver, &named.model, named.machine.engine);
    finished(resolver, inputs, named, placed, Timing { costs, offload, is_resident, spills: rates.is_some() })
}

/// What is known before any byte is booked.
struct Named {
    /// The model, and as one GPU computes it.
    whole: model::ModelPlan,
    model: model::ModelPlan,
    machine: machine::MachinePlan,
    deployment: serving::Deployment,
    placement: placement::Placement,
    cpu: Option<CpuRates>,
    predictor: Option<PredictorRow>,
    served: Option<Served>,
}

/// Looks every name up; `None` after an error.
fn named(resolver: &mut Resolver<'_>, inputs: &Inputs) -> Option<(Named, (PathBuf, Arc<Trace>), PolicyRow)> {
    conflicts::check(resolver);
    serving::check(resolver);
    router::check(resolver);
    let whole = model::resolve(resolver, inputs);
    let machine = machine::resolve(resolver);
    let policy = cache::policy(resolver, inputs);
    let trace = workload::trace(resolver, inputs, whole.as_ref());
    let deployment = whole.as_ref().and_then(|whole| serving::deployment(resolver, whole));
    let served = served(resolver, inputs, trace.as_ref());
    let (whole, machine, policy, trace) = (whole?, machine?, policy?, trace?);
    let (deployment, served) = (deployment?, served.ok()?);
    let machine = machine.shared_by(deployment.gpus_of_host(serving::node_gpus(resolver)));
    let model = serving::sliced(&whole, &deployment.layout);
    let mut placement = placement::resolve(resolver, &model);
    placement.own = (!deployment.is_single()).then(|| deployment.own_experts(&model.experts));
    let rates_of_cpu = || cpu::rates(resolver, machine.cpu, machine.engine, model.expert_dtype);
    let cpu = placement.uses_cpu().then(rates_of_cpu).flatten();
    let predictor = prefetch::predictor(resolver, inputs);
    let named = Named { whole, model, machine, deployment, placement, cpu, predictor, served };
    Some((named, trace, policy))
}

/// Where everything lies.
struct Placed {
    workload: workload::Workload,
    booked: memory::Booked,
    prefetch: Option<PrefetchPlan>,
    /// `None` after an error.
    cache: Option<cache::Cache>,
    dram: Option<CachePlan>,
    /// Where requests are served.
    kv_room: Option<Bytes>,
}

/// Books all memory.
fn placed(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    named: &Named,
    trace: (PathBuf, Arc<Trace>),
    policy: PolicyRow,
) -> Result<Placed> {
    let Named { model, machine, placement, .. } = named;
    let workload = match &named.served {
        None => workload::resolve(resolver, inputs, &policy, trace)?,
        Some(served) => {
            let routed = (Arc::clone(&served.routed.trace), &*served.load.requests);
            workload::serving(resolver, &policy, trace.0, routed, &served.scheduler)
        }
    };
    let mut booked = if named.served.is_some() {
        let models = (model, &named.whole);
        serving::book(resolver, models, machine, &named.deployment, placement, workload.pass_rows)
    } else {
        memory::book(resolver, model, machine, &workload, placement)
    };
    let serves = named.served.is_some();
    let own_experts = placement.gpu_experts(model);
    let kv_first = serves.then(|| serving::kv_first(resolver, &mut booked, own_experts)).flatten();
    let settings = named.predictor.clone().map(|row| (row, machine.overlap));
    let prefetch = settings
        .and_then(|settings| prefetch::resolve(resolver, inputs, model, &workload, settings, &mut booked));
    let cache = cache::resolve(resolver, inputs, model, &workload, policy, placement, &mut booked);
    let dram = cache.as_ref().and_then(|cache| {
        dram::resolve(resolver, inputs, (model, placement), machine, &cache.plan, &mut booked)
    });
    let kv_room = serves.then(|| kv_first.unwrap_or_else(|| serving::kv_rest(resolver, &mut booked)));
    Ok(Placed { workload, booked, prefetch, cache, dram, kv_room })
}

/// Whether every expert of a GPU lies in its memory for good.
fn is_resident(named: &Named, placed: &Placed) -> bool {
    // What is in the cache from the beginning and fits never leaves it. Guesses would be in vain, but take their time.
    let holds_all = |cache: &cache::Cache| {
        placed.prefetch.is_none()
            && cache.plan.start_filled
            && cache.plan.shared_with_kv.is_none()
            && cache.capacity >= named.placement.gpu_experts(&named.model)
    };
    let none_elsewhere = placed.booked.home == ExpertHome::Vram || named.model.experts.is_empty();
    (none_elsewhere || placed.cache.as_ref().is_some_and(holds_all))
        && named.placement.homes.iter().all(|home| *home == LayerHome::Gpu)
}

/// GPU time of passes. Where weights spill, `rates` are what is left of the GPU's.
fn costs(resolver: &mut Resolver<'_>, named: &Named, rates: Option<GpuRates>, top_k: u32) -> PassCosts {
    let Named { model, machine, deployment, .. } = named;
    // Spilled weights decide, whatever the kernel reaches in GPU memory.
    let parts = u64::from(deployment.layout.moe_tp());
    let measured = || kernel::resolve(resolver, model, machine, parts);
    let kernel = rates.map_or_else(measured, MoeKernel::plain);
    let rates = rates.unwrap_or(machine.rates);
    let shards = deployment.shards(&named.whole);
    PassCosts::new(&model.spec, model.sizes(), model.kv, rates, machine.overheads, kernel, (top_k, &shards))
}

/// What times passes.
struct Timing {
    costs: PassCosts,
    offload: Option<u64>,
    is_resident: bool,
    spills: bool,
}

/// Puts the plan together.
fn finished(
    mut resolver: Resolver<'_>,
    inputs: &Inputs,
    named: Named,
    placed: Placed,
    timing: Timing,
) -> Result<Plan> {
    let Placed { mut workload, mut booked, prefetch, cache, dram, kv_room } = placed;
    let Named { whole, model, machine, deployment, placement, cpu, served, .. } = named;
    let cost = cost::resolve(&mut resolver, &machine, &placement, &deployment);
    let serving = served.zip(kv_room).and_then(|(served, kv_room)| {
        let parts = serving::Parts {
            whole: &whole,
            machine: &machine,
            own_experts: deployment.own_experts(&model.experts),
            deployment,
            load: served.load,
            routed: served.routed,
            scheduler: served.scheduler,
            kv_room,
            is_resident: timing.is_resident,
            copies: machine.copies,
        };
        serving::assemble(&mut resolver, inputs, parts, &mut booked.problems)
    });
    if quality::is_known_after(&placement) {
        resolver.note("quality of misses", "known after a run", "it follows from the gate weight not served");
    }
    let exclusive = dram.is_some() && resolver.scenario().placement.tiers == Some(Tiers::Exclusive);
    let (settings, error) = resolver.finish();
    if let Some(error) = error {
        return Err(error);
    }
    let mut cache = cache.ok_or_else(|| Error::new("the cache could not be planned"))?;
    cache.plan.costs = fetch_costs(&machine, booked.home, &cache.plan.shape.sizes);
    let asks_more = prefetch.is_some() || exclusive || serving.is_some();
    workload.plan.foretold = foretold::foretold(inputs, &workload, &cache.plan, &placement, asks_more);
    if let (Some(shared), Some(room)) = (&mut cache.plan.shared_with_kv, kv_room) {
        // Both have what either was given.
        shared.bytes = cache.capacity + room;
    }
    let short = Tier::ALL.into_iter().filter(|tier| !timing.spills || *tier != Tier::Vram);
    booked.problems.extend(short.filter_map(|tier| booked.ledger.shortfall(tier)));
    booked.problems.extend(cache.problems.iter().cloned());
    Ok(Plan {
        model: WholeModel::of(&whole),
        labels: labels(&model, &machine, &booked, &cache, &workload, prefetch.as_ref()),
        settings,
        problems: booked.problems,
        machine: assemble(&machine, &placement, booked.home, (cpu, exclusive)),
        placement: PlacementPlan {
            activation_bytes: links::activation_bytes(model.spec.hidden),
            homes: placement.homes,
            miss: placement.miss,
            offload_tokens: timing.offload,
            dram,
            exclusive,
        },
        prefetch,
        ledger: booked.ledger,
        quality: quality::quality(&whole),
        cost,
        costs: timing.costs,
        cache: cache.plan,
        workload: workload.plan,
        serving: serving.map(Box::new),
    })
}

/// Requests and their routing.
struct Served {
    load: serving::Load,
    routed: serving::Routed,
    scheduler: SchedulerConfig,
}

/// What is served, where requests arrive; the error has been noted.
fn served(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    trace: Option<&(PathBuf, Arc<Trace>)>,
) -> std::result::Result<Option<Served>, ()> {
    let Some(arrivals) = resolver.scenario().requests.arrivals else { return Ok(None) };
    let scheduler = serving::scheduler(resolver);
    let load = serving::load(resolver, inputs, arrivals).ok_or(())?;
    let (path, trace) = trace.ok_or(())?;
    let routed = serving::routed(resolver, inputs, (path, trace), &load).ok_or(())?;
    Ok(Some(Served { load, routed, scheduler }))
}

/// The devices that this point uses.
fn assemble(
    machine: &machine::MachinePlan,
    placement: &placement::Placement,
    home: ExpertHome,
    (cpu, copies_back): (Option<CpuRates>, bool),
) -> Machine {
    let copies = machine.copies.filter(|_| home != ExpertHome::Vram || cpu.is_some());
    let back = copies.filter(|_| cpu.is_some() || copies_back);
    let nvme = (home == ExpertHome::Nvme).then_some(machine.nvme);
    let reached = cpu.map(|cpu| cpu.achieved());
    Machine {
        h2d: copies,
        d2h: back,
        nvme,
        cpu,
        dram_bus: links::bus(machine.dram, [copies, back], nvme, reached),
        dram: machine.dram,
        overlap: if placement.single_buffer { Overlap::None } else { machine.overlap },
        single_buffer: placement.single_buffer,
    }
}

/// Nanoseconds that fetching one expert of each layer takes with nothing else on the way: where experts live on NVMe the
/// read, else the copy.
fn fetch_costs(machine: &machine::MachinePlan, home: ExpertHome, sizes: &[u64]) -> Vec<u64> {
    let time = |size: &u64| {
        let size = Bytes::new(*size);
        let copy = machine.copies.map_or(SimDuration::ZERO, |link| link.curve.time(size));
        let read =
            if home == ExpertHome::Nvme { machine.nvme.curve.time(size, 1) } else { SimDuration::ZERO };
        copy.max(read).as_ns()
    };
    sizes.iter().map(time).collect()
}

fn labels(
    model: &model::ModelPlan,
    machine: &machine::MachinePlan,
    booked: &memory::Booked,
    cache: &cache::Cache,
    workload: &workload::Workload,
    prefetch: Option<&PrefetchPlan>,
) -> ConfigLabels {
    let policy = match cache.plan.hit_rate_ppm {
        _ if model.experts.is_empty() => "none".to_owned(),
        Some(_) => "assumed".to_owned(),
        None => cache.plan.policy.name.clone(),
    };
    ConfigLabels {
        model: model.spec.name.clone(),
        quant: model.quant.clone(),
        gpu: machine.gpu.id.clone(),
        engine: machine.engine.id.clone(),
        backing: booked.home.spelling().to_owned(),
        policy,
        policy_is_oracle: cache.is_oracle || prefetch.is_some_and(|prefetch| prefetch.predictor.is_oracle),
        cache_scope: cache.scope_name.to_owned(),
        replay: cache.replay_name.to_owned(),
        cache_capacity_bytes: cache.capacity.get(),
        experts_total_bytes: model.experts_total().get(),
        token_working_set_bytes: workload.token_working_set(model).get(),
        trace: workload.name.clone(),
        context_tokens: workload.context,
        prefetch: prefetch.map_or_else(|| "none".to_owned(), |prefetch| prefetch.predictor.name.clone()),
    }
}

impl Plan {
    /// Whether anything is short, and so nothing can be simulated.
    pub fn fits(&self) -> bool {
        self.problems.is_empty()
    }
}
