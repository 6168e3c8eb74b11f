//! W-TinyLFU (Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", ACM Transactions on
//! Storage 13(4), 2017), as libCacheSim 0.3.5 has it: a window of 1 % before a segmented LRU of the rest, an approximate
//! count that is halved every 32 hits for each slot of the main cache, and segments of one part to four.
//!
//! Newcomers enter the window, in order of use. What the window gives up goes to the main cache if there is room, else
//! the one of the two that was asked for less leaves: the window's oldest or the main cache's. The count is a counting
//! Bloom filter ([`CountingBloom`]) for the slots of the start; it counts what comes in, hits in the main cache, and what
//! the window gives up. With an exact counter for each object instead, libCacheSim's three streams miss between 1.5 % of
//! their accesses less and 0.1 % more.
//!
//! A hit in the main cache moves an object to the recent end of the protected segment, whose oldest then drops to
//! probation. What probation cannot hold after that leaves before anything is compared. This is no detail: five parts
//! seldom divide the main cache, so most promotions free a slot that the window fills unasked. Without it the stream of
//! gpt-oss-120b misses 3 to 13 % of its accesses more.
//!
//! A window of less than one slot makes libCacheSim refuse everything. What an event asks for must be there while it is
//! computed, so with less than 100 slots all of them are the window here, and the policy is LRU. With group-atomic events
//! only the first appearance in an event counts.

use crate::cache::{Access, Candidates, CountingBloom, NEVER, OrderLists, Policy};

/// The window takes one slot in so many, rounded down (libCacheSim, `window-size=0.01`).
const WINDOW_SHARE: u32 = 100;
/// Of so many parts of the main cache (libCacheSim, `seg-size=1:4`) ...
const MAIN_PARTS: u32 = 5;
/// ... one is probation, and the protected segment has these.
const PROTECTED_PARTS: u32 = 4;
/// Hits for each slot of the main cache between two halvings (libCacheSim).
const SAMPLE: u64 = 32;

const WINDOW: u32 = 0;
const PROBATION: u32 = 1;
const PROTECTED: u32 = 2;
/// What probation could not hold.
const LEAVING: u32 = 3;
const LISTS: u32 = 4;

/// Lets the window's oldest into a segmented LRU if it is asked for more than what must leave there.
#[derive(Clone, Debug)]
pub struct WTinyLfu {
    lists: OrderLists,
    /// The event that asked for each object last.
    last: Vec<u64>,
    uses: CountingBloom,
    /// Hits in the main cache since the last halving.
    hits: u64,
    slots: u32,
}

impl WTinyLfu {
    /// Over the objects `0..objects`, for a cache of so many slots.
    pub fn new(objects: u32, slots: u32) -> Self {
        Self {
            lists: OrderLists::new(objects, LISTS),
            last: vec![NEVER; objects as usize],
            uses: CountingBloom::new(objects, main_room(slots)),
            hits: 0,
            slots,
        }
    }

    fn main(&self) -> u32 {
        self.lists.len(PROBATION) + self.lists.len(PROTECTED)
    }

    /// Moves an object to the lowest segment that has room, probation if none has.
    fn enter_main(&mut self, object: u32) {
        let main = main_room(self.slots);
        let below = self.lists.len(PROBATION) >= probation_room(main)
            && self.lists.len(PROTECTED) < protected_room(main);
        self.lists.move_to_back(if below { PROTECTED } else { PROBATION }, object);
    }

    /// A hit in the main cache.
    #[inline]
    fn promote(&mut self, object: u32) {
        self.uses.count(object);
        self.hits += 1;
        let main = main_room(self.slots);
        if self.hits >= SAMPLE * u64::from(main) {
            self.hits = 0;
            self.uses.halve();
        }
        self.lists.move_to_back(PROTECTED, object);
        if self.lists.len(PROTECTED) > protected_room(main) {
            self.settle();
        }
    }

    /// What a segment cannot hold goes down.
    fn settle(&mut self) {
        let main = main_room(self.slots);
        for (from, room, to) in
            [(PROTECTED, protected_room(main), PROBATION), (PROBATION, probation_room(main), LEAVING)]
        {
            while self.lists.len(from) > room
                && let Some(oldest) = self.lists.front(from)
            {
                self.lists.move_to_back(to, oldest);
            }
        }
    }

    fn oldest_of_main(&self, candidates: &Candidates<'_>) -> Option<u32> {
        let main = self.lists.iter(PROBATION).chain(self.lists.iter(PROTECTED));
        main.into_iter().find(|object| candidates.allows(*object))
    }
}

/// Slots of the main cache; none where the window would have none.
fn main_room(slots: u32) -> u32 {
    match slots / WINDOW_SHARE {
        0 => 0,
        window => slots - window,
    }
}

fn probation_room(main: u32) -> u32 {
    main / MAIN_PARTS
}

fn protected_room(main: u32) -> u32 {
    u32::try_from(u64::from(main) * u64::from(PROTECTED_PARTS) / u64::from(MAIN_PARTS)).unwrap_or(main)
}

impl Policy for WTinyLfu {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        if std::mem::replace(&mut self.last[object as usize], access.event) == access.event {
            return;
        }
        match self.lists.list_of(object) {
            Some(PROBATION | PROTECTED) => self.promote(object),
            Some(WINDOW) => self.lists.move_to_back(WINDOW, object),
            // It had left already as far as the order goes, so it comes in again.
            _ => {
                self.uses.count(object);
                self.lists.move_to_back(WINDOW, object);
            }
        }
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.last[object as usize] = access.event;
        self.uses.count(object);
        self.lists.push_back(WINDOW, object);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.lists.remove(object);
    }

    fn on_capacity(&mut self, slots: u32) {
        self.slots = slots;
        self.settle();
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        if let Some(leaving) = self.lists.iter(LEAVING).find(|object| candidates.allows(*object)) {
            return Some(leaving);
        }
        let main = main_room(self.slots);
        loop {
            // What an event asked for stands behind what it did not.
            let oldest = self.lists.front(WINDOW).filter(|object| candidates.allows(*object));
            let Some(newer) = oldest else { return self.oldest_of_main(candidates) };
            if self.main() < main {
                self.enter_main(newer);
                self.uses.count(newer);
                continue;
            }
            let Some(older) = self.oldest_of_main(candidates) else { return Some(newer) };
            let admits = self.uses.estimate(newer) > self.uses.estimate(older);
            self.uses.count(newer);
            if !admits {
                return Some(newer);
            }
            self.enter_main(newer);
            return Some(older);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CacheShape, ExpertCache, Scope};

    #[test]
    fn rooms_are_rounded_as_in_the_reference() {
        let rooms =
            |slots| (main_room(slots), probation_room(main_room(slots)), protected_room(main_room(slots)));
        assert_eq!(rooms(307), (304, 60, 243));
        assert_eq!(rooms(100), (99, 19, 79));
        assert_eq!(rooms(99), (0, 0, 0));
        assert_eq!(rooms(0), (0, 0, 0));
    }

    /// What was asked for again survives a scan of the pool, in which least recently used would lose it.
    #[test]
    fn a_scan_leaves_what_was_used() {
        let (objects, slots) = (1000, 100);
        let shape = CacheShape {
            layers: 1,
            experts: objects,
            sizes: vec![1],
            scope: Scope::Global,
            pool_capacity: vec![slots],
            pinned: Vec::new(),
        };
        let mut cache = ExpertCache::new(shape, |input| WTinyLfu::new(input.objects, input.slots));
        let hot = || 0..60;
        let rounds = (0..10).flat_map(|_| hot());
        for (event, object) in (0..).zip((0..200).chain(rounds).chain(200..objects)) {
            cache.begin_event();
            cache.select(0, object, &Access { event, next_event: NEVER, weight: 0 });
            cache.end_event(0);
        }
        let kept = hot().filter(|object| cache.is_resident(0, *object)).count();
        assert!(kept >= 57, "{kept} of 60: hits in the window do not count, so a few may be lost there");
    }
}
