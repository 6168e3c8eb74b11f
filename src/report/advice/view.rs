//! A recommendation with what every part of its page asks for: names of candidates, numbers of rows, limits in words.

use super::page::Source;
use super::page::{code, plain};
use super::value::{shown, title};
use crate::metrics::Row;
use crate::metrics::advice::{Advice, Candidate, Limit, Metric};
use crate::report::format::share;

/// A recommendation seen from the two metrics that everybody asks for first.
pub(in crate::report) struct View<'a> {
    pub advice: &'a Advice,
    /// The latency that counts: the deciding objective or the first that is one, else TPOT.
    pub time: Metric,
    /// What it takes to have it: price or rent where they are known, else VRAM.
    pub cost: Metric,
    /// Which dimensions candidates differ in.
    varying: Vec<bool>,
}

impl<'a> View<'a> {
    pub(in crate::report) fn of(advice: &'a Advice) -> Self {
        let objectives = || [advice.prefer].into_iter().chain(advice.objectives.iter().copied());
        let time = objectives().find(|metric| matches!(metric, Metric::Latency(..))).unwrap_or(Metric::TPOT);
        let shown: Vec<&Row> = match advice.subject() {
            Some(index) => {
                advice.front().map(|one| one.index).chain([index]).filter_map(|at| advice.row(at)).collect()
            }
            None => advice.rows.iter().collect(),
        };
        let known = |metric: &Metric| !shown.is_empty() && shown.iter().all(|row| metric.of(row).is_some());
        let asked = objectives().filter(|metric| matches!(metric, Metric::Price | Metric::Rent));
        let cost = asked.chain([Metric::Price, Metric::Rent]).find(known).unwrap_or(Metric::Vram);
        let varies = |at: usize| {
            let mut values = advice.candidates.iter().map(|one| one.choice.get(at));
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        let varying = (0..advice.dimensions.len()).map(varies).collect();
        Self { advice, time, cost, varying }
    }

    /// The row of a simulated candidate as a source, all candidates for another.
    pub(super) fn source(&self, index: u64) -> Source {
        if self.advice.row(index).is_some() { Source::Row(index) } else { Source::Candidates }
    }

    /// A number of a row, in words; none where it is not known.
    pub(super) fn number(&self, metric: Metric, index: u64) -> Option<String> {
        Some(shown(metric, metric.of(self.advice.row(index)?)?))
    }

    /// The dimensions in which candidates differ, with this one's values.
    pub(super) fn choices(&self, candidate: &'a Candidate) -> impl Iterator<Item = (&'a str, &'a str)> {
        let names = self.advice.dimensions.iter().zip(&candidate.choice);
        let told = names.zip(&self.varying).filter(|((_, value), varies)| **varies && !is_nothing(value));
        told.map(|((name, value), _)| (name.as_str(), value.as_str()))
    }

    /// A candidate by what tells it from others: `q4_k_m / 1 x rtx3090, 64 GiB / llama.cpp`.
    pub(in crate::report) fn label(&self, index: u64) -> String {
        let values = self.advice.candidate(index).map(|one| self.choices(one).map(|(_, value)| plain(value)));
        values.map_or_else(String::new, |values| values.collect::<Vec<_>>().join(" / "))
    }

    /// The same with its number: `number 17 (...)`.
    pub(super) fn named(&self, index: u64) -> String {
        let label = self.label(index);
        if label.is_empty() { format!("number {index}") } else { format!("number {index} ({label})") }
    }

    /// The limits at these positions.
    pub(super) fn limits(&self, positions: &[usize]) -> Vec<&'a Limit> {
        positions.iter().filter_map(|at| self.advice.limits.get(*at)).collect()
    }
}

/// A choice that says that there is none.
pub(super) fn is_nothing(choice: &str) -> bool {
    matches!(choice.trim(), "" | "-")
}

/// A limit as it was written.
pub(super) fn written(limit: &Limit) -> String {
    code(&limit.text)
}

/// How far a value is beyond a limit: `TPOT p50 is 120 ms, 20 % too much`.
pub(super) fn beyond(limit: &Limit, value: u64) -> String {
    let by = share(limit.excess_ppm(value));
    let found = format!("{} is {}", title(limit.metric), shown(limit.metric, value));
    if limit.metric.more_is_better() {
        format!("{found} and would have to be {by} more")
    } else {
        format!("{found}, {by} too much")
    }
}
