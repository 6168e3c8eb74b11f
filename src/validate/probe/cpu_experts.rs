//! Experts computed on the CPU: their weights at an achieved rate, and a fixed time.
//!
//! Threads add up until the memory is saturated: the rate is the smaller of `threads x thread_bandwidth` and
//! `bandwidth x efficiency`. With many tokens arithmetic may bind instead.

use super::{Input, Kind, Probe, Values, Work, needed, optional};

const INPUTS: &[Input] = &[
    needed("bytes", Kind::Size, "weights read"),
    needed("bandwidth", Kind::Rate, "memory bandwidth"),
    optional("efficiency", Kind::Share, "share of it that the kernels achieve, else all"),
    optional("threads", Kind::Number, "threads that compute"),
    optional("thread_bandwidth", Kind::Rate, "rate of one thread"),
    optional("flops", Kind::Number, "floating-point operations"),
    optional("peak", Kind::Flops, "achieved compute rate"),
    optional("overhead", Kind::Time, "fixed time"),
];

pub(super) const PROBE: Probe = Probe {
    name: "cpu-experts",
    doc: "overhead + max(bytes / min(threads x thread_bandwidth, bandwidth x efficiency), flops / peak)",
    inputs: INPUTS,
    predict,
};

fn predict(values: &Values) -> Work {
    let bytes = values.of("bytes");
    let saturated = values.of("bandwidth") * values.share("efficiency");
    let rate = match (values.get("threads"), values.get("thread_bandwidth")) {
        (Some(threads), Some(each)) => saturated.min(threads * each),
        _ => saturated,
    };
    let compute = values.get("peak").map_or(0.0, |peak| values.of("flops") / peak);
    Work { seconds: values.seconds("overhead") + (bytes / rate).max(compute), bytes }
}

#[cfg(test)]
mod tests {
    use super::super::work;
    use super::*;

    #[test]
    fn threads_add_up_until_the_memory_is_saturated() {
        let given =
            [("bytes", 1e9), ("bandwidth", 100e9), ("efficiency", 500_000.0), ("thread_bandwidth", 10e9)];
        let time = |threads: f64| {
            work(&PROBE, &[&given[..], &[("threads", threads), ("overhead", 1e6)]].concat()).seconds
        };
        for (threads, expected) in [(1.0, 0.101), (4.0, 0.026), (5.0, 0.021), (16.0, 0.021)] {
            assert!((time(threads) - expected).abs() < 1e-12, "{threads}");
        }
    }
}
