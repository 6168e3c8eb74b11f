//! Warnings in plain sentences.

use super::words::Words;
use crate::metrics::{CurveWarning, DRIFT_POINTS, MISMATCH_POINTS};
use crate::report::format::{counted, fixed, listed, rate, size};

impl Words<'_> {
    /// The warnings, in sentences.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.verdict.warnings.iter().map(|warning| self.warning(warning)).collect()
    }

    fn warning(&self, warning: &CurveWarning) -> String {
        match warning {
            CurveWarning::BelowCycle { capacities, cycle_experts } => format!(
                "{} {} below the {cycle_experts} experts of one token, where LRU finds next to nothing.",
                self.places(capacities),
                if capacities.len() == 1 { "is" } else { "are" }
            ),
            CurveWarning::Mismatch { policy, capacities, worst } => self.mismatch(policy, capacities, *worst),
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
        }
    }

    fn mismatch(&self, policy: &str, capacities: &[usize], worst: usize) -> String {
        let at = self.at(worst);
        let index = self.curves.curves.iter().position(|curve| curve.name == policy);
        let hit = index.map_or(0.0, |index| at.policies[index].hit_rate);
        let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| rate(value, 1));
        format!(
            "{policy} does not suit this trace: at {} it is {} points or more below LRU and no better than random victims \
             (worst at {}: {} % against {} %, random {} %).",
            self.places(capacities),
            fixed(MISMATCH_POINTS, 0),
            self.share(worst),
            rate(hit, 1),
            shown(at.lru_hit_rate),
            shown(at.random_hit_rate)
        )
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
