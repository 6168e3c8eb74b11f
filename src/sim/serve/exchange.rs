//! What the GPUs of a stage send each other in a pass.

use crate::plan::{ExchangeKind, ServingPlan};
use crate::serving::Work;
use crate::units::{Bytes, SimDuration};

/// Times of one pass's exchanges, as far as they do not depend on the routing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exchanges {
    /// One all-reduce after attention or a dense network.
    dense: SimDuration,
    /// Tokens that one GPU sends to experts, times experts per token.
    sent: u64,
    /// Tokens of all data-parallel ranks.
    tokens: u64,
    top_k: u64,
}

impl Exchanges {
    pub(super) fn of(plan: &ServingPlan, works: &[Work], top_k: u32) -> Self {
        let largest = works.iter().map(Work::own_rows).max().unwrap_or(0);
        let state = plan.links.state_bytes.times(largest);
        Self {
            dense: plan.links.interconnect.all_reduce(plan.layout.tp, state),
            // The GPUs of a tensor-parallel group have the same tokens and share the sending.
            sent: largest.div_ceil(u64::from(plan.layout.tp)) * u64::from(top_k),
            tokens: works.iter().map(Work::own_rows).sum(),
            top_k: u64::from(top_k),
        }
    }

    /// What follows `layers` layers' attention and the dense networks between them: each ends in one all-reduce.
    pub(super) fn dense(&self, count: u64) -> SimDuration {
        self.dense.times(count)
    }

    /// Before the experts: tokens to the ranks of their experts, the busiest of which gets `received`.
    pub(super) fn dispatch(&self, plan: &ServingPlan, received: u64) -> SimDuration {
        let ranks = plan.layout.stage_gpus();
        match plan.links.kind {
            _ if ranks == 1 => SimDuration::ZERO,
            ExchangeKind::AllToAll => {
                let each = self.busiest(plan, received);
                plan.links.interconnect.all_to_all(ranks, plan.links.dispatch_bytes.times(each))
            }
            // Tensor-parallel ranks have all tokens; data-parallel ones gather them.
            ExchangeKind::AllReduce if plan.layout.dp == 1 => SimDuration::ZERO,
            ExchangeKind::AllReduce => self.gathered(plan, |links, bytes| links.all_gather(ranks, bytes)),
        }
    }

    /// After the experts: their results to where the tokens came from.
    pub(super) fn combine(&self, plan: &ServingPlan, received: u64) -> SimDuration {
        let ranks = plan.layout.stage_gpus();
        match plan.links.kind {
            _ if ranks == 1 => SimDuration::ZERO,
            ExchangeKind::AllToAll => {
                let each = self.busiest(plan, received);
                plan.links.interconnect.all_to_all(ranks, plan.links.combine_bytes.times(each))
            }
            ExchangeKind::AllReduce if plan.layout.dp == 1 => self.dense,
            ExchangeKind::AllReduce => self.gathered(plan, |links, bytes| links.reduce_scatter(ranks, bytes)),
        }
    }

    /// Tokens times experts that the busiest GPU sends or receives.
    fn busiest(&self, plan: &ServingPlan, received: u64) -> u64 {
        // The GPUs that share an expert share its tokens on the way, too.
        let received = received.div_ceil(u64::from(plan.layout.moe_tp()));
        self.sent.max(received).min(self.tokens * self.top_k)
    }

    fn gathered(
        &self,
        plan: &ServingPlan,
        exchange: impl Fn(&crate::serving::parallel::Interconnect, Bytes) -> SimDuration,
    ) -> SimDuration {
        exchange(&plan.links.interconnect, plan.links.state_bytes.times(self.tokens))
    }
}
