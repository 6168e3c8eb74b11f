//! The miss action `auto`: which experts are copied to the GPU and which the CPU computes.
//!
//! The estimate knows reads, copies, the GPU's and the CPU's work of this layer event, and the order in which each device
//! turns to them; the CPU's result waits on its way back for the copies that are queued before it. It leaves out the
//! shared bus and prefetches that are still to come.

use super::event::Device;
use super::layer::Fate;
use super::run::Simulation;
use crate::plan::Overlap;
use crate::trace::ExpertNumber;
use crate::units::SimDuration;

/// When each device would be done with what was given to it so far, from the moment of the choice.
#[derive(Clone, Copy, Debug)]
struct Done {
    reads: SimDuration,
    copies: SimDuration,
    gpu: SimDuration,
    /// The CPU has all of its input.
    cpu_input: SimDuration,
    /// Time of the CPU's work alone.
    cpu_work: SimDuration,
    /// The CPU has work at all.
    cpu_used: bool,
}

impl Done {
    /// When the CPU's result is back, which takes `there` on the link.
    fn back(&self, there: SimDuration) -> SimDuration {
        if self.cpu_used {
            (self.cpu_input + self.cpu_work).max(self.copies) + there
        } else {
            SimDuration::ZERO
        }
    }

    /// When the event is over.
    fn all(&self, there: SimDuration) -> SimDuration {
        self.gpu.max(self.back(there))
    }
}

impl<I: ExpertNumber> Simulation<'_, I> {
    /// One by one in order of appearance: whichever of copy and CPU would end the event first, given what is under way
    /// and what was given to each before. A tie goes to the copy, after which the expert is resident.
    pub(super) fn choose_the_faster(&mut self) {
        let machine = &self.plan.machine;
        let now = self.engine.now();
        let resident = self.resident_cost();
        let there = self.activation_time();
        let mut done = Done {
            reads: self.fabric.backlog(Device::Nvme, now),
            copies: self.fabric.backlog(Device::H2d, now),
            gpu: if machine.overlap == Overlap::None {
                SimDuration::ZERO
            } else {
                resident.compute + resident.overhead
            },
            cpu_input: there,
            cpu_work: machine.cpu.map_or(SimDuration::ZERO, |cpu| cpu.layer_overhead),
            cpu_used: false,
        };
        for index in 0..self.event.missing.len() {
            let missing = self.event.missing[index];
            if missing.fate != Fate::Fetch || missing.under_way {
                continue;
            }
            let read = self.read_time(missing.expert);
            done.reads += read.unwrap_or(SimDuration::ZERO);
            let in_host = read.map_or(SimDuration::ZERO, |_| done.reads);
            let by_copy = self.if_copied(done, in_host, read.is_some(), missing.tokens);
            let by_cpu = Done {
                cpu_input: done.cpu_input.max(in_host),
                cpu_work: done.cpu_work + self.cpu_expert_time(missing.tokens),
                cpu_used: true,
                ..done
            };
            let cpu = by_cpu.all(there) < by_copy.all(there);
            if cpu {
                self.event.missing[index].fate = Fate::Cpu;
            }
            done = if cpu { by_cpu } else { by_copy };
        }
    }

    /// What becomes of `done` where an expert that is in host memory at `in_host` is copied.
    fn if_copied(&self, done: Done, in_host: SimDuration, is_read: bool, tokens: u64) -> Done {
        let direct = is_read && self.reads_land_in_vram();
        let arrives = if direct { in_host } else { done.copies.max(in_host) + self.copy_time() };
        let launch = self.launch_cost(std::iter::once(tokens), 1);
        let gpu = arrives.max(done.gpu) + launch.compute + launch.overhead;
        let copies = match (self.plan.machine.single_buffer, direct) {
            (true, _) => gpu,
            (false, true) => done.copies,
            (false, false) => arrives,
        };
        Done { gpu, copies, ..done }
    }

    /// Time of the NVMe read that an expert of this layer needs; `None` where host memory holds it.
    fn read_time(&self, expert: u32) -> Option<SimDuration> {
        let drive = self.plan.machine.nvme?;
        if self.dram.as_ref().is_some_and(|dram| dram.is_resident(self.layer, expert)) {
            return None;
        }
        let outstanding = u32::try_from(self.event.missing.len()).unwrap_or(u32::MAX);
        Some(
            drive.curve.time(self.plan.costs.experts().bytes(self.layer), outstanding.min(drive.queue_depth)),
        )
    }

    /// Time of one expert's copy to the GPU.
    fn copy_time(&self) -> SimDuration {
        let size = self.plan.costs.experts().bytes(self.layer);
        self.plan.machine.h2d.map_or(SimDuration::ZERO, |link| link.curve.time(size))
    }
}
