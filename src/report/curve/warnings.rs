//! Warnings in plain sentences.

use super::words::Words;
use crate::metrics::{CurveWarning, DRIFT_POINTS, MISMATCH_POINTS};
use crate::report::format::{counted, fixed, listed, rate, size};

impl Words<'_> {
    /// The warnings, in sentences.
    pub(super) fn warnings(&self) -> Vec<String> {
        let all = &self.verdict.warnings;
        let mismatches: Vec<String> = all.iter().filter_map(|warning| self.mismatch(warning)).collect();
        let others: Vec<String> = all.iter().filter_map(|warning| self.warning(warning)).collect();
        let points = fixed(MISMATCH_POINTS, 0);
        let together = (!mismatches.is_empty()).then(|| {
            format!(
                "What does not suit this trace, being {points} points or more below LRU and no better than random victims: {}.",
                mismatches.join("; ")
            )
        });
        others.into_iter().chain(together).collect()
    }

    fn warning(&self, warning: &CurveWarning) -> Option<String> {
        Some(match warning {
            CurveWarning::BelowCycle { capacities, cycle_experts } => format!(
                "{} {} below the {cycle_experts} experts of one token, where LRU finds next to nothing.",
                self.places(capacities),
                if capacities.len() == 1 { "is" } else { "are" }
            ),
            CurveWarning::Mismatch { .. } => return None,
            CurveWarning::Drift { own, carried } => format!(
                "Popularity moves: each layer's hottest quarter of experts in the earlier half of the trace serves {} % of \
                 the later half's selections, that of the later half itself {} % (told from {} points on). Profiles and \
                 counts that are never forgotten lose by it.",
                rate(*carried, 1),
                rate(*own, 1),
                fixed(DRIFT_POINTS, 0)
            ),
            CurveWarning::InSample { policies } => format!(
                "{} profiled on the sequence that it is judged on, so that it is out of competition.",
                with_verb(policies)
            ),
            CurveWarning::ExceedsCapacity { policy, capacities, room } => {
                let first = capacities.first().copied().unwrap_or(0);
                format!(
                    "{policy} holds more than the capacity at {} ({} instead of {} at {}), since every layer has room for \
                     one token; it is out of competition there.",
                    self.places(capacities),
                    self.held(*room),
                    self.held(self.curves.capacities[first].room),
                    self.share(first)
                )
            }
            CurveWarning::TooFewSequences { sequences: 1 } => format!(
                "Only one sequence has {} lookups, so that nothing says how results differ between prompts.",
                self.phase()
            ),
            CurveWarning::TooFewSequences { .. } => format!("No sequence has {} lookups.", self.phase()),
            CurveWarning::NoLru => {
                "LRU was not among the policies, so that there are no differences to it by sequence."
                    .to_owned()
            }
            CurveWarning::NoBelady => {
                "Experts differ in size by layer and Belady's rule was not among the policies, so \
                                       that the distance to it is not known."
                    .to_owned()
            }
            CurveWarning::SizesDiffer => {
                "Experts differ in size by layer, so that Belady's rule is not strictly a bound.".to_owned()
            }
        })
    }

    /// A policy that does not suit the trace, with the place where it is farthest below LRU.
    fn mismatch(&self, warning: &CurveWarning) -> Option<String> {
        let CurveWarning::Mismatch { policy, capacities, worst } = warning else { return None };
        let at = self.at(*worst);
        let index = self.curves.curves.iter().position(|curve| curve.name == *policy)?;
        let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| rate(value, 1));
        Some(format!(
            "{policy} at {} ({} % at {}, LRU {} %, random {} %)",
            self.places(capacities),
            rate(at.policies[index].hit_rate, 1),
            self.share(*worst),
            shown(at.lru_hit_rate),
            shown(at.random_hit_rate)
        ))
    }

    /// A room in the unit of the sizes.
    fn held(&self, room: u64) -> String {
        if self.curves.expert_bytes.is_empty() {
            counted(usize::try_from(room).unwrap_or(usize::MAX), "expert")
        } else {
            size(room)
        }
    }
}

fn with_verb(policies: &[String]) -> String {
    format!("{} {}", listed(policies), if policies.len() == 1 { "was" } else { "were" })
}
