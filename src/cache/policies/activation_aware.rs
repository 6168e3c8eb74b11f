//! What this sequence has asked for least, deep layers before shallow ones: the cache of MoE-Infinity (Xue, Fu, Lu, Mai and
//! Marina, "MoE-Infinity: activation-aware expert offloading for efficient MoE serving", 2024, arXiv 2401.14361; engine
//! `EfficientMoE/MoE-Infinity`, formerly `TorchMoE`, `moe_infinity/memory/expert_priority_score.py`).
//!
//! The sequence's activation matrix counts the tokens routed to each expert of each layer. An expert is worth (its share of
//! its layer's count + epsilon) x (1 - layer / layers), and the one worth least goes. The second factor favours the first
//! layers, which prefetching has the least time for. A new sequence begins with an empty matrix; where it has not asked a
//! layer yet, all experts of that layer have an equal share, as in the engine. Epsilon is the engine's one in a million.
//! Within a layer ties go to the least recently used, between layers to the first.
//!
//! Differences: the engine's file multiplies with the frequency of visits over all sequences too, has layer factors made for
//! encoders and decoders, and spares what its prefetcher expects; here the running sequence alone decides. With one pool
//! for each layer the second factor is gone. Sequences that are decoded together share one matrix.
//!
//! Shares are fixed-point numbers of 32 bits. Each layer keeps its own experts in order of their counts, so a victim is the
//! best of the layers' first ones, and only a layer that something happened to is looked at again. What the current event
//! has asked for may not be evicted, so it is put in its place when the next event begins.

use crate::cache::{Access, Candidates, IndexedHeap, NEVER, Policy};

/// Bits of a share behind the point.
const FRACTION: u32 = 32;
/// One in a million.
const EPSILON: u64 = (1 << FRACTION) / 1_000_000;

/// An object of the pool.
#[derive(Clone, Copy, Debug, Default)]
struct Member {
    /// Appearances in this sequence.
    count: u32,
    /// It waits for its place until the next event.
    waits: bool,
    /// When it appeared last.
    touched: u64,
}

/// A layer of the pool.
#[derive(Clone, Debug)]
struct Layer {
    /// Appearances in this sequence, over all experts.
    count: u64,
    /// By count, then by how recent they are.
    order: IndexedHeap<(u32, u64)>,
    /// Something has happened since its first was looked for.
    changed: bool,
}

/// The expert of a layer that may be evicted first.
#[derive(Clone, Copy, Debug)]
struct First {
    worth: u64,
    object: u32,
}

const NOBODY: First = First { worth: u64::MAX, object: 0 };

/// Evicts the object with the smallest share of the sequence's activations, weighed by its layer.
#[derive(Clone, Debug)]
pub struct ActivationAware {
    experts: u32,
    members: Vec<Member>,
    layers: Vec<Layer>,
    /// By layer; true where the layer has not changed.
    firsts: Vec<First>,
    /// Layers that have changed, each once.
    changed: Vec<u32>,
    /// What the latest event has asked for.
    waiting: Vec<u32>,
    event: u64,
    touches: u64,
}

impl ActivationAware {
    /// Over `layers` layers of `experts` experts each.
    pub fn new(layers: u32, experts: u32) -> Self {
        // The objects of a layer end where the next one begins, so no place is needed for those beyond.
        let layer =
            |layer: u32| Layer { count: 0, order: IndexedHeap::new((layer + 1) * experts), changed: false };
        Self {
            experts,
            members: vec![Member::default(); (layers * experts) as usize],
            layers: (0..layers).map(layer).collect(),
            firsts: vec![NOBODY; layers as usize],
            changed: Vec::with_capacity(layers as usize),
            waiting: Vec::with_capacity(experts as usize),
            event: NEVER,
            touches: 0,
        }
    }

    #[inline]
    fn mark(&mut self, layer: u32) {
        if !std::mem::replace(&mut self.layers[layer as usize].changed, true) {
            self.changed.push(layer);
        }
    }

    /// Puts an object in its place.
    #[inline]
    fn place(&mut self, object: u32) {
        let layer = object / self.experts;
        let member = &mut self.members[object as usize];
        member.waits = false;
        self.layers[layer as usize].order.set(object, (member.count, member.touched));
        self.mark(layer);
    }

    fn place_waiting(&mut self) {
        while let Some(object) = self.waiting.pop() {
            self.place(object);
        }
    }

    #[inline]
    fn touch(&mut self, object: u32, access: &Access) {
        self.touches += 1;
        self.members[object as usize].touched = self.touches;
        if access.event == NEVER {
            // Nobody has asked for what a cache is filled with.
            self.place(object);
            return;
        }
        if access.event != self.event {
            self.event = access.event;
            self.place_waiting();
        }
        let layer = object / self.experts;
        self.layers[layer as usize].count += 1;
        let member = &mut self.members[object as usize];
        member.count = member.count.saturating_add(1);
        if !std::mem::replace(&mut member.waits, true) {
            self.waiting.push(object);
            self.mark(layer);
        }
    }

    /// The first of a layer among those allowed.
    fn first_of(&mut self, layer: u32, candidates: &Candidates<'_>) -> First {
        let height = self.layers.len() as u64 - u64::from(layer);
        let Layer { count: all, order, .. } = &mut self.layers[layer as usize];
        let Some(object) = order.first_allowed(candidates) else { return NOBODY };
        let count = u64::from(self.members[object as usize].count);
        let share =
            (count << FRACTION).checked_div(*all).unwrap_or((1 << FRACTION) / u64::from(self.experts));
        First { worth: (share + EPSILON) * height, object }
    }
}

impl Policy for ActivationAware {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        if std::mem::take(&mut self.members[object as usize].waits) {
            self.waiting.retain(|other| *other != object);
        }
        let layer = object / self.experts;
        self.layers[layer as usize].order.remove(object);
        self.mark(layer);
    }

    fn on_sequence(&mut self) {
        self.place_waiting();
        self.members.iter_mut().for_each(|member| member.count = 0);
        for object in 0..u32::try_from(self.members.len()).unwrap_or(0) {
            if self.layers[(object / self.experts) as usize].order.key(object).is_some() {
                self.place(object);
            }
        }
        self.layers.iter_mut().for_each(|layer| layer.count = 0);
        (0..u32::try_from(self.layers.len()).unwrap_or(0)).for_each(|layer| self.mark(layer));
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        // An event that asked for nothing known here, such as pins alone, does not spare what the one before asked for.
        if self.waiting.first().is_some_and(|object| candidates.allows(*object)) {
            self.place_waiting();
        }
        while let Some(layer) = self.changed.pop() {
            self.layers[layer as usize].changed = false;
            self.firsts[layer as usize] = self.first_of(layer, candidates);
        }
        let least = self.firsts.iter().min_by_key(|first| first.worth)?;
        (least.worth != NOBODY.worth).then_some(least.object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::conformance::{Driven, EQUAL, UNEVEN};
    use crate::cache::{CacheShape, ExpertCache, Scope};

    /// Looks at every object for every victim.
    struct Plain {
        layers: u64,
        experts: u32,
        counts: Vec<u64>,
        /// Least recently used first.
        tracked: Vec<u32>,
    }

    impl Plain {
        fn worth(&self, object: u32) -> u64 {
            let layer = object / self.experts;
            let row = (layer * self.experts) as usize..((layer + 1) * self.experts) as usize;
            let all: u64 = self.counts[row].iter().sum();
            let (count, all) =
                if all == 0 { (1, u64::from(self.experts)) } else { (self.counts[object as usize], all) };
            ((count << FRACTION) / all + EPSILON) * (self.layers - u64::from(layer))
        }
    }

    impl Policy for Plain {
        fn on_hit(&mut self, object: u32, access: &Access) {
            self.on_remove(object);
            self.on_insert(object, access);
        }
        fn on_insert(&mut self, object: u32, access: &Access) {
            self.counts[object as usize] += u64::from(access.event != NEVER);
            self.tracked.push(object);
        }
        fn on_remove(&mut self, object: u32) {
            self.tracked.retain(|other| *other != object);
        }
        fn on_sequence(&mut self) {
            self.counts.fill(0);
        }
        fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
            let allowed = self.tracked.iter().copied().filter(|object| candidates.allows(*object));
            allowed.min_by_key(|object| (self.worth(*object), object / self.experts))
        }
    }

    #[test]
    fn it_evicts_what_is_worth_least() {
        for driven in Driven::all(EQUAL).into_iter().chain(Driven::all(UNEVEN)) {
            let plain = driven.run(|input| Plain {
                layers: u64::from(input.layers()),
                experts: input.experts,
                counts: vec![0; input.objects as usize],
                tracked: Vec::new(),
            });
            let aware = driven.run(|input| ActivationAware::new(input.layers(), input.experts));
            assert!(aware == plain, "{driven:?}");
        }
    }

    /// Two layers of three experts, room for three: what remains after each event.
    #[test]
    fn counts_decide_then_depth_and_a_new_sequence_forgets() {
        let shape = CacheShape {
            layers: 2,
            experts: 3,
            sizes: vec![1; 2],
            scope: Scope::Global,
            pool_capacity: vec![3],
            pinned: Vec::new(),
        };
        let mut cache = ExpertCache::new(shape, |input| ActivationAware::new(input.layers(), input.experts));
        let mut ask = |event, begins, layer, expert| {
            if begins {
                cache.begin_sequence();
            }
            cache.begin_event();
            cache.select(layer, expert, &Access { event, next_event: NEVER, weight: 0 });
            cache.end_event(layer);
            (0..6).filter(|object| cache.is_resident(object / 3, object % 3)).collect::<Vec<u32>>()
        };
        assert_eq!(ask(0, true, 0, 0), [0]);
        assert_eq!(ask(1, false, 1, 0), [0, 3]);
        assert_eq!(ask(2, false, 0, 0), [0, 3]);
        assert_eq!(ask(3, false, 0, 1), [0, 1, 3]);
        // Shares are 2/3 and 1/3 in layer 0, 1/2 in layer 1: 4/3, 2/3 and 1/2 with depth.
        assert_eq!(ask(4, false, 1, 1), [0, 1, 4]);
        // The new sequence has asked layer 0 alone, so object 4 has a share of 1/3 there and objects 0 and 1 have none.
        assert_eq!(ask(5, true, 0, 2), [1, 2, 4]);
    }
}
