//! What is compared: the quantities that a simulation or a formula predicts, and the units in which people publish them.

use crate::error::{Error, Result};
use crate::metrics::{Quantiles, Row, ServingSummary, Summary};

use super::probe::Work;

/// What a unit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Time,
    PerSecond,
    Bytes,
    Bandwidth,
    Share,
}

/// A unit: its name, what it measures, how many base units it is (seconds, 1/s, bytes, bytes/s, 1).
type Unit = (&'static str, Dimension, f64);

const UNITS: &[Unit] = &[
    ("ns", Dimension::Time, 1e-9),
    ("us", Dimension::Time, 1e-6),
    ("ms", Dimension::Time, 1e-3),
    ("s", Dimension::Time, 1.0),
    ("tok/s", Dimension::PerSecond, 1.0),
    ("B", Dimension::Bytes, 1.0),
    ("KB", Dimension::Bytes, 1e3),
    ("MB", Dimension::Bytes, 1e6),
    ("GB", Dimension::Bytes, 1e9),
    ("KiB", Dimension::Bytes, 1024.0),
    ("MiB", Dimension::Bytes, 1_048_576.0),
    ("GiB", Dimension::Bytes, 1_073_741_824.0),
    ("KB/s", Dimension::Bandwidth, 1e3),
    ("MB/s", Dimension::Bandwidth, 1e6),
    ("GB/s", Dimension::Bandwidth, 1e9),
    ("MiB/s", Dimension::Bandwidth, 1_048_576.0),
    ("GiB/s", Dimension::Bandwidth, 1_073_741_824.0),
    ("%", Dimension::Share, 0.01),
    ("ratio", Dimension::Share, 1.0),
];

/// What predicts a metric.
#[derive(Clone, Copy)]
enum From {
    /// The row of a simulated point; `None` where it has no such number.
    Simulation(fn(&Row) -> Option<f64>),
    /// The time and bytes of a formula.
    Formula(fn(&Work) -> f64),
}

/// A quantity that can be compared. Numbers are in base units until they are shown.
pub(super) struct Metric {
    /// As in a series file.
    pub(super) name: &'static str,
    /// The unit it is shown in unless the measurements have another of the same dimension.
    unit: &'static str,
    from: From,
}

/// Every metric; those of a simulation first.
const METRICS: &[Metric] = &[
    simulated("tpot_ms", "ms", |row| match serving(row) {
        Some(serving) => mean_s(&serving.tpot_ns),
        None => per(decode_s(row)?, tokens(row)?),
    }),
    simulated("ttft_ms", "ms", |row| match serving(row) {
        Some(serving) => mean_s(&serving.ttft_ns),
        None => {
            let ttft = &row.summary()?.ttft_ns;
            (ttft.count > 0).then(|| seconds(ttft.p50))
        }
    }),
    simulated("output_tokens_per_s", "tok/s", |row| serving(row)?.output_tokens_per_s()),
    simulated("decode_tokens_per_s", "tok/s", |row| per(tokens(row)?, decode_s(row)?)),
    simulated("prefill_tokens_per_s", "tok/s", |row| {
        let summary = row.summary()?;
        per(summary.prefill.tokens as f64, seconds(summary.prefill_time.total_ns()))
    }),
    simulated("hit_rate", "%", |row| row.summary()?.decode.hit_rate()),
    simulated("hit_rate_when_needed", "%", |row| {
        let decode = &row.summary()?.decode;
        per(decode.hits_when_needed as f64, decode.lookups as f64)
    }),
    simulated("bytes_per_token", "MiB", |row| per(row.summary()?.decode.miss_bytes as f64, tokens(row)?)),
    simulated("vram_bytes", "GiB", |row| Some(row.tier("vram")?.needed_bytes as f64)),
    formula("time_us", "us", |work| work.seconds),
    formula("bandwidth", "GB/s", |work| work.bytes / work.seconds),
    formula("tokens_per_s", "tok/s", |work| 1.0 / work.seconds),
];

const fn simulated(name: &'static str, unit: &'static str, read: fn(&Row) -> Option<f64>) -> Metric {
    Metric { name, unit, from: From::Simulation(read) }
}

const fn formula(name: &'static str, unit: &'static str, read: fn(&Work) -> f64) -> Metric {
    Metric { name, unit, from: From::Formula(read) }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn per(amount: f64, of: f64) -> Option<f64> {
    (of > 0.0).then(|| amount / of)
}

/// What requests under load saw; `None` where sequences were replayed one after another.
fn serving(row: &Row) -> Option<&ServingSummary> {
    row.summary()?.serving.as_deref()
}

/// The mean over requests, which is what benchmarks of servers publish.
fn mean_s(latencies: &Quantiles) -> Option<f64> {
    per(latencies.sum as f64 / 1e9, latencies.count as f64)
}

fn decode_s(row: &Row) -> Option<f64> {
    row.summary().map(|summary: &Summary| seconds(summary.decode_time.total_ns()))
}

fn tokens(row: &Row) -> Option<f64> {
    row.summary().map(|summary| summary.decode.tokens as f64)
}

/// The unit of a name such as `GiB` or `GiB/token`; what it is counted by is part of the metric.
fn unit(name: &str) -> Option<&'static Unit> {
    let plain = ["/token", "/tok", "/layer"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let spelled = match plain {
        "t/s" | "tokens/s" => "tok/s",
        other => other,
    };
    UNITS.iter().find(|(unit, ..)| *unit == spelled)
}

/// The metric of a name, among those of simulations or of formulas. The error has no place.
pub(super) fn find(name: &str, of_simulation: bool) -> Result<&'static Metric> {
    let known =
        || METRICS.iter().filter(|metric| matches!(metric.from, From::Simulation(_)) == of_simulation);
    known().find(|metric| metric.name == name).ok_or_else(|| {
        Error::new(format!("unknown metric {name:?}")).nearest(name, known().map(|metric| metric.name))
    })
}

impl Metric {
    fn dimension(&self) -> Dimension {
        unit(self.unit).map_or(Dimension::Share, |unit| unit.1)
    }

    /// A time may be published as a rate, and a rate as a time.
    fn is_reciprocal(&self, other: Dimension) -> bool {
        matches!(
            (self.dimension(), other),
            (Dimension::Time, Dimension::PerSecond) | (Dimension::PerSecond, Dimension::Time)
        )
    }

    /// A measured number in base units of this metric. The error has no place.
    pub(super) fn base(&self, number: f64, unit_name: &str) -> Result<f64> {
        match unit(unit_name) {
            Some((_, dimension, size)) if *dimension == self.dimension() => Ok(number * size),
            Some((_, dimension, size)) if self.is_reciprocal(*dimension) => Ok(1.0 / (number * size)),
            _ => {
                let accepted = UNITS.iter().filter(|(_, dimension, _)| {
                    *dimension == self.dimension() || self.is_reciprocal(*dimension)
                });
                let names: Vec<&str> = accepted.map(|(name, ..)| *name).collect();
                Err(Error::new(format!("found unit {unit_name:?} for {}", self.name))
                    .expected(format!("one of {}", names.join(", "))))
            }
        }
    }

    /// The unit to show a series in, given the unit of its first row.
    pub(super) fn shown_unit<'u>(&self, first: &'u str) -> &'u str
    where
        'static: 'u,
    {
        match unit(first) {
            Some((_, dimension, _)) if *dimension == self.dimension() => first,
            _ => self.unit,
        }
    }

    /// A number in base units, in a unit that [`Metric::shown_unit`] gave.
    pub(super) fn shown(&self, base: f64, unit_name: &str) -> f64 {
        base / unit(unit_name).map_or(1.0, |(.., size)| *size)
    }

    /// What a simulated point says, in base units; `None` where it says nothing of this metric.
    pub(super) fn of_row(&self, row: &Row) -> Option<f64> {
        match self.from {
            From::Simulation(read) => read(row),
            From::Formula(_) => None,
        }
    }

    /// What a formula says, in base units.
    pub(super) fn of_work(&self, work: &Work) -> Option<f64> {
        match self.from {
            From::Formula(read) => Some(read(work)),
            From::Simulation(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_are_each_others_reciprocal() {
        let tpot = find("tpot_ms", true).unwrap();
        for (number, unit, base) in
            [(50.0, "ms", 0.05), (20.0, "tok/s", 0.05), (20.0, "t/s", 0.05), (0.05, "s", 0.05)]
        {
            assert!((tpot.base(number, unit).unwrap() - base).abs() < 1e-15, "{unit}");
        }
        assert_eq!((tpot.shown_unit("tok/s"), tpot.shown_unit("us")), ("ms", "us"));
        assert_eq!(tpot.shown(0.05, "ms"), 50.0);
        let rate = find("decode_tokens_per_s", true).unwrap();
        assert_eq!(rate.base(50.0, "ms"), Ok(20.0));
    }

    #[test]
    fn other_units_are_refused() {
        let bytes = find("bytes_per_token", true).unwrap();
        assert_eq!(bytes.base(2.0, "GiB/token"), Ok(2_147_483_648.0));
        assert_eq!(
            bytes.base(2.0, "ms").unwrap_err().to_string(),
            "found unit \"ms\" for bytes_per_token, expected one of B, KB, MB, GB, KiB, MiB, GiB"
        );
        let error = find("tpot", true).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("unknown metric \"tpot\", did you mean \"tpot_ms\"?"));
        let error = find("hit_rate", false).err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("unknown metric \"hit_rate\", expected one of time_us, bandwidth, tokens_per_s")
        );
    }
}
