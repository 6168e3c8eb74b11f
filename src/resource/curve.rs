//! How long one transfer takes on a channel that carries nothing else.
//!
//! A transfer takes `latency + size / peak`, so its effective rate is `size / (latency + size / peak)`: small transfers
//! lose to latency. Measured pinned copies follow this to 0.8 % on average with 11.8 us and 28.6 GB/s for a laptop RTX
//! 5090 on PCIe 5 x8 (4 KiB to 1 GiB), and to 4.3 % with 8.2 us and 12.06 GB/s for a Quadro RTX 6000 on PCIe 3 x16 (4 KiB
//! to 1 MiB).
//!
//! Pageable copies pass through a staging buffer. On the first of these machines they rise to 19.4 GiB/s at 4 MiB and
//! fall to 12.6 GiB/s at 256 MiB, presumably as source and staging buffer no longer fit the CPU's cache.
//! [`RateCurve::large`] says so with two more numbers: bytes beyond a threshold move at another rate (4.4 % on average;
//! 9.8 % without). What is left out: pageable copies of a few KiB, of which the second machine makes 4 KiB in a sixth
//! less time than the curve says.

use crate::units::{Bandwidth, Bytes, SimDuration};

/// Time of a transfer by its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateCurve {
    /// Fixed time of every transfer, even of an empty one.
    pub latency: SimDuration,
    /// Rate of the bytes up to the threshold of `large`, or of all bytes where there is none.
    pub peak: Bandwidth,
    /// A threshold, and the rate of all bytes beyond it.
    pub large: Option<(Bytes, Bandwidth)>,
}

impl RateCurve {
    /// A curve that keeps its peak at every size, as pinned copies do.
    pub fn pinned(latency: SimDuration, peak: Bandwidth) -> Self {
        Self { latency, peak, large: None }
    }

    /// How long `size` takes. It never falls as `size` grows; each of the two parts is rounded up to a nanosecond.
    pub fn time(&self, size: Bytes) -> SimDuration {
        let Some((threshold, slow)) = self.large else {
            return self.latency + self.peak.time_for(size);
        };
        let beyond = size.saturating_sub(threshold);
        self.latency + self.peak.time_for(size - beyond) + slow.time_for(beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(text: &str) -> Bandwidth {
        text.parse().unwrap()
    }

    fn pageable() -> RateCurve {
        RateCurve {
            latency: SimDuration::from_ns(10_800),
            peak: rate("20 GB/s"),
            large: Some((Bytes::new(12_000_000), rate("13.4 GB/s"))),
        }
    }

    /// 10 GB/s and 10 us: 100 kB takes 20 us, half the peak; with 5 GB/s beyond 100 kB, the second 100 kB takes 20 us.
    #[test]
    fn closed_forms() {
        let fast = RateCurve::pinned(SimDuration::from_ns(10_000), rate("10 GB/s"));
        let bent = RateCurve { large: Some((Bytes::new(100_000), rate("5 GB/s"))), ..fast };
        for (size, straight_ns, bent_ns) in [
            (0, 10_000, 10_000),
            (1, 10_001, 10_001),
            (100_000, 20_000, 20_000),
            (100_001, 20_001, 20_001),
            (200_000, 30_000, 40_000),
        ] {
            assert_eq!(fast.time(Bytes::new(size)).as_ns(), straight_ns, "{size}");
            assert_eq!(bent.time(Bytes::new(size)).as_ns(), bent_ns, "{size}");
        }
    }

    /// Measured rates in GiB/s, laptop RTX 5090 on PCIe 5 x8, host to device, medians of ten: within a tenth.
    #[test]
    fn measured_copies() {
        let pinned = RateCurve::pinned(SimDuration::from_ns(11_800), rate("28.6 GB/s"));
        let points = [
            (pinned, 16 << 10, 1.23),
            (pinned, 1 << 20, 20.14),
            (pinned, 256 << 20, 26.58),
            (pageable(), 16 << 10, 1.34),
            (pageable(), 1 << 20, 15.03),
            (pageable(), 4 << 20, 19.36),
            (pageable(), 16 << 20, 16.25),
            (pageable(), 256 << 20, 12.63),
        ];
        for (curve, size, measured) in points {
            let seconds = curve.time(Bytes::new(size)).as_ns() as f64 / 1e9;
            let share = size as f64 / (1_u64 << 30) as f64 / seconds / measured;
            assert!((share - 1.0).abs() < 0.1, "{size} bytes at {share} of what was measured");
        }
    }

    fn curves() -> impl Strategy<Value = RateCurve> {
        let rates = || (1_u64..1 << 40).prop_map(|rate| Bandwidth::from_bytes_per_s(rate).unwrap());
        let large = prop::option::of(((0_u64..1 << 20).prop_map(Bytes::new), rates()));
        (0_u64..1_000_000, rates(), large).prop_map(|(latency, peak, large)| RateCurve {
            latency: SimDuration::from_ns(latency),
            peak,
            large,
        })
    }

    proptest! {
        /// Monotone in size, never below the latency, never faster than the faster of its two rates.
        #[test]
        fn never_falls_with_size(curve in curves(), size in 0_u64..1 << 21, more in 0_u64..1 << 21) {
            let time = curve.time(Bytes::new(size));
            prop_assert!(curve.time(Bytes::new(size + more)) >= time);
            let best = curve.large.map_or(curve.peak, |(_, slow)| slow.max(curve.peak));
            prop_assert!(time >= curve.latency + best.time_for(Bytes::new(size)));
        }

        /// A second rate equal to the first changes nothing but one rounding.
        #[test]
        fn a_bend_to_the_same_rate_is_no_bend(curve in curves(), at in 0_u64..1 << 20, size in 0_u64..1 << 21) {
            let straight = RateCurve { large: None, ..curve };
            let bent = RateCurve { large: Some((Bytes::new(at), curve.peak)), ..curve };
            let (straight, bent) = (straight.time(Bytes::new(size)), bent.time(Bytes::new(size)));
            prop_assert!(bent >= straight && bent.as_ns() - straight.as_ns() <= 1);
        }
    }
}
