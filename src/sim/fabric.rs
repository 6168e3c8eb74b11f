//! The devices beside the GPU stream, and the DRAM bus that they share where together they could exceed it.
//!
//! A device turns to its next piece of work as soon as it is done with the one before. Where there is no shared bus, the
//! end of a piece is known when it starts. Where there is one, each piece is a flow on it: bytes to move and the time
//! that takes undisturbed; the bus says when the next flow ends, and every start or end of a flow changes that.

use super::cpu::{CpuJob, CpuPool, CpuWork};
use super::event::{Device, Happening};
use crate::engine::Engine;
use crate::metrics::LinkUse;
use crate::plan::{CopyPlan, Machine};
use crate::resource::{Channel, Class, CopyEngine, FairLink, FlowId, Piece, Transfer};
use crate::units::{Bytes, SimDuration, SimTime};

/// What a device has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    /// The transfer of this tag has left this device.
    Moved(Device, u32),
    /// The CPU is done with a job.
    Computed(CpuWork),
}

/// The shared bus and what runs on it.
#[derive(Debug)]
struct Bus {
    link: FairLink,
    flows: [Option<FlowId>; 4],
    /// Raised whenever the next end changes, so that ticks scheduled before are known to be old.
    generation: u64,
}

/// Copy engines, NVMe, CPU, bus.
#[derive(Debug)]
pub(super) struct Fabric {
    h2d: Option<CopyEngine>,
    d2h: Option<CopyEngine>,
    nvme: Option<CopyEngine>,
    nvme_on_bus: bool,
    cpu: Option<CpuPool>,
    bus: Option<Bus>,
    /// Tags of prefetches that have begun since somebody asked.
    started: Vec<u32>,
}

impl Fabric {
    pub(super) fn new(machine: &Machine) -> Self {
        let copies = |plan: CopyPlan| CopyEngine::new(Channel::Rate(plan.curve), plan.chunk);
        Self {
            h2d: machine.h2d.map(copies),
            d2h: machine.d2h.map(copies),
            nvme: machine
                .nvme
                .map(|drive| CopyEngine::new(Channel::Drive(drive.curve, drive.queue_depth), None)),
            nvme_on_bus: machine.nvme.is_some_and(|drive| !drive.to_vram),
            cpu: machine.cpu.map(|_| CpuPool::default()),
            bus: machine.dram_bus.map(|capacity| Bus {
                link: FairLink::new(capacity),
                flows: [None; 4],
                generation: 0,
            }),
            started: Vec::new(),
        }
    }

    /// Tags of the prefetches of which a piece has begun since the last call.
    pub(super) fn started_prefetches(&mut self) -> std::vec::Drain<'_, u32> {
        self.started.drain(..)
    }

    fn engine_of(&mut self, device: Device) -> Option<&mut CopyEngine> {
        match device {
            Device::H2d => self.h2d.as_mut(),
            Device::D2h => self.d2h.as_mut(),
            Device::Nvme => self.nvme.as_mut(),
            Device::Cpu => None,
        }
    }

    /// Whether the machine has this device.
    pub(super) fn has(&self, device: Device) -> bool {
        match device {
            Device::H2d => self.h2d.is_some(),
            Device::D2h => self.d2h.is_some(),
            Device::Nvme => self.nvme.is_some(),
            Device::Cpu => self.cpu.is_some(),
        }
    }

    /// Queues a transfer, and starts it where the device is idle. The drive waits for [`Fabric::go_on`]: how fast it
    /// reads depends on how many reads it is asked for at once.
    pub(super) fn transfer(&mut self, events: &mut Engine<Happening>, device: Device, transfer: Transfer) {
        if let Some(engine) = self.engine_of(device) {
            engine.push(transfer);
            if device != Device::Nvme {
                self.start(events, device);
            }
        }
    }

    /// Queues a job for the CPU, and starts it where the CPU is idle.
    pub(super) fn compute(&mut self, events: &mut Engine<Happening>, job: CpuJob) {
        if let Some(cpu) = &mut self.cpu {
            cpu.push(job);
            self.start(events, Device::Cpu);
        }
    }

    /// Lets an idle device turn to its next piece and sees to it that its end is heard of.
    fn start(&mut self, events: &mut Engine<Happening>, device: Device) {
        let now = events.now();
        let piece = match device {
            Device::Cpu => {
                self.cpu.as_mut().and_then(|cpu| cpu.start(now)).map(|job| (job.bytes, job.duration))
            }
            _ => self.engine_of(device).and_then(|engine| engine.start(now)).map(|piece| {
                if piece.class == Class::Prefetch {
                    self.started.push(piece.tag);
                }
                (piece.bytes, piece.duration)
            }),
        };
        let Some((bytes, alone)) = piece else { return };
        let on_bus = device != Device::Nvme || self.nvme_on_bus;
        match &mut self.bus {
            Some(bus) if on_bus => {
                bus.flows[device as usize] = Some(bus.link.join(now, bytes, alone));
                self.tick(events);
            }
            _ => events.schedule_in(alone, Happening::DeviceDone(device)),
        }
    }

    /// Announces the next end on the bus.
    fn tick(&mut self, events: &mut Engine<Happening>) {
        if let Some(bus) = &mut self.bus {
            bus.generation += 1;
            if let Some((end, _)) = bus.link.next_end() {
                events.schedule_at(end, Happening::BusTick(bus.generation));
            }
        }
    }

    /// The bus's next flow has ended, unless `generation` is an old one: which device it was.
    pub(super) fn bus_tick(&mut self, events: &mut Engine<Happening>, generation: u64) -> Option<Device> {
        let bus = self.bus.as_mut().filter(|bus| bus.generation == generation)?;
        let (_, flow) = bus.link.next_end()?;
        bus.link.leave(events.now(), flow);
        let device = Device::ALL.into_iter().find(|device| bus.flows[*device as usize] == Some(flow));
        if let Some(device) = device {
            bus.flows[device as usize] = None;
        }
        self.tick(events);
        device
    }

    /// The transfer, or piece of one, that a device is busy with.
    pub(super) fn moving(&self, device: Device) -> Option<Piece> {
        let engine = match device {
            Device::H2d => &self.h2d,
            Device::D2h => &self.d2h,
            Device::Nvme => &self.nvme,
            Device::Cpu => &None,
        };
        engine.as_ref().and_then(CopyEngine::running)
    }

    /// The job that the CPU is busy with, and since when.
    pub(super) fn computing(&self) -> Option<(SimTime, CpuJob)> {
        self.cpu.as_ref().and_then(CpuPool::running)
    }

    /// Copies to the GPU that run or wait.
    pub(super) fn h2d_queue(&self) -> usize {
        self.h2d.as_ref().map_or(0, CopyEngine::outstanding)
    }

    /// What ran on a device has ended: says what is complete with it. The device stays idle until
    /// [`Fabric::go_on`], so that what the end leads to can be queued first.
    pub(super) fn finish(&mut self, now: SimTime, device: Device) -> Option<Finished> {
        match device {
            Device::Cpu => self.cpu.as_mut()?.finish(now).map(Finished::Computed),
            _ => self.engine_of(device)?.finish(now).map(|done| Finished::Moved(device, done.tag)),
        }
    }

    /// Lets a device turn to what waits.
    pub(super) fn go_on(&mut self, events: &mut Engine<Happening>, device: Device) {
        self.start(events, device);
    }

    /// A prefetch is wanted now.
    pub(super) fn promote(&mut self, tag: u32) {
        for device in [Device::H2d, Device::Nvme] {
            if let Some(engine) = self.engine_of(device) {
                engine.promote(tag);
            }
        }
    }

    /// A prefetch is no longer wanted: bytes that were moved in vain.
    pub(super) fn cancel(&mut self, device: Device, tag: u32) -> Bytes {
        self.engine_of(device).map_or(Bytes::ZERO, |engine| engine.cancel(tag))
    }

    /// How long a demand queued now would wait for its turn.
    pub(super) fn backlog(&mut self, device: Device, now: SimTime) -> SimDuration {
        self.engine_of(device).map_or(SimDuration::ZERO, |engine| engine.backlog(now))
    }

    /// Whether nothing moves and nothing waits on the way to GPU memory.
    pub(super) fn is_quiet(&self) -> bool {
        [&self.h2d, &self.nvme].into_iter().flatten().all(CopyEngine::is_empty)
    }

    /// The books of every device.
    pub(super) fn usage(&self, span: SimDuration) -> Vec<LinkUse> {
        let engines = [("h2d", &self.h2d), ("d2h", &self.d2h), ("nvme", &self.nvme)];
        let mut books: Vec<LinkUse> = engines
            .into_iter()
            .filter_map(|(name, engine)| engine.as_ref().map(|engine| engine.usage(name, span)))
            .collect();
        books.extend(self.cpu.as_ref().map(|cpu| cpu.usage(span)));
        books.extend(self.bus.as_ref().map(|bus| bus.link.usage("dram", span)));
        books
    }
}

/// A demand for an expert or an activation.
pub(super) fn demand(tag: u32, bytes: Bytes) -> Transfer {
    Transfer { tag, bytes, class: Class::Demand }
}
