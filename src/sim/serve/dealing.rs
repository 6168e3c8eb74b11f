//! Which rank gets which selections of a layer, in one walk for all ranks.
//!
//! Replicas of an expert take turns, and who begins follows from the tokens of the experts before, as
//! [`Placement::deal`](crate::serving::parallel::Placement::deal) has it for counts.

use crate::cache::replay::Selection;
use crate::plan::{Plan, ServingPlan};
use crate::serving::parallel::Placement;
use crate::trace::RoutingCounts;
use crate::units::LayerIndex;

/// The buffers of a deal.
pub(super) struct Dealing<'a> {
    placement: &'a Placement,
    slots_per_token: usize,
    top_k: usize,
    /// By rank.
    lists: Vec<Vec<Selection>>,
    /// By expert: which of its ranks gets the next selection.
    next: Vec<u16>,
}

impl<'a> Dealing<'a> {
    pub(super) fn new(serving: &'a ServingPlan, plan: &Plan) -> Self {
        let header = plan.workload.trace.header();
        let shape = serving.placement.shape();
        Self {
            placement: &serving.placement,
            slots_per_token: header.slots_per_token(),
            top_k: header.top_k as usize,
            lists: vec![Vec::new(); shape.ranks as usize],
            next: vec![0; shape.experts as usize],
        }
    }

    /// Deals out the selections of these rows; `tokens` are those of each expert. One rank has all and gets an empty list.
    pub(super) fn deal(
        &mut self,
        counts: &RoutingCounts,
        layer: u32,
        pieces: &[(u64, u32)],
        tokens: &[u32],
    ) -> &mut [Vec<Selection>] {
        self.lists.iter_mut().for_each(Vec::clear);
        if self.lists.len() == 1 {
            return &mut self.lists;
        }
        let Self { placement, slots_per_token, top_k, lists, next } = self;
        let mut before = 0_u32;
        for ((expert, next), tokens) in (0_u32..).zip(next.iter_mut()).zip(tokens) {
            let replicas = u32::try_from(placement.owners(layer, expert).len()).unwrap_or(1).max(1);
            *next = u16::try_from(before % replicas).unwrap_or(0);
            before = before.wrapping_add(*tokens);
        }
        let index = LayerIndex(u16::try_from(layer).unwrap_or(u16::MAX));
        counts.selections(index, pieces, |row, rank, expert| {
            let slot = row * *slots_per_token + layer as usize * *top_k + rank;
            let owners = placement.owners(layer, expert);
            let owner = match owners {
                [only] => *only,
                owners => {
                    let turn = &mut next[expert as usize];
                    let owner = owners[usize::from(*turn)];
                    *turn = if usize::from(*turn) + 1 == owners.len() { 0 } else { *turn + 1 };
                    owner
                }
            };
            lists[usize::from(owner)].push(Selection { slot, expert });
        });
        lists
    }
}
