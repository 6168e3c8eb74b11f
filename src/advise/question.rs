//! The question: what may be chosen from, what the choice must keep, and what decides.

use super::limit::{limit, metric};
use super::machine::{Machine, machine};
use super::space::layouts::{LayoutChoice, layout};
use crate::catalogue::{EngineProfile, Entry, ModelRow, QuantScheme};
use crate::error::{Error, Place, Result};
use crate::metrics::advice::{Latency, LatencyAt, Limit, Metric, MetricUnit};
use crate::scenario::{AdviseStrategy, PlacementFamily, PointScenario};

/// Sizes of caches and numbers of CPU layers that are tried where nobody says.
const STEPS_DEFAULT: u32 = 4;

/// A question that has been understood.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) models: Vec<String>,
    pub(super) quants: Vec<String>,
    pub(super) machines: Vec<Machine>,
    pub(super) engines: Vec<String>,
    pub(super) placements: Vec<PlacementFamily>,
    pub(super) policies: Vec<String>,
    pub(super) predictors: Vec<String>,
    pub(super) layouts: Vec<LayoutChoice>,
    pub(super) steps: u32,
    pub(super) limits: Vec<Limit>,
    pub(super) objectives: Vec<Metric>,
    /// Whether the user named them.
    pub(super) objectives_given: bool,
    pub(super) prefer: Metric,
    pub(super) prefer_given: bool,
    pub(super) strategy: AdviseStrategy,
    /// Requests arrive, so that several GPUs can share the work.
    pub(super) serves: bool,
}

impl Question {
    /// Reads the `[advise]` of a point; `more` are limits of the command line, which come last.
    ///
    /// # Errors
    /// Everything that is wrong with it, each at its place.
    pub(super) fn read(point: &PointScenario, more: &[String]) -> Result<Self> {
        let section = &point.scenario.advise;
        let mut read = Reader { point, errors: Vec::new() };
        let models = read.rows::<ModelRow>("advise.models", section.models.as_deref());
        let quants = read.rows::<QuantScheme>("advise.quants", section.quants.as_deref());
        let engines = read.rows::<EngineProfile>("advise.engines", section.engines.as_deref());
        let machines = read.list("advise.machines", section.machines.as_deref(), machine);
        let layouts = read.list("advise.layouts", section.layouts.as_deref(), layout);
        let mut limits = read.list("advise.limits", section.limits.as_deref(), limit);
        limits.extend(more.iter().filter_map(|text| match limit(text) {
            Ok(limit) => Some(limit),
            Err(error) => {
                read.errors.push(Error::at(Place::option("--limit"), error.to_string()));
                None
            }
        }));
        let serves = point.scenario.requests.arrivals.is_some();
        let objectives = match &section.objectives {
            Some(written) => read.list("advise.objectives", Some(written), metric),
            None => defaults(serves),
        };
        let prefer = section.prefer.as_ref().and_then(|text| read.one("advise.prefer", text, metric));
        read.check(&limits, &objectives, serves);
        read.one_gpu(&machines, serves);
        if let Some(error) = Error::join(read.errors) {
            return Err(error.in_file_order());
        }
        let prefer_given = prefer.is_some();
        let prefer = prefer.unwrap_or_else(|| decides(&limits, &objectives));
        Ok(Self {
            objectives_given: section.objectives.is_some(),
            prefer_given,
            models,
            quants,
            machines,
            engines,
            placements: section.placements.clone().unwrap_or_default(),
            policies: section.policies.clone().unwrap_or_default(),
            predictors: section.predictors.clone().unwrap_or_default(),
            layouts,
            steps: section.steps.map_or(STEPS_DEFAULT, std::num::NonZeroU32::get),
            objectives: if objectives.contains(&prefer) {
                objectives
            } else {
                [vec![prefer], objectives].concat()
            },
            limits,
            prefer,
            strategy: section.strategy.unwrap_or(AdviseStrategy::Search),
            serves,
        })
    }
}

/// Collects what is wrong.
struct Reader<'a> {
    point: &'a PointScenario,
    errors: Vec<Error>,
}

impl Reader<'_> {
    fn one<T>(&mut self, key: &str, text: &str, read: impl Fn(&str) -> Result<T>) -> Option<T> {
        let error = match read(text) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        self.errors.push(error.within(&self.point.places.of(key), key));
        None
    }

    fn list<T>(&mut self, key: &str, written: Option<&[String]>, read: impl Fn(&str) -> Result<T>) -> Vec<T> {
        written.unwrap_or_default().iter().filter_map(|text| self.one(key, text, &read)).collect()
    }

    /// Ids of rows of the catalogue.
    fn rows<T: Entry>(&mut self, key: &str, written: Option<&[String]>) -> Vec<String> {
        self.list(key, written, |name| match T::find(name) {
            Some(row) => Ok(row.id().to_owned()),
            None => Err(Error::new(format!("unknown {name:?}")).nearest(name, T::names())),
        })
    }

    /// Several GPUs share nothing but requests.
    fn one_gpu(&mut self, machines: &[Machine], serves: bool) {
        if !serves && let Some(machine) = machines.iter().find(|machine| machine.gpus > 1) {
            let found = format!("advise.machines: found {:?} without requests.arrivals", machine.text);
            let error = Error::at(self.point.places.of("advise.machines"), found);
            self.errors.push(error.expected("requests.arrivals, like \"closed\" with requests.users = 1"));
        }
    }

    /// Metrics that this workload does not have.
    fn check(&mut self, limits: &[Limit], objectives: &[Metric], serves: bool) {
        let wanted = limits.iter().map(|limit| ("advise.limits", limit.metric));
        let all = wanted.chain(objectives.iter().map(|metric| ("advise.objectives", *metric)));
        for (key, metric) in all.collect::<Vec<_>>() {
            let of_load =
                matches!(metric, Metric::RequestRate | Metric::Latency(Latency::E2e | Latency::Queue, _));
            if of_load && !serves {
                let place = self.point.places.of(key);
                let found = format!("{key}: found {:?} without requests.arrivals", metric.name());
                self.errors.push(Error::at(place, found).expected("requests.arrivals, like \"poisson\""));
            }
        }
    }
}

impl Question {
    /// The same without an objective that nobody asked for; another decides where it did.
    pub(super) fn without(&self, metric: Metric) -> Self {
        let objectives: Vec<Metric> = self.objectives.iter().copied().filter(|of| *of != metric).collect();
        let prefer = if self.prefer == metric { decides(&self.limits, &objectives) } else { self.prefer };
        Self { objectives, prefer, ..self.clone() }
    }

    /// Whether a metric is an objective only because nobody said otherwise.
    pub(super) fn is_only_default(&self, metric: Metric) -> bool {
        let limited = self.limits.iter().any(|limit| limit.metric == metric);
        let decides = self.prefer_given && self.prefer == metric;
        !(self.objectives_given || limited || decides)
    }
}

/// Latency, throughput, memory, price and quality.
fn defaults(serves: bool) -> Vec<Metric> {
    let at = if serves { LatencyAt::P99 } else { LatencyAt::P50 };
    let tpot = Metric::Latency(Latency::Tpot, at);
    vec![tpot, Metric::Throughput, Metric::Vram, Metric::Price, Metric::QualityLoss]
}

/// Who names what must be reached wants it for the least money; who names a budget alone wants the most for it.
fn decides(limits: &[Limit], objectives: &[Metric]) -> Metric {
    let of_speed = |metric: Metric| {
        matches!(metric.unit(), MetricUnit::Time | MetricUnit::TokenRate | MetricUnit::RequestRate)
    };
    let speed = objectives.iter().copied().find(|metric| of_speed(*metric)).unwrap_or(Metric::TPOT);
    let has = |metric| objectives.contains(&metric);
    if !limits.iter().any(|limit| of_speed(limit.metric)) {
        return speed;
    }
    [Metric::Price, Metric::Rent].into_iter().find(|metric| has(*metric)).unwrap_or(speed)
}
