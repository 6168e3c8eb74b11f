//! Rates and fixed times of a plan, by the parameter that stands for them.
//!
//! What was resolved is scaled, not the scenario: a rate is what is achieved, whichever of peak, efficiency and read
//! curve it came from, so a change of it is a change of each of those. What follows from a rate by planning (the ledger,
//! which policy weighs what) stays that of the point.

use std::fmt;

use crate::metrics::Parameter;
use crate::plan::{CopyPlan, ExchangeKind, Machine, Plan, links};
use crate::resource::{DriveCurve, RateCurve};
use crate::serving::parallel::{Exchange, Link};
use crate::serving::{GpuRates, Overheads};
use crate::units::{Bandwidth, FlopRate, SimDuration};

/// Parts per million that change nothing.
pub(super) const SAME_PPM: u64 = 1_000_000;

/// A rate or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Quantity {
    Bandwidth(Bandwidth),
    Flops(FlopRate),
    Time(SimDuration),
}

impl Quantity {
    pub(in crate::plan) fn at_ppm(self, ppm: u64) -> Self {
        match self {
            Self::Bandwidth(rate) => Self::Bandwidth(rate.at_ppm(ppm)),
            Self::Flops(rate) => Self::Flops(rate.at_ppm(ppm)),
            Self::Time(value) => Self::Time(time(value, ppm)),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bandwidth(rate) => rate.fmt(f),
            Self::Flops(rate) => rate.fmt(f),
            Self::Time(value) => value.fmt(f),
        }
    }
}

/// A time in parts per million of itself, rounded down.
fn time(value: SimDuration, ppm: u64) -> SimDuration {
    let scaled = u128::from(value.as_ns()) * u128::from(ppm) / u128::from(SAME_PPM);
    SimDuration::from_ns(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// What a parameter is in a plan; `None` where the plan does not have it, or it is no rate or time.
pub(in crate::plan) fn quantity(plan: &Plan, parameter: Parameter) -> Option<Quantity> {
    let machine = &plan.machine;
    let overheads = plan.costs.overheads();
    let some = |value: SimDuration| (value > SimDuration::ZERO).then_some(Quantity::Time(value));
    match parameter {
        Parameter::GpuMemory => Some(Quantity::Bandwidth(plan.costs.rates().memory)),
        Parameter::GpuCompute => Some(Quantity::Flops(plan.costs.rates().compute)),
        Parameter::HostLink => Some(Quantity::Bandwidth(machine.h2d?.curve.peak)),
        Parameter::HostLinkLatency => some(machine.h2d?.curve.latency),
        Parameter::Nvme => Some(Quantity::Bandwidth(machine.nvme?.curve.peak)),
        Parameter::NvmeLatency => some(machine.nvme?.curve.latency),
        Parameter::DramBandwidth => {
            let used = machine.cpu.is_some() || machine.h2d.is_some() || machine.nvme.is_some();
            machine.dram.filter(|_| used).map(Quantity::Bandwidth)
        }
        Parameter::CpuExperts => Some(Quantity::Bandwidth(machine.cpu?.achieved())),
        Parameter::CpuCompute => Some(Quantity::Flops(machine.cpu?.compute)),
        Parameter::CpuLayer => some(machine.cpu?.layer_overhead),
        Parameter::Interconnect => Some(Quantity::Bandwidth(exchange(plan)?.bandwidth)),
        Parameter::InterconnectLatency => some(exchange(plan)?.latency),
        Parameter::PerToken => some(overheads.per_pass),
        Parameter::PerRequest => some(overheads.per_request),
        Parameter::PerLayer => some(overheads.per_layer),
        Parameter::Launch => some(overheads.launch),
        Parameter::KernelFixed => some(plan.costs.experts().kernel().fixed()),
        _ => None,
    }
}

/// The exchange by which tokens get to their experts, between GPUs of one machine; `None` on one GPU.
fn exchange(plan: &Plan) -> Option<Exchange> {
    let serving = plan.serving.as_ref().filter(|serving| serving.layout.gpus() > 1)?;
    let near = &serving.links.interconnect.near;
    Some(match serving.links.kind {
        ExchangeKind::AllToAll => near.all_to_all,
        ExchangeKind::AllReduce => near.all_reduce,
    })
}

/// Scales a rate or time of the plan, everywhere that it counts; nothing where the plan does not have it.
pub(in crate::plan) fn scale(plan: &mut Plan, parameter: Parameter, ppm: u64) {
    let machine = &mut plan.machine;
    match parameter {
        Parameter::GpuMemory => {
            plan.costs =
                plan.costs.with_rates(|rates| GpuRates { memory: rates.memory.at_ppm(ppm), ..rates });
            if let Some(compaction) = plan.allocator.as_mut().and_then(|all| all.compaction.as_mut()) {
                compaction.memory = compaction.memory.at_ppm(ppm);
            }
        }
        Parameter::GpuCompute => {
            plan.costs =
                plan.costs.with_rates(|rates| GpuRates { compute: rates.compute.at_ppm(ppm), ..rates });
        }
        Parameter::HostLink => {
            each_copy(plan, |curve| {
                curve.peak = curve.peak.at_ppm(ppm);
                curve.large = curve.large.map(|(threshold, rate)| (threshold, rate.at_ppm(ppm)));
            });
            share_again(&mut plan.machine);
        }
        Parameter::HostLinkLatency => each_copy(plan, |curve| curve.latency = time(curve.latency, ppm)),
        Parameter::Nvme | Parameter::NvmeLatency => scale_drive(machine, parameter, ppm),
        Parameter::DramBandwidth => {
            machine.dram = machine.dram.map(|rate| rate.at_ppm(ppm));
            if let Some(cpu) = &mut machine.cpu {
                cpu.bandwidth = cpu.bandwidth.at_ppm(ppm);
            }
            share_again(machine);
        }
        Parameter::CpuExperts => {
            if let Some(cpu) = &mut machine.cpu {
                cpu.per_thread = cpu.per_thread.map(|rate| rate.at_ppm(ppm));
                cpu.bandwidth = cpu.bandwidth.at_ppm(ppm);
            }
            share_again(machine);
        }
        Parameter::CpuCompute => {
            if let Some(cpu) = &mut machine.cpu {
                cpu.compute = cpu.compute.at_ppm(ppm);
            }
        }
        Parameter::CpuLayer => {
            if let Some(cpu) = &mut machine.cpu {
                cpu.layer_overhead = time(cpu.layer_overhead, ppm);
            }
        }
        Parameter::Interconnect => {
            each_exchange(plan, |one| one.bandwidth = one.bandwidth.at_ppm(ppm));
        }
        Parameter::InterconnectLatency => each_exchange(plan, |one| {
            one.latency = time(one.latency, ppm);
            one.step = time(one.step, ppm);
        }),
        _ => scale_overhead(plan, parameter, ppm),
    }
}

fn scale_drive(machine: &mut Machine, parameter: Parameter, ppm: u64) {
    if let Some(drive) = &mut machine.nvme {
        let DriveCurve { stream, peak, latency, .. } = drive.curve;
        drive.curve = match parameter {
            Parameter::Nvme => {
                DriveCurve { stream: stream.at_ppm(ppm), peak: peak.at_ppm(ppm), ..drive.curve }
            }
            _ => DriveCurve { latency: time(latency, ppm), ..drive.curve },
        };
        share_again(machine);
    }
}

fn scale_overhead(plan: &mut Plan, parameter: Parameter, ppm: u64) {
    let mut overheads: Overheads = *plan.costs.overheads();
    let mut fixed = plan.costs.experts().kernel().fixed();
    let value = match parameter {
        Parameter::PerToken => &mut overheads.per_pass,
        Parameter::PerRequest => &mut overheads.per_request,
        Parameter::PerLayer => &mut overheads.per_layer,
        Parameter::Launch => &mut overheads.launch,
        Parameter::KernelFixed => &mut fixed,
        _ => return,
    };
    *value = time(*value, ppm);
    plan.costs = plan.costs.with_overheads(overheads, fixed);
}

/// Copies between host and GPU: experts, activations, and KV cache that is swapped.
fn each_copy(plan: &mut Plan, change: impl Fn(&mut RateCurve)) {
    let of_link = |link: &mut Option<CopyPlan>| {
        if let Some(link) = link {
            change(&mut link.curve);
        }
    };
    of_link(&mut plan.machine.h2d);
    of_link(&mut plan.machine.d2h);
    if let Some((out, back)) = plan.serving.as_mut().and_then(|serving| serving.swap.as_mut()) {
        change(out);
        change(back);
    }
}

fn each_exchange(plan: &mut Plan, change: impl Fn(&mut Exchange)) {
    if let Some(serving) = &mut plan.serving {
        let interconnect = &mut serving.links.interconnect;
        for link in [&mut interconnect.near, &mut interconnect.far] {
            let Link { all_reduce, gather, all_to_all, send } = link;
            [all_reduce, gather, all_to_all, send].into_iter().for_each(&change);
        }
    }
}

/// Whether the devices can now exceed the host's memory together.
pub(in crate::plan) fn share_again(machine: &mut Machine) {
    let cpu = machine.cpu.map(|cpu| cpu.achieved());
    machine.dram_bus = links::bus(machine.dram, [machine.h2d, machine.d2h], machine.nvme, cpu);
}
