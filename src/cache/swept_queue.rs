//! A queue that a hand sweeps from old to new, sparing once what was asked for since it last came by: what CLOCK and
//! SIEVE have in common. They differ in where newcomers join it, and in nothing else.
//!
//! Both are defined to evict first and to insert afterwards. Here an event's newcomers wait beside the queue until a
//! later event brings others or needs a victim, so that the hand never meets them in the event that brought them. They
//! join in the order of their first appearances. The reference bit is set by an event that finds the object resident:
//! further appearances within the event that inserted it say nothing about a second use. The current event's other
//! experts lose their bits to the hand like any object, as they would to a later access of the event, but the hand
//! does not stop at them.

use super::{Access, Candidates, NEVER, OrderList};

/// Bit of an object's state: asked for since the hand last came by.
const REFERENCED: u8 = 1;
/// Bit of an object's state: tracked, but not yet in the queue.
const NEWCOMER: u8 = 2;

/// Where newcomers join the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// Right behind the hand, which so meets them last of all.
    BehindHand,
    /// At the back, wherever the hand is.
    AtBack,
}

/// A queue with one reference bit for each object, and a hand.
#[derive(Clone, Debug)]
pub(super) struct SweptQueue {
    order: OrderList,
    state: Vec<u8>,
    /// The object that the hand looks at next, or the end of the list.
    hand: u32,
    /// Objects in the queue.
    length: u32,
    join: Join,
    newcomers: Vec<u32>,
    /// The event that brought the newcomers.
    arrived: u64,
    /// The last event that asked for anything tracked.
    event: u64,
}

impl SweptQueue {
    /// Empty, over the objects `0..objects`.
    pub(super) fn new(objects: u32, join: Join) -> Self {
        let order = OrderList::new(objects);
        Self {
            hand: order.end(),
            order,
            state: vec![0; objects as usize],
            length: 0,
            join,
            newcomers: Vec::with_capacity(objects as usize),
            arrived: NEVER,
            event: NEVER,
        }
    }

    #[inline]
    pub(super) fn hit(&mut self, object: u32, access: &Access) {
        self.event = access.event;
        let state = &mut self.state[object as usize];
        if *state & NEWCOMER == 0 || access.event != self.arrived {
            *state |= REFERENCED;
        }
    }

    #[inline]
    pub(super) fn insert(&mut self, object: u32, access: &Access) {
        if access.event != self.arrived {
            self.take_in();
            self.arrived = access.event;
        }
        self.event = access.event;
        self.state[object as usize] = NEWCOMER;
        self.newcomers.push(object);
    }

    /// The newcomers join the queue.
    #[inline]
    fn take_in(&mut self) {
        let place = match self.join {
            Join::BehindHand => self.hand,
            Join::AtBack => self.order.end(),
        };
        for at in 0..self.newcomers.len() {
            let object = self.newcomers[at];
            self.state[object as usize] &= !NEWCOMER;
            self.order.insert_before(place, object);
            self.length += 1;
        }
        self.newcomers.clear();
    }

    #[inline]
    pub(super) fn remove(&mut self, object: u32) {
        if self.state[object as usize] & NEWCOMER != 0 {
            return self.turn_away(object);
        }
        if self.hand == object {
            self.hand = self.order.after(object);
        }
        self.order.remove(object);
        self.length -= 1;
    }

    #[cold]
    fn turn_away(&mut self, newcomer: u32) {
        self.newcomers.retain(|waiting| *waiting != newcomer);
    }

    #[inline]
    pub(super) fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        if self.event != self.arrived {
            self.take_in_late();
        }
        loop {
            let victim = self.sweep(candidates);
            if victim.is_some() || !self.any_waiting(candidates) {
                return victim;
            }
            self.take_in_late();
        }
    }

    /// Moves the hand to the next object that may go. Two rounds suffice: the first clears every bit.
    #[inline]
    fn sweep(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let end = self.order.end();
        let mut hand = self.hand;
        for _ in 0..2 * u64::from(self.length) {
            if hand == end {
                hand = self.order.after(end);
            }
            let state = &mut self.state[hand as usize];
            if *state & REFERENCED == 0 && candidates.allows(hand) {
                self.hand = hand;
                return Some(hand);
            }
            *state &= !REFERENCED;
            hand = self.order.after(hand);
        }
        None
    }

    /// Whether a newcomer may go after all: an event that asks for pinned experts only goes unheard, so those who wait
    /// may be of an event before it.
    #[cold]
    fn any_waiting(&self, candidates: &Candidates<'_>) -> bool {
        self.newcomers.iter().any(|newcomer| candidates.allows(*newcomer))
    }

    #[cold]
    fn take_in_late(&mut self) {
        self.take_in();
    }
}
