//! Segmented LRU (Karedla, Love and Wherry, "Caching strategies to improve disk system performance", IEEE Computer,
//! 1994), with four equal segments as in Huang et al., "An analysis of Facebook photo caching", SOSP 2013 (S4LRU), and
//! as the default of libCacheSim's `SLRU`.
//!
//! A hit moves an object to the recent end of the next segment up; what a segment cannot hold drops to the recent end
//! of the one below. The victim is the least recent of the lowest segment that has one. Newcomers enter the lowest
//! segment, or, while the cache fills, the lowest that has room. With group-atomic events an object moves up once per
//! event.
//!
//! Each segment takes a quarter of the slots, rounded down, and the lowest the remainder. libCacheSim evicts at a hit
//! what then overflows its lowest segment, so with a capacity that four does not divide it uses up to three slots
//! less.
//!
//! With room for less than a few tokens' experts, newcomers have only the lowest segment to come back in, and the
//! others keep what they were given while the cache filled.

use crate::cache::{Access, Candidates, NEVER, OrderLists, Policy};

/// Segments, all of one size (libCacheSim 0.3.5, `n-seg=4`).
const SEGMENTS: u32 = 4;
const LOWEST: u32 = 0;
const TOP: u32 = SEGMENTS - 1;

/// Evicts the least recent object among those with the fewest hits.
#[derive(Clone, Debug)]
pub struct Slru {
    segments: OrderLists,
    /// The event that asked for each object last.
    last: Vec<u64>,
    slots: u32,
    tracked: u32,
}

impl Slru {
    /// Over the objects `0..objects`, for a cache of so many slots.
    pub fn new(objects: u32, slots: u32) -> Self {
        Self {
            segments: OrderLists::new(objects, SEGMENTS),
            last: vec![NEVER; objects as usize],
            slots,
            tracked: 0,
        }
    }

    /// Slots of a segment.
    fn room(&self) -> u32 {
        self.slots / SEGMENTS
    }

    /// What a segment above the lowest cannot hold drops to the one below.
    #[inline]
    fn settle(&mut self, segment: u32) {
        while self.segments.len(segment) > self.room()
            && let Some(object) = self.segments.front(segment)
        {
            self.segments.move_to_back(segment - 1, object);
        }
    }
}

impl Policy for Slru {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        if std::mem::replace(&mut self.last[object as usize], access.event) == access.event {
            return;
        }
        let Some(segment) = self.segments.list_of(object) else { return };
        let above = (segment + 1).min(TOP);
        self.segments.move_to_back(above, object);
        // Whatever drops takes the place that has become free below, so nothing drops further.
        if above > segment {
            self.settle(above);
        }
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.last[object as usize] = access.event;
        let filling = self.tracked < self.slots;
        let has_room = |segment: &u32| filling && self.segments.len(*segment) < self.room();
        let segment = (LOWEST..SEGMENTS).find(has_room).unwrap_or(LOWEST);
        self.segments.push_back(segment, object);
        self.tracked += 1;
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.segments.remove(object);
        self.tracked -= 1;
    }

    fn on_capacity(&mut self, slots: u32) {
        self.slots = slots;
        for segment in (LOWEST + 1..SEGMENTS).rev() {
            self.settle(segment);
        }
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        (LOWEST..SEGMENTS)
            .flat_map(|segment| self.segments.iter(segment))
            .find(|object| candidates.allows(*object))
    }
}
