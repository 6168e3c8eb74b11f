//! The CPU as a device that computes experts and layers.

use super::resolve::Resolver;
use crate::catalogue::{Cpu, EngineProfile, Ratio};
use crate::error::Error;
use crate::model::Dtype;
use crate::serving::CpuRates;
use crate::units::Bandwidth;

/// Theoretical bandwidth of host memory, where it is known.
pub(super) fn dram_bandwidth(resolver: &mut Resolver<'_>, cpu: Option<&Cpu>) -> Option<Bandwidth> {
    if let Some(written) = resolver.scenario().hardware.dram_bandwidth {
        resolver.given("hardware.dram_bandwidth", written);
        return Some(written);
    }
    let cpu = cpu?;
    resolver.note("hardware.dram_bandwidth", cpu.bandwidth.value, format!("CPU {}", cpu.id));
    Some(cpu.bandwidth.value)
}

/// What the CPU reaches with experts of this storage type.
pub(super) fn rates(
    resolver: &mut Resolver<'_>,
    cpu: Option<&Cpu>,
    engine: &EngineProfile,
    dtype: Option<Dtype>,
) -> Option<CpuRates> {
    let Some(cpu) = cpu else {
        resolver.refuse("hardware", |place| {
            Error::at(place, "hardware.cpu is missing, and experts or layers run on the CPU")
                .expected("a CPU of the catalogue, like \"ryzen-7950x\"")
        });
        return None;
    };
    let section = &resolver.scenario().engine;
    let hardware = &resolver.scenario().hardware;
    let by_engine = format!("engine {}", engine.id);
    let threads = resolver.or_default(
        "hardware.cpu_threads",
        hardware.cpu_threads.map(std::num::NonZeroU32::get),
        cpu.cores.value,
        &format!("one for each core of {}", cpu.id),
    );
    let nodes = hardware.numa_nodes.map_or(1, std::num::NonZeroU32::get);
    if hardware.numa_nodes.is_some() {
        resolver.given("hardware.numa_nodes", nodes);
    }
    let numa = if nodes > 1 { engine.cpu_numa_efficiency.value } else { Ratio::ONE };
    let kernel = dtype.map_or(Ratio::ONE, |dtype| engine.cpu_dtype_share(dtype));
    let peak = hardware.dram_bandwidth.unwrap_or(cpu.bandwidth.value);
    let share = section
        .cpu_memory_efficiency
        .map_or(engine.cpu_memory_efficiency.value.ppm(), crate::scenario::Percent::ppm);
    let bandwidth = peak.at_ppm(share).at_ppm(kernel.ppm()).at_ppm(numa.ppm());
    let shown = format!(
        "{} of {peak}{}{}",
        crate::scenario::Percent::from_ppm(share),
        if kernel == Ratio::ONE { String::new() } else { format!(", {kernel} for the storage type") },
        if numa == Ratio::ONE { String::new() } else { format!(", {numa} over {nodes} memory nodes") },
    );
    let whose = if section.cpu_memory_efficiency.is_some() {
        resolver.place("engine.cpu_memory_efficiency").to_string()
    } else {
        by_engine.clone()
    };
    resolver.note("cpu memory rate", bandwidth, format!("{shown}, {whose}"));
    let per_thread = resolver.or_default(
        "engine.cpu_thread_bandwidth",
        section.cpu_thread_bandwidth,
        engine.cpu_thread_bandwidth.value,
        &by_engine,
    );
    let all_cores = engine.cpu_rate(cpu);
    let used = threads.min(cpu.cores.value);
    let compute =
        all_cores.at_ppm(u64::from(used) * 1_000_000 / u64::from(cpu.cores.value.max(1))).at_ppm(numa.ppm());
    resolver.note("cpu compute rate", compute, format!("{used} of {} cores, {by_engine}", cpu.cores.value));
    let layer_overhead = resolver.or_default(
        "engine.cpu_layer_overhead",
        section.cpu_layer_overhead,
        engine.cpu_layer_overhead.value,
        &by_engine,
    );
    Some(CpuRates { threads, per_thread: Some(per_thread), bandwidth, compute, layer_overhead })
}
