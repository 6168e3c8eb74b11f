//! The search: which candidates to simulate so that none that belongs to the front is left out.
//!
//! Candidates are taken in rounds, the most promising bounds first. One whose bound is beyond a limit, or dominated by a
//! row that was simulated and keeps all limits, cannot belong to the front, since its own values are no better than its
//! bound; all others are simulated. What the next round is depends on the rows of the rounds before and on nothing else, so
//! the search takes the same course for any number of threads, and after an interruption.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::pareto::Front;
use super::question::Question;
use super::screen::{Screened, Screening};
use crate::error::Result;
use crate::metrics::advice::Fate;
use crate::metrics::{Outcome, Row};
use crate::sweep::{Stop, run_planned};

/// Candidates that are simulated side by side before bounds are compared again.
const ROUND: usize = 32;

/// The state of a search. Rows are kept, whoever asked for them.
pub(super) struct Search<'a> {
    pub(super) screening: Screening<'a>,
    pub(super) candidates: Vec<Screened>,
    pub(super) rows: BTreeMap<u64, Row>,
    /// Rows of an interrupted search.
    pub(super) known: BTreeMap<u64, Row>,
    pub(super) stop: &'a Stop,
    /// Told each row that was simulated now.
    pub(super) finished: &'a (dyn Fn(&Row) -> Result<()> + Sync),
    /// Told how many candidates are decided, of how many.
    pub(super) progress: &'a (dyn Fn(u64, u64) + Sync),
}

impl Search<'_> {
    pub(super) fn question(&self) -> &Question {
        self.screening.question
    }

    /// The rows of these candidates, simulated where they are not known; `false` where a stop was asked for.
    ///
    /// # Errors
    /// As a point of a sweep, and of `finished`.
    pub(super) fn simulate(&mut self, numbers: &[usize]) -> Result<bool> {
        let new: Vec<usize> =
            numbers.iter().copied().filter(|number| !self.rows.contains_key(&(*number as u64))).collect();
        let one = |number: &usize| -> Result<Option<Row>> {
            if let Some(row) = self.known.get(&(*number as u64)) {
                return Ok(Some(row.clone()));
            }
            if self.stop.is_asked() {
                return Ok(None);
            }
            let point = self.screening.point(&self.candidates[*number].draft)?;
            let row = run_planned(point, *number, self.screening.inputs)?;
            (self.finished)(&row)?;
            Ok(Some(row))
        };
        let rows: Vec<Result<Option<Row>>> = new.par_iter().map(one).collect();
        let mut complete = true;
        for row in rows {
            match row? {
                Some(row) => drop(self.rows.insert(row.index, row)),
                None => complete = false,
            }
        }
        Ok(complete)
    }

    /// What a row's objectives are, less being better; `None` where it has none of one.
    pub(super) fn vector(&self, row: &Row) -> Option<Vec<u64>> {
        let objectives = self.question().objectives.iter();
        objectives.map(|metric| metric.of(row).map(|value| metric.badness(value))).collect()
    }

    /// Limits that a row breaks, by position; a run that a load overwhelms breaks them all.
    pub(super) fn breaks(&self, row: &Row) -> Vec<usize> {
        let limits = &self.question().limits;
        let broken = limits
            .iter()
            .enumerate()
            .filter(|(_, limit)| limit.metric.of(row).is_none_or(|value| !limit.allows(value)));
        broken.map(|(position, _)| position).collect()
    }

    /// Finds the front among these candidates; `None` where it was stopped. Fates of all candidates are by their order.
    ///
    /// # Errors
    /// As [`Search::simulate`].
    pub(super) fn front(&mut self, among: &dyn Fn(usize) -> bool) -> Result<Option<Vec<Fate>>> {
        let mut fates: Vec<Fate> =
            self.candidates.iter().map(|one| one.out.clone().unwrap_or(Fate::Open)).collect();
        let mut waiting: Vec<usize> = self.by_promise().into_iter().filter(|number| among(*number)).collect();
        let mut front = Front::default();
        let all = self.candidates.len() as u64;
        while !waiting.is_empty() {
            (self.progress)(all - waiting.len() as u64, all);
            let mut round = Vec::new();
            let mut rest = Vec::new();
            for number in waiting {
                match front.dominator(&self.candidates[number].best) {
                    Some(by) => fates[number] = Fate::Dominated(by),
                    None if round.len() < ROUND => round.push(number),
                    None => rest.push(number),
                }
            }
            if !self.simulate(&round)? {
                return Ok(None);
            }
            round.sort_unstable();
            for number in round {
                fates[number] = self.judged(number as u64, &mut front);
            }
            waiting = rest;
        }
        (self.progress)(all, all);
        for (number, fate) in fates.iter_mut().enumerate() {
            if *fate == Fate::Front && !front.has(number as u64) {
                let vector = self.rows.get(&(number as u64)).and_then(|row| self.vector(row));
                let by = vector.and_then(|vector| front.dominator(&vector));
                *fate = by.map_or(Fate::Front, Fate::Beaten);
            }
        }
        Ok(Some(fates))
    }

    /// The fate of a simulated row as far as the front goes; one that keeps the limits joins it.
    fn judged(&self, number: u64, front: &mut Front) -> Fate {
        let Some(row) = self.rows.get(&number) else { return Fate::Open };
        if let Outcome::CannotRun(reasons) = &row.outcome {
            return Fate::CannotRun(reasons.clone());
        }
        if is_saturated(row) {
            return Fate::Saturated;
        }
        let breaks = self.breaks(row);
        if !breaks.is_empty() {
            return Fate::Breaks(breaks);
        }
        match self.vector(row) {
            Some(vector) => {
                front.add(number, vector);
                Fate::Front
            }
            None => Fate::CannotRun(vec!["the run gave no output".to_owned()]),
        }
    }

    /// Open candidates by the sum of the ranks of their bounds, so that what is good all round comes first and dominates
    /// the most.
    fn by_promise(&self) -> Vec<usize> {
        let open: Vec<usize> =
            (0..self.candidates.len()).filter(|number| self.candidates[*number].out.is_none()).collect();
        let mut ranks = vec![0_usize; self.candidates.len()];
        for objective in 0..self.question().objectives.len() {
            let best = |number: usize| self.candidates[number].best[objective];
            let mut values: Vec<u64> = open.iter().map(|number| best(*number)).collect();
            values.sort_unstable();
            values.dedup();
            for number in &open {
                ranks[*number] +=
                    values.partition_point(|value| *value < best(*number)) * 1000 / values.len();
            }
        }
        let mut order = open;
        order.sort_by_key(|number| (ranks[*number], *number));
        order
    }
}

/// Whether a load overwhelms the deployment.
pub(super) fn is_saturated(row: &Row) -> bool {
    row.summary().and_then(|summary| summary.serving.as_ref()).is_some_and(|serving| serving.is_saturated())
}
