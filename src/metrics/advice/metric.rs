//! What configurations are judged by: one number of a row each, whole numbers of a small unit.

use serde::{Deserialize, Serialize};

use crate::metrics::{Quantiles, Row, Summary};

/// A latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Latency {
    /// Time to first token: over sequences, under load over requests.
    Ttft,
    /// Time per output token: over sequences' means, under load over requests'.
    Tpot,
    /// Time between two tokens: over decode passes, under load over tokens.
    Itl,
    /// From arrival to the last token; only under load.
    E2e,
    /// From arrival to the first pass; only under load.
    Queue,
}

/// Which value of a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatencyAt {
    /// Median.
    P50,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// Largest.
    Max,
}

/// A number that configurations are compared by or held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// A latency in nanoseconds.
    Latency(Latency, LatencyAt),
    /// Output tokens a second, in thousandths.
    Throughput,
    /// Finished requests a second, in thousandths.
    RequestRate,
    /// Memory needed of one GPU, in bytes.
    Vram,
    /// Host memory needed, in bytes.
    Dram,
    /// Purchase price in millionths of a dollar.
    Price,
    /// Rent in millionths of a dollar an hour.
    Rent,
    /// Cost of a million output tokens in millionths of a dollar.
    TokenCost,
    /// Energy of an output token in millijoules.
    TokenEnergy,
    /// Power at work in milliwatts.
    Power,
    /// Estimated loss of quality in parts per million of the benchmark score.
    QualityLoss,
}

/// What the number of a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricUnit {
    /// Nanoseconds.
    Time,
    /// Thousandths of a token a second.
    TokenRate,
    /// Thousandths of a request a second.
    RequestRate,
    /// Bytes.
    Bytes,
    /// Millionths of a dollar.
    Dollars,
    /// Millionths of a dollar an hour.
    DollarsPerHour,
    /// Millionths of a dollar for a million tokens.
    DollarsPerMtok,
    /// Millijoules.
    Energy,
    /// Milliwatts.
    Power,
    /// Parts per million.
    Share,
}

const LATENCIES: [(&str, Latency); 5] = [
    ("ttft", Latency::Ttft),
    ("tpot", Latency::Tpot),
    ("itl", Latency::Itl),
    ("e2e", Latency::E2e),
    ("queue", Latency::Queue),
];
const VALUES: [(&str, LatencyAt); 5] = [
    ("p50", LatencyAt::P50),
    ("p90", LatencyAt::P90),
    ("p95", LatencyAt::P95),
    ("p99", LatencyAt::P99),
    ("max", LatencyAt::Max),
];
const OTHERS: [(&str, Metric); 10] = [
    ("throughput", Metric::Throughput),
    ("requests", Metric::RequestRate),
    ("vram", Metric::Vram),
    ("dram", Metric::Dram),
    ("price", Metric::Price),
    ("rent", Metric::Rent),
    ("cost", Metric::TokenCost),
    ("energy", Metric::TokenEnergy),
    ("power", Metric::Power),
    ("quality_loss", Metric::QualityLoss),
];

impl Metric {
    /// TPOT as it is meant where nobody says which: the median.
    pub const TPOT: Self = Self::Latency(Latency::Tpot, LatencyAt::P50);

    /// Every name, as limits and objectives write them: `tpot_p99`, `price`.
    pub fn names() -> Vec<String> {
        let of = |latency: &str| VALUES.map(|(at, _)| format!("{latency}_{at}"));
        let latencies = LATENCIES.iter().flat_map(|(latency, _)| of(latency));
        latencies.chain(OTHERS.iter().map(|(name, _)| (*name).to_owned())).collect()
    }

    /// The metric of this name; a latency alone is its median.
    pub fn find(name: &str) -> Option<Self> {
        let latency = |name: &str| LATENCIES.iter().find(|row| row.0 == name).map(|row| row.1);
        if let Some(latency) = latency(name) {
            return Some(Self::Latency(latency, LatencyAt::P50));
        }
        if let Some((_, metric)) = OTHERS.iter().find(|row| row.0 == name) {
            return Some(*metric);
        }
        let (of, at) = name.rsplit_once('_')?;
        Some(Self::Latency(latency(of)?, VALUES.iter().find(|row| row.0 == at)?.1))
    }

    /// Its name.
    pub fn name(self) -> String {
        match self {
            Self::Latency(latency, at) => {
                let of = LATENCIES.iter().find(|row| row.1 == latency).map_or("", |row| row.0);
                let at = VALUES.iter().find(|row| row.1 == at).map_or("", |row| row.0);
                format!("{of}_{at}")
            }
            other => OTHERS.iter().find(|row| row.1 == other).map_or("", |row| row.0).to_owned(),
        }
    }

    /// What its number counts.
    pub fn unit(self) -> MetricUnit {
        match self {
            Self::Latency(..) => MetricUnit::Time,
            Self::Throughput => MetricUnit::TokenRate,
            Self::RequestRate => MetricUnit::RequestRate,
            Self::Vram | Self::Dram => MetricUnit::Bytes,
            Self::Price => MetricUnit::Dollars,
            Self::Rent => MetricUnit::DollarsPerHour,
            Self::TokenCost => MetricUnit::DollarsPerMtok,
            Self::TokenEnergy => MetricUnit::Energy,
            Self::Power => MetricUnit::Power,
            Self::QualityLoss => MetricUnit::Share,
        }
    }

    /// Whether more of it is better.
    pub fn more_is_better(self) -> bool {
        matches!(self, Self::Throughput | Self::RequestRate)
    }

    /// Whether the plan alone tells it, without a run.
    pub fn is_planned(self) -> bool {
        matches!(self, Self::Vram | Self::Dram | Self::Price | Self::Rent | Self::Power)
    }

    /// Its number in a row; `None` where the row does not have it.
    pub fn of(self, row: &Row) -> Option<u64> {
        let tier = |name: &str| Some(row.tier(name).map_or(0, |tier| tier.needed_bytes));
        match self {
            Self::Latency(latency, at) => {
                let quantiles = quantiles(row.summary()?, latency)?;
                (quantiles.count > 0).then(|| at.of(&quantiles))
            }
            Self::Throughput => row.output_tokens_per_s_permille(),
            Self::RequestRate => {
                let serving = row.summary()?.serving.as_ref()?;
                let finished = u128::from(serving.requests.finished) * 1_000_000_000_000;
                u64::try_from(finished.checked_div(u128::from(serving.span_ns))?).ok()
            }
            Self::Vram => tier("vram"),
            Self::Dram => tier("dram"),
            Self::Price => row.cost.purchase_microdollars(),
            Self::Rent => row.cost.rent_microdollars(),
            Self::TokenCost => row.microdollars_per_mtok(),
            Self::TokenEnergy => row.millijoules_per_token(),
            Self::Power => row.cost.busy_milliwatts,
            Self::QualityLoss => row.quality.loss_ppm(),
        }
    }

    /// The same turned so that less is always better.
    pub fn badness(self, value: u64) -> u64 {
        if self.more_is_better() { u64::MAX - value } else { value }
    }
}

impl LatencyAt {
    fn of(self, quantiles: &Quantiles) -> u64 {
        match self {
            Self::P50 => quantiles.p50,
            Self::P90 => quantiles.p90,
            Self::P95 => quantiles.p95,
            Self::P99 => quantiles.p99,
            Self::Max => quantiles.max,
        }
    }
}

fn quantiles(summary: &Summary, latency: Latency) -> Option<Quantiles> {
    let serving = summary.serving.as_deref();
    Some(match (latency, serving) {
        (Latency::Ttft, Some(serving)) => serving.ttft_ns,
        (Latency::Tpot, Some(serving)) => serving.tpot_ns,
        (Latency::Itl, Some(serving)) => serving.itl_ns,
        (Latency::E2e, Some(serving)) => serving.e2e_ns,
        (Latency::Queue, Some(serving)) => serving.queue_ns,
        (Latency::Ttft, None) => summary.ttft_ns,
        (Latency::Tpot, None) => summary.tpot_ns,
        (Latency::Itl, None) => summary.token_latency_ns,
        (Latency::E2e | Latency::Queue, None) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_is_its_own() {
        for name in Metric::names() {
            assert_eq!(Metric::find(&name).map(Metric::name), Some(name));
        }
        assert_eq!(Metric::find("tpot"), Some(Metric::TPOT));
        assert_eq!(Metric::find("tpot_p98"), None);
    }

    #[test]
    fn less_is_better_of_all_that_is_turned() {
        assert!(Metric::Throughput.badness(20) < Metric::Throughput.badness(10));
        assert!(Metric::Price.badness(10) < Metric::Price.badness(20));
    }
}
