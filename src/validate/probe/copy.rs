//! One copy over a link: a fixed time, then a constant rate.
//!
//! From pinned memory the time is `latency + size / bandwidth`. From pageable memory the driver first copies into a pinned
//! buffer of its own: it has a latency and a rate of its own, and bytes beyond `pageable_threshold`, which no longer pass
//! through the processor's caches, move at a second, lower rate.

use super::{Input, Kind, Probe, Values, Work, needed, optional, whole};
use crate::resource::RateCurve;
use crate::units::Bytes;

const INPUTS: &[Input] = &[
    needed("size", Kind::Size, "bytes of one copy"),
    needed("latency", Kind::Time, "fixed time of one copy"),
    needed("bandwidth", Kind::Rate, "rate of large copies"),
    optional("pageable", Kind::Flag, "whether host memory is pageable"),
    optional("pageable_latency", Kind::Time, "fixed time of one copy from pageable memory"),
    optional("pageable_bandwidth", Kind::Rate, "rate of copies from pageable memory"),
    optional("pageable_threshold", Kind::Size, "bytes beyond which pageable copies slow down"),
    optional("pageable_beyond", Kind::Rate, "rate of the bytes beyond it"),
];

pub(super) const PROBE: Probe = Probe {
    name: "copy",
    doc: "latency + size / bandwidth; pageable memory has its own, and a second rate beyond a threshold",
    inputs: INPUTS,
    predict,
};

fn predict(values: &Values) -> Work {
    let bytes = values.of("size");
    let pinned = RateCurve::pinned(values.duration("latency"), values.rate("bandwidth"));
    // The curves that the simulator copies by.
    let curve = if values.of("pageable") == 0.0 {
        pinned
    } else {
        let own = |key: &str| values.get(key).map(|_| values.rate(key));
        let peak = own("pageable_bandwidth").unwrap_or(pinned.peak);
        let threshold = values.get("pageable_threshold").map(|threshold| Bytes::new(whole(threshold)));
        RateCurve {
            latency: values
                .get("pageable_latency")
                .map_or(pinned.latency, |_| values.duration("pageable_latency")),
            peak,
            large: threshold.map(|threshold| (threshold, own("pageable_beyond").unwrap_or(peak))),
        }
    };
    Work { seconds: curve.time(Bytes::new(whole(bytes))).as_ns() as f64 / 1e9, bytes }
}

#[cfg(test)]
mod tests {
    use super::super::work;
    use super::*;

    #[test]
    fn pageable_copies_slow_down_beyond_the_threshold() {
        let given = [
            ("latency", 10_000.0),
            ("bandwidth", 20e9),
            ("pageable_threshold", 4e6),
            ("pageable_beyond", 5e9),
        ];
        let time = |size: f64, pageable: f64| {
            work(&PROBE, &[&given[..], &[("size", size), ("pageable", pageable)]].concat()).seconds
        };
        assert!((time(20e6, 0.0) - 0.001_010).abs() < 1e-12);
        assert!((time(4e6, 1.0) - 0.000_210).abs() < 1e-12);
        assert!((time(14e6, 1.0) - 0.002_210).abs() < 1e-12);
    }
}
