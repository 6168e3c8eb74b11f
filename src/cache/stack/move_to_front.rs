//! Stacks by recency for layers of at most 256 experts: the place of each expert in its layer's list, kept as bytes.
//!
//! Moving an expert to the front pushes everything before it back by one: one comparison and one addition for each expert
//! of the layer, which the compiler does 16 or 32 at a time. Experts never asked for stay behind all others by themselves.

use super::{Appearance, COLD, Events, Selection, Stacks};
use crate::cache::Scope;

/// Most experts of a layer: places are bytes.
pub(super) const EXPERTS_MAX: u32 = 256;

/// The place of every expert, layer by layer.
pub(super) struct Positions<'a> {
    sizes: &'a [u64],
    experts: usize,
    places: Vec<u8>,
    seen: Vec<bool>,
    events: Events,
}

impl<'a> Positions<'a> {
    pub(super) fn new(sizes: &'a [u64], experts: u32) -> Self {
        let (layers, experts) = (sizes.len(), experts as usize);
        let events = Events::new(Scope::PerLayer, layers, layers * experts);
        Self {
            sizes,
            experts,
            places: in_order(layers, experts),
            seen: vec![false; layers * experts],
            events,
        }
    }
}

fn in_order(layers: usize, experts: usize) -> Vec<u8> {
    (0..layers).flat_map(|_| (0..=u8::MAX).take(experts)).collect()
}

/// Moves an expert to the front of its layer's list.
#[inline]
fn to_front(places: &mut [u8], expert: usize) {
    let from = places[expert];
    for place in places.iter_mut() {
        *place = place.wrapping_add(u8::from(*place < from));
    }
    places[expert] = 0;
}

impl Stacks for Positions<'_> {
    #[inline]
    fn event(&mut self, layer: u32, selections: &[Selection], tell: &mut impl FnMut(u64)) {
        let size = self.sizes[layer as usize];
        let first = layer as usize * self.experts;
        let places = &mut self.places[first..first + self.experts];
        let seen = &mut self.seen[first..first + self.experts];
        let before = self.events.begin(layer);
        // All lookups see the stack as it was before the event, so that all are asked before any is touched.
        for selection in selections {
            let expert = selection.expert as usize;
            match self.events.appears(first + expert, before) {
                Appearance::Again => {}
                Appearance::StillThere => tell(0),
                Appearance::First if seen[expert] => tell((u64::from(places[expert]) + 1) * size),
                Appearance::First => {
                    seen[expert] = true;
                    tell(COLD);
                }
            }
        }
        for selection in selections {
            to_front(places, selection.expert as usize);
        }
    }

    fn clear(&mut self) {
        self.places = in_order(self.sizes.len(), self.experts);
        self.seen.fill(false);
        self.events.clear();
    }
}
