//! Least frequently used within a window (Karakostas and Serpanos, "Exploitation of different types of locality for web
//! caches", ISCC 2002: Window-LFU): the victim is the object that the fewest of the last events have asked for.
//!
//! The window is as long as [`LfuWindow::PASSES`] passes, that is as many events of the pool as these have with the pool's
//! layers. One access at a time, an event is an access, and the window so many accesses. Its authors measure it in
//! requests and find no length for all workloads. This one is a choice: of the powers of two from 8 to 512 passes it missed
//! least on seven recorded traces of five models, where 32 misses hardly more and 128 misses 3 % more.
//!
//! An event counts once for each of its experts, counts survive eviction as long as the window lasts, and ties go to the
//! least recently used.

use std::collections::VecDeque;

use crate::cache::{Access, Appearances, Candidates, IndexedHeap, OrderList, Policy};

/// What is known of an object.
#[derive(Clone, Copy, Debug, Default)]
struct Object {
    /// Events of the window that asked for it.
    uses: u64,
    /// The first appearance in the last of them.
    last: u64,
}

/// Evicts the object that the fewest events of a window have asked for.
#[derive(Clone, Debug)]
pub struct LfuWindow {
    appearances: Appearances,
    objects: Vec<Object>,
    /// Tracked objects that the window knows, by uses, then by the last.
    order: IndexedHeap<(u64, u64)>,
    /// Tracked objects that it does not know, in the order in which they fell out of it, which is that of their last use.
    idle: OrderList,
    /// Events that the window holds.
    length: usize,
    /// Uses by each event before the current one, oldest first.
    events: VecDeque<u32>,
    /// What they asked for, and then what the current event has asked for.
    uses: VecDeque<u32>,
    /// Uses by the current event.
    current: u32,
}

impl LfuWindow {
    /// Length of the window in passes.
    pub const PASSES: u32 = 64;

    /// Over the objects `0..objects` of a pool with so many layers, with a window of so many passes.
    pub fn new(objects: u32, layers: u32, passes: u32) -> Self {
        let length = (layers as usize * passes as usize).max(1);
        Self {
            appearances: Appearances::default(),
            objects: vec![Object::default(); objects as usize],
            order: IndexedHeap::new(objects),
            idle: OrderList::new(objects),
            length,
            events: VecDeque::with_capacity(length + 1),
            // Each event may ask for all experts of its layer.
            uses: VecDeque::with_capacity(objects as usize * (passes as usize + 1)),
            current: 0,
        }
    }

    /// The window moves on by one event, and what falls out of it counts no more.
    fn begin_event(&mut self) {
        self.events.push_back(std::mem::take(&mut self.current));
        // The current event is the last of the window.
        if self.events.len() < self.length {
            return;
        }
        for object in self.uses.drain(..self.events.pop_front().unwrap_or(0) as usize) {
            let Object { uses, last } = &mut self.objects[object as usize];
            *uses -= 1;
            if self.order.key(object).is_none() {
                continue;
            }
            if *uses > 0 {
                self.order.set(object, (*uses, *last));
            } else {
                self.order.remove(object);
                self.idle.push_back(object);
            }
        }
    }

    /// Counts a use, if it is the first of this event.
    #[inline]
    fn touch(&mut self, object: u32, access: &Access, tracked: bool) {
        if self.appearances.begins(access) {
            self.begin_event();
        }
        let Object { uses, last } = &mut self.objects[object as usize];
        let (now, first) = self.appearances.next(access, *last);
        if first {
            if tracked && *uses == 0 {
                self.idle.remove(object);
            }
            *uses += 1;
            *last = now;
            self.current += 1;
            self.uses.push_back(object);
        }
        self.order.set(object, (*uses, *last));
    }
}

impl Policy for LfuWindow {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.touch(object, access, true);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.touch(object, access, false);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        if self.objects[object as usize].uses > 0 {
            self.order.remove(object);
        } else {
            self.idle.remove(object);
        }
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let idle = self.idle.iter().find(|object| candidates.allows(*object));
        idle.or_else(|| self.order.first_allowed(candidates))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::NEVER;

    /// Two events long: what was asked for before the last two counts as nothing, and goes in that order.
    #[test]
    fn what_falls_out_of_the_window_counts_no_more() {
        let mut policy = LfuWindow::new(4, 1, 2);
        let access = |event| Access { event, next_event: NEVER, weight: 0 };
        for (event, object) in [(0, 2), (1, 2), (2, 0), (3, 1)] {
            if policy.objects[object as usize].last == 0 {
                policy.on_insert(object, &access(event));
            } else {
                policy.on_hit(object, &access(event));
            }
        }
        let uses = |policy: &LfuWindow| policy.objects.iter().map(|object| object.uses).collect::<Vec<_>>();
        assert_eq!(uses(&policy), [1, 1, 0, 0]);
        policy.on_insert(3, &access(4));
        policy.on_hit(3, &access(4));
        assert_eq!(uses(&policy), [0, 1, 0, 1]);
        assert_eq!(policy.idle.iter().collect::<Vec<_>>(), [2, 0]);
    }
}
