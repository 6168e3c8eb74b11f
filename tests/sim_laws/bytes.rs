//! Bytes over links against what became of the experts.

use moesim::metrics::{AccessCounts, Summary};
use moesim::plan::{LayerHome, Plan};
use moesim::trace::Pass;
use moesim::units::LayerIndex;

use super::link;

fn carried(summary: &Summary, name: &str) -> u64 {
    link(summary, name).map_or(0, |link| link.bytes)
}

fn both(summary: &Summary, count: fn(&AccessCounts) -> u64) -> u64 {
    count(&summary.prefill) + count(&summary.decode)
}

/// Experts that a pass asks for in a layer, each once.
fn asked(plan: &Plan, pass: &Pass, layer: u32) -> u64 {
    let trace = &plan.workload.trace;
    let layer = LayerIndex(u16::try_from(layer).unwrap());
    let top_k = trace.header().top_k as usize;
    let rows = pass.first_row..pass.first_row + pass.rows;
    let all = rows.flat_map(|row| (0..top_k).filter_map(move |rank| trace.expert(row, layer, rank)));
    let mut all: Vec<u16> = all.collect();
    all.sort_unstable();
    all.dedup();
    all.len() as u64
}

/// What host memory always holds: experts of layers that are the CPU's, by whether they were copied to the GPU after all,
/// as (fetched, on the CPU).
fn of_cpu_layers(plan: &Plan) -> (u64, u64) {
    let (mut fetched, mut on_cpu) = (0, 0);
    for pass in plan.workload.passes.iter() {
        let offload = plan.placement.offload_tokens.is_some_and(|least| pass.rows >= least);
        for (layer, _) in (0_u32..).zip(&plan.placement.homes).filter(|(_, home)| **home != LayerHome::Gpu) {
            let count = asked(plan, pass, layer);
            *(if offload { &mut fetched } else { &mut on_cpu }) += count;
        }
    }
    (fetched, on_cpu)
}

/// Activations that leave a run of whole layers on the CPU.
fn leaving_the_cpu(plan: &Plan) -> u64 {
    let last = plan.placement.homes.iter().rposition(|home| *home == LayerHome::Cpu);
    let Some(last) = last else { return 0 };
    let size = plan.placement.activation_bytes.get();
    let passes = plan.workload.passes.iter();
    let stays = passes.filter(|pass| {
        let offload = plan.placement.offload_tokens.is_some_and(|least| pass.rows >= least);
        !offload && asked(plan, pass, u32::try_from(last).unwrap()) > 0
    });
    stays.map(|pass| pass.rows * size).sum()
}

/// Bytes into GPU memory are those of the experts that were fetched, of prefetches in vain and of activations; bytes from
/// storage those of the experts that host memory does not hold.
pub(super) fn check(plan: &Plan, summary: &Summary) {
    let links = [("h2d", plan.machine.h2d.is_some()), ("d2h", plan.machine.d2h.is_some())];
    let devices = [("nvme", plan.machine.nvme.is_some()), ("cpu", plan.machine.cpu.is_some())];
    for (name, expected) in
        links.into_iter().chain(devices).chain([("dram", plan.machine.dram_bus.is_some())])
    {
        assert_eq!(link(summary, name).is_some(), expected, "{name}");
    }
    let costs = plan.costs.experts();
    let sizes: Vec<u64> = (0..plan.cache.shape.layers).map(|layer| costs.bytes(layer).get()).collect();
    let plain = plan.prefetch.is_none() && plan.machine.cpu.is_none();
    if plain && both(summary, |counts| counts.fetched) == both(summary, |counts| counts.misses) {
        let expected = both(summary, |counts| counts.miss_bytes);
        let to_vram = plan.machine.nvme.is_some_and(|drive| drive.to_vram);
        if plan.machine.h2d.is_some() && !to_vram {
            assert_eq!(carried(summary, "h2d"), expected, "the host link carries the misses");
        }
        if plan.machine.nvme.is_some() && plan.placement.dram.is_none() {
            assert_eq!(carried(summary, "nvme"), expected, "storage gives the misses");
        }
    }
    if sizes.iter().all(|size| *size == sizes[0]) {
        check_alike(plan, summary, sizes[0]);
    }
    check_bus(plan, summary);
}

/// The same where all experts have one size.
fn check_alike(plan: &Plan, summary: &Summary, size: u64) {
    let (fetched, on_cpu) = (both(summary, |counts| counts.fetched), both(summary, |counts| counts.on_cpu));
    let (lookups, found) =
        (both(summary, |counts| counts.dram_lookups), both(summary, |counts| counts.dram_hits));
    let (host_fetched, host_on_cpu) = of_cpu_layers(plan);
    let prefetch = &summary.prefetch;
    let read = match (&plan.machine.nvme, &plan.placement.dram) {
        (None, _) => 0,
        (Some(_), None) => fetched - host_fetched + on_cpu - host_on_cpu,
        (Some(_), Some(_)) => {
            assert_eq!(lookups, fetched - host_fetched + on_cpu - host_on_cpu, "the host is asked for each");
            lookups - found
        }
    };
    let back = leaving_the_cpu(plan) + carried(summary, "d2h");
    let (h2d, nvme) = (carried(summary, "h2d"), carried(summary, "nvme"));
    let lands = plan.machine.nvme.is_some_and(|drive| drive.to_vram);
    // A prefetch that runs when the last token is out has not arrived.
    let running = if plan.prefetch.is_some() { size } else { 0 };
    let slack = running + prefetch.wasted * size;
    if plan.machine.nvme.is_some() {
        // An expert that lay in host memory when it was fetched ahead may have left it since, and the other way round.
        let both_ways = if plan.placement.dram.is_some() { prefetch.issued * size } else { 0 };
        assert!(nvme <= read * size + slack + both_ways, "{nvme} of {read} experts and {slack}");
        assert!(nvme + both_ways >= read * size, "{nvme} of {read} experts");
    }
    if plan.machine.h2d.is_none() {
        return;
    }
    if lands {
        let into_vram = h2d + nvme - back;
        assert!(into_vram >= fetched * size, "{into_vram} of {fetched} experts");
        assert!(
            into_vram <= (fetched + on_cpu) * size + slack,
            "{into_vram} of {fetched} and {on_cpu} experts"
        );
    } else if plan.machine.nvme.is_some() {
        assert!(
            h2d >= fetched * size + back && h2d <= fetched * size + back + slack,
            "{h2d} of {fetched} experts"
        );
    } else {
        let expected = fetched * size + back + prefetch.wasted_bytes;
        assert!(h2d <= expected && h2d + running >= expected, "{h2d} of {expected} bytes");
    }
}

/// The bus carries what its users carry, never faster than it can.
fn check_bus(plan: &Plan, summary: &Summary) {
    let (Some(bus), Some(capacity)) = (link(summary, "dram"), plan.machine.dram_bus) else { return };
    let through_host = plan.machine.nvme.is_some_and(|drive| !drive.to_vram);
    let nvme = if through_host { carried(summary, "nvme") } else { 0 };
    let users = carried(summary, "h2d") + carried(summary, "d2h") + carried(summary, "cpu") + nvme;
    assert_eq!(bus.bytes, users, "the bus carries what its users do");
    let least = u128::from(bus.bytes) * 1_000_000_000 / u128::from(capacity.bytes_per_s());
    assert!(u128::from(bus.busy_ns) >= least, "{} ns for {} bytes", bus.busy_ns, bus.bytes);
}
