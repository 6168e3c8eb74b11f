//! The highest rate of requests that a configuration sustains within a service level.
//!
//! The same requests come at every rate, nearer to each other or farther apart, so runs differ in nothing else. From the
//! scenario's own rate the rate is doubled or halved until one is sustained and one is not; the distance between them is
//! then cut into four, three runs at a time side by side, until it is within the precision asked for. Which rates are
//! tried does not depend on the number of threads.
//!
//! Left out: that latency might fall as the rate rises. With the same requests at every rate it practically never does.

use rayon::prelude::*;

use super::Stop;
use super::run::row_of;
use crate::error::{Error, Result};
use crate::metrics::{Capacity, CapacityLimit, CapacityProbe, LimitFound, Quantiles, ServingSummary};
use crate::plan::{Inputs, plan};
use crate::scenario::{
    ArrivalProcess, Factor, LatencyLimit, LatencyMetric, PointScenario, Rate, ScenarioFile, Statistic,
};
use crate::sim::simulate;

/// Rate at which the search begins where the scenario names none, in thousandths of a request a second.
const RATE_DEFAULT: u64 = 1000;
/// Doublings and halvings at most: a factor of a million either way.
const STEPS_MAX: u32 = 20;

/// What is asked.
#[derive(Clone, Debug)]
pub struct CapacityQuestion {
    /// The limits.
    pub limits: Vec<LatencyLimit>,
    /// Distance between the last two rates, in thousandths of the lower one.
    pub precision_permille: u64,
}

struct Search<'a> {
    scenario: &'a ScenarioFile,
    index: usize,
    inputs: &'a Inputs,
    question: &'a CapacityQuestion,
    stop: &'a Stop,
    told: &'a (dyn Fn(&CapacityProbe) + Sync),
    /// Rate of a log at its own speed.
    own_rate: Option<u64>,
    probes: Vec<CapacityProbe>,
}

/// Finds the capacity of a point; tells `told` each run as it ends.
///
/// # Errors
/// What is wrong with the point, one that does not serve an open loop of requests, and one that does not fit.
pub fn capacity(
    scenario: &ScenarioFile,
    index: usize,
    inputs: &Inputs,
    question: &CapacityQuestion,
    (stop, told): (&Stop, &(dyn Fn(&CapacityProbe) + Sync)),
) -> Result<Capacity> {
    let (first, own_rate) = begin(scenario, index, inputs)?;
    let mut search = Search { scenario, index, inputs, question, stop, told, own_rate, probes: Vec::new() };
    search.bracket(first)?;
    search.narrow()?;
    Ok(search.answer())
}

/// The rate that the search begins at, and that of a log at its own speed.
fn begin(scenario: &ScenarioFile, index: usize, inputs: &Inputs) -> Result<(u64, Option<u64>)> {
    let point = scenario.point(index)?;
    let requests = &point.scenario.requests;
    let is_open = requests.arrivals.is_some_and(|arrivals| arrivals != ArrivalProcess::Closed);
    if !is_open {
        let place = point.places.of("requests.arrivals");
        let found = requests.arrivals.map_or("nothing", ArrivalProcess::spelling);
        return Err(Error::at(
            place,
            format!("requests.arrivals: found {found:?}, which has no rate to vary"),
        )
        .expected("poisson, gamma, uniform or log"));
    }
    let plan = plan(&point, inputs)?;
    if !plan.fits() {
        return Err(Error::new(format!("the deployment cannot run: {}", plan.problems.join("; "))));
    }
    let rate = plan.serving.as_ref().map_or(0, |serving| serving.rate_millihertz);
    if requests.arrivals != Some(ArrivalProcess::Log) {
        return Ok((requests.rate.map_or(RATE_DEFAULT, Rate::millihertz), None));
    }
    let speed = requests.log_speed.map_or(1_000_000, Factor::ppm).max(1);
    let own = u128::from(rate) * 1_000_000 / u128::from(speed);
    match u64::try_from(own) {
        Ok(own) if own > 0 => Ok((rate.max(1), Some(own))),
        _ => Err(Error::new("the log's requests all come at once, so it has no rate to vary")),
    }
}

impl Search<'_> {
    fn point(&self, rate: u64) -> Result<PointScenario> {
        let mut point = self.scenario.point(self.index)?;
        match self.own_rate {
            Some(own) => point.scenario.requests.log_speed = Some(Factor::from_ratio(rate, own)),
            None => point.scenario.requests.rate = Rate::from_millihertz(rate),
        }
        let text = Rate::from_millihertz(rate).map_or_else(String::new, |rate| rate.to_string());
        point.axes = vec![("requests.rate".to_owned(), text)];
        Ok(point)
    }

    fn run(&self, rate: u64) -> Result<Option<CapacityProbe>> {
        if self.stop.is_asked() {
            return Ok(None);
        }
        let point = self.point(rate)?;
        let plan = plan(&point, self.inputs)?;
        let summary = simulate(&plan)?;
        let serving = summary.serving.clone().unwrap_or_default();
        // A run that GPU memory ends serves nobody.
        let all = plan.serving.as_ref().map_or(0, |serving| serving.requests.requests.len() as u64);
        let turned_away = summary.out_of_memory().map_or(serving.requests.rejected, |_| all);
        let limits = self.question.limits.iter().map(|limit| found(limit, &serving)).collect();
        let row = row_of(self.index, point, plan, Some(summary));
        let probe = CapacityProbe { rate_millihertz: rate, limits, rejected: turned_away, row };
        (self.told)(&probe);
        Ok(Some(probe))
    }

    /// Runs at these rates side by side and keeps the runs in order of their rates; whether none was prevented.
    fn run_all(&mut self, rates: &[u64]) -> Result<bool> {
        let new: Vec<u64> = rates.iter().copied().filter(|rate| self.at(*rate).is_none()).collect();
        let runs: Vec<Result<Option<CapacityProbe>>> = new.par_iter().map(|rate| self.run(*rate)).collect();
        let mut all = true;
        for run in runs {
            match run? {
                Some(probe) => self.probes.push(probe),
                None => all = false,
            }
        }
        self.probes.sort_by_key(|probe| probe.rate_millihertz);
        Ok(all)
    }

    fn at(&self, rate: u64) -> Option<&CapacityProbe> {
        self.probes.iter().find(|probe| probe.rate_millihertz == rate)
    }

    /// The lowest rate that is not sustained, and the highest below it that is.
    fn bounds(&self) -> (Option<u64>, Option<u64>) {
        let refused =
            self.probes.iter().find(|probe| !probe.is_sustained()).map(|probe| probe.rate_millihertz);
        let below =
            self.probes.iter().take_while(|probe| refused.is_none_or(|rate| probe.rate_millihertz < rate));
        (below.last().map(|probe| probe.rate_millihertz), refused)
    }

    fn bracket(&mut self, first: u64) -> Result<()> {
        let mut rate = first.max(1);
        if !self.run_all(&[rate])? {
            return Ok(());
        }
        for _ in 0..STEPS_MAX {
            rate = match self.bounds() {
                (Some(sustained), None) => sustained.saturating_mul(2),
                (None, Some(refused)) if refused > 1 => refused / 2,
                _ => return Ok(()),
            };
            if !self.run_all(&[rate])? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn narrow(&mut self) -> Result<()> {
        while let (Some(low), Some(high)) = self.bounds() {
            let near = (low * self.question.precision_permille / 1000).max(1);
            if high - low <= near {
                break;
            }
            let step = (high - low).div_ceil(4);
            let rates: Vec<u64> = (1..4).map(|part| low + part * step).filter(|rate| *rate < high).collect();
            if rates.is_empty() || !self.run_all(&rates)? {
                break;
            }
        }
        Ok(())
    }

    fn answer(self) -> Capacity {
        let (sustained, refused) = self.bounds();
        let texts: Vec<String> = self.question.limits.iter().map(ToString::to_string).collect();
        let serving = |rate: Option<u64>| {
            let summary = self.at(rate?)?.row.summary()?;
            summary.serving.as_deref()
        };
        let limit = serving(refused).map(|over| name_limit(over, serving(sustained)));
        Capacity {
            slo: texts.join(", "),
            sustained_millihertz: sustained,
            refused_millihertz: refused,
            limit,
            probes: self.probes,
        }
    }
}

fn found(limit: &LatencyLimit, serving: &ServingSummary) -> LimitFound {
    let of: &Quantiles = match limit.metric {
        LatencyMetric::Ttft => &serving.ttft_ns,
        LatencyMetric::Tpot => &serving.tpot_ns,
        LatencyMetric::Itl => &serving.itl_ns,
        LatencyMetric::E2e => &serving.e2e_ns,
        LatencyMetric::Queue => &serving.queue_ns,
    };
    let found_ns = match limit.statistic {
        Statistic::Mean => of.mean(),
        Statistic::Percentile(50) => of.p50,
        Statistic::Percentile(90) => of.p90,
        Statistic::Percentile(95) => of.p95,
        Statistic::Percentile(_) => of.p99,
        Statistic::Max => of.max,
    };
    LimitFound { limit: limit.to_string(), at_most_ns: limit.at_most.as_ns(), found_ns }
}

/// What a run that is over the limit is short of; where it shows nothing, the highest run within it may.
fn name_limit(over: &ServingSummary, within: Option<&ServingSummary>) -> CapacityLimit {
    if over.requests.rejected > over.requests.too_long {
        return CapacityLimit::QueueLimit;
    }
    let nearly = |part: u64, whole: u64| whole > 0 && part.saturating_mul(100) >= whole.saturating_mul(95);
    let waiting = over.slices.iter().any(|slice| slice.waiting_permille > 1000);
    if over.kv.preemptions > 0 || (waiting && nearly(over.kv.peak_bytes, over.kv.capacity_bytes)) {
        return CapacityLimit::KvMemory;
    }
    if waiting && nearly(over.batch.max, over.batch_limit) {
        return CapacityLimit::BatchLimit;
    }
    let sum = |part: fn(&crate::metrics::GpuUse) -> u64| over.gpu_use.iter().map(part).sum::<u64>();
    let (busy, waited, exchanged) =
        (sum(|gpu| gpu.busy_ns), sum(|gpu| gpu.wait_ns), sum(|gpu| gpu.exchange_ns));
    let active = busy + waited + exchanged;
    if waited * 3 > active {
        return CapacityLimit::ExpertFetches;
    }
    if exchanged * 3 > active {
        return CapacityLimit::Exchange;
    }
    let idle =
        within.map_or_else(|| sum(|gpu| gpu.idle_ns), |run| run.gpu_use.iter().map(|gpu| gpu.idle_ns).sum());
    if idle * 20 < active { CapacityLimit::GpuTime } else { CapacityLimit::PassTime }
}
