//! LIRS (Jiang and Zhang, "LIRS: An efficient low inter-reference recency set replacement policy to improve buffer cache
//! performance", SIGMETRICS 2002).
//!
//! It ranks by the distance between the last two uses instead of the time since the last one. A stack S orders objects by
//! recency; those with short distances (LIR) fill all but a small share of the cache, the rest (HIR) pass through a queue
//! Q and leave from its front. S also remembers objects that have left: asked for again while they are in S, they are
//! closer than the oldest LIR object and change places with it.
//!
//! Parameters: HIR objects take 1 % of the cache (section 3.3 of the paper and libCacheSim), at least one; S holds at most
//! twice as many objects as the cache (libCacheSim; the paper leaves S unbounded), those that left first going first.
//! libCacheSim also turns the lowest LIR object into a HIR one whenever it hits a HIR object that S has forgotten. The
//! paper does not, nor do we; with that step added, the miss counts are libCacheSim's.
//!
//! An expert of a mixture comes again at the earliest with the next token, a whole cycle of layers later. Where LRU
//! loses everything to that cycle, LIR objects stay, so LIRS keeps hitting below one cycle's capacity.
//!
//! With group-atomic events an object's first appearance is the access and its later ones in the event are none: a prompt
//! that asks for an expert with many tokens uses it once. An event that brings more than Q gives up takes LIR objects too,
//! from the bottom of S.

use crate::cache::{Access, Candidates, NEVER, Policy, SegmentList};

/// One object in so many is HIR.
const HIR_SHARE: u32 = 100;
/// Objects in S for each slot of the cache.
const STACK_PER_SLOT: u32 = 2;

/// The one list in S.
const STACK: u32 = 0;
/// Resident HIR objects, next victim first.
const QUEUE: u32 = 0;
/// Objects in S that have left, in the order in which they did.
const LEFT: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In neither S nor Q.
    Unknown,
    /// LIR: resident, in S.
    Lir,
    /// HIR, resident, in S and Q.
    HirInStack,
    /// HIR, resident, only in Q.
    Hir,
    /// Not resident, but in S.
    Left,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    event: u64,
    state: State,
}

/// Evicts objects whose last two uses lie far apart.
#[derive(Clone, Debug)]
pub struct Lirs {
    records: Vec<Record>,
    /// S from its bottom (front) to its top; the bottom is a LIR object wherever there is one.
    stack: SegmentList<1>,
    queues: SegmentList<2>,
    lirs: u32,
    lir_limit: u32,
    stack_limit: u32,
}

impl Lirs {
    /// Over the objects `0..objects`, in a pool of so many slots.
    pub fn new(objects: u32, slots: u32) -> Self {
        let mut policy = Self {
            records: vec![Record { event: NEVER, state: State::Unknown }; objects as usize],
            stack: SegmentList::new(objects),
            queues: SegmentList::new(objects),
            lirs: 0,
            lir_limit: 0,
            stack_limit: 0,
        };
        policy.on_capacity(slots);
        policy
    }

    #[inline]
    fn state(&self, object: u32) -> State {
        self.records[object as usize].state
    }

    #[inline]
    fn set(&mut self, object: u32, state: State) {
        self.records[object as usize].state = state;
    }

    /// Takes everything below the lowest LIR object off S.
    #[inline]
    fn prune(&mut self) {
        while let Some(bottom) = self.stack.front(STACK) {
            match self.state(bottom) {
                State::Lir => break,
                State::HirInStack => self.set(bottom, State::Hir),
                _ => self.forget(bottom),
            }
            self.stack.remove(bottom);
        }
    }

    /// What has left is remembered no longer; the caller takes it off S.
    fn forget(&mut self, object: u32) {
        self.queues.remove(object);
        self.set(object, State::Unknown);
    }

    /// Turns the lowest LIR objects into HIR ones until there are no more than allowed.
    fn demote(&mut self) {
        while self.lirs > self.lir_limit {
            self.prune();
            let Some(bottom) = self.stack.front(STACK) else { break };
            self.stack.remove(bottom);
            self.set(bottom, State::Hir);
            self.queues.push_back(QUEUE, bottom);
            self.lirs -= 1;
        }
        self.prune();
    }

    /// Raises an object at the top of S to LIR.
    fn promote(&mut self, object: u32) {
        self.queues.remove(object);
        self.set(object, State::Lir);
        self.lirs += 1;
        self.demote();
    }

    #[inline]
    fn limit_stack(&mut self) {
        while self.stack.len(STACK) > self.stack_limit {
            let Some(oldest) = self.queues.front(LEFT) else { break };
            self.forget(oldest);
            self.stack.remove(oldest);
        }
    }
}

impl Policy for Lirs {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        let record = &mut self.records[object as usize];
        if record.event == access.event {
            return;
        }
        record.event = access.event;
        match record.state {
            State::Lir => {
                self.stack.move_to_back(STACK, object);
                self.prune();
            }
            State::HirInStack => {
                self.stack.move_to_back(STACK, object);
                self.promote(object);
            }
            _ => {
                self.set(object, State::HirInStack);
                self.stack.push_back(STACK, object);
                self.queues.move_to_back(QUEUE, object);
                self.limit_stack();
            }
        }
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.records[object as usize].event = access.event;
        if self.state(object) == State::Left {
            self.stack.move_to_back(STACK, object);
            self.promote(object);
            return;
        }
        self.stack.push_back(STACK, object);
        if self.lirs < self.lir_limit {
            self.set(object, State::Lir);
            self.lirs += 1;
            self.prune();
        } else {
            self.set(object, State::HirInStack);
            self.queues.push_back(QUEUE, object);
        }
        self.limit_stack();
    }

    fn on_remove(&mut self, object: u32) {
        let state = self.state(object);
        self.forget(object);
        self.stack.remove(object);
        if state == State::Lir {
            self.lirs -= 1;
            self.prune();
        }
    }

    #[inline]
    fn on_evict(&mut self, object: u32) {
        if self.state(object) == State::HirInStack {
            self.set(object, State::Left);
            self.queues.move_to_back(LEFT, object);
            self.limit_stack();
        } else {
            self.on_remove(object);
        }
    }

    fn on_capacity(&mut self, slots: u32) {
        self.lir_limit = slots.saturating_sub((slots / HIR_SHARE).max(1));
        self.stack_limit = slots.saturating_mul(STACK_PER_SLOT);
        self.demote();
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let allowed = |object: &u32| candidates.allows(*object);
        let queue = self.queues.iter(QUEUE).find(allowed);
        // What has left is not resident and so not allowed.
        queue.or_else(|| self.stack.iter(STACK).find(allowed))
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::{Access, CacheShape, ExpertCache, NEVER, Scope};

    /// Two slots: one LIR, one HIR. 0 is LIR; a prompt asks for 1 twice in one event, which is one use, so 1 stays HIR and
    /// leaves for 2.
    #[test]
    fn one_event_is_one_use() {
        let shape = CacheShape {
            layers: 1,
            experts: 3,
            sizes: vec![1],
            scope: Scope::Global,
            pool_capacity: vec![2],
            pinned: Vec::new(),
        };
        let mut cache = ExpertCache::new(shape, |input| super::Lirs::new(input.objects, input.slots));
        for (event, selections) in (0..).zip([vec![0], vec![1, 1], vec![2]]) {
            cache.begin_event();
            for expert in selections {
                cache.select(0, expert, &Access { event, next_event: NEVER, weight: 0 });
            }
            cache.end_event(0);
        }
        assert_eq!([0, 1, 2].map(|expert| cache.is_resident(0, expert)), [true, false, true]);
    }
}
