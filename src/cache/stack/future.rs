//! Stacks by next use: Belady's rule at every capacity (Mattson and others, 1970, call it OPT).
//!
//! The stack is brought up to date in one walk from the top. At the capacity of the walk, those that must leave are carried
//! along: as many as this capacity has missed. Each place keeps the best of the carried and of what lay there; an expert
//! of the event that lies there leaves its place to the best carried one, since a larger cache misses one less. Once all of
//! the event's experts are passed nobody is carried, and what lies deeper stays as it was.

use super::{Appearance, COLD, Events, Selection, Stacks};
use crate::cache::Scope;

/// Low bits of a key: the object's number in its pool. The rest is the number of its next event.
const OBJECT_BITS: u32 = 24;
/// Larger numbers of events, and "never", are all as far away.
const EVENT_MAX: u64 = (1 << (64 - OBJECT_BITS)) - 1;

fn key(next_event: u64, object: u32) -> u64 {
    next_event.min(EVENT_MAX) << OBJECT_BITS | u64::from(object)
}

/// One stack for each pool, of keys: the soonest asked for is the best, ties by number.
pub(super) struct FutureStacks<'a> {
    sizes: &'a [u64],
    experts: u32,
    scope: Scope,
    stacks: Vec<Vec<u64>>,
    events: Events,
    /// Size of the last event of each pool, in experts.
    last_size: Vec<usize>,
    /// Whether an object is in its stack.
    seen: Vec<bool>,
    /// Whether an object of the pool is in this event.
    in_event: Vec<bool>,
    members: Vec<u64>,
    carried: Vec<u64>,
}

impl<'a> FutureStacks<'a> {
    pub(super) fn new(sizes: &'a [u64], experts: u32, scope: Scope) -> Self {
        let objects = sizes.len() * experts as usize;
        assert!(objects < 1 << OBJECT_BITS, "too many experts for one pass");
        let pools = if scope == Scope::Global { 1 } else { sizes.len() };
        Self {
            sizes,
            experts,
            scope,
            stacks: vec![Vec::new(); pools],
            events: Events::new(scope, sizes.len(), objects),
            last_size: vec![0; pools],
            seen: vec![false; objects],
            in_event: vec![false; objects],
            members: Vec::new(),
            carried: Vec::new(),
        }
    }

    /// Adds to the carried ones, which are in order, the best last.
    fn carry(&mut self, key: u64) {
        let at = self.carried.iter().rposition(|other| *other > key).map_or(0, |at| at + 1);
        self.carried.insert(at, key);
    }
}

impl Stacks for FutureStacks<'_> {
    fn event(&mut self, layer: u32, selections: &[Selection], tell: &mut impl FnMut(u64)) {
        let size = self.sizes[layer as usize];
        let (pool, first) = match self.scope {
            Scope::Global => (0, 0),
            Scope::PerLayer => (layer as usize, layer * self.experts),
        };
        let before = self.events.begin(layer);
        self.members.clear();
        self.carried.clear();
        let mut sought = 0;
        for selection in selections {
            let object = layer * self.experts + selection.expert;
            let appearance = self.events.appears(object as usize, before);
            if appearance != Appearance::Again {
                self.members.push(key(selection.next_event, object - first));
                self.in_event[object as usize] = true;
                let seen = std::mem::replace(&mut self.seen[object as usize], true);
                sought += usize::from(seen);
                if !seen {
                    tell(COLD);
                }
            }
        }
        let mut stack = std::mem::take(&mut self.stacks[pool]);
        let last_size = std::mem::replace(&mut self.last_size[pool], self.members.len());
        let overshoot = if before > 0 { last_size } else { 0 };
        let members = self.members.len();
        for (at, place) in stack.iter_mut().enumerate() {
            if sought == 0 && self.carried.is_empty() && at >= members {
                break;
            }
            let found = *place;
            let object = first as usize + object_of(found);
            if self.in_event[object] {
                sought -= 1;
                tell(if at < overshoot { 0 } else { (at as u64 + 1) * size });
            } else {
                self.pass_over(found, at >= members);
            }
            if at >= members {
                // There is one to put here: the place's own, or one of as many carried as are still sought.
                *place = self.carried.pop().unwrap_or(found);
            }
        }
        self.settle(&mut stack, first);
        self.stacks[pool] = stack;
    }

    fn clear(&mut self) {
        self.stacks.iter_mut().for_each(Vec::clear);
        self.last_size.fill(0);
        self.seen.fill(false);
        self.events.clear();
    }
}

/// The number in its pool that a key ends with.
fn object_of(key: u64) -> usize {
    // Fewer than 2^24.
    (key & ((1 << OBJECT_BITS) - 1)) as usize
}

impl FutureStacks<'_> {
    /// One that is not of the event: it joins the carried ones, and where a place is to be filled the best of all is the
    /// last of them.
    #[inline]
    fn pass_over(&mut self, found: u64, fills_a_place: bool) {
        if fills_a_place && self.carried.last().is_none_or(|best| found < *best) {
            self.carried.push(found);
        } else {
            self.carry(found);
        }
    }

    /// The event's experts take the top of the stack, and whoever is still carried its end.
    fn settle(&mut self, stack: &mut Vec<u64>, first: u32) {
        // In their order, since a capacity smaller than the event holds all of them until the next event takes the best.
        self.members.sort_unstable();
        for (at, member) in self.members.iter().enumerate() {
            self.in_event[first as usize + object_of(*member)] = false;
            match stack.get_mut(at) {
                Some(place) => *place = *member,
                None => stack.push(*member),
            }
        }
        while let Some(best) = self.carried.pop() {
            stack.push(best);
        }
    }
}
