//! What the work of a layer event costs on the GPU and on the CPU.

use super::layer::Fate;
use super::run::Simulation;
use crate::serving::StretchCost;
use crate::trace::ExpertNumber;
use crate::units::{Bytes, SimDuration};

impl<I: ExpertNumber> Simulation<'_, I> {
    /// Cost of one launch over `count` experts with these tokens each.
    pub(super) fn launch_cost(&self, tokens: impl Iterator<Item = u64>, count: usize) -> StretchCost {
        let experts = self.plan.costs.experts();
        let compute = if self.work.rows == 1 {
            experts.single_token_time(self.layer, count)
        } else {
            experts.launch_time(self.layer, tokens)
        };
        StretchCost {
            compute,
            overhead: self.plan.costs.launch_overhead(),
            bytes: experts.bytes(self.layer).times(count as u64),
            flops: 0,
        }
    }

    /// Cost of everything that can compute at once: resident experts, those that lie in the prefetch buffer, low-bit
    /// copies and substitutes. Nothing at all where there is none of them.
    pub(super) fn resident_cost(&self) -> StretchCost {
        let stand_in = |fate| matches!(fate, Fate::Prefetched | Fate::Substitute);
        let others = || self.event.missing.iter().filter(move |missing| stand_in(missing.fate));
        let (extra, degraded) = (others().count(), self.event.has(Fate::Degrade));
        let whole = self.event.resident.len() + extra;
        if whole == 0 && !degraded {
            return StretchCost::default();
        }
        let tokens = self.event.resident.iter().copied().chain(others().map(|missing| missing.tokens));
        let mut cost = self.launch_cost(tokens, whole);
        if degraded {
            let experts = self.plan.costs.experts();
            let ppm = self.plan.placement.miss.low_bit_ppm;
            for missing in self.event.of_fate(Fate::Degrade) {
                cost.compute += experts.low_bit_time(self.layer, missing.tokens, ppm);
                cost.bytes += experts.bytes(self.layer).fraction(ppm, 1_000_000);
            }
        }
        cost
    }

    /// Time of work on the CPU where nothing else loads host memory.
    pub(super) fn cpu_time(&self, bytes: Bytes, flops: u64) -> SimDuration {
        self.plan.machine.cpu.map_or(SimDuration::ZERO, |cpu| cpu.expert_time(bytes, flops))
    }

    /// Time of one expert of the current layer on the CPU.
    pub(super) fn cpu_expert_time(&self, tokens: u64) -> SimDuration {
        let experts = self.plan.costs.experts();
        self.cpu_time(experts.bytes(self.layer), tokens * experts.flops_per_token())
    }
}
