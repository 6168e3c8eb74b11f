//! The miss action `auto`: which experts are copied to the GPU and which the CPU computes.
//!
//! The estimate knows reads, copies, the GPU's and the CPU's work of this layer event, and the order in which each device
//! turns to them. It leaves out the shared bus, prefetches that are still to come, and that the CPU's result waits on its
//! way back for copies that are queued by then.

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
}

impl<I: ExpertNumber> Simulation<'_, I> {
    /// One by one in order of appearance: whichever of copy and CPU would be done first, given what is under way and
    /// what was given to each before. A tie goes to the copy, after which the expert is resident.
    pub(super) fn choose_the_faster(&mut self) {
        let machine = &self.plan.machine;
        let now = self.engine.now();
        let resident = self.resident_cost();
        let overlaps = machine.overlap != Overlap::None;
        let there = self.activation_time();
        let mut done = Done {
            reads: self.fabric.backlog(Device::Nvme, now),
            copies: self.fabric.backlog(Device::H2d, now),
            gpu: if overlaps { resident.compute + resident.overhead } else { SimDuration::ZERO },
            cpu_input: there,
            cpu_work: machine.cpu.map_or(SimDuration::ZERO, |cpu| cpu.layer_overhead),
        };
        for index in 0..self.event.missing.len() {
            let missing = self.event.missing[index];
            if missing.fate != Fate::Fetch || missing.under_way {
                continue;
            }
            let read = self.read_time(missing.expert);
            done.reads += read.unwrap_or(SimDuration::ZERO);
            let in_host = read.map_or(SimDuration::ZERO, |_| done.reads);
            let direct = read.is_some() && self.reads_land_in_vram();
            let arrives = if direct { in_host } else { done.copies.max(in_host) + self.copy_time() };
            let launch = self.launch_cost(std::iter::once(missing.tokens), 1);
            let by_copy = arrives.max(done.gpu) + launch.compute + launch.overhead;
            let cpu_work = done.cpu_work + self.cpu_expert_time(missing.tokens);
            let cpu_input = done.cpu_input.max(in_host);
            if cpu_input + cpu_work + there < by_copy {
                self.event.missing[index].fate = Fate::Cpu;
                (done.cpu_input, done.cpu_work) = (cpu_input, cpu_work);
            } else {
                done.gpu = if overlaps { by_copy } else { done.gpu };
                done.copies = match (machine.single_buffer, direct) {
                    (true, _) => by_copy,
                    (false, true) => done.copies,
                    (false, false) => arrives,
                };
            }
        }
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
