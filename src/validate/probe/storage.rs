//! Random reads from a storage device, several at a time.
//!
//! One read of `size` bytes takes `latency + size / stream`; `depth` of them at once give `depth` times its rate, up to the
//! device's `peak`. Beyond `best_depth` the rate falls to `deep_share` of that: queues make some drives slower, as a
//! gen4 drive measured with reads of a few megabytes at depths 2 and 4 shows.

use super::{Input, Kind, Probe, Values, Work, needed, optional, whole};
use crate::resource::DriveCurve;
use crate::units::Bytes;

const INPUTS: &[Input] = &[
    needed("size", Kind::Size, "bytes of one read"),
    needed("depth", Kind::Number, "reads at once"),
    needed("latency", Kind::Time, "time to the first byte"),
    needed("stream", Kind::Rate, "rate of one large read"),
    needed("peak", Kind::Rate, "rate of the device"),
    optional("best_depth", Kind::Number, "depth beyond which the device slows down"),
    optional("deep_share", Kind::Share, "share of the rate that is left beyond it"),
];

pub(super) const PROBE: Probe = Probe {
    name: "storage",
    doc: "min(depth x size / (latency + size / stream), peak), times deep_share beyond best_depth",
    inputs: INPUTS,
    predict,
};

fn predict(values: &Values) -> Work {
    let (size, depth) = (values.of("size"), values.of("depth"));
    let deep = values.share("deep_share") * 1e6;
    // The curve that the simulator reads drives by.
    let curve = DriveCurve {
        latency: values.duration("latency"),
        stream: values.rate("stream"),
        peak: values.rate("peak"),
        best_depth: values
            .get("best_depth")
            .map_or(u32::MAX, |best| u32::try_from(whole(best)).unwrap_or(u32::MAX)),
        deep_ppm: u32::try_from(whole(deep)).unwrap_or(u32::MAX),
    };
    let time = curve.time(Bytes::new(whole(size)), u32::try_from(whole(depth)).unwrap_or(u32::MAX));
    Work { seconds: depth * time.as_ns() as f64 / 1e9, bytes: depth * size }
}

#[cfg(test)]
mod tests {
    use super::super::work;
    use super::*;

    #[test]
    fn rates_grow_with_depth_up_to_the_peak_and_then_fall() {
        let given =
            [("size", 2e6), ("latency", 100_000.0), ("stream", 5e9), ("peak", 7e9), ("best_depth", 2.0)];
        let rate = |depth: f64| {
            let work = work(&PROBE, &[&given[..], &[("depth", depth), ("deep_share", 800_000.0)]].concat());
            work.bytes / work.seconds
        };
        for (depth, expected) in [(1.0, 4e9), (2.0, 7e9), (4.0, 5.6e9), (32.0, 5.6e9)] {
            // Times are whole nanoseconds of some hundred thousand.
            assert!((rate(depth) / expected - 1.0).abs() < 1e-5, "{depth}: {}", rate(depth));
        }
    }
}
