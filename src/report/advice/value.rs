//! Metrics and their numbers as people read them. The only place where a number of a recommendation becomes text.

use crate::metrics::advice::{Latency, LatencyAt, Metric, MetricUnit};
use crate::report::format::{ratio, share, size, span};
use crate::report::serving::figures;

const MILLION: u128 = 1_000_000;

/// A metric in words: `TPOT p99`, `price`.
pub(in crate::report) fn title(metric: Metric) -> String {
    match metric {
        Metric::Latency(latency, at) => format!("{} {}", latency_title(latency), at_title(at)),
        Metric::Throughput => "throughput".to_owned(),
        Metric::RequestRate => "request rate".to_owned(),
        Metric::Vram => "VRAM".to_owned(),
        Metric::Dram => "DRAM".to_owned(),
        Metric::Price => "price".to_owned(),
        Metric::Rent => "rent".to_owned(),
        Metric::TokenCost => "cost per million tokens".to_owned(),
        Metric::TokenEnergy => "energy per token".to_owned(),
        Metric::Power => "power".to_owned(),
        Metric::QualityLoss => "quality loss".to_owned(),
    }
}

fn latency_title(latency: Latency) -> &'static str {
    match latency {
        Latency::Ttft => "TTFT",
        Latency::Tpot => "TPOT",
        Latency::Itl => "ITL",
        Latency::E2e => "E2E latency",
        Latency::Queue => "queueing time",
    }
}

fn at_title(at: LatencyAt) -> &'static str {
    match at {
        LatencyAt::P50 => "p50",
        LatencyAt::P90 => "p90",
        LatencyAt::P95 => "p95",
        LatencyAt::P99 => "p99",
        LatencyAt::Max => "max",
    }
}

/// A number of a metric with its unit: `50.0 ms`, `10.0 tokens/s`, `1,499 USD`, `2.50 USD/h`, `1.2 %`, `350 W`.
pub(super) fn shown(metric: Metric, value: u64) -> String {
    match metric.unit() {
        MetricUnit::Time => span(value),
        MetricUnit::TokenRate => format!("{} tokens/s", rate(value)),
        MetricUnit::RequestRate => format!("{} requests/s", rate(value)),
        MetricUnit::Bytes => size(value),
        MetricUnit::Dollars => dollars(value),
        MetricUnit::DollarsPerHour => format!("{}/h", dollars(value)),
        MetricUnit::DollarsPerMtok => format!("{}/Mtok", dollars(value)),
        MetricUnit::Energy => format!("{} J/token", ratio(u128::from(value), 1000, 2)),
        MetricUnit::Power => watts(value),
        MetricUnit::Share => share(value),
    }
}

/// Thousandths with three figures.
fn rate(permille: u64) -> String {
    let text = figures(u128::from(permille), 1000);
    text.parse::<u64>().map_or(text, grouped)
}

/// Millionths of a dollar: whole dollars from 100 on, else cents, and four decimals below ten cents.
pub(super) fn dollars(microdollars: u64) -> String {
    let micro = u128::from(microdollars);
    let text = match microdollars {
        0 => "0".to_owned(),
        1..100_000 => ratio(micro, MILLION, 4),
        100_000..99_995_000 => ratio(micro, MILLION, 2),
        _ => grouped(microdollars.saturating_add(500_000) / 1_000_000),
    };
    format!("{text} USD")
}

/// Milliwatts: whole watts from ten on.
pub(super) fn watts(milliwatts: u64) -> String {
    if milliwatts < 10_000 {
        return format!("{} W", ratio(u128::from(milliwatts), 1000, 1));
    }
    format!("{} W", grouped(milliwatts.saturating_add(500) / 1000))
}

/// `1204` as `1,204`.
pub(super) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 candidate`, `1,204 candidates`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count as u64), if count == 1 { "" } else { "s" })
}

/// How a column of exact numbers of a metric is named after what it holds: the metric, then the unit.
pub(super) fn column(metric: Metric) -> String {
    let unit = match metric.unit() {
        MetricUnit::Time => "ms",
        MetricUnit::TokenRate => "tokens_per_s",
        MetricUnit::RequestRate => "per_s",
        MetricUnit::Bytes => "bytes",
        MetricUnit::Dollars => "usd",
        MetricUnit::DollarsPerHour => "usd_per_h",
        MetricUnit::DollarsPerMtok => "usd_per_mtok",
        MetricUnit::Energy => "j_per_token",
        MetricUnit::Power => "w",
        MetricUnit::Share => "pct",
    };
    format!("{}_{unit}", metric.name())
}

/// The number under [`column`], to its last digit.
pub(super) fn exact(metric: Metric, value: u64) -> String {
    let value = u128::from(value);
    match metric.unit() {
        MetricUnit::Time | MetricUnit::Dollars | MetricUnit::DollarsPerHour | MetricUnit::DollarsPerMtok => {
            ratio(value, MILLION, 6)
        }
        MetricUnit::TokenRate | MetricUnit::RequestRate | MetricUnit::Power | MetricUnit::Energy => {
            ratio(value, 1000, 3)
        }
        MetricUnit::Bytes => value.to_string(),
        MetricUnit::Share => ratio(value, 10_000, 4),
    }
}

/// The unit of an axis that reaches up to `most`: so much of the metric's number is one, and what it is called.
pub(in crate::report) fn unit_of(metric: Metric, most: u64) -> (f64, &'static str) {
    use crate::report::draw::{size_unit, time_unit};
    match metric.unit() {
        MetricUnit::Time => time_unit(most),
        MetricUnit::TokenRate => (1e3, "tokens/s"),
        MetricUnit::RequestRate => (1e3, "requests/s"),
        MetricUnit::Bytes => size_unit(most),
        MetricUnit::Dollars => (1e6, "USD"),
        MetricUnit::DollarsPerHour => (1e6, "USD/h"),
        MetricUnit::DollarsPerMtok => (1e6, "USD/Mtok"),
        MetricUnit::Energy => (1e3, "J/token"),
        MetricUnit::Power => (1e3, "W"),
        MetricUnit::Share => (1e4, "%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_unit() {
        for (metric, value, text, cell) in [
            (Metric::TPOT, 50_000_000, "50.0 ms", "50.000000"),
            (Metric::Throughput, 10_000, "10.0 tokens/s", "10.000"),
            (Metric::Throughput, 12_345_678, "12,346 tokens/s", "12345.678"),
            (Metric::RequestRate, 500, "0.500 requests/s", "0.500"),
            (Metric::Vram, 24 << 30, "24.0 GiB", "25769803776"),
            (Metric::Price, 1_499_000_000, "1,499 USD", "1499.000000"),
            (Metric::Price, 99_999_999, "100 USD", "99.999999"),
            (Metric::Price, 0, "0 USD", "0.000000"),
            (Metric::Price, u64::MAX, "18,446,744,073,709 USD", "18446744073709.551615"),
            (Metric::Rent, 2_500_000, "2.50 USD/h", "2.500000"),
            (Metric::Rent, 12_345, "0.0123 USD/h", "0.012345"),
            (Metric::Power, 350_000, "350 W", "350.000"),
            (Metric::Power, 2_800_400, "2,800 W", "2800.400"),
            (Metric::Power, 4_500, "4.5 W", "4.500"),
            (Metric::QualityLoss, 12_000, "1.2 %", "1.2000"),
        ] {
            assert_eq!(
                (shown(metric, value).as_str(), exact(metric, value).as_str()),
                (text, cell),
                "{metric:?}"
            );
        }
        assert_eq!(counted(1, "row") + &counted(1204, "row"), "1 row1,204 rows");
    }

    #[test]
    fn every_metric_has_words_and_a_column_of_its_own() {
        let all: Vec<Metric> = Metric::names().iter().filter_map(|name| Metric::find(name)).collect();
        for (at, metric) in all.iter().enumerate() {
            let same =
                |other: &&Metric| title(**other) == title(*metric) || column(**other) == column(*metric);
            assert_eq!(all[at + 1..].iter().find(same), None);
        }
        assert_eq!(column(Metric::TPOT) + " " + &title(Metric::TPOT), "tpot_p50_ms TPOT p50");
    }
}
