//! What will run: a scenario's point with every name looked up, every default made visible, and every byte booked.
//!
//! [`plan`] turns one [`PointScenario`] into a [`Plan`], which the simulator takes as it
//! is. What the user wrote wrongly is an error that points into the file; a configuration that is merely too large is a
//! plan with [`Plan::problems`], since "it does not fit" is an answer. [`Inputs`] holds what points share, loaded once.

mod cache;
mod conflicts;
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
mod model;
mod placement;
mod prefetch;
mod profile;
mod relief;
mod resolve;
mod router;
mod serving;
mod spill;
mod types;
mod workload;

pub use foretold::Foretold;
pub use inputs::Inputs;
pub use model::ExpertSizes;
pub use serving::{
    Continuation, ExchangeKind, KvPlan, Links, ReplicaRouting, ServingPlan, Slo,
};
pub use types::{
    CachePlan, CopyPlan, DrivePlan, LayerHome, Machine, MissAction, MissPlan, Overlap, PlacementPlan, Plan,
    PrefetchPlan, Setting, SharedRoom, WorkloadPlan,
};

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::memory::Tier;
use crate::metrics::ConfigLabels;
use crate::scenario::{ExpertHome, PointScenario, Tiers};
use crate::serving::scheduler::SchedulerConfig;
use crate::serving::{CpuRates, MoeKernel, PassCosts};
use crate::trace::Trace;
use crate::units::{Bytes, SimDuration};
use resolve::Resolver;

/// Plans one point.
///
/// # Errors
/// Unknown names, files that cannot be read, and settings that contradict each other: all that can be told at once.
pub fn plan(point: &PointScenario, inputs: &Inputs) -> Result<Plan> {
    let mut resolver = Resolver::new(point);
    conflicts::check(&mut resolver);
    serving::check(&mut resolver);
    let whole = model::resolve(&mut resolver, inputs);
    let machine = machine::resolve(&mut resolver);
    let policy = cache::policy(&mut resolver, inputs);
    let trace = workload::trace(&mut resolver, inputs, whole.as_ref());
    let deployment = whole.as_ref().and_then(|whole| serving::deployment(&mut resolver, whole));
    let served = served(&mut resolver, inputs, trace.as_ref());
    let (Some(whole), Some(machine), Some(policy), Some(trace)) = (whole, machine, policy, trace) else {
        return Err(resolver.into_error());
    };
    let (Some(deployment), Ok(served)) = (deployment, served) else {
        return Err(resolver.into_error());
    };
    let machine = machine.shared_by(deployment.gpus_of_host(serving::node_gpus(&resolver)));
    let model = serving::sliced(&whole, &deployment.layout);
    let mut placement = placement::resolve(&mut resolver, &model);
    placement.own = (!deployment.is_single()).then(|| deployment.own_experts(&model.experts));
    let rates_of_cpu = || cpu::rates(&mut resolver, machine.cpu, machine.engine, model.expert_dtype);
    let cpu_rates = placement.uses_cpu().then(rates_of_cpu).flatten();
    let predictor = prefetch::predictor(&mut resolver, inputs);
    let mut workload = match &served {
        None => workload::resolve(&mut resolver, inputs, &policy, trace)?,
        Some(served) => {
            let routed = (Arc::clone(&served.routed.trace), &*served.load.requests);
            workload::serving(&mut resolver, &policy, trace.0, routed, &served.scheduler)
        }
    };
    let mut booked = if served.is_some() {
        let models = (&model, &whole);
        serving::book(&mut resolver, models, &machine, &deployment, &placement, workload.pass_rows)
    } else {
        memory::book(&mut resolver, &model, &machine, &workload, &placement)
    };
    let own_experts = placement.gpu_experts(&model);
    let kv_first = served.as_ref().and_then(|_| serving::kv_first(&mut resolver, &mut booked, own_experts));
    let prefetch = predictor.map(|row| (row, machine.overlap)).and_then(|settings| {
        prefetch::resolve(&mut resolver, inputs, &model, &workload, settings, &mut booked)
    });
    let cache = cache::resolve(&mut resolver, inputs, &model, &workload, policy, &placement, &mut booked);
    let dram = cache.as_ref().and_then(|cache| {
        dram::resolve(&mut resolver, inputs, (&model, &placement), &machine, &cache.plan, &mut booked)
    });
    let kv_room = served.is_some().then(|| kv_first.unwrap_or_else(|| serving::kv_rest(&mut resolver, &mut booked)));
    let rates = spill::rates(&mut resolver, &machine, &booked.ledger);
    let run = limits::Run {
        model: &model,
        machine: &machine,
        cpu: cpu_rates,
        workload: &workload,
        prefetch: prefetch.as_ref(),
        memory: rates.unwrap_or(machine.rates).memory,
        vram: booked.ledger.total(Tier::Vram),
    };
    limits::check(&mut resolver, &run);
    // Spilled weights decide, whatever the kernel reaches in GPU memory.
    let moe_tp = u64::from(deployment.layout.moe_tp());
    let kernel = rates.map_or_else(|| kernel::resolve(&mut resolver, &model, &machine, moe_tp), MoeKernel::plain);
    let offload = placement::offload_tokens(&mut resolver, &model, machine.engine);
    let is_resident = booked.home == ExpertHome::Vram
        && placement.homes.iter().all(|home| *home == LayerHome::Gpu)
        && rates.is_none();
    serving::check_routing(&mut resolver, served.is_none() || is_resident);
    let top_k = workload.plan.trace.header().top_k;
    let (rates_now, overheads) = (rates.unwrap_or(machine.rates), machine.overheads);
    let shards = deployment.shards(&whole);
    let costs = PassCosts::new(&model.spec, model.sizes(), model.kv, rates_now, overheads, kernel, (top_k, &shards));
    let copies = machine.copies;
    let serving = served.zip(kv_room).and_then(|(served, kv_room)| {
        let parts = serving::Parts {
            whole: &whole,
            machine: &machine,
            own_experts: deployment.own_experts(&model.experts),
            deployment: deployment.clone(),
            load: served.load,
            routed: served.routed,
            scheduler: served.scheduler,
            kv_room,
            is_resident,
            copies,
        };
        serving::assemble(&mut resolver, inputs, parts, &mut booked.problems)
    });
    let (settings, error) = resolver.finish();
    if let Some(error) = error {
        return Err(error);
    }
    let mut cache = cache.ok_or_else(|| Error::new("the cache could not be planned"))?;
    let exclusive = dram.is_some() && point.scenario.placement.tiers == Some(Tiers::Exclusive);
    cache.plan.costs = fetch_costs(&machine, booked.home, &cache.plan.shape.sizes);
    let asks_more = prefetch.is_some() || exclusive || serving.is_some();
    workload.plan.foretold = foretold::foretold(inputs, &workload, &cache.plan, &placement, asks_more);
    if let (Some(shared), Some(room)) = (&mut cache.plan.shared_with_kv, kv_room) {
        // Both have what either was given.
        shared.bytes = cache.capacity + room;
    }
    let short = Tier::ALL.into_iter().filter(|tier| rates.is_none() || *tier != Tier::Vram);
    booked.problems.extend(short.filter_map(|tier| booked.ledger.shortfall(tier)));
    booked.problems.extend(cache.problems.iter().cloned());
    Ok(Plan {
        labels: labels(&model, &machine, &booked, &cache, &workload, prefetch.as_ref()),
        settings,
        problems: booked.problems,
        machine: assemble(&machine, &placement, booked.home, (cpu_rates, exclusive)),
        placement: PlacementPlan {
            activation_bytes: links::activation_bytes(model.spec.hidden),
            homes: placement.homes,
            miss: placement.miss,
            offload_tokens: offload,
            dram,
            exclusive,
        },
        prefetch,
        ledger: booked.ledger,
        costs,
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
