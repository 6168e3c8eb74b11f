//! Reads from a drive by their size and by how many are outstanding.
//!
//! One read in flight takes `latency + size / stream`. Several overlap, so `depth` of them move `depth` times as much
//! until the drive's peak is reached. Beyond `best_depth` large reads get in each other's way and the peak falls: with
//! extents of 2.5 to 2.9 MB a Samsung 990 PRO gave 4.14, 6.91, 5.74 and 5.73 GB/s at depths 1, 2, 4 and 32 (nvmoe,
//! `paging/README.md`). Small reads need many outstanding, because the latency is most of their time.
//!
//! What is left out: heat, which takes a quarter off a phone's flash after minutes of reading, and writes.

use crate::units::{Bandwidth, Bytes, SimDuration};

/// Time of a read by size and queue depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveCurve {
    /// From the request to its first byte.
    pub latency: SimDuration,
    /// Rate of one read in flight after its first byte.
    pub stream: Bandwidth,
    /// The most that the drive gives, reached with up to `best_depth` reads outstanding.
    pub peak: Bandwidth,
    /// The largest queue depth at which the drive gives its peak.
    pub best_depth: u32,
    /// Share of the peak that remains at larger depths, in parts per million.
    pub deep_ppm: u32,
}

impl DriveCurve {
    /// How long one read of `size` occupies the drive while `depth` reads are outstanding, itself included: `size /
    /// rate`, where `rate = min(depth * size / (latency + size / stream), peak)`. Rounded up, at least 1 ns; a depth of
    /// zero counts as one.
    pub fn time(&self, size: Bytes, depth: u32) -> SimDuration {
        let alone = (self.latency + self.stream.time_for(size)).as_ns();
        let overlapped = SimDuration::from_ns(alone.div_ceil(u64::from(depth.max(1))));
        let peak = if depth > self.best_depth { self.peak.at_ppm(self.deep_ppm.into()) } else { self.peak };
        overlapped.max(peak.time_for(size)).max(SimDuration::from_ns(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drive(latency_us: u64, stream: &str, peak: &str, best_depth: u32, deep_ppm: u32) -> DriveCurve {
        DriveCurve {
            latency: SimDuration::from_ns(latency_us * 1000),
            stream: stream.parse().unwrap(),
            peak: peak.parse().unwrap(),
            best_depth,
            deep_ppm,
        }
    }

    /// 50 us, 4 GB/s alone, 8 GB/s at most: 200 kB takes 100 us alone, 50 us at depth 2, 25 us from depth 4 on, and
    /// 50 us where half the peak is left.
    #[test]
    fn closed_forms() {
        let drive = drive(50, "4 GB/s", "8 GB/s", 8, 500_000);
        for (size, depth, ns) in [
            (200_000, 0, 100_000),
            (200_000, 1, 100_000),
            (200_000, 2, 50_000),
            (200_000, 4, 25_000),
            (200_000, 8, 25_000),
            (200_000, 9, 50_000),
            (0, 1, 50_000),
            (0, 100_000, 1),
            (0, 8, 6_250),
        ] {
            assert_eq!(drive.time(Bytes::new(size), depth).as_ns(), ns, "{size} bytes at depth {depth}");
        }
    }

    /// Measured rates: GB/s of 2.75 MB extents on a Samsung 990 PRO (nvmoe, `paging/README.md`) and MB/s of UFS 4 in a
    /// OnePlus 15R (BigMoeOnEdge, iobench), one to 32 lanes of 4 MiB: within a tenth.
    #[test]
    fn measured_reads() {
        let nvme = drive(45, "4.4 GB/s", "6.8 GB/s", 2, 845_000);
        let ufs = drive(61, "1.95 GB/s", "2.58 GB/s", 4, 935_000);
        let points = [
            (nvme, 2_750_000, 1, 4.14),
            (nvme, 2_750_000, 2, 6.91),
            (nvme, 2_750_000, 4, 5.74),
            (nvme, 2_750_000, 32, 5.73),
            (ufs, 4 << 20, 1, 1.898),
            (ufs, 4 << 20, 2, 2.579),
            (ufs, 4 << 20, 8, 2.538),
            (ufs, 4 << 20, 32, 2.364),
        ];
        for (drive, size, depth, measured) in points {
            let rate = size as f64 / drive.time(Bytes::new(size), depth).as_ns() as f64;
            assert!((rate / measured - 1.0).abs() < 0.1, "{rate} GB/s at depth {depth}");
        }
    }

    fn drives() -> impl Strategy<Value = DriveCurve> {
        (0_u64..1_000_000, 1_u64..1 << 36, 1_u64..1 << 36, 1_u32..64, 1_u32..=1_000_000).prop_map(
            |(latency, stream, peak, best_depth, deep_ppm)| DriveCurve {
                latency: SimDuration::from_ns(latency),
                stream: Bandwidth::from_bytes_per_s(stream).unwrap(),
                peak: Bandwidth::from_bytes_per_s(peak).unwrap(),
                best_depth,
                deep_ppm,
            },
        )
    }

    proptest! {
        /// Monotone in size; more outstanding never hurts up to the best depth; no depth beats the peak.
        #[test]
        fn orders_hold(drive in drives(), size in 0_u64..1 << 24, more in 0_u64..1 << 24, depth in 1_u32..80) {
            let (size, larger) = (Bytes::new(size), Bytes::new(size + more));
            let time = drive.time(size, depth);
            prop_assert!(drive.time(larger, depth) >= time);
            prop_assert!(time >= drive.peak.time_for(size) && time >= SimDuration::from_ns(1));
            if depth < drive.best_depth {
                prop_assert!(drive.time(size, depth + 1) <= time);
            }
        }

        /// The rate is the formula above, in floating point, but for the roundings up.
        #[test]
        fn rate_is_the_formula(drive in drives(), size in 1_u64..1 << 24, depth in 1_u32..80) {
            let (bytes, latency) = (size as f64, drive.latency.as_ns() as f64 / 1e9);
            let stream = drive.stream.bytes_per_s() as f64;
            let share = if depth > drive.best_depth { f64::from(drive.deep_ppm) / 1e6 } else { 1.0 };
            let peak = (drive.peak.bytes_per_s() as f64 * share).floor().max(1.0);
            let expected = bytes / (f64::from(depth) * bytes / (latency + bytes / stream)).min(peak) * 1e9;
            let time = drive.time(Bytes::new(size), depth).as_ns() as f64;
            // Times round up twice, a reduced peak rounds down to a byte per second.
            let slack = 2.0 + expected * (1e-9 + 1.0 / peak);
            prop_assert!((time - expected).abs() <= slack, "{time} ns for {expected}");
        }
    }
}
