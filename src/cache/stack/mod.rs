//! All capacities in one pass: for every lookup the smallest capacity that would have served it.
//!
//! A policy whose contents at one capacity always include those at any smaller one is a *stack algorithm* (Mattson,
//! Gecsei, Slutz and Traiger, "Evaluation techniques for storage hierarchies", IBM Systems Journal, 1970): one pass over the
//! trace gives the misses at every capacity. LRU and Belady's rule are, and events that evict only at their end and
//! never their own experts do not change that.
//!
//! **LRU, any sizes.** Let the stack hold every expert of the pool by its last appearance, latest first. Claim: after an
//! event E, a cache of capacity C holds a prefix of the stack: the longest whose bytes do not exceed C, or E alone where E
//! alone exceeds it. *Proof*, by induction over events. E's experts move to the front of the stack. What was held before
//! was a prefix S, so S with E is a prefix now. Evictions take the last expert of that prefix, one by one, until it fits,
//! or until only E is left, which is spared; so where anything is evicted the claim holds. Where nothing is, S with E
//! fits, so S fitted too and was the longest prefix that did: the first expert y behind S did not fit beside S. If y is not in
//! E, it does not fit beside S with E either, and the claim holds; and y cannot be in E, for S with E would not fit. Hence
//! an expert x is held exactly if it was in the event before (of the same pool: once another layer's event has ended, a
//! pool is down to its capacity), or if everything in the stack up to and including x takes
//! no more than C. That sum is what x *needs*; an expert of the event before needs nothing.
//!
//! **Belady, one size.** Order experts by their next event, ties by number: no capacity has a part in that order. Let m
//! be the number of experts in E. After E a cache of C slots holds the max(C, m) best of what it held and of E, E's own
//! counting as the best. Let A be what it held, and B what a cache of C + 1 slots held. By induction A lies within B, and
//! B has at most one expert more (none where both were cut to one event, or hold all experts ever asked for). The best C
//! of A with E then lie within the best C + 1 of B with E: one more competitor and one more place leave none of them out.
//! So contents are nested, and what stands at place i of the stack is held from i slots on. Below m slots all of E is
//! held until the next event, which keeps the best of it, so E must stand in the stack in its order. The mechanism breaks
//! ties by insertion, which does depend on the capacity; but experts that tie are asked for by one and the same event, so
//! whichever of them went, that event misses equally many. The *numbers* of misses are those of a replay, event by event;
//! which of the tied experts missed may differ.
//!
//! **Where it does not hold.** Belady's rule over experts of different sizes: room made for a large one may take two small
//! ones that a smaller cache kept. A start that is not empty: what a filled cache holds at first is in no order that all
//! capacities share. A capacity that changes on the way. For these there is the replay, and [`StackTask::applies`] tells.

mod future;
mod move_to_front;
mod recency;

use super::replay::Routing;
use super::{Future, Grouping, Scope};
use crate::trace::{ExpertNumber, Ids, Pass, Trace};

/// What a lookup needs that no capacity serves: the first one of its expert.
pub const COLD: u64 = u64::MAX;

/// Which stack algorithm a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackKind {
    /// Least recently used.
    Recency,
    /// Farthest next use first.
    Future,
}

/// What is passed over.
#[derive(Clone, Copy, Debug)]
pub struct StackTask<'a> {
    /// The routing.
    pub trace: &'a Trace,
    /// The order of passes.
    pub passes: &'a [Pass],
    /// Next uses; needed by [`StackKind::Future`].
    pub future: Option<&'a Future>,
    /// What one event is.
    pub grouping: Grouping,
    /// Whether the cache is emptied before each sequence.
    pub clear_between: bool,
    /// One pool or one per layer.
    pub scope: Scope,
    /// Size of one expert, by layer.
    pub sizes: &'a [u64],
}

/// One lookup and the least capacity of its pool that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Position of the pass.
    pub pass: usize,
    /// Layer of the event.
    pub layer: u32,
    /// Smallest capacity, in the unit of the sizes: zero for an expert of the event before, [`COLD`] for a first lookup.
    pub room: u64,
}

impl StackTask<'_> {
    /// Whether one pass gives what replays would.
    pub fn applies(&self, kind: StackKind) -> bool {
        let one_size = self.sizes.windows(2).all(|pair| pair[0] == pair[1]);
        match kind {
            StackKind::Recency => true,
            StackKind::Future => self.future.is_some() && (one_size || self.scope == Scope::PerLayer),
        }
    }

    /// Tells `seen` what each lookup needs, in the order of a replay; of an event under [`StackKind::Future`], in any
    /// order. Panics where it does not apply.
    pub fn needs(&self, kind: StackKind, seen: impl FnMut(Need)) {
        assert!(self.applies(kind), "one pass is not enough");
        match self.trace.ids() {
            Ids::U8(ids) => self.walk(kind, ids, seen),
            Ids::U16(ids) => self.walk(kind, ids, seen),
        }
    }

    fn walk<I: ExpertNumber>(&self, kind: StackKind, ids: &[I], seen: impl FnMut(Need)) {
        let routing = Routing::new(self.trace, ids, self.future, self.grouping);
        let experts = self.trace.header().experts;
        match (kind, self.scope) {
            (StackKind::Future, _) => {
                self.events(&routing, &mut future::FutureStacks::new(self.sizes, experts, self.scope), seen);
            }
            (StackKind::Recency, Scope::PerLayer) if experts <= move_to_front::EXPERTS_MAX => {
                self.events(&routing, &mut move_to_front::Positions::new(self.sizes, experts), seen);
            }
            (StackKind::Recency, _) => {
                self.events(&routing, &mut recency::Recency::new(self.sizes, experts, self.scope), seen);
            }
        }
    }

    /// Feeds the stacks event by event, as the mechanism would be fed.
    fn events<I: ExpertNumber>(
        &self,
        routing: &Routing<'_, I>,
        stacks: &mut impl Stacks,
        mut seen: impl FnMut(Need),
    ) {
        let layers = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
        let mut event: Vec<Selection> = Vec::new();
        let mut sequence = None;
        for (index, pass) in self.passes.iter().enumerate() {
            let another = sequence.replace(pass.sequence).is_some_and(|before| before != pass.sequence);
            if another && self.clear_between {
                stacks.clear();
            }
            for layer in 0..layers {
                let mut tell = |room| seen(Need { pass: index, layer, room });
                event.clear();
                routing.selections(pass, layer, |slot, expert| {
                    let selection = Selection { expert, next_event: routing.next_event(slot, layer) };
                    if self.grouping == Grouping::Access {
                        stacks.event(layer, &[selection], &mut tell);
                    } else {
                        event.push(selection);
                    }
                });
                if self.grouping == Grouping::Layer {
                    stacks.event(layer, &event, &mut tell);
                }
            }
        }
    }
}

/// One appearance of an expert.
#[derive(Clone, Copy, Debug)]
struct Selection {
    expert: u32,
    next_event: u64,
}

/// The stacks of all pools.
trait Stacks {
    /// One event of a layer: its selections in their order. Tells what each lookup needs, and brings the stack up to date.
    fn event(&mut self, layer: u32, selections: &[Selection], tell: &mut impl FnMut(u64));

    /// The cache is emptied.
    fn clear(&mut self);
}

/// Which experts each pool's last event asked for, and which this one has asked for already.
#[derive(Clone, Debug)]
struct Events {
    scope: Scope,
    number: u64,
    /// By pool: the number of its last event, from 1.
    last: Vec<u64>,
    /// By object: the number of the last event that asked for it; 0 for none.
    asked: Vec<u64>,
}

/// What the last events say of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Appearance {
    /// Not the first in this event.
    Again,
    /// The event before was of the same pool and asked for it too, and an event's own experts are spared until the next.
    StillThere,
    /// Neither.
    First,
}

impl Events {
    fn new(scope: Scope, layers: usize, objects: usize) -> Self {
        let pools = if scope == Scope::Global { 1 } else { layers };
        Self { scope, number: 0, last: vec![0; pools], asked: vec![0; objects] }
    }

    /// Begins an event and returns the number of the event before, if that was of the same pool: an event's own experts
    /// are spared until the next event, whichever pool that is of. Otherwise zero.
    fn begin(&mut self, layer: u32) -> u64 {
        self.number += 1;
        let pool = if self.scope == Scope::Global { 0 } else { layer as usize };
        let before = std::mem::replace(&mut self.last[pool], self.number);
        if before + 1 == self.number { before } else { 0 }
    }

    #[inline]
    fn appears(&mut self, object: usize, before: u64) -> Appearance {
        let last = std::mem::replace(&mut self.asked[object], self.number);
        if last == self.number {
            Appearance::Again
        } else if last == before && last > 0 {
            Appearance::StillThere
        } else {
            Appearance::First
        }
    }

    fn clear(&mut self) {
        self.last.fill(0);
        self.asked.fill(0);
    }
}
