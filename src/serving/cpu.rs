//! Experts on the CPU: threads read weights at a rate of their own until together they fill the memory.
//!
//! Left out: which memory node the weights lie on, and other readers of the same memory, which the caller shares out.

use crate::units::{Bandwidth, Bytes, FlopRate, SimDuration};

/// What the CPU reaches with an engine's kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuRates {
    /// Threads that compute experts.
    pub threads: u32,
    /// What one thread reads per second on its own; `None` where only the rate of many threads is known.
    pub per_thread: Option<Bandwidth>,
    /// What many threads read per second together: where further threads bring nothing.
    pub bandwidth: Bandwidth,
    /// Operations per second of all threads together.
    pub compute: FlopRate,
    /// Once per layer with experts on the CPU: activations there and back, waking the threads.
    pub layer_overhead: SimDuration,
}

impl CpuRates {
    /// Bytes per second that the threads read: threads x rate of one, up to the memory's.
    pub fn achieved(&self) -> Bandwidth {
        let threads = u64::from(self.threads.max(1));
        let together = self.per_thread.and_then(|one| {
            let rate = one.bytes_per_s().saturating_mul(threads);
            Bandwidth::from_bytes_per_s(rate)
        });
        together.map_or(self.bandwidth, |rate| rate.min(self.bandwidth))
    }

    /// Roofline time of experts that read `bytes` and compute `flops`; `layer_overhead` is not in it.
    pub fn expert_time(&self, bytes: Bytes, flops: u64) -> SimDuration {
        self.achieved().time_for(bytes).max(self.compute.time_for(flops))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(threads: u32, per_thread: Option<u64>) -> CpuRates {
        CpuRates {
            threads,
            per_thread: per_thread.and_then(Bandwidth::from_bytes_per_s),
            bandwidth: Bandwidth::from_bytes_per_s(40_000_000_000).unwrap(),
            compute: FlopRate::from_flops_per_s(1_000_000_000_000).unwrap(),
            layer_overhead: SimDuration::ZERO,
        }
    }

    #[test]
    fn threads_add_up_until_the_memory_is_full() {
        for (threads, expected) in [(0, 12), (1, 12), (2, 24), (3, 36), (4, 40), (64, 40)] {
            let achieved = rates(threads, Some(12_000_000_000)).achieved();
            assert_eq!(achieved.bytes_per_s(), expected * 1_000_000_000, "{threads}");
        }
        assert_eq!(rates(1, None).achieved().bytes_per_s(), 40_000_000_000);
        assert_eq!(rates(u32::MAX, Some(u64::MAX)).achieved().bytes_per_s(), 40_000_000_000);
    }

    #[test]
    fn one_token_waits_for_memory_and_many_for_arithmetic() {
        let (rates, bytes) = (rates(8, None), Bytes::new(4_000_000));
        let flops_per_token = 2 * 2_000_000;
        assert_eq!(rates.expert_time(bytes, flops_per_token), SimDuration::from_ns(100_000));
        assert_eq!(rates.expert_time(bytes, 100 * flops_per_token), SimDuration::from_ns(400_000));
    }
}
