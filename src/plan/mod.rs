//! What will run: a scenario's point with every name looked up, every default made visible, and every byte booked.
//!
//! [`plan`] turns one [`PointScenario`] into a [`Plan`], which the simulator takes as it
//! is. What the user wrote wrongly is an error that points into the file; a configuration that is merely too large is a
//! plan with [`Plan::problems`], since "it does not fit" is an answer. [`Inputs`] holds what points share, loaded once.

mod cache;
mod describe;
mod inputs;
mod kernel;
mod limits;
mod machine;
mod memory;
mod model;
mod resolve;
mod types;
mod workload;

pub use inputs::Inputs;
pub use types::{CachePlan, LinkPlan, Machine, Overlap, Plan, Setting, WorkloadPlan};

use crate::error::{Error, Result};
use crate::metrics::ConfigLabels;
use crate::scenario::{ExpertHome, PointScenario};
use crate::serving::PassCosts;
use resolve::Resolver;

/// Plans one point.
///
/// # Errors
/// Unknown names, files that cannot be read, and settings that contradict each other: all that can be told at once.
pub fn plan(point: &PointScenario, inputs: &Inputs) -> Result<Plan> {
    let mut resolver = Resolver::new(point);
    let model = model::resolve(&mut resolver, inputs);
    let machine = machine::resolve(&mut resolver);
    let policy = cache::policy(&mut resolver, inputs);
    let trace = workload::trace(&mut resolver, inputs, model.as_ref());
    let (Some(model), Some(machine), Some(policy), Some(trace)) = (model, machine, policy, trace) else {
        return Err(resolver.into_error());
    };
    let workload = workload::resolve(&mut resolver, inputs, &policy, trace)?;
    let mut booked = memory::book(&mut resolver, &model, &machine, &workload);
    let cache = cache::resolve(&mut resolver, inputs, &model, &workload, policy, &mut booked);
    let kernel = kernel::resolve(&mut resolver, &model, &machine);
    limits::check(&mut resolver, &model, &machine, &workload);
    let (settings, error) = resolver.finish();
    if let Some(error) = error {
        return Err(error);
    }
    let cache = cache.ok_or_else(|| Error::new("the cache could not be planned"))?;
    let top_k = workload.plan.trace.header().top_k;
    let (rates, overheads) = (machine.rates, machine.overheads);
    let costs = PassCosts::new(&model.spec, model.sizes(), model.kv, rates, overheads, kernel, top_k);
    let needs_h2d = booked.home != ExpertHome::Vram;
    let needs_nvme = booked.home == ExpertHome::Nvme;
    booked.problems.extend(booked.ledger.shortfalls());
    booked.problems.extend(cache.problems);
    Ok(Plan {
        labels: ConfigLabels {
            model: model.spec.name.clone(),
            quant: model.quant.clone(),
            gpu: machine.gpu.id.clone(),
            engine: machine.engine.id.clone(),
            backing: booked.home.spelling().to_owned(),
            policy: if model.experts.is_empty() { "none".to_owned() } else { cache.plan.policy.name.clone() },
            policy_is_oracle: cache.is_oracle,
            cache_scope: cache.scope_name.to_owned(),
            replay: cache.replay_name.to_owned(),
            cache_capacity_bytes: cache.capacity.get(),
            experts_total_bytes: model.experts_total().get(),
            token_working_set_bytes: workload.token_working_set(&model).get(),
            trace: workload.name.clone(),
            context_tokens: workload.context,
        },
        settings,
        problems: booked.problems,
        machine: Machine {
            h2d: machine.h2d.filter(|_| needs_h2d),
            nvme: needs_nvme.then_some(machine.nvme),
            overlap: machine.overlap,
        },
        ledger: booked.ledger,
        costs,
        cache: cache.plan,
        workload: workload.plan,
    })
}

impl Plan {
    /// Whether anything is short, and so nothing can be simulated.
    pub fn fits(&self) -> bool {
        self.problems.is_empty()
    }
}
