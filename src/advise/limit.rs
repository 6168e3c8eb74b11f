//! Limits, objectives and the metric that decides, as a scenario writes them.

use crate::error::{Error, Result};
use crate::metrics::advice::{Limit, Metric, MetricUnit};
use crate::scenario::millionths;
use crate::units::{Bytes, SimDuration, UnitError};

/// One limit like `tpot_p99 < 50 ms`.
///
/// # Errors
/// No comparison, an unknown metric with the nearest known one, the wrong direction, a value in another unit.
pub(super) fn limit(text: &str) -> Result<Limit> {
    const EXAMPLE: &str = "a limit like \"tpot_p99 < 50 ms\" or \"throughput > 10 tokens/s\"";
    let Some(at) = text.find(['<', '>']) else {
        return Err(Error::new(format!("found {text:?}")).expected(EXAMPLE));
    };
    let (name, rest) = text.split_at(at);
    let is_floor = rest.starts_with('>');
    let value = rest[1..].strip_prefix('=').unwrap_or(&rest[1..]).trim();
    let metric = metric(name)?;
    if metric.more_is_better() != is_floor {
        let (found, expected) = if is_floor { ('>', '<') } else { ('<', '>') };
        let better = if is_floor { "less" } else { "more" };
        let error = Error::new(format!("{}: found {found:?}", metric.name()));
        return Err(error.expected(format!("{expected:?}, since {better} of it is better")));
    }
    let value = value_of(metric, value)?;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Limit { metric, value, text })
}

/// A metric by its name.
///
/// # Errors
/// An unknown name, with the nearest known one.
pub(super) fn metric(name: &str) -> Result<Metric> {
    let name = name.trim().to_ascii_lowercase();
    Metric::find(&name).ok_or_else(|| {
        let alone = ["ttft", "tpot", "itl", "e2e", "queue"].map(str::to_owned);
        let names: Vec<String> = alone.into_iter().chain(Metric::names()).collect();
        Error::new(format!("unknown metric {name:?}")).nearest(&name, names.iter().map(String::as_str))
    })
}

/// The suffix of a unit with its size in millionths of the metric's own unit, and an example.
fn suffix(unit: MetricUnit) -> (&'static [(&'static str, u64)], &'static str) {
    match unit {
        MetricUnit::Time | MetricUnit::Bytes => (&[], ""),
        MetricUnit::TokenRate => {
            (&[("tokens/s", 1_000), ("token/s", 1_000), ("tok/s", 1_000)], "\"10 tokens/s\"")
        }
        MetricUnit::RequestRate => {
            (&[("requests/s", 1_000), ("request/s", 1_000), ("/s", 1_000)], "\"20 requests/s\"")
        }
        MetricUnit::Dollars => (&[("USD", 1_000_000)], "\"1500 USD\""),
        MetricUnit::DollarsPerHour => (&[("USD/h", 1_000_000)], "\"2.50 USD/h\""),
        MetricUnit::DollarsPerMtok => (&[("USD/Mtok", 1_000_000)], "\"0.60 USD/Mtok\""),
        MetricUnit::Energy => (&[("J/token", 1_000)], "\"1.5 J/token\""),
        MetricUnit::Power => (&[("kW", 1_000_000), ("W", 1_000)], "\"600 W\""),
        MetricUnit::Share => (&[("%", 10_000)], "\"2 %\""),
    }
}

fn value_of(metric: Metric, text: &str) -> Result<u64> {
    let name = metric.name();
    let refused =
        |error: UnitError| Error::new(format!("{name}: found {}", error.found)).expected(error.expected);
    let value = match metric.unit() {
        MetricUnit::Time => text.parse::<SimDuration>().map_err(refused)?.as_ns(),
        MetricUnit::Bytes => text.parse::<Bytes>().map_err(refused)?.get(),
        unit => {
            let (suffixes, example) = suffix(unit);
            let read = suffixes.iter().find_map(|(suffix, size)| {
                let number = millionths(text.strip_suffix(suffix)?.trim())?;
                u64::try_from(u128::from(number) * u128::from(*size) / 1_000_000).ok()
            });
            read.ok_or_else(|| {
                Error::new(format!("{name}: found {text:?}")).expected(format!("a value like {example}"))
            })?
        }
    };
    if value == 0 && metric != Metric::QualityLoss {
        return Err(Error::new(format!("{name}: found zero, {text:?}")).expected("a value above zero"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown =
            limit(text).map(|limit| format!("{} {} {}", limit.metric.name(), limit.value, limit.text));
        assert_eq!(shown.unwrap_or_else(|error| error.to_string()), expected, "{text}");
    }

    #[test]
    fn limits_are_read_in_the_unit_of_their_metric() {
        check("tpot_p99 < 50 ms", "tpot_p99 50000000 tpot_p99 < 50 ms");
        check(" TPOT<=1 s", "tpot_p50 1000000000 TPOT<=1 s");
        check("throughput > 10 tokens/s", "throughput 10000 throughput > 10 tokens/s");
        check("requests >= 0.5 requests/s", "requests 500 requests >= 0.5 requests/s");
        check("price < 1500 USD", "price 1500000000 price < 1500 USD");
        check("rent < 2.50 USD/h", "rent 2500000 rent < 2.50 USD/h");
        check("vram < 24 GB", "vram 24000000000 vram < 24 GB");
        check("power < 0.6 kW", "power 600000 power < 0.6 kW");
        check("quality_loss < 0 %", "quality_loss 0 quality_loss < 0 %");
    }

    #[test]
    fn what_cannot_be_is_named() {
        check(
            "tpot 50 ms",
            "found \"tpot 50 ms\", expected a limit like \"tpot_p99 < 50 ms\" or \"throughput > 10 tokens/s\"",
        );
        check("tpto < 50 ms", "unknown metric \"tpto\", did you mean \"tpot\"?");
        check("throughput < 10 tokens/s", "throughput: found '<', expected '>', since more of it is better");
        check("price > 10 USD", "price: found '>', expected '<', since less of it is better");
        check("price < 10 EUR", "price: found \"10 EUR\", expected a value like \"1500 USD\"");
        check("tpot < 0 ms", "tpot_p50: found zero, \"0 ms\", expected a value above zero");
        check(
            "tpot < 5",
            "tpot_p50: found \"5\" without a unit, expected a time like \"12.5 us\" (ns, us, ms, s)",
        );
    }
}
