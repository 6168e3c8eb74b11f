//! The way of missing experts: NVMe, host memory, GPU; and the CPU's part of a layer.

use super::books::Wait;
use super::cpu::{CpuJob, CpuWork};
use super::event::Device;
use super::fabric::demand;
use super::layer::Fate;
use super::run::Simulation;
use crate::plan::LayerHome;
use crate::resource::Transfer;
use crate::trace::ExpertNumber;
use crate::units::{Bytes, SimDuration};

/// Tag of activations on their way to the CPU or back.
pub(super) const ACTIVATIONS: u32 = u32::MAX;
/// Bit of the tags of prefetches; the rest is the expert's number over all layers.
pub(super) const PREFETCH: u32 = 1 << 31;

impl<I: ExpertNumber> Simulation<'_, I> {
    /// Sets everything in motion that the missing experts need, in order of appearance, whoever computes them.
    pub(super) fn start_missing(&mut self) {
        self.event.awaited = self.event.of_fate(Fate::Fetch).count();
        if self.fabric.has(Device::D2h) {
            for size in self.event.copied_back.drain(..) {
                self.copying_back += 1;
                self.copied_back = self.copied_back.wrapping_add(1) % PREFETCH;
                self.fabric.transfer(&mut self.engine, Device::D2h, demand(self.copied_back, size));
            }
        }
        if self.event.has(Fate::Cpu) {
            self.start_cpu();
        }
        let one_by_one = self.plan.machine.single_buffer;
        for index in 0..self.event.missing.len() {
            let missing = self.event.missing[index];
            let now = match missing.fate {
                Fate::Cpu => missing.on_nvme,
                Fate::Fetch => !missing.under_way && !one_by_one,
                _ => false,
            };
            if now {
                self.fetch(index);
            }
        }
        self.fabric.go_on(&mut self.engine, Device::Nvme);
        self.fetch_next_into_the_buffer();
    }

    /// With one buffer for one expert, the next copy begins when nothing is copied or computed.
    pub(super) fn fetch_next_into_the_buffer(&mut self) {
        if !self.plan.machine.single_buffer || self.event.computing > 0 {
            return;
        }
        let waiting = |missing: &super::layer::Missing| missing.fate == Fate::Fetch && !missing.under_way;
        if let Some(index) = self.event.missing.iter().position(waiting) {
            self.event.missing[index].under_way = true;
            self.fetch(index);
            self.fabric.go_on(&mut self.engine, Device::Nvme);
        }
    }

    fn fetch(&mut self, index: usize) {
        let tag = u32::try_from(index).unwrap_or(u32::MAX);
        if self.event.missing[index].on_nvme {
            let size = self.plan.costs.experts().bytes(self.layer);
            self.fabric.transfer(&mut self.engine, Device::Nvme, demand(tag, size));
        } else {
            self.copy(tag);
        }
    }

    /// Copies a missing expert to GPU memory; where memory is unified it is there already.
    fn copy(&mut self, tag: u32) {
        if self.fabric.has(Device::H2d) {
            let size = self.plan.costs.experts().bytes(self.layer);
            self.fabric.transfer(&mut self.engine, Device::H2d, demand(tag, size));
        } else {
            self.arrived(tag as usize);
        }
    }

    /// A transfer has left a device.
    pub(super) fn moved(&mut self, device: Device, tag: u32) {
        match (device, tag) {
            (Device::D2h, ACTIVATIONS) => self.cpu_input_is_there(),
            (Device::D2h, _) => self.copying_back -= 1,
            (_, ACTIVATIONS) => {
                self.wait = Wait::Cpu;
                self.cpu_busy = false;
            }
            _ if tag & PREFETCH != 0 => self.prefetch_moved(device, tag),
            (Device::Nvme, _) => self.read_done(tag as usize),
            _ => self.arrived(tag as usize),
        }
    }

    pub(super) fn read_done(&mut self, index: usize) {
        let now = self.engine.now();
        let missing = &mut self.event.missing[index];
        missing.read_done = Some(now);
        if missing.fate == Fate::Cpu {
            self.cpu_input_is_there();
        } else if self.reads_land_in_vram() {
            self.arrived(index);
        } else {
            self.copy(u32::try_from(index).unwrap_or(u32::MAX));
        }
    }

    /// Whether a read needs no copy after it.
    pub(super) fn reads_land_in_vram(&self) -> bool {
        self.plan.machine.nvme.is_some_and(|drive| drive.to_vram) || !self.fabric.has(Device::H2d)
    }

    fn activation_bytes(&self) -> Bytes {
        self.plan.placement.activation_bytes.times(self.work.rows)
    }

    /// How long the activations of this pass take one way.
    pub(super) fn activation_time(&self) -> SimDuration {
        let size = self.activation_bytes();
        self.plan.machine.d2h.map_or(SimDuration::ZERO, |link| link.curve.time(size))
    }

    /// The CPU's part begins when its input is there: activations from the GPU, and experts from NVMe, which are asked for
    /// by the caller.
    fn start_cpu(&mut self) {
        self.cpu_busy = true;
        self.cpu_waits_for = 1 + self.event.of_fate(Fate::Cpu).filter(|missing| missing.on_nvme).count();
        if self.home() != LayerHome::Cpu && self.fabric.has(Device::D2h) {
            let size = self.activation_bytes();
            self.fabric.transfer(&mut self.engine, Device::D2h, demand(ACTIVATIONS, size));
        } else {
            self.cpu_input_is_there();
        }
    }

    fn cpu_input_is_there(&mut self) {
        self.cpu_waits_for -= 1;
        if self.cpu_waits_for > 0 {
            return;
        }
        let experts = self.plan.costs.experts();
        let tokens: u64 = self.event.of_fate(Fate::Cpu).map(|missing| missing.tokens).sum();
        let count = self.event.of_fate(Fate::Cpu).count() as u64;
        let bytes = experts.bytes(self.layer).times(count);
        let mut duration = self.cpu_time(bytes, tokens * experts.flops_per_token());
        if self.home() != LayerHome::Cpu {
            duration += self.plan.machine.cpu.map_or(SimDuration::ZERO, |cpu| cpu.layer_overhead);
        }
        self.fabric.compute(&mut self.engine, CpuJob { work: CpuWork::Experts, duration, bytes });
    }

    /// The CPU's result goes back to the GPU, unless the next layer is the CPU's too.
    pub(super) fn experts_computed(&mut self) {
        self.wait = Wait::Cpu;
        let homes = &self.plan.placement.homes;
        let stays = self.home() == LayerHome::Cpu
            && homes.get(self.layer as usize + 1).is_some_and(|next| *next == LayerHome::Cpu);
        if stays || !self.fabric.has(Device::H2d) {
            self.cpu_busy = false;
        } else {
            let back: Transfer = demand(ACTIVATIONS, self.activation_bytes());
            self.fabric.transfer(&mut self.engine, Device::H2d, back);
        }
    }
}
