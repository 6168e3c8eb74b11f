//! Farthest ahead in the cycle of layers first. HOBBIT (Tang et al., 2024, arXiv 2411.01433, section 3.4) has the idea as
//! one of four weighted terms, "farthest layer distance"; here it stands alone.
//!
//! No parameters. Every token walks the layers in the same order, so where a layer will be asked again is known: the
//! current layer, whose turn has just passed, is a whole cycle away, the one before it is one step nearer, and the next
//! one is due at once. Among the experts of a layer the least recently used goes first. This is what LRU does wrong in
//! MoE decode: below one token's working set it evicts the layer that is due next. With one pool per layer it is LRU.
//!
//! HOBBIT's distance of the current layer itself is zero, since it evicts while that layer is still being served. With
//! group-atomic events the layer is served when eviction begins and its own experts are spared anyway, so here the
//! distance is the whole cycle. The current layer is that of the latest event which asked for an expert that is not
//! pinned.

use crate::cache::{Access, Candidates, OrderList, Policy};

/// Evicts an object of the layer whose turn is farthest ahead.
#[derive(Clone, Debug)]
pub struct LayerDistance {
    experts: u32,
    /// The experts of each layer, least recently used first.
    layers: Vec<OrderList>,
    current: u32,
}

impl LayerDistance {
    /// Over `layers` layers of `experts` experts each.
    pub fn new(layers: u32, experts: u32) -> Self {
        Self { experts, layers: vec![OrderList::new(experts); layers as usize], current: 0 }
    }

    /// An object's layer and number within it.
    #[inline]
    fn split(&self, object: u32) -> (u32, u32) {
        (object / self.experts, object % self.experts)
    }
}

impl Policy for LayerDistance {
    #[inline]
    fn on_hit(&mut self, object: u32, _access: &Access) {
        let (layer, expert) = self.split(object);
        self.current = layer;
        self.layers[layer as usize].move_to_back(expert);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, _access: &Access) {
        let (layer, expert) = self.split(object);
        self.current = layer;
        self.layers[layer as usize].push_back(expert);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        let (layer, expert) = self.split(object);
        self.layers[layer as usize].remove(expert);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let layers = u32::try_from(self.layers.len()).unwrap_or(0);
        let farthest_first = (0..=self.current).rev().chain((self.current + 1..layers).rev());
        for layer in farthest_first {
            // An event's own experts are the latest of their layer, so where the oldest is one of them, all others are.
            let oldest =
                self.layers[layer as usize].iter().next().map(|expert| layer * self.experts + expert);
            if let Some(object) = oldest.filter(|object| candidates.allows(*object)) {
                return Some(object);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::conformance::{Driven, EQUAL};
    use crate::cache::{Belady, CacheShape, ExpertCache, Lookup, Lru, Scope};

    /// Hits of tokens that all ask for the same four experts of each of six layers.
    fn hits<P: Policy>(capacity: u64, build: impl Fn(u32, u32) -> P) -> usize {
        let (layers, experts, top_k, tokens) = (6, 8, 4, 20);
        let shape = CacheShape {
            layers,
            experts,
            sizes: vec![1; layers as usize],
            scope: Scope::Global,
            pool_capacity: vec![capacity],
            pinned: Vec::new(),
        };
        let mut cache = ExpertCache::new(shape, |input| build(input.layers(), input.experts));
        let mut hits = 0;
        for (event, layer) in (0..).zip((0..tokens).flat_map(|_| 0..layers)) {
            cache.begin_event();
            for expert in 0..top_k {
                let access = Access { event, next_event: event + u64::from(layers), weight: 0 };
                hits += usize::from(cache.select(layer, expert, &access) == Lookup::Hit);
            }
            cache.end_event(layer);
        }
        hits
    }

    /// With room for half of what a token asks for, LRU evicts the layer that is due next, every time. What is due next
    /// is known here as well as from the future.
    #[test]
    fn below_one_tokens_working_set_it_hits_where_lru_hits_nothing() {
        let capacity = 6 * 4 / 2;
        assert_eq!(hits(capacity, |layers, experts| Lru::new(layers * experts)), 0);
        let bound = hits(capacity, |layers, experts| Belady::new(&[], layers * experts));
        assert!(bound > 0);
        assert_eq!(hits(capacity, LayerDistance::new), bound);
    }

    #[test]
    fn with_one_pool_for_each_layer_it_is_lru() {
        for driven in Driven::all(EQUAL).into_iter().filter(|driven| driven.shape.scope == Scope::PerLayer) {
            let distance = driven.run(|input| LayerDistance::new(input.layers(), input.experts));
            assert!(distance == driven.run(|input| Lru::new(input.objects)), "{driven:?}");
        }
    }

    /// Looks at every object for every victim.
    struct Plain {
        layers: u32,
        experts: u32,
        current: u32,
        /// Least recently used first.
        tracked: Vec<u32>,
    }

    impl Policy for Plain {
        fn on_hit(&mut self, object: u32, access: &Access) {
            self.on_remove(object);
            self.on_insert(object, access);
        }
        fn on_insert(&mut self, object: u32, _access: &Access) {
            self.current = object / self.experts;
            self.tracked.push(object);
        }
        fn on_remove(&mut self, object: u32) {
            self.tracked.retain(|other| *other != object);
        }
        fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
            // Events until the layer's next turn.
            let ahead = |object: &u32| (object / self.experts + self.layers - self.current - 1) % self.layers;
            let allowed = self.tracked.iter().copied().filter(|object| candidates.allows(*object));
            // Of equals, the last is taken, so the oldest must come last.
            allowed.rev().max_by_key(ahead)
        }
    }

    #[test]
    fn it_evicts_what_lies_farthest_ahead() {
        for driven in Driven::all(EQUAL) {
            let plain = driven.run(|input| {
                let (layers, experts) = (input.layers(), input.experts);
                Plain { layers, experts, current: 0, tracked: Vec::new() }
            });
            let distance = driven.run(|input| LayerDistance::new(input.layers(), input.experts));
            assert!(distance == plain, "{driven:?}");
        }
    }
}
