//! The best candidate by one number: what comes nearest to limits that nothing keeps, what giving one of them up would
//! bring, and the neighbours of an answer. Branch and bound again: candidates are simulated in the order of their bounds,
//! until no bound is better than the best row.

use super::search::{Search, is_saturated};
use crate::error::Result;
use crate::metrics::Row;
use crate::metrics::advice::{Limit, Metric, MetricUnit, Neighbour, Relaxed};

/// Candidates that are simulated side by side.
const ROUND: usize = 16;

/// What is least sought, and which rows count.
struct Sought<'a> {
    /// A bound by the position of the candidate; `None` where it cannot count.
    bound: &'a dyn Fn(&Search<'_>, usize) -> Option<u64>,
    /// The number of a row; `None` where it does not count.
    number: &'a dyn Fn(&Search<'_>, &Row) -> Option<u64>,
}

impl Search<'_> {
    /// The row with the least number, ties by the order of candidates; `None` where nothing counts or it was stopped.
    fn least(&mut self, sought: &Sought<'_>) -> Result<Option<u64>> {
        let runs = (0..self.candidates.len()).filter(|number| self.candidates[*number].can_run());
        let mut waiting: Vec<(u64, usize)> =
            runs.filter_map(|number| Some(((sought.bound)(self, number)?, number))).collect();
        waiting.sort_unstable();
        let mut best: Option<(u64, u64)> = None;
        for row in self.rows.values() {
            if let Some(number) = (sought.number)(self, row) {
                best = best.min(Some((number, row.index))).or(Some((number, row.index)));
            }
        }
        for round in waiting.chunks(ROUND) {
            let open = round.iter().filter(|(bound, _)| best.is_none_or(|(number, _)| *bound < number));
            let numbers: Vec<usize> = open.map(|(_, number)| *number).collect();
            if numbers.is_empty() {
                break;
            }
            if !self.simulate(&numbers)? {
                return Ok(None);
            }
            for number in numbers {
                let Some(row) = self.rows.get(&(number as u64)) else { continue };
                if let Some(value) = (sought.number)(self, row) {
                    let found = (value, row.index);
                    best = Some(best.map_or(found, |best| best.min(found)));
                }
            }
        }
        Ok(best.map(|(_, index)| index))
    }

    /// The row whose worst excess over a limit is least.
    pub(super) fn nearest(&mut self) -> Result<Option<u64>> {
        let worst = |search: &Search<'_>, value: &dyn Fn(usize, &Limit) -> Option<u64>| {
            let limits = search.question().limits.iter().enumerate();
            limits
                .map(|(position, limit)| value(position, limit))
                .try_fold(0, |worst, excess| Some(excess?.max(worst)))
        };
        self.least(&Sought {
            bound: &|search, number| {
                worst(search, &|position, limit| {
                    let bad = search.candidates[number].best_of_limits[position];
                    Some(limit.excess_ppm(limit.metric.badness(bad)))
                })
            },
            number: &|search, row| {
                let excess =
                    worst(search, &|_, limit| limit.metric.of(row).map(|value| limit.excess_ppm(value)));
                // Who cannot keep up at all comes after everyone who can.
                excess.map(
                    |excess| if is_saturated(row) { excess.saturating_add(u64::MAX / 2) } else { excess },
                )
            },
        })
    }

    /// What giving up each limit alone would bring: the least excess over it among rows that keep all others.
    pub(super) fn relaxed(&mut self) -> Result<Vec<Relaxed>> {
        let mut found = Vec::new();
        for limit in 0..self.question().limits.len() {
            let index = self.least(&Sought {
                bound: &|search, number| {
                    let limits = &search.question().limits;
                    let best = &search.candidates[number].best_of_limits;
                    let keeps =
                        |at: usize| at == limit || limits[at].allows(limits[at].metric.badness(best[at]));
                    (0..limits.len()).all(keeps).then(|| best[limit])
                },
                number: &|search, row| {
                    let keeps_others = search.breaks(row).iter().all(|broken| *broken == limit);
                    let of = search.question().limits[limit].metric;
                    (keeps_others && !is_saturated(row)).then(|| of.of(row).map(|value| of.badness(value)))?
                },
            })?;
            let metric = self.question().limits[limit].metric;
            if let Some(index) = index
                && let Some(value) = self.rows.get(&index).and_then(|row| metric.of(row))
            {
                found.push(Relaxed { limit, index, value });
            }
        }
        Ok(found)
    }

    /// Whether only limits of these metrics are broken, by the position of those that are.
    fn only(&self, broken: &[usize], may_break: fn(Metric) -> bool) -> bool {
        broken.iter().all(|limit| may_break(self.question().limits[*limit].metric))
    }

    /// Whether a candidate at its best breaks no limit of other metrics.
    fn could_keep(&self, number: usize, may_break: fn(Metric) -> bool) -> bool {
        let limits = self.question().limits.iter().zip(&self.candidates[number].best_of_limits);
        limits
            .into_iter()
            .all(|(limit, best)| may_break(limit.metric) || limit.allows(limit.metric.badness(*best)))
    }

    /// The fastest of the candidates with less of `metric` than the row has. It may break limits on speed, and no others.
    pub(super) fn cheaper(&mut self, row: &Row, metric: Metric, speed: Metric) -> Result<Option<Neighbour>> {
        let Some(most) = metric.of(row) else { return Ok(None) };
        let place = self.question().objectives.iter().position(|of| *of == metric);
        let of_speed = self.question().objectives.iter().position(|of| *of == speed);
        let (Some(place), Some(of_speed)) = (place, of_speed) else { return Ok(None) };
        let index = self.least(&Sought {
            bound: &|search, number| {
                let best = &search.candidates[number].best;
                (best[place] < most && search.could_keep(number, is_speed)).then(|| best[of_speed])
            },
            number: &|search, row| {
                let less = metric.of(row).is_some_and(|value| value < most)
                    && search.only(&search.breaks(row), is_speed);
                (less && !is_saturated(row)).then(|| speed.of(row).map(|value| speed.badness(value)))?
            },
        })?;
        Ok(self.neighbour(index, metric))
    }

    /// The candidate with the least of `metric` among those that are clearly faster. It may break limits on what it costs, and
    /// no others.
    pub(super) fn faster(&mut self, row: &Row, metric: Metric, speed: Metric) -> Result<Option<Neighbour>> {
        let Some(now) = speed.of(row) else { return Ok(None) };
        // A tenth is what a person would notice, and more than predictions can tell apart.
        let wanted =
            if speed.more_is_better() { now.saturating_mul(11) / 10 } else { now.saturating_mul(10) / 11 };
        let is_faster = |value: u64| speed.badness(value) <= speed.badness(wanted);
        let place = self.question().objectives.iter().position(|of| *of == metric);
        let of_speed = self.question().objectives.iter().position(|of| *of == speed);
        let (Some(place), Some(of_speed)) = (place, of_speed) else { return Ok(None) };
        let index = self.least(&Sought {
            bound: &|search, number| {
                let best = &search.candidates[number].best;
                let could = best[of_speed] <= speed.badness(wanted) && search.could_keep(number, is_cost);
                could.then(|| best[place])
            },
            number: &|search, row| {
                let faster = speed.of(row).is_some_and(is_faster)
                    && !is_saturated(row)
                    && search.only(&search.breaks(row), is_cost);
                faster.then(|| metric.of(row).map(|value| metric.badness(value)))?
            },
        })?;
        Ok(self.neighbour(index, speed))
    }

    fn neighbour(&self, index: Option<u64>, metric: Metric) -> Option<Neighbour> {
        let row = self.rows.get(&index?)?;
        Some(Neighbour { index: row.index, metric, breaks: self.breaks(row) })
    }
}

/// A metric that says how fast a configuration is.
fn is_speed(metric: Metric) -> bool {
    matches!(metric.unit(), MetricUnit::Time | MetricUnit::TokenRate | MetricUnit::RequestRate)
}

/// A metric that says what it takes.
fn is_cost(metric: Metric) -> bool {
    !is_speed(metric) && metric != Metric::QualityLoss
}
