//! An all-to-all between expert-parallel ranks: each rank sends a share of its bytes to every other.
//!
//! Of `ranks` ranks, `node_ranks` share a machine. What stays within it crosses the fast links between its GPUs, what
//! leaves it the network card of the rank: `latency + per_rank x (ranks - 1) + near / intra_bandwidth + far /
//! inter_bandwidth`, where the far share of the bytes is `1 - node_ranks / ranks`.

use super::{Input, Kind, Probe, Values, Work, needed, optional};

const INPUTS: &[Input] = &[
    needed("ranks", Kind::Number, "ranks that take part"),
    needed("bytes", Kind::Size, "bytes that one rank sends"),
    optional("node_ranks", Kind::Number, "ranks of one machine, else 8"),
    needed("latency", Kind::Time, "fixed time"),
    optional("per_rank", Kind::Time, "time for each other rank"),
    needed("intra_bandwidth", Kind::Rate, "rate of a rank within its machine"),
    needed("inter_bandwidth", Kind::Rate, "rate of a rank out of its machine"),
];

pub(super) const PROBE: Probe = Probe {
    name: "all-to-all",
    doc: "latency + per_rank x (ranks - 1) + near bytes / intra_bandwidth + far bytes / inter_bandwidth",
    inputs: INPUTS,
    predict,
};

fn predict(values: &Values) -> Work {
    let (ranks, bytes) = (values.of("ranks"), values.of("bytes"));
    let near = (values.get("node_ranks").unwrap_or(8.0) / ranks).min(1.0);
    let moved =
        bytes * near / values.of("intra_bandwidth") + bytes * (1.0 - near) / values.of("inter_bandwidth");
    Work { seconds: values.seconds("latency") + values.seconds("per_rank") * (ranks - 1.0) + moved, bytes }
}

#[cfg(test)]
mod tests {
    use super::super::work;
    use super::*;

    #[test]
    fn what_leaves_the_machine_takes_the_slower_link() {
        let given =
            [("bytes", 8e6), ("latency", 10_000.0), ("intra_bandwidth", 160e9), ("inter_bandwidth", 40e9)];
        let time = |ranks: f64| {
            work(&PROBE, &[&given[..], &[("ranks", ranks), ("per_rank", 100.0)]].concat()).seconds
        };
        for (ranks, micros) in [(4.0_f64, 60.3_f64), (8.0, 60.7), (16.0, 136.5), (32.0, 175.6)] {
            assert!((time(ranks) * 1e6 - micros).abs() < 0.01, "{ranks}: {}", time(ranks) * 1e6);
        }
    }
}
