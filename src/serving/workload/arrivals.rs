//! When requests come, and how long users think.
//!
//! Open-loop gaps are drawn with mean 1 and scaled at the end, which pairs workloads of different rates. Whose request
//! is whose in a closed loop is decided by the simulation.

use super::check::{LAST_NS, MAX_REQUESTS};
use super::{Arrivals, ClosedLoop, Extent, RequestLog, Think, WorkloadSpec, chance};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Xoshiro256PlusPlus, stream};

const NS_PER_S: f64 = 1e9;

/// Times of arrival and, in a closed loop, of thought.
pub(super) struct Times {
    /// Nanoseconds, one for each request; zeros in a closed loop.
    pub(super) arrivals_ns: Vec<u64>,
    pub(super) closed: Option<ClosedLoop>,
}

/// Where a workload ends: at whichever comes first.
#[derive(Clone, Copy)]
struct End {
    requests: usize,
    /// Arrivals lie before it.
    ns: Option<u64>,
}

/// The times of a specification that has been checked; one or more.
pub(super) fn times(spec: &WorkloadSpec) -> Result<Times> {
    let end = end(spec);
    let open = |rate_per_s, gap: &mut dyn FnMut(&mut Xoshiro256PlusPlus) -> f64| {
        open_loop(rate_per_s, gap, spec.seed, end)
    };
    let arrivals_ns = match (&spec.arrivals, spec.log.as_deref()) {
        (Arrivals::Poisson { rate_per_s }, _) => open(*rate_per_s, &mut chance::exponential)?,
        // Gaps of cv 1 are exponential; the same draws make the two arrivals one.
        (Arrivals::Gamma { rate_per_s, cv }, _) if *cv == 1.0 => open(*rate_per_s, &mut chance::exponential)?,
        (Arrivals::Gamma { rate_per_s, cv }, _) => {
            open(*rate_per_s, &mut |rng| chance::gamma(1.0 / (cv * cv), rng))?
        }
        (Arrivals::Uniform { rate_per_s }, _) => open(*rate_per_s, &mut |_| 1.0)?,
        (Arrivals::Log { scale }, Some(log)) => replayed(log, *scale, end)?,
        (Arrivals::Log { .. } | Arrivals::Closed { .. }, _) => vec![0; end.requests],
    };
    let closed = match spec.arrivals {
        Arrivals::Closed { users, think } => {
            Some(ClosedLoop { users, think_ns: thoughts(think, spec.seed, end.requests) })
        }
        _ => None,
    };
    Ok(Times { arrivals_ns, closed })
}

fn end(spec: &WorkloadSpec) -> End {
    let rows = |log: Option<&RequestLog>| log.map(|log| log.rows.len());
    // No log has so many: who gets there has no end.
    let endless = MAX_REQUESTS as usize + 1;
    match spec.extent {
        Extent::Requests { count } => End { requests: count as usize, ns: None },
        Extent::Log => End { requests: rows(spec.log.as_deref()).unwrap_or(0), ns: None },
        Extent::Duration { ns } => End { requests: rows(spec.rows()).unwrap_or(endless), ns: Some(ns) },
    }
}

fn open_loop(
    rate_per_s: f64,
    gap: &mut dyn FnMut(&mut Xoshiro256PlusPlus) -> f64,
    seed: u64,
    end: End,
) -> Result<Vec<u64>> {
    let mut rng = stream(seed, Purpose::Arrivals, 0, 0);
    let mut times = Vec::with_capacity(if end.ns.is_none() { end.requests } else { 0 });
    // In mean gaps. Scaling is the last step and keeps the order, so a sum of doubles is in order whatever the rate.
    let mut at = 0.0;
    while times.len() < end.requests {
        let time_ns = nearest_ns(at / rate_per_s * NS_PER_S);
        if end.ns.is_some_and(|end_ns| time_ns >= end_ns) {
            return Ok(times);
        }
        if time_ns > LAST_NS {
            return Err(too_late(times.len()).expected("a higher rate, or fewer requests"));
        }
        times.push(time_ns);
        at += gap(&mut rng);
    }
    if times.len() > MAX_REQUESTS as usize {
        let found = format!("more than {MAX_REQUESTS} requests come within the workload's time");
        return Err(Error::new(found).expected("a lower rate, or a shorter time"));
    }
    Ok(times)
}

fn replayed(log: &RequestLog, scale: f64, end: End) -> Result<Vec<u64>> {
    let mut times = Vec::with_capacity(end.requests);
    for row in &log.rows[..end.requests] {
        // The log's own times are exact beyond 2^53 ns, where doubles are not.
        let time_ns = if scale == 1.0 { row.arrival_ns } else { nearest_ns(row.arrival_ns as f64 / scale) };
        if end.ns.is_some_and(|end_ns| time_ns >= end_ns) {
            break;
        }
        if time_ns > LAST_NS {
            return Err(too_late(times.len()).expected("a larger scale of the log's rate"));
        }
        times.push(time_ns);
    }
    Ok(times)
}

fn too_late(request: usize) -> Error {
    Error::new(format!("request {request} comes more than 100 years after the first"))
}

fn thoughts(think: Think, seed: u64, count: usize) -> Vec<u64> {
    match think {
        Think::Fixed { ns } => vec![ns; count],
        Think::Exponential { mean_ns } => {
            let mut rng = stream(seed, Purpose::ThinkTime, 0, 0);
            (0..count).map(|_| nearest_ns(chance::exponential(&mut rng) * mean_ns as f64)).collect()
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 or more; too large saturates")]
fn nearest_ns(ns: f64) -> u64 {
    libm::round(ns) as u64
}
