//! A link that carries one transfer at a time: a PCIe copy engine in one direction, or an NVMe device's reads.
//!
//! A transfer of `size` bytes takes `latency + size / bandwidth`, so its effective bandwidth is
//! `size / (latency + size / peak)`: small transfers lose to latency, as they do when measured.

use super::serial::{Job, SerialDevice};
use crate::metrics::LinkUse;
use crate::units::{Bandwidth, Bytes, SimDuration, SimTime};

/// A link with a fixed cost for each transfer and a bandwidth.
#[derive(Clone, Debug)]
pub struct Link {
    bandwidth: Bandwidth,
    latency: SimDuration,
    device: SerialDevice,
}

impl Link {
    /// An idle link.
    pub fn new(bandwidth: Bandwidth, latency: SimDuration) -> Self {
        Self { bandwidth, latency, device: SerialDevice::default() }
    }

    /// How long a transfer of `size` occupies the link.
    pub fn transfer_time(&self, size: Bytes) -> SimDuration {
        self.latency + self.bandwidth.time_for(size)
    }

    /// Appends a transfer and says when it runs. `duration` is [`Link::transfer_time`] of `size`, which callers that
    /// move few distinct sizes compute once.
    pub fn submit(&mut self, now: SimTime, size: Bytes, duration: SimDuration) -> Job {
        debug_assert_eq!(duration, self.transfer_time(size));
        self.device.submit(now, duration, size)
    }

    /// The books at the end of a run of length `span`.
    pub fn usage(&self, name: &str, span: SimDuration) -> LinkUse {
        self.device.usage(name, span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_transfers_lose_to_latency() {
        // 10 GB/s and 10 us: 100 kB takes 20 us, half the peak; 100 MB takes 10.01 ms.
        let link = Link::new("10 GB/s".parse().unwrap(), "10 us".parse().unwrap());
        for (size, time) in [("100 KB", "20 us"), ("100 MB", "10.01 ms"), ("1 B", "10.001 us")] {
            assert_eq!(link.transfer_time(size.parse().unwrap()), time.parse().unwrap(), "{size}");
        }
    }

    /// Closed form: transfers submitted together end at the sums of their times.
    #[test]
    fn transfers_queue_behind_each_other() {
        let mut link = Link::new("1 GB/s".parse().unwrap(), SimDuration::from_ns(5));
        let sizes = [100, 200, 300];
        let mut expected = 0;
        for size in sizes {
            let duration = link.transfer_time(Bytes::new(size));
            expected += 5 + size;
            assert_eq!(
                link.submit(SimTime::ZERO, Bytes::new(size), duration).end,
                SimTime::from_ns(expected)
            );
        }
    }
}
