//! S3-FIFO (Yang, Zhang, Qiu, Yue and Vigfusson, "FIFO queues are all you need for cache eviction", SOSP 2023), in the
//! form and with the defaults of libCacheSim 0.3.5 (`S3FIFO.c`).
//!
//! Newcomers enter a small queue of a tenth of the cache. What leaves it was either asked for twice more, and moves to
//! the main queue, or is evicted and remembered by a ghost queue as long as nine tenths of the cache; a newcomer that
//! the ghost queue remembers enters the main queue at once. The main queue gives further chances to what was asked
//! for, up to three. The victim comes from the main queue where that exceeds its share or the small one is empty.
//! Until the first eviction, newcomers for whom the small queue has no room go to the main queue.
//!
//! It is defined to evict first and to insert afterwards: an event's newcomers wait beside the queues until a later
//! event brings others or needs a victim, and count for neither queue's length till then. An object counts as asked
//! for once per event; the event that inserts it does not count. Experts of the event itself stay where they are while
//! victims are sought.
//!
//! In MoE decode the small queue must outlast a token or two for an expert to be asked for twice more in it; with
//! little room none does, and the ghost queue alone decides what comes to the main queue.

use crate::cache::{Access, Candidates, NEVER, OrderLists, Policy};

/// The small queue's share of the slots: one in so many (`small-size-ratio=0.10`, as in the paper).
const SMALL_SHARE: u32 = 10;
/// The ghost queue's length, in tenths of the slots (`ghost-size-ratio=0.90`).
const GHOST_TENTHS: u64 = 9;
/// Further uses that move an object from the small to the main queue (`move-to-main-threshold=2`, as in the paper).
const TO_MAIN: u8 = 2;
/// Uses are counted up to this (two bits, as in the paper).
const MOST_USES: u8 = 3;

const SMALL: u32 = 0;
const MAIN: u32 = 1;
const GHOST: u32 = 2;
const QUEUES: u32 = 3;

/// How often an object was asked for since it entered its queue, and the last event that did.
#[derive(Clone, Copy, Debug)]
struct Uses {
    event: u64,
    count: u8,
    /// Whether the ghost queue remembered it when it came.
    remembered: bool,
}

/// Evicts from a small queue of newcomers, or from a main queue of what has proved itself.
#[derive(Clone, Debug)]
pub struct S3Fifo {
    queues: OrderLists,
    uses: Vec<Uses>,
    slots: u32,
    has_evicted: bool,
    newcomers: Vec<u32>,
    /// The event that brought the newcomers.
    arrived: u64,
    /// The last event that asked for anything tracked.
    event: u64,
}

impl S3Fifo {
    /// Over the objects `0..objects`, for a cache of so many slots.
    pub fn new(objects: u32, slots: u32) -> Self {
        Self {
            queues: OrderLists::new(objects, QUEUES),
            uses: vec![Uses { event: NEVER, count: 0, remembered: false }; objects as usize],
            slots,
            has_evicted: false,
            newcomers: Vec::with_capacity(objects as usize),
            arrived: NEVER,
            event: NEVER,
        }
    }

    fn small_room(&self) -> u32 {
        self.slots / SMALL_SHARE
    }

    /// The newcomers join the queues.
    #[inline]
    fn take_in(&mut self) {
        for at in 0..self.newcomers.len() {
            let object = self.newcomers[at];
            let filling = !self.has_evicted && self.queues.len(SMALL) >= self.small_room();
            let to_main = filling || self.uses[object as usize].remembered;
            self.queues.push_back(if to_main { MAIN } else { SMALL }, object);
        }
        self.newcomers.clear();
    }

    /// The oldest of the small queue that has not proved itself; those before it that have move to the main queue.
    #[inline]
    fn victim_of_small(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let mut next = self.queues.front(SMALL);
        while let Some(object) = next {
            next = self.queues.next(object);
            if !candidates.allows(object) {
                continue;
            }
            let uses = &mut self.uses[object as usize];
            if uses.count < TO_MAIN {
                return Some(object);
            }
            uses.count = 0;
            self.queues.move_to_back(MAIN, object);
        }
        None
    }

    /// The oldest of the main queue that has no chances left; those before it lose one and go to the back.
    #[inline]
    fn victim_of_main(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let mut next = self.queues.front(MAIN);
        while let Some(object) = next {
            if candidates.allows(object) {
                let uses = &mut self.uses[object as usize];
                if uses.count == 0 {
                    return Some(object);
                }
                uses.count -= 1;
                // The last of the queue stays where it is, and is looked at again.
                next = self.queues.next(object).or(Some(object));
                self.queues.move_to_back(MAIN, object);
            } else {
                next = self.queues.next(object);
            }
        }
        None
    }

    #[inline]
    fn victim_of_queues(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let main_room = self.slots - self.small_room();
        if self.queues.len(MAIN) <= main_room
            && !self.queues.is_empty(SMALL)
            && let Some(object) = self.victim_of_small(candidates)
        {
            return Some(object);
        }
        // The small queue may have nothing to give but what it moves to the main queue meanwhile.
        self.victim_of_main(candidates)
            .or_else(|| self.victim_of_small(candidates))
            .or_else(|| self.victim_of_main(candidates))
    }

    /// An event that asks for pinned experts only goes unheard, so that those who wait may be of an event before it.
    #[cold]
    fn victim_of_newcomers(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        if !self.newcomers.iter().any(|newcomer| candidates.allows(*newcomer)) {
            return None;
        }
        self.take_in();
        self.victim_of_queues(candidates)
    }

    /// Forgets the oldest of what was evicted, until so many are left.
    #[inline]
    fn trim_ghost(&mut self, length: u64) {
        while u64::from(self.queues.len(GHOST)) > length
            && let Some(oldest) = self.queues.front(GHOST)
        {
            self.queues.remove(oldest);
        }
    }

    fn ghost_room(&self) -> u64 {
        u64::from(self.slots) * GHOST_TENTHS / 10
    }
}

impl Policy for S3Fifo {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.event = access.event;
        let uses = &mut self.uses[object as usize];
        if uses.count < MOST_USES && uses.event != access.event {
            uses.count += 1;
            uses.event = access.event;
        }
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        if access.event != self.arrived {
            self.take_in();
            self.arrived = access.event;
        }
        self.event = access.event;
        let remembered = self.queues.contains(GHOST, object);
        if remembered {
            self.queues.remove(object);
        }
        self.uses[object as usize] = Uses { event: access.event, count: 0, remembered };
        self.newcomers.push(object);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        if self.queues.list_of(object).is_some() {
            self.queues.remove(object);
        } else {
            self.newcomers.retain(|newcomer| *newcomer != object);
        }
    }

    #[inline]
    fn on_evict(&mut self, object: u32) {
        if self.queues.contains(SMALL, object) && self.ghost_room() > 0 {
            self.trim_ghost(self.ghost_room() - 1);
            self.queues.move_to_back(GHOST, object);
        } else {
            self.queues.remove(object);
        }
    }

    fn on_capacity(&mut self, slots: u32) {
        self.slots = slots;
        self.trim_ghost(self.ghost_room());
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        if self.event != self.arrived {
            self.take_in();
        }
        self.has_evicted = true;
        self.victim_of_queues(candidates).or_else(|| self.victim_of_newcomers(candidates))
    }
}
