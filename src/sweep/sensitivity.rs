//! A point, and the point again with each of its parameters a little smaller and larger.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::run::row_of;
use crate::error::{Error, Place, Result};
use crate::metrics::{
    Parameter, Sensitivity, SensitivityBar, SensitivityEnd, SensitivityMetric, Summary, Varied,
};
use crate::plan::vary::{FittedRouter, setting, varied};
use crate::plan::{Inputs, Plan, plan};
use crate::scenario::{PointScenario, ScenarioFile};
use crate::sim::simulate;

/// Thousandths that change nothing.
const SAME_PERMILLE: u64 = 1000;
/// Largest change: beyond it little is left of a parameter.
const BY_PERMILLE_MAX: u64 = 900;
/// What a fitted router is turned by.
const FITTED: [Parameter; 2] = [Parameter::Skew, Parameter::Repetition];

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SensitivityQuestion {
    /// Which number; `None` for the time per output token, or to the first where nothing is decoded.
    pub metric: Option<SensitivityMetric>,
    /// By how much each parameter is varied, in thousandths.
    pub by_permille: u64,
}

impl SensitivityQuestion {
    /// A question as the options `--metric` and `--by` ask it.
    ///
    /// # Errors
    /// Names the option.
    pub fn parse(metric: Option<&str>, by: &str) -> Result<Self> {
        let known = || SensitivityMetric::ALL.into_iter();
        let metric = metric.map(|text| {
            known().find(|metric| metric.id() == text).ok_or_else(|| {
                let error = Error::at(Place::option("--metric"), format!("found {text:?}"));
                error.nearest(text, SensitivityMetric::ALL.iter().map(|metric| metric.id()))
            })
        });
        let refused = || {
            Error::at(Place::option("--by"), format!("found {by:?}"))
                .expected("a percentage above 0 and up to 90, like 20")
        };
        let by_permille = permille(by.trim().trim_end_matches('%').trim_end()).ok_or_else(refused)?;
        if !(1..=BY_PERMILLE_MAX).contains(&by_permille) {
            return Err(refused());
        }
        Ok(Self { metric: metric.transpose()?, by_permille })
    }
}

/// A percentage of at most one decimal in thousandths.
fn permille(text: &str) -> Option<u64> {
    let (whole, tenths) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(tenths) || tenths.len() > 1 || whole.len() > 4 {
        return None;
    }
    Some(whole.parse::<u64>().ok()? * 10 + tenths.parse::<u64>().ok()?)
}

/// What all runs share.
struct Study<'a> {
    point: &'a PointScenario,
    base: &'a Plan,
    inputs: &'a Inputs,
    metric: SensitivityMetric,
    /// Parts per million of a parameter at either end.
    ends_ppm: [u64; 2],
    runs: AtomicU64,
    told: &'a (dyn Fn(u64) + Sync),
}

/// Runs a point as it is and with each parameter that it has at both ends, on rayon's threads; `told` hears after each
/// run how many there were.
///
/// # Errors
/// What is wrong with the point, and a metric that it does not have. A point that does not fit has no bars; a variation
/// that cannot be is shown with its reason.
pub fn sensitivity(
    scenario: &ScenarioFile,
    index: usize,
    inputs: &Inputs,
    question: SensitivityQuestion,
    told: &(dyn Fn(u64) + Sync),
) -> Result<Sensitivity> {
    let point = scenario.point(index)?;
    let base = plan(&point, inputs)?;
    let by = question.by_permille;
    if !base.fits() {
        let metric = question.metric.unwrap_or(SensitivityMetric::Tpot);
        let row = row_of(index, point, base, None);
        return Ok(Sensitivity::new((row, metric, by), Vec::new(), Vec::new()));
    }
    let summary = simulate(&base)?;
    told(1);
    let metric = metric(question.metric, &summary)?;
    let value = metric.of(&summary).unwrap_or(0);
    let ends_ppm = [SAME_PERMILLE - by, SAME_PERMILLE + by].map(|permille| permille * 1000);
    let study = Study { point: &point, base: &base, inputs, metric, ends_ppm, runs: AtomicU64::new(1), told };
    let (direct, routed) = rayon::join(|| study.direct(), || study.routed(value));
    let (mut bars, (fitted, notes)) = (direct?, routed?);
    bars.extend(fitted);
    let row = row_of(index, point, base, Some(summary));
    Ok(Sensitivity::new((row, metric, by), bars, notes))
}

/// The metric that was asked for, held against what the run has.
fn metric(asked: Option<SensitivityMetric>, summary: &Summary) -> Result<SensitivityMetric> {
    let has = |metric: &SensitivityMetric| metric.of(summary).is_some();
    let all: Vec<SensitivityMetric> = SensitivityMetric::ALL.into_iter().filter(has).collect();
    let names: Vec<&str> = all.iter().map(|metric| metric.id()).collect();
    match asked {
        Some(metric) if has(&metric) => Ok(metric),
        Some(metric) => {
            let found = format!("found {}, which this point does not have", metric.id());
            Err(Error::at(Place::option("--metric"), found).expected(format!("one of {}", names.join(", "))))
        }
        None => all.first().copied().ok_or_else(|| Error::new("the point ran, and gave no token to time")),
    }
}

impl Study<'_> {
    /// Runs one variation.
    fn run(&self, planned: Result<Plan>) -> Result<Varied> {
        let ran = match planned {
            Ok(plan) if plan.fits() => match self.metric.of(&simulate(&plan)?) {
                Some(value) => Varied::Ran(value),
                None => Varied::CannotRun(vec!["no request or sequence came to its end".to_owned()]),
            },
            Ok(plan) => Varied::CannotRun(plan.problems),
            Err(error) => Varied::CannotRun(vec![error.to_string()]),
        };
        (self.told)(self.runs.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(ran)
    }

    /// The bars of everything but recorded routing.
    fn direct(&self) -> Result<Vec<SensitivityBar>> {
        let words = |parameter, ppm| setting(self.point, self.base, parameter, ppm);
        let plan = |parameter, ppm| varied(self.point, self.base, self.inputs, (parameter, ppm));
        self.bars(Parameter::ALL, words, plan)
    }

    /// The bars of recorded routing, as relative changes applied to `base`; and what was left out.
    fn routed(&self, base: u64) -> Result<(Vec<SensitivityBar>, Vec<String>)> {
        let left_out = |why: &str| Ok((Vec::new(), vec![format!("routing skew and repetition: {why}")]));
        let router = match FittedRouter::of(self.point, self.base, self.inputs) {
            Ok(Some(router)) => router,
            Ok(None) => return Ok((Vec::new(), Vec::new())),
            Err(error) => return left_out(&format!("no router could be fitted to the trace: {error}")),
        };
        let plan = |parameter, ppm| router.plan(self.point, self.inputs, (parameter, ppm));
        let words = |parameter, ppm| router.setting(parameter, ppm);
        let (as_fitted, bars) = rayon::join(
            || self.run(plan(Parameter::Skew, SAME_PERMILLE * 1000)),
            || self.bars(&FITTED, words, plan),
        );
        let Varied::Ran(as_fitted) = as_fitted? else {
            return left_out("the point cannot run with the router fitted to its trace");
        };
        let mut bars = bars?;
        for bar in &mut bars {
            bar.is_fitted = true;
            for end in [&mut bar.less, &mut bar.more] {
                if let Varied::Ran(value) = &mut end.varied {
                    *value = applied(base, *value, as_fitted);
                }
            }
        }
        Ok((bars, Vec::new()))
    }

    /// Runs both ends of every parameter that has words.
    fn bars(
        &self,
        parameters: &[Parameter],
        words: impl Fn(Parameter, u64) -> Option<String> + Sync,
        plan: impl Fn(Parameter, u64) -> Result<Plan> + Sync,
    ) -> Result<Vec<SensitivityBar>> {
        let [less, more] = self.ends_ppm;
        let whole = SAME_PERMILLE * 1000;
        let settings = parameters.iter().filter_map(|parameter| {
            let all = [words(*parameter, whole)?, words(*parameter, less)?, words(*parameter, more)?];
            // A number too small to be varied has no bar.
            (all[1] != all[0] || all[2] != all[0]).then_some((*parameter, all))
        });
        let settings: Vec<(Parameter, [String; 3])> = settings.collect();
        let runs: Vec<(Parameter, u64)> =
            settings.iter().flat_map(|(parameter, _)| [(*parameter, less), (*parameter, more)]).collect();
        let ran: Vec<Result<Varied>> =
            runs.par_iter().map(|(parameter, ppm)| self.run(plan(*parameter, *ppm))).collect();
        let mut ran = ran.into_iter();
        let mut next =
            || ran.next().unwrap_or_else(|| Err(Error::new("a variation was lost on the way to its bar")));
        let mut bars = Vec::new();
        for (parameter, [setting, low, high]) in settings {
            let less = SensitivityEnd { setting: low, varied: next()? };
            let more = SensitivityEnd { setting: high, varied: next()? };
            bars.push(SensitivityBar { parameter, setting, less, more, is_fitted: false });
        }
        Ok(bars)
    }
}

/// The base changed as much as `value` differs from `reference`.
fn applied(base: u64, value: u64, reference: u64) -> u64 {
    let reference = u128::from(reference.max(1));
    let scaled = (u128::from(base) * u128::from(value) + reference / 2) / reference;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_read_exactly() {
        for (text, expected) in [
            ("20", Some(200)),
            ("20 %", Some(200)),
            ("12.5%", Some(125)),
            ("0.1", Some(1)),
            ("90", Some(900)),
            ("0", None),
            ("90.1", None),
            ("-5", None),
            ("", None),
            ("NaN", None),
            ("1e1", None),
            ("20.25", None),
        ] {
            let parsed = SensitivityQuestion::parse(None, text);
            assert_eq!(parsed.as_ref().ok().map(|question| question.by_permille), expected, "{text}");
            if expected.is_none() {
                let message =
                    format!("--by: found {text:?}, expected a percentage above 0 and up to 90, like 20");
                assert_eq!(parsed.unwrap_err().to_string(), message);
            }
        }
    }

    #[test]
    fn a_metric_is_known_by_its_name() {
        let error = SensitivityQuestion::parse(Some("tpot_p98"), "20").unwrap_err().to_string();
        assert_eq!(error, "--metric: found \"tpot_p98\", did you mean \"tpot_p99\"?");
        let question = SensitivityQuestion::parse(Some("throughput"), "20").unwrap();
        assert_eq!(question.metric, Some(SensitivityMetric::Throughput));
    }

    #[test]
    fn a_relative_change_is_applied_to_the_base() {
        assert_eq!(applied(200, 110, 100), 220);
        assert_eq!(applied(200, 100, 100), 200);
        assert_eq!(applied(u64::MAX, 2, 1), u64::MAX);
    }
}
