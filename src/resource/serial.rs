//! A device that serves one job at a time, in the order of submission: a compute stream or a copy engine.

use crate::metrics::LinkUse;
use crate::units::{Bytes, SimDuration, SimTime};

/// When a submitted job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// The device turns to it.
    pub start: SimTime,
    /// The device is done with it.
    pub end: SimTime,
}

/// A first-come, first-served device with books.
#[derive(Clone, Debug, Default)]
pub struct SerialDevice {
    free_at: SimTime,
    busy: SimDuration,
    bytes: Bytes,
    jobs: u64,
}

impl SerialDevice {
    /// Appends a job of `duration` that moves or reads `bytes`, and says when it runs.
    pub fn submit(&mut self, now: SimTime, duration: SimDuration, bytes: Bytes) -> Job {
        let start = self.free_at.max(now);
        let end = start + duration;
        self.free_at = end;
        self.busy += duration;
        self.bytes += bytes;
        self.jobs += 1;
        Job { start, end }
    }

    /// Nothing is begun before `time`; the device stands idle until then.
    pub fn idle_until(&mut self, time: SimTime) {
        self.free_at = self.free_at.max(time);
    }

    /// When everything submitted so far is done.
    pub fn free_at(&self) -> SimTime {
        self.free_at
    }

    /// The books at the end of a run of length `span`. A device that was busy longer than the run lasted is a bug, so
    /// it panics.
    pub fn usage(&self, name: &str, span: SimDuration) -> LinkUse {
        LinkUse {
            name: name.to_owned(),
            bytes: self.bytes.get(),
            jobs: self.jobs,
            busy_ns: self.busy.as_ns(),
            idle_ns: (span - self.busy).as_ns(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// One at a time, in order, never idle while work waits; busy + idle = span; bytes and jobs are conserved.
        #[test]
        fn is_serial_work_conserving_and_keeps_its_books(jobs in prop::collection::vec((0_u64..50, 0_u64..40), 1..100)) {
            let mut device = SerialDevice::default();
            let (mut now, mut last_end) = (SimTime::ZERO, SimTime::ZERO);
            for (gap, length) in &jobs {
                now = now + SimDuration::from_ns(*gap);
                let job = device.submit(now, SimDuration::from_ns(*length), Bytes::new(*length));
                prop_assert_eq!(job.start, last_end.max(now));
                prop_assert_eq!(job.end.since(job.start), SimDuration::from_ns(*length));
                last_end = job.end;
            }
            let span = device.free_at().since(SimTime::ZERO);
            let books = device.usage("gpu", span);
            let total: u64 = jobs.iter().map(|(_, length)| length).sum();
            prop_assert_eq!(books.busy_ns, total);
            prop_assert_eq!(books.busy_ns + books.idle_ns, span.as_ns());
            prop_assert_eq!((books.bytes, books.jobs), (total, jobs.len() as u64));
        }
    }
}
