//! Rates and shares of a run under load as text, by integer arithmetic.

use crate::metrics::{GpuUse, ServingSummary};
use crate::report::format::{percent, ratio};

/// A count per second with three significant figures: `0.41`, `12.3`, `812`; empty for no time.
pub(super) fn rate(count: u64, ns: u64) -> String {
    figures(u128::from(count) * 1_000_000_000, u128::from(ns))
}

/// A quotient with three significant figures, at most two decimals from 1 on; empty for a zero denominator.
pub(in crate::report) fn figures(numerator: u128, denominator: u128) -> String {
    let decimals = match numerator.checked_div(denominator) {
        None => return String::new(),
        Some(100..) => 0,
        Some(10..) => 1,
        Some(1..) => 2,
        Some(0) => 3,
    };
    ratio(numerator, denominator, decimals)
}

/// Thousandths as a number without trailing zeros: `4`, `0.5`.
pub(super) fn thousandths(value: u64) -> String {
    let text = ratio(u128::from(value), 1000, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Thousandths with two decimals; empty for zero, which means that nothing was measured.
pub(super) fn times(permille: u64) -> String {
    if permille == 0 { String::new() } else { ratio(u128::from(permille), 1000, 2) }
}

/// Requests whose fate is known: those that the service level is judged on.
pub(super) fn judged(serving: &ServingSummary) -> u64 {
    serving.requests.finished + serving.requests.rejected
}

/// Of the requests whose fate is known, those within the service level, in percent; empty without one.
pub(super) fn met_percent(serving: &ServingSummary, decimals: u32) -> String {
    let met = serving.goodput.as_ref().map(|goodput| percent(goodput.met, judged(serving), decimals));
    met.unwrap_or_default()
}

/// Where the time of all GPUs went, in nanoseconds of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GpuTime {
    pub(super) busy: u128,
    pub(super) wait: u128,
    pub(super) exchange: u128,
    pub(super) idle: u128,
}

impl GpuTime {
    pub(super) fn of(gpus: &[GpuUse]) -> Self {
        let sum = |part: fn(&GpuUse) -> u64| gpus.iter().map(|gpu| u128::from(part(gpu))).sum();
        Self {
            busy: sum(|gpu| gpu.busy_ns),
            wait: sum(|gpu| gpu.wait_ns),
            exchange: sum(|gpu| gpu.exchange_ns),
            idle: sum(|gpu| gpu.idle_ns),
        }
    }

    pub(super) fn total(self) -> u128 {
        self.busy + self.wait + self.exchange + self.idle
    }

    /// A part of the time in percent; empty without GPUs.
    pub(super) fn percent(self, part: u128, decimals: u32) -> String {
        ratio(part * 100, self.total(), decimals)
    }

    /// `busy 71.0 %, in exchanges 20.1 %, idle 8.9 %`: the parts that are not nothing; empty without GPUs.
    pub(super) fn parts(self) -> String {
        let parts = [
            ("busy", self.busy),
            ("waiting for copies, drives or the CPU", self.wait),
            ("in exchanges", self.exchange),
            ("idle", self.idle),
        ];
        let shown = parts.into_iter().filter(|(_, ns)| *ns > 0);
        shown.map(|(name, ns)| format!("{name} {} %", self.percent(ns, 1))).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_figures_wherever_the_point_is() {
        let texts = [(0, 1), (41, 100), (123, 100), (1234, 100), (81_249, 100), (1, 0)];
        let texts = texts.map(|(numerator, denominator)| figures(numerator, denominator));
        assert_eq!(texts, ["0.000", "0.410", "1.23", "12.3", "812", ""]);
        assert_eq!([4000, 500, 125, 0, 10_000].map(thousandths), ["4", "0.5", "0.125", "0", "10"]);
    }

    #[test]
    fn parts_of_gpu_time_leave_out_what_is_nothing() {
        let gpu = |busy_ns, idle_ns| GpuUse { busy_ns, idle_ns, ..GpuUse::default() };
        let time = GpuTime::of(&[gpu(75, 25), gpu(50, 50)]);
        assert_eq!(time.parts(), "busy 62.5 %, idle 37.5 %");
        assert_eq!(GpuTime::of(&[]).parts(), "");
    }
}
