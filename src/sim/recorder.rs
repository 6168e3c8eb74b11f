//! Writes down what every device does, for a timeline. A run that is not recorded passes by here at the cost of one
//! branch.
//!
//! Work is written down when its end is known, which for pieces on a shared bus is when they end. Use of the bus itself
//! follows from the pieces that moved over it.

use super::books::Wait;
use super::cpu::CpuWork;
use super::event::Device;
use super::fetch::{ACTIVATIONS, PREFETCH};
use super::layer::Fate;
use super::run::Simulation;
use crate::metrics::timeline::{Activity, Awaited, Cause, Lane, Level, Sample, Slice, Timeline, Window};
use crate::plan::{Machine, Overlap, Plan};
use crate::resource::{Class, Job, Piece};
use crate::serving::StretchCost;
use crate::trace::{ExpertNumber, Phase};
use crate::units::SimTime;

/// What is launched on the GPU stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Launch {
    /// The stretch before the experts of the current layer.
    Stretch,
    /// What follows the last MoE layer.
    Head,
    /// Blocks of GPU memory are moved together.
    Compaction,
    /// Everything of the current layer event that can compute at once.
    Resident,
    /// The missing expert of this index has arrived, and with it the last where they compute together.
    Arrived(usize),
}

/// What has been written down so far.
#[derive(Debug)]
pub(super) struct Recorder {
    timeline: Timeline,
    /// The model's own number of each MoE layer.
    layers: Vec<u32>,
    /// Lanes whose work moves over the shared bus; none where there is no such bus.
    on_bus: Vec<Lane>,
    /// Events so far, with room for those that follow from them.
    taken: usize,
    /// Where the last sample of each level is.
    last: [Option<usize>; 3],
}

fn lane(device: Device) -> Lane {
    match device {
        Device::H2d => Lane::H2d,
        Device::D2h => Lane::D2h,
        Device::Nvme => Lane::Nvme,
        Device::Cpu => Lane::Cpu,
    }
}

fn lanes(machine: &Machine) -> Vec<Lane> {
    let there = |lane: &Lane| match lane {
        Lane::Passes | Lane::Gpu | Lane::Waits => true,
        Lane::H2d => machine.h2d.is_some(),
        Lane::D2h => machine.d2h.is_some(),
        Lane::Nvme => machine.nvme.is_some(),
        Lane::Cpu => machine.cpu.is_some(),
        Lane::Dram => machine.dram_bus.is_some(),
    };
    Lane::ALL.into_iter().filter(there).collect()
}

impl Recorder {
    pub(super) fn new(plan: &Plan, window: Window) -> Self {
        let machine = &plan.machine;
        let timeline = Timeline { window, lanes: lanes(machine), ..Timeline::default() };
        let to_vram = machine.nvme.is_some_and(|drive| drive.to_vram);
        let moves = |lane: &Lane| *lane != Lane::Nvme || !to_vram;
        let on_bus = match machine.dram_bus {
            Some(_) => [Lane::H2d, Lane::D2h, Lane::Nvme, Lane::Cpu].into_iter().filter(moves).collect(),
            None => Vec::new(),
        };
        let layers = plan.workload.trace.header().layer_ids.clone();
        Self { timeline, layers, on_bus, taken: 0, last: [None; 3] }
    }

    /// The model's own number of a MoE layer.
    fn layer(&self, layer: u32) -> u32 {
        self.layers.get(layer as usize).copied().unwrap_or(layer)
    }

    /// Takes room for `count` more events; where there is none, notes from when on something is missing. One event is
    /// left for the pass that is running then.
    fn takes(&mut self, count: usize, start_ns: u64) -> bool {
        let cut_ns = &mut self.timeline.cut_ns;
        let room = cut_ns.is_none() && self.taken + count < self.timeline.window.events_max;
        if room {
            self.taken += count;
        } else {
            *cut_ns = Some(cut_ns.map_or(start_ns, |cut| cut.min(start_ns)));
        }
        room
    }

    /// Takes room for a pass. It is written down at its end, and so after everything within it that was cut.
    fn takes_pass(&mut self, start_ns: u64) -> bool {
        let wanted = self.timeline.cut_ns.is_none_or(|cut_ns| start_ns < cut_ns);
        let room = wanted && self.taken < self.timeline.window.events_max;
        self.taken += usize::from(room);
        room
    }

    fn slice(&mut self, slice: Slice) {
        let Window { from_ns, until_ns, .. } = self.timeline.window;
        let start_ns = slice.start_ns;
        let inside = slice.end_ns > from_ns && start_ns < until_ns && slice.end_ns > start_ns;
        let taken = inside
            && match slice.lane {
                Lane::Passes => self.takes_pass(start_ns),
                // Each piece on the bus makes for at most two slices of the bus.
                lane if self.on_bus.contains(&lane) => self.takes(3, start_ns),
                _ => self.takes(1, start_ns),
            };
        if taken {
            self.timeline.slices.push(slice);
        }
    }

    fn sample(&mut self, level: Level, at_ns: u64, value: u64) {
        let Window { from_ns, until_ns, .. } = self.timeline.window;
        if at_ns < from_ns || at_ns >= until_ns {
            return;
        }
        let last = self.last[level as usize];
        if let Some(last) = last.and_then(|index| self.timeline.samples.get_mut(index))
            && (last.value == value || last.at_ns == at_ns)
        {
            last.value = value;
            return;
        }
        if self.takes(1, at_ns) {
            self.last[level as usize] = Some(self.timeline.samples.len());
            self.timeline.samples.push(Sample { level, at_ns, value });
        }
    }

    /// The timeline of a run that took `span_ns`.
    pub(super) fn finish(mut self, span_ns: u64) -> Timeline {
        self.timeline.span_ns = span_ns;
        self.share_bus();
        self.timeline.slices.sort_by_key(|slice| (slice.lane, slice.start_ns));
        self.timeline.samples.sort_by_key(|sample| (sample.level, sample.at_ns));
        self.timeline
    }

    /// A slice for every stretch of time in which the same lanes moved something over the bus.
    fn share_bus(&mut self) {
        let moving: Vec<Slice> =
            self.timeline.slices.iter().filter(|slice| self.on_bus.contains(&slice.lane)).copied().collect();
        // Pieces of a lane were written down in their order, so that of one instant an end stands before a begin.
        let ends = moving.iter().flat_map(|slice| [(slice.start_ns, slice), (slice.end_ns, slice)]);
        let mut changes: Vec<(u64, &Slice)> = ends.collect();
        changes.sort_by_key(|(at_ns, _)| *at_ns);
        let Window { from_ns, until_ns, .. } = self.timeline.window;
        let until_ns = until_ns.min(self.timeline.cut_ns.unwrap_or(u64::MAX));
        let (mut open, mut since) = ([false; 8], 0);
        for (at_ns, slice) in changes {
            let (start_ns, end_ns) = (from_ns.max(since), until_ns.min(at_ns));
            if open.contains(&true) && end_ns > start_ns {
                let activity = Activity::Bus(open);
                self.timeline.slices.push(Slice {
                    lane: Lane::Dram,
                    start_ns,
                    end_ns,
                    activity,
                    bytes: 0,
                    ..*slice
                });
            }
            open[slice.lane as usize] = slice.start_ns == at_ns;
            since = at_ns;
        }
    }
}

impl<I: ExpertNumber> Simulation<'_, I> {
    /// Writes down a stretch of time of the pass being served.
    fn note(&mut self, lane: Lane, (start, end): (SimTime, SimTime), activity: Activity, moved: (u64, u64)) {
        let (sequence, context) = (self.work.sequence, self.work.context());
        let (bytes, overhead_ns) = moved;
        let slice = Slice {
            lane,
            start_ns: start.as_ns(),
            end_ns: end.as_ns(),
            activity,
            pass: self.pass as u64,
            sequence,
            context,
            bytes,
            overhead_ns,
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.slice(slice);
        }
    }

    /// The pass that began then ends now.
    pub(super) fn record_pass(&mut self, began: SimTime) {
        if self.recorder.is_some() {
            let activity =
                Activity::Pass { prefill: self.work.phase == Phase::Prefill, tokens: self.work.rows };
            self.note(Lane::Passes, (began, self.engine.now()), activity, (0, 0));
        }
    }

    /// The GPU stream stood idle from then on until now.
    pub(super) fn record_wait(&mut self, from: SimTime) {
        if self.recorder.is_none() {
            return;
        }
        let (now, ended_by) = (self.engine.now(), self.wait);
        let mut wait =
            |from, to, awaited| self.note(Lane::Waits, (from, to), Activity::Wait(awaited), (0, 0));
        match ended_by {
            Wait::Copy { read_done } => {
                let read_done = read_done.map_or(from, |done| done.max(from).min(now));
                wait(from, read_done, Awaited::Nvme);
                wait(read_done, now, Awaited::H2d);
            }
            Wait::Cpu => wait(from, now, Awaited::Cpu),
        }
    }

    /// Work was appended to the GPU stream.
    pub(super) fn record_launch(&mut self, job: Job, cost: &StretchCost, launch: Launch) {
        let Some(recorder) = &self.recorder else { return };
        let layer = recorder.layer(self.layer);
        let fetched = || self.event.of_fate(Fate::Fetch).count();
        let activity = match launch {
            Launch::Stretch => Activity::Stretch { layer },
            Launch::Head => Activity::Head,
            Launch::Compaction => Activity::Compaction,
            Launch::Resident => {
                let fates = [Fate::Prefetched, Fate::Substitute, Fate::Degrade];
                let others: usize = fates.into_iter().map(|fate| self.event.of_fate(fate).count()).sum();
                let count = (self.event.resident.len() + others) as u64;
                Activity::Experts { layer, count, resident: true, expert: None }
            }
            Launch::Arrived(index) => {
                let together = self.plan.machine.overlap == Overlap::None && !self.plan.machine.single_buffer;
                let count = if together { fetched() as u64 } else { 1 };
                let expert = (count == 1).then(|| self.event.missing[index].expert);
                Activity::Experts { layer, count, resident: false, expert }
            }
        };
        let moved = (cost.bytes.get(), cost.overhead.as_ns());
        self.note(Lane::Gpu, (job.start, job.end), activity, moved);
    }

    /// What runs on a device is about to end.
    pub(super) fn record_device(&mut self, device: Device) {
        let Some(recorder) = &self.recorder else { return };
        let layer = recorder.layer(self.layer);
        let (since, activity, bytes) = if device == Device::Cpu {
            let Some((since, job)) = self.fabric.computing() else { return };
            let activity = match job.work {
                CpuWork::Stretch => Activity::Stretch { layer },
                CpuWork::Experts => {
                    let count = self.event.of_fate(Fate::Cpu).count() as u64;
                    Activity::Experts { layer, count, resident: true, expert: None }
                }
            };
            (since, activity, job.bytes)
        } else {
            let Some(piece) = self.fabric.moving(device) else { return };
            let since = SimTime::from_ns(piece.end.as_ns() - piece.duration.as_ns());
            (since, self.activity_of(device, &piece, layer), piece.bytes)
        };
        self.note(lane(device), (since, self.engine.now()), activity, (bytes.get(), 0));
    }

    /// What a piece belongs to.
    fn activity_of(&self, device: Device, piece: &Piece, layer: u32) -> Activity {
        let experts = self.plan.cache.shape.experts;
        let recorder = self.recorder.as_ref();
        match piece.tag {
            ACTIVATIONS => Activity::Activations { layer },
            _ if device == Device::D2h => Activity::Evicted { layer },
            tag if tag & PREFETCH != 0 => {
                let object = tag & !PREFETCH;
                let number = object / experts;
                let layer = recorder.map_or(number, |recorder| recorder.layer(number));
                let cause = if piece.class == Class::Demand { Cause::LatePrefetch } else { Cause::Prefetch };
                Activity::Expert { layer, expert: object % experts, cause }
            }
            tag => {
                let expert = self.event.missing.get(tag as usize).map_or(0, |missing| missing.expert);
                Activity::Expert { layer, expert, cause: Cause::Miss }
            }
        }
    }

    /// After something has happened: what the levels are now.
    #[inline]
    pub(super) fn record_levels(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            let at_ns = self.engine.now().as_ns();
            recorder.sample(Level::CacheBytes, at_ns, self.cache.used());
            if let Some(prefetching) = &self.prefetching {
                recorder.sample(Level::PrefetchBytes, at_ns, prefetching.held_bytes());
            }
            if self.fabric.has(Device::H2d) {
                recorder.sample(Level::H2dQueue, at_ns, self.fabric.h2d_queue() as u64);
            }
        }
    }
}
