//! Books everything but the expert cache: weights by part, KV cache, workspace, the engine's own, and the full copies
//! of the experts in the tiers below.

use super::machine::MachinePlan;
use super::model::ModelPlan;
use super::resolve::Resolver;
use super::workload::Workload;
use crate::error::Error;
use crate::memory::{Ledger, Tier, workspace};
use crate::scenario::ExpertHome;
use crate::units::Bytes;

/// The ledger so far, where uncached experts live, and what cannot work.
#[derive(Clone, Debug)]
pub(super) struct Booked {
    pub(super) ledger: Ledger,
    pub(super) home: ExpertHome,
    pub(super) problems: Vec<String>,
}

pub(super) fn book(
    resolver: &mut Resolver<'_>,
    model: &ModelPlan,
    machine: &MachinePlan,
    workload: &Workload,
) -> Booked {
    let mut ledger = Ledger::default();
    for (tier, capacity) in machine.capacities {
        ledger.set_capacity(tier, capacity);
    }
    for (part, bytes) in model.resident().named() {
        ledger.add(Tier::Vram, &part.replace('_', " "), bytes);
    }
    ledger.add(Tier::Vram, "kv cache", model.spec.kv_bytes(workload.context, model.kv));
    ledger.add(Tier::Vram, "workspace", workspace(&model.spec, workload.pass_rows));
    ledger.add(Tier::Vram, "framework", machine.engine.framework_overhead.value);
    ledger.add(Tier::Vram, "reserve", machine.vram_reserve);
    let home = home(resolver, machine);
    match home {
        ExpertHome::Dram => ledger.add(Tier::Dram, "routed experts", model.experts_total()),
        ExpertHome::Nvme => {
            ledger.add(Tier::Nvme, "routed experts", model.experts_total());
            // Reads pass through host memory: one event's experts, twice, so that reads and copies can alternate.
            let staging = model.experts.iter().max().copied().unwrap_or(Bytes::ZERO);
            let staging = staging.times(2 * u64::from(workload.plan.trace.header().top_k));
            let tier = if machine.gpu.unified { Tier::Vram } else { Tier::Dram };
            ledger.add(tier, "staging", staging);
        }
        ExpertHome::Vram => {}
    }
    let mut problems = Vec::new();
    if workload.longest > workload.context {
        problems.push(format!(
            "workload.context is {} tokens, but the longest sequence has {}",
            workload.context, workload.longest
        ));
    }
    Booked { ledger, home, problems }
}

fn home(resolver: &mut Resolver<'_>, machine: &MachinePlan) -> ExpertHome {
    let written = resolver.scenario().placement.experts;
    if machine.gpu.unified && written == Some(ExpertHome::Dram) {
        resolver.refuse("placement.experts", |place| {
            let found = format!("{} has one pool of memory: \"dram\" is the same place", machine.gpu.id);
            Error::at(place, found).expected("\"vram\" or \"nvme\"")
        });
    }
    let default = if machine.gpu.unified { ExpertHome::Vram } else { ExpertHome::Dram };
    let home = written.unwrap_or(default);
    match written {
        Some(_) => resolver.given("placement.experts", home.spelling()),
        None => resolver.note("placement.experts", home.spelling(), "default"),
    }
    home
}
