//! Candidates as far as they are known without simulating them.

use rayon::prelude::*;

use super::bound::{Best, Bounds, keeps_up};
use super::question::Question;
use super::space::Draft;
use crate::error::{Error, Result};
use crate::metrics::Row;
use crate::metrics::advice::{Fate, Metric};
use crate::plan::{Inputs, plan};
use crate::scenario::{PointScenario, ScenarioFile};
use crate::sweep::row_of;

/// A candidate after screening.
pub(super) struct Screened {
    pub(super) draft: Draft,
    /// Why it is out already.
    pub(super) out: Option<Fate>,
    /// The best that its objectives could be, less being better; empty where it cannot run.
    pub(super) best: Vec<u64>,
    /// The same of the metrics of the limits.
    pub(super) best_of_limits: Vec<u64>,
}

impl Screened {
    /// Whether it could be simulated, whatever the limits say.
    pub(super) fn can_run(&self) -> bool {
        matches!(self.out, None | Some(Fate::BeyondLimit { .. }))
    }
}

/// What a screening needs.
pub(super) struct Screening<'a> {
    pub(super) scenario: &'a ScenarioFile,
    pub(super) question: &'a Question,
    pub(super) inputs: &'a Inputs,
    pub(super) bounds: &'a Bounds,
}

impl Screening<'_> {
    /// Screens all drafts on rayon's threads, in their order.
    ///
    /// # Errors
    /// Where every candidate is refused: what is wrong with the first.
    pub(super) fn all(&self, drafts: Vec<Draft>, told: &(dyn Fn() + Sync)) -> Result<Vec<Screened>> {
        let one = |(number, draft): (usize, Draft)| {
            let screened = self.one(number, draft);
            told();
            screened
        };
        let screened: Vec<Result<(Screened, Option<Error>)>> =
            drafts.into_par_iter().enumerate().map(one).collect();
        let mut all = Vec::with_capacity(screened.len());
        let mut first = None;
        for result in screened {
            let (screened, error) = result?;
            first = first.or(error);
            all.push(screened);
        }
        if let Some(error) = first.filter(|_| all.iter().all(|one| matches!(one.out, Some(Fate::Refused(_)))))
        {
            return Err(error);
        }
        Ok(all)
    }

    /// The scenario of a draft.
    pub(super) fn point(&self, draft: &Draft) -> Result<PointScenario> {
        let mut point = self.scenario.varied(draft.point, &draft.settings)?;
        let names = super::dimensions(self.scenario);
        point.axes = names.into_iter().zip(draft.choice.iter().cloned()).collect();
        Ok(point)
    }

    fn one(&self, number: usize, draft: Draft) -> Result<(Screened, Option<Error>)> {
        let refused = |draft: Draft, error: Error| {
            let out = Some(Fate::Refused(error.to_string()));
            (Screened { draft, out, best: Vec::new(), best_of_limits: Vec::new() }, Some(error))
        };
        let point = match self.point(&draft) {
            Ok(point) => point,
            Err(error) => return Ok(refused(draft, error)),
        };
        let plan = match plan(&point, self.inputs) {
            Ok(plan) => plan,
            Err(error) => return Ok(refused(draft, error)),
        };
        if !plan.fits() {
            let out = Some(Fate::CannotRun(plan.problems));
            return Ok((Screened { draft, out, best: Vec::new(), best_of_limits: Vec::new() }, None));
        }
        let row = row_of(number, point, plan.clone(), None);
        if let Some(out) = self.unknown(&row) {
            return Ok((
                Screened { draft, out: Some(out), best: Vec::new(), best_of_limits: Vec::new() },
                None,
            ));
        }
        if let Some((asked, allowed)) = keeps_up(&plan) {
            let out = Some(Fate::CannotKeepUp { asked, allowed });
            return Ok((Screened { draft, out, best: Vec::new(), best_of_limits: Vec::new() }, None));
        }
        let best = self.bounds.best(&plan, row, draft.point, &draft.settings)?;
        Ok((self.judged(draft, &best), None))
    }

    fn judged(&self, draft: Draft, best: &Best) -> Screened {
        let limits = &self.question.limits;
        let beyond = limits.iter().enumerate().find_map(|(limit, of)| {
            let bound = best.of(of.metric).filter(|bound| !of.allows(*bound))?;
            Some(Fate::BeyondLimit { limit, bound })
        });
        Screened {
            draft,
            out: beyond,
            best: self.question.objectives.iter().map(|metric| best.badness(*metric)).collect(),
            best_of_limits: limits.iter().map(|limit| best.badness(limit.metric)).collect(),
        }
    }

    /// A price or a loss of quality that is asked for and not known.
    fn unknown(&self, row: &Row) -> Option<Fate> {
        let limits = self.question.limits.iter().map(|limit| limit.metric);
        let wanted = limits.chain(self.question.objectives.iter().copied());
        let planned = |metric: &Metric| metric.is_planned() || *metric == Metric::QualityLoss;
        let missing = wanted.filter(planned).find(|metric| metric.of(row).is_none())?;
        let what = match missing {
            Metric::Price if !row.cost.missing.is_empty() => {
                format!("no price of {}", row.cost.missing.join(", "))
            }
            Metric::Price => "no price of any part".to_owned(),
            Metric::Rent => "no rent".to_owned(),
            Metric::QualityLoss => {
                let parts = row.quality.parts.iter().filter(|part| part.loss_ppm.is_none());
                format!(
                    "no estimate for {}",
                    parts.map(|part| part.what.clone()).collect::<Vec<_>>().join(", ")
                )
            }
            other => format!("no {}", other.name()),
        };
        Some(Fate::Unknown(missing, what))
    }
}
