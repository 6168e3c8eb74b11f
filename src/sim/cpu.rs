//! The CPU as a device: one job at a time, all workers on it, in the order of submission.

use std::collections::VecDeque;

use crate::metrics::LinkUse;
use crate::units::{Bytes, SimDuration, SimTime};

/// What a CPU job was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CpuWork {
    /// A layer's stretch before its experts.
    Stretch,
    /// The experts of the current layer event.
    Experts,
}

/// One job: how long it takes where nothing else loads the memory, and what it reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuJob {
    pub(super) work: CpuWork,
    pub(super) duration: SimDuration,
    pub(super) bytes: Bytes,
}

/// The queue of jobs and the books.
#[derive(Debug, Default)]
pub(super) struct CpuPool {
    waiting: VecDeque<CpuJob>,
    running: Option<(SimTime, CpuJob)>,
    busy: SimDuration,
    bytes: Bytes,
    jobs: u64,
}

impl CpuPool {
    pub(super) fn push(&mut self, job: CpuJob) {
        self.waiting.push_back(job);
    }

    /// Turns to the next job where the pool is idle and one waits.
    pub(super) fn start(&mut self, now: SimTime) -> Option<CpuJob> {
        if self.running.is_some() {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.running = Some((now, job));
        Some(job)
    }

    /// What runs, and since when.
    pub(super) fn running(&self) -> Option<(SimTime, CpuJob)> {
        self.running
    }

    /// The running job ends now.
    pub(super) fn finish(&mut self, now: SimTime) -> Option<CpuWork> {
        let (since, job) = self.running.take()?;
        self.busy += now.since(since);
        self.bytes += job.bytes;
        self.jobs += 1;
        Some(job.work)
    }

    pub(super) fn usage(&self, span: SimDuration) -> LinkUse {
        LinkUse {
            name: "cpu".to_owned(),
            bytes: self.bytes.get(),
            jobs: self.jobs,
            busy_ns: self.busy.as_ns(),
            idle_ns: (span - self.busy).as_ns(),
        }
    }
}
