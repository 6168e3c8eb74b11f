//! A fixed hot set: the hottest K experts of every layer by a profile, as engines pin them at start.
//!
//! K follows from the capacity. The order is by rank within the layer (every layer's hottest expert before any layer's
//! second), then by count. Experts outside the hot set pass through: they are the first to go after their event. The
//! answer is only as good as the profile: judged on the trace it was profiled on, it flatters itself, and reports mark it
//! as an oracle then.

use crate::cache::{Access, Candidates, Policy, RankSet};

/// Keeps the objects that a profile ranks highest.
#[derive(Clone, Debug)]
pub struct Static {
    /// Objects, hottest first.
    hottest_first: Vec<u32>,
    /// Place of each object in that order.
    place: Vec<u32>,
    /// Places of the tracked objects.
    tracked: RankSet,
}

impl Static {
    /// From `profile[layer * experts + expert]` of the pool's objects, all alike where it is empty.
    pub fn new(profile: &[u64], objects: u32, experts: u32) -> Self {
        let uniform = vec![0; objects as usize];
        let counts = if profile.is_empty() { &uniform } else { profile };
        let mut rank = vec![0_u32; counts.len()];
        for layer in (0..objects).step_by(experts.max(1) as usize) {
            let mut members: Vec<u32> = (layer..(layer + experts).min(objects)).collect();
            members.sort_by_key(|object| (std::cmp::Reverse(counts[*object as usize]), *object));
            for (place, object) in (0..).zip(members) {
                rank[object as usize] = place;
            }
        }
        let mut hottest_first: Vec<u32> = (0..objects).collect();
        hottest_first.sort_by_key(|object| {
            (rank[*object as usize], std::cmp::Reverse(counts[*object as usize]), *object)
        });
        let mut place = vec![0; counts.len()];
        for (position, object) in (0..).zip(&hottest_first) {
            place[*object as usize] = position;
        }
        Self { hottest_first, place, tracked: RankSet::new(objects) }
    }
}

impl Policy for Static {
    #[inline]
    fn on_hit(&mut self, _object: u32, _access: &Access) {}

    #[inline]
    fn on_insert(&mut self, object: u32, _access: &Access) {
        self.tracked.insert(self.place[object as usize]);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.tracked.remove(self.place[object as usize]);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let mut coldest_first = self.tracked.descending().map(|place| self.hottest_first[place as usize]);
        coldest_first.find(|object| candidates.allows(*object))
    }

    fn preload(&self) -> Vec<u32> {
        self.hottest_first.clone()
    }
}
