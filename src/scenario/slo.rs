//! A service level in one line: `ttft_p99 < 2 s, tpot_p99 < 100 ms`.

use std::fmt;

use crate::error::{Error, Result};
use crate::units::SimDuration;

/// A latency of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyMetric {
    /// Time to first token.
    Ttft,
    /// Time per output token.
    Tpot,
    /// Time between tokens.
    Itl,
    /// From arrival to the last token.
    E2e,
    /// From arrival to the first pass.
    Queue,
}

/// Which of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The mean.
    Mean,
    /// A percentile: 50, 90, 95 or 99.
    Percentile(u8),
    /// The largest.
    Max,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyLimit {
    /// Of what.
    pub metric: LatencyMetric,
    /// Which of its values.
    pub statistic: Statistic,
    /// How much at most.
    pub at_most: SimDuration,
}

const METRICS: [(&str, LatencyMetric); 5] = [
    ("ttft", LatencyMetric::Ttft),
    ("tpot", LatencyMetric::Tpot),
    ("itl", LatencyMetric::Itl),
    ("e2e", LatencyMetric::E2e),
    ("queue", LatencyMetric::Queue),
];
const STATISTICS: [(&str, Statistic); 6] = [
    ("mean", Statistic::Mean),
    ("p50", Statistic::Percentile(50)),
    ("p90", Statistic::Percentile(90)),
    ("p95", Statistic::Percentile(95)),
    ("p99", Statistic::Percentile(99)),
    ("max", Statistic::Max),
];

/// Every name of a metric with a statistic.
fn names() -> Vec<String> {
    METRICS
        .iter()
        .flat_map(|(metric, _)| STATISTICS.iter().map(move |(statistic, _)| format!("{metric}_{statistic}")))
        .collect()
}

impl fmt::Display for LatencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = METRICS.iter().find(|row| row.1 == self.metric).map_or("", |row| row.0);
        let statistic = STATISTICS.iter().find(|row| row.1 == self.statistic).map_or("", |row| row.0);
        write!(f, "{metric}_{statistic} < {}", self.at_most)
    }
}

/// The limits of a service level, at least one.
///
/// # Errors
/// An unknown metric with the nearest known one, a limit that is no time or no time above zero, and nothing at all.
pub fn parse_slo(text: &str) -> Result<Vec<LatencyLimit>> {
    const EXAMPLE: &str = "limits like \"ttft_p99 < 2 s, tpot_p99 < 100 ms\"";
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let limits: Vec<LatencyLimit> = parts.map(limit).collect::<Result<_>>()?;
    if limits.is_empty() {
        return Err(Error::new("found no limit").expected(EXAMPLE));
    }
    Ok(limits)
}

fn limit(part: &str) -> Result<LatencyLimit> {
    let Some((name, value)) = part.split_once("<=").or_else(|| part.split_once('<')) else {
        return Err(Error::new(format!("found {part:?}")).expected("a limit like \"ttft_p99 < 2 s\""));
    };
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    let known = name.rsplit_once('_').and_then(|(metric, statistic)| {
        let metric = METRICS.iter().find(|row| row.0 == metric)?.1;
        Some((metric, STATISTICS.iter().find(|row| row.0 == statistic)?.1))
    });
    let Some((metric, statistic)) = known else {
        let names = names();
        let error = Error::new(format!("unknown metric {name:?}"));
        return Err(error.nearest(&name, names.iter().map(String::as_str)));
    };
    let at_most: SimDuration = value.parse().map_err(|error: crate::units::UnitError| {
        Error::new(format!("{name}: found {}", error.found)).expected(error.expected)
    })?;
    if at_most == SimDuration::ZERO {
        return Err(Error::new(format!("{name}: found zero, {value:?}")).expected("a time above zero"));
    }
    Ok(LatencyLimit { metric, statistic, at_most })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = parse_slo(text)
            .map(|limits| limits.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), expected, "{text}");
    }

    #[test]
    fn limits_are_read_and_shown() {
        check("ttft_p99 < 2 s, tpot_p99 < 100 ms", "ttft_p99 < 2.00 s, tpot_p99 < 100 ms");
        check(" E2E_MAX<=1 s ,", "e2e_max < 1.00 s");
        check("itl_mean < 50 ms", "itl_mean < 50.0 ms");
    }

    #[test]
    fn what_cannot_be_is_named() {
        check("", "found no limit, expected limits like \"ttft_p99 < 2 s, tpot_p99 < 100 ms\"");
        check("ttft_p99", "found \"ttft_p99\", expected a limit like \"ttft_p99 < 2 s\"");
        check("ttft_p98 < 1 s", "unknown metric \"ttft_p98\", did you mean \"ttft_p90\"?");
        check("tpot_p99 < 0 s", "tpot_p99: found zero, \"0 s\", expected a time above zero");
        check(
            "tpot_p99 < NaN",
            "tpot_p99: found \"NaN\", which does not begin with a number, expected a time like \"12.5 us\" (ns, us, ms, s)",
        );
    }
}
