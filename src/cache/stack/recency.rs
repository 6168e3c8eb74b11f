//! Stacks by recency for pools of any number of experts and any sizes.

use super::{Appearance, COLD, Events, Selection, Stacks};
use crate::cache::Scope;
use crate::trace::stats::RecencyOrder;

/// One order for each pool.
pub(super) struct Recency<'a> {
    sizes: &'a [u64],
    experts: usize,
    scope: Scope,
    orders: Vec<RecencyOrder>,
    events: Events,
}

impl<'a> Recency<'a> {
    pub(super) fn new(sizes: &'a [u64], experts: u32, scope: Scope) -> Self {
        let (layers, experts) = (sizes.len(), experts as usize);
        let orders = match scope {
            Scope::Global => vec![RecencyOrder::new(layers * experts)],
            Scope::PerLayer => vec![RecencyOrder::new(experts); layers],
        };
        Self { sizes, experts, scope, orders, events: Events::new(scope, layers, layers * experts) }
    }
}

impl Stacks for Recency<'_> {
    fn event(&mut self, layer: u32, selections: &[Selection], tell: &mut impl FnMut(u64)) {
        let size = self.sizes[layer as usize];
        let first = layer as usize * self.experts;
        let (order, offset) = match self.scope {
            Scope::Global => (&mut self.orders[0], first),
            Scope::PerLayer => (&mut self.orders[layer as usize], 0),
        };
        let before = self.events.begin(layer);
        // All lookups see the stack as it was before the event, so that all are asked before any is touched.
        for selection in selections {
            let expert = selection.expert as usize;
            match self.events.appears(first + expert, before) {
                Appearance::Again => {}
                Appearance::StillThere => tell(0),
                Appearance::First => tell(order.above(offset + expert).map_or(COLD, |above| above + size)),
            }
        }
        for selection in selections {
            order.touch(offset + selection.expert as usize, size);
        }
    }

    fn clear(&mut self) {
        self.orders.iter_mut().for_each(RecencyOrder::clear);
        self.events.clear();
    }
}
