//! What an effect shows of a simulated point.

use crate::error::{Error, Result};
use crate::metrics::{Row, SequenceSummary};
use crate::validate::metric;

/// A quantity that an effect may show, in the unit in which it is shown.
pub(super) struct Reading {
    /// As in an effect's file.
    pub(super) name: &'static str,
    /// In words.
    pub(super) label: &'static str,
    /// Empty for a ratio.
    pub(super) unit: &'static str,
    /// What it is shown as a multiple of.
    pub(super) relative: Relative,
    read: Read,
}

/// What a number is shown as a multiple of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relative {
    /// Nothing: it is shown as it is.
    No,
    /// The first number of its curve.
    FirstPlace,
    /// The number of the first curve that differs in nothing but the group.
    FirstGroup,
}

enum Read {
    /// As a validation series reads it; the number of its own unit, times this.
    Metric,
    /// Bytes of one device over the time it was busy.
    Rate(&'static str),
    /// Anything else that a row says.
    Row(fn(&Row) -> Option<f64>),
}

const fn metric_reading(name: &'static str, label: &'static str, unit: &'static str) -> Reading {
    Reading { name, label, unit, relative: Relative::No, read: Read::Metric }
}

/// All of them.
const READINGS: &[Reading] = &[
    Reading {
        name: "tpot_ms",
        label: "time per output token",
        unit: "ms",
        relative: Relative::No,
        read: Read::Row(|row| {
            let passes = &row.summary()?.token_latency_ns;
            (passes.count > 0).then(|| passes.sum as f64 / passes.count as f64 / 1e6)
        }),
    },
    metric_reading("ttft_ms", "time to first token", "ms"),
    metric_reading("decode_tokens_per_s", "decode", "tok/s"),
    metric_reading("prefill_tokens_per_s", "prefill", "tok/s"),
    metric_reading("hit_rate", "lookups that hit", "%"),
    metric_reading("bytes_per_token", "bytes of missing experts per token", "MiB"),
    Reading {
        name: "gain_over_first",
        label: "decode rate, as a multiple of the first",
        unit: "",
        relative: Relative::FirstPlace,
        read: Read::Metric,
    },
    Reading {
        name: "gain_over_first_group",
        label: "decode rate, as a multiple of the first curve's",
        unit: "",
        relative: Relative::FirstGroup,
        read: Read::Metric,
    },
    Reading {
        name: "nvme_gb_per_s",
        label: "bytes over the drive's busy time",
        unit: "GB/s",
        relative: Relative::No,
        read: Read::Rate("nvme"),
    },
    Reading {
        name: "h2d_gb_per_s",
        label: "bytes over the link's busy time",
        unit: "GB/s",
        relative: Relative::No,
        read: Read::Rate("h2d"),
    },
];

/// The reading of a name. The error has no place.
pub(super) fn find(name: &str) -> Result<&'static Reading> {
    READINGS.iter().find(|reading| reading.name == name).ok_or_else(|| {
        Error::new(format!("unknown metric {name:?}"))
            .nearest(name, READINGS.iter().map(|reading| reading.name))
    })
}

impl Reading {
    /// The number of a point; `None` where it has none.
    pub(super) fn of_row(&self, row: &Row) -> Option<f64> {
        match self.read {
            Read::Row(read) => read(row),
            Read::Rate(device) => {
                let link = row.summary()?.links.iter().find(|link| link.name == device)?;
                // Bytes per nanosecond are GB/s.
                (link.busy_ns > 0).then(|| link.bytes as f64 / link.busy_ns as f64)
            }
            Read::Metric => {
                let (name, unit) = match self.relative {
                    Relative::No => (self.name, self.unit),
                    Relative::FirstPlace | Relative::FirstGroup => ("decode_tokens_per_s", "tok/s"),
                };
                let metric = metric::find(name, true).ok()?;
                Some(metric.shown(metric.of_row(row)?, unit))
            }
        }
    }

    /// The number of one sequence of a point, for those readings that a sequence has.
    pub(super) fn of_sequence(&self, row: &Row, sequence: &SequenceSummary) -> Option<f64> {
        let lookups = sequence.decode_lookups as f64;
        match self.name {
            "tpot_ms" => Some(sequence.tpot_ns()? as f64 / 1e6),
            "hit_rate" => (lookups > 0.0).then(|| sequence.decode_hits as f64 / lookups * 100.0),
            "bytes_per_token" => {
                let missed = lookups - sequence.decode_hits as f64;
                let per_token = missed / sequence.decode_tokens as f64;
                per_token
                    .is_finite()
                    .then(|| per_token * missed_expert_bytes(row).unwrap_or(0.0) / 1_048_576.0)
            }
            _ => None,
        }
    }

    /// Whether a single sequence has it.
    pub(super) fn is_of_sequences(&self) -> bool {
        ["tpot_ms", "hit_rate", "bytes_per_token"].contains(&self.name)
    }
}

/// Mean bytes of an expert that was looked up and not found.
pub(super) fn missed_expert_bytes(row: &Row) -> Option<f64> {
    let decode = &row.summary()?.decode;
    (decode.misses > 0).then(|| decode.miss_bytes as f64 / decode.misses as f64)
}
