//! A hot set that stays, and LRU for the rest: what engines do that pin the experts a profile found hottest and manage the
//! other slots as a cache.
//!
//! Parameters: a profile, and the share of the slots that is pinned, half of them (`PINNED_SHARE`; a plain choice, for want
//! of a published one). The hot set is taken by rank within the layer, every layer's hottest expert before any layer's
//! second, as `static` takes it, and an expert that the profile never saw is not in it. It is preloaded where the cache is
//! filled, and else stays from when it is first asked for. Its experts go only where nothing else may, the least recently
//! used first. Where the room changes, so does the hot set. Without a profile nothing is pinned, and this is LRU.
//!
//! These are not the pins of the mechanism, which take their room from every policy alike.

use super::Static;
use crate::cache::{Access, Candidates, OrderList, Policy};

/// One in so many slots belongs to the hot set.
const PINNED_SHARE: u32 = 2;

/// Evicts the least recently used object outside of the hot set.
#[derive(Clone, Debug)]
pub struct PinLru {
    /// What may be in the hot set, hottest first, and each object's place in it.
    hottest: Vec<u32>,
    members: Vec<Member>,
    /// The hot set is the first so many.
    pinned: u32,
    hot: OrderList,
    rest: OrderList,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    place: u32,
    tracked: bool,
}

impl PinLru {
    /// From `profile[layer * experts + expert]` of the pool's objects, with so many slots.
    pub fn new(profile: &[u64], objects: u32, experts: u32, slots: u32) -> Self {
        let mut hottest = Static::new(profile, objects, experts).preload();
        hottest.retain(|object| profile.get(*object as usize).is_some_and(|count| *count > 0));
        let mut members = vec![Member { place: u32::MAX, tracked: false }; objects as usize];
        for (place, object) in (0..).zip(&hottest) {
            members[*object as usize].place = place;
        }
        let pinned = slots / PINNED_SHARE;
        Self { hottest, members, pinned, hot: OrderList::new(objects), rest: OrderList::new(objects) }
    }

    /// The list that an object belongs to.
    #[inline]
    fn list(&mut self, object: u32) -> &mut OrderList {
        if self.members[object as usize].place < self.pinned { &mut self.hot } else { &mut self.rest }
    }
}

impl Policy for PinLru {
    #[inline]
    fn on_hit(&mut self, object: u32, _access: &Access) {
        self.list(object).move_to_back(object);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, _access: &Access) {
        self.members[object as usize].tracked = true;
        self.list(object).push_back(object);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.members[object as usize].tracked = false;
        self.list(object).remove(object);
    }

    /// What changes sides counts as just used there.
    fn on_capacity(&mut self, slots: u32) {
        let (before, after) = (self.pinned, slots / PINNED_SHARE);
        let place = |pinned: u32| (pinned as usize).min(self.hottest.len());
        for object in &self.hottest[place(before.min(after))..place(before.max(after))] {
            if self.members[*object as usize].tracked {
                let [from, to] = if before < after {
                    [&mut self.rest, &mut self.hot]
                } else {
                    [&mut self.hot, &mut self.rest]
                };
                from.remove(*object);
                to.push_back(*object);
            }
        }
        self.pinned = after;
    }

    fn orders_by_last_use(&self) -> bool {
        true
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let mut oldest_first = self.rest.iter().chain(self.hot.iter());
        oldest_first.find(|object| candidates.allows(*object))
    }

    fn preload(&self) -> Vec<u32> {
        self.hottest.iter().take(self.pinned as usize).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Lru;
    use crate::cache::conformance::{Driven, EQUAL};

    #[test]
    fn without_a_profile_it_is_lru() {
        for driven in Driven::all(EQUAL) {
            let pinned =
                driven.run(|input| PinLru::new(input.profile, input.objects, input.experts, input.slots));
            assert!(pinned == driven.run(|input| Lru::new(input.objects)), "{driven:?}");
        }
    }

    /// Two layers of three experts: each layer's hottest comes before any layer's second, and what was never seen is left
    /// out.
    #[test]
    fn the_hot_set_is_taken_by_rank_within_the_layer() {
        let hot = |slots| PinLru::new(&[9, 8, 0, 1, 2, 0], 6, 3, slots).preload();
        assert_eq!(hot(5), [0, 4]);
        assert_eq!(hot(6), [0, 4, 1]);
        assert_eq!(hot(12), [0, 4, 1, 3]);
        assert!(hot(0).is_empty());
    }
}
