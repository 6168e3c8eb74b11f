//! Belady's MIN for objects of different sizes: evict the largest product of size and distance to the next use
//! ("Belady-Size" in Berger, Beckmann and Harchol-Balter, "Practical bounds on optimal caching with variable object sizes",
//! POMACS 2(2), 2018). It reads the future, so it is a bound and not a policy that an engine could run.
//!
//! No parameters. What is never needed again goes first, the largest before others. Distances are counted in layer events
//! from the current one. Ties go to the oldest insertion, so where all sizes are equal this is `belady`. It is no optimum:
//! with different sizes finding that is NP-hard, and this is a good reference for it.
//!
//! Sizes differ by layer alone, so the objects of each size keep an order of their own, farthest first, and a victim is
//! the best of those orders' first ones: among objects of one size the product is largest where the distance is.

use std::cmp::Reverse;

use crate::cache::{Access, Candidates, IndexedHeap, NEVER, Policy};

/// Evicts the object whose size times the distance to its next use is largest.
#[derive(Clone, Debug)]
pub struct BeladySize {
    experts: u32,
    /// What is worth most before the first event, best first.
    preferred: Vec<u32>,
    /// Which of the sizes each layer's experts have.
    class_of: Vec<u32>,
    classes: Vec<Class>,
    insertions: u64,
    inserted: Vec<u64>,
    now: u64,
}

/// The objects of one size.
#[derive(Clone, Debug)]
struct Class {
    size: u64,
    /// By next use, then by insertion.
    order: IndexedHeap<(Reverse<u64>, u64)>,
}

impl BeladySize {
    /// Of layers of `experts` with one size for each layer. `first_events[object]` is the first layer event that asks for
    /// an object, which orders what a filled start holds; empty where no start is filled.
    pub fn new(first_events: &[u64], sizes: &[u64], experts: u32) -> Self {
        let objects = u32::try_from(sizes.len()).unwrap_or(0) * experts;
        let mut distinct = sizes.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let class = |size: &u64| u32::try_from(distinct.partition_point(|other| other < size)).unwrap_or(0);
        let mut preferred: Vec<u32> = (0..objects).collect();
        preferred.sort_by_key(|object| {
            let size = sizes[(object / experts) as usize];
            // Before the first event, the first event is one event away.
            (
                first_events.get(*object as usize).map(|event| regret(size, *event, event.saturating_add(1))),
                *object,
            )
        });
        Self {
            experts,
            preferred,
            class_of: sizes.iter().map(class).collect(),
            classes: distinct
                .iter()
                .map(|size| Class { size: *size, order: IndexedHeap::new(objects) })
                .collect(),
            insertions: 0,
            inserted: vec![0; objects as usize],
            now: 0,
        }
    }

    #[inline]
    fn class(&mut self, object: u32) -> &mut Class {
        // One size is the common case, and needs no division.
        let class = if self.classes.len() == 1 { 0 } else { self.class_of[(object / self.experts) as usize] };
        &mut self.classes[class as usize]
    }

    #[inline]
    fn touch(&mut self, object: u32, access: &Access) {
        if access.event != NEVER {
            self.now = access.event;
        }
        let key = (Reverse(access.next_event), self.inserted[object as usize]);
        self.class(object).order.set(object, key);
    }
}

/// What an object is evicted for, the largest first: it is never needed again; its size times the distance of its next use.
#[inline]
fn regret(size: u64, next_event: u64, distance: u64) -> (bool, u128) {
    (next_event == NEVER, u128::from(size) * u128::from(distance))
}

impl Policy for BeladySize {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.insertions += 1;
        self.inserted[object as usize] = self.insertions;
        self.touch(object, access);
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.class(object).order.remove(object);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        if let [only] = self.classes.as_mut_slice() {
            return only.order.first_allowed(candidates);
        }
        let now = self.now;
        let worst = |class: &mut Class| {
            let object = class.order.first_allowed(candidates)?;
            let (Reverse(next), inserted) = class.order.key(object)?;
            Some((regret(class.size, next, next.saturating_sub(now)), Reverse(inserted), object))
        };
        self.classes.iter_mut().filter_map(worst).max().map(|(_, _, object)| object)
    }

    fn preload(&self) -> Vec<u32> {
        self.preferred.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Belady;
    use crate::cache::conformance::{Driven, EQUAL, UNEVEN};

    fn sized(driven: &Driven) -> Vec<crate::cache::Lookup> {
        driven.run(|input| BeladySize::new(input.first_events, input.sizes, input.experts))
    }

    #[test]
    fn where_all_sizes_are_equal_it_is_belady() {
        for driven in Driven::all(EQUAL).into_iter().chain(Driven::all([4; EQUAL.len()])) {
            let belady = driven.run(|input| Belady::new(input.first_events, input.objects));
            assert!(sized(&driven) == belady, "{driven:?}");
        }
    }

    /// Looks at every object for every victim.
    struct Plain {
        sizes: Vec<u64>,
        experts: u32,
        preferred: Vec<u32>,
        /// Object, next use, time of insertion.
        tracked: Vec<(u32, u64, u64)>,
        insertions: u64,
        now: u64,
    }

    impl Policy for Plain {
        fn on_hit(&mut self, object: u32, access: &Access) {
            self.now = access.event;
            let known = self.tracked.iter_mut().find(|known| known.0 == object).unwrap();
            known.1 = access.next_event;
        }
        fn on_insert(&mut self, object: u32, access: &Access) {
            self.now = if access.event == NEVER { 0 } else { access.event };
            self.insertions += 1;
            self.tracked.push((object, access.next_event, self.insertions));
        }
        fn on_remove(&mut self, object: u32) {
            self.tracked.retain(|known| known.0 != object);
        }
        fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
            let allowed = self.tracked.iter().filter(|known| candidates.allows(known.0));
            let worst = allowed.max_by_key(|(object, next, inserted)| {
                let size = self.sizes[(object / self.experts) as usize];
                let product = u128::from(size) * u128::from(next - self.now);
                (*next == NEVER, product, Reverse(*inserted))
            });
            worst.map(|known| known.0)
        }
        fn preload(&self) -> Vec<u32> {
            self.preferred.clone()
        }
    }

    #[test]
    fn it_evicts_the_largest_product_of_size_and_distance() {
        for driven in Driven::all(UNEVEN) {
            let plain = driven.run(|input| Plain {
                sizes: input.sizes.to_vec(),
                experts: input.experts,
                preferred: BeladySize::new(input.first_events, input.sizes, input.experts).preload(),
                tracked: Vec::new(),
                insertions: 0,
                now: 0,
            });
            assert!(sized(&driven) == plain, "{driven:?}");
        }
    }

    /// Sizes 1 and 3: the product counts, not the distance, before the start too.
    #[test]
    fn a_filled_start_holds_what_is_small_and_soon() {
        assert_eq!(BeladySize::new(&[5, 0, 1, NEVER], &[1, 3], 2).preload(), [1, 0, 2, 3]);
        assert_eq!(BeladySize::new(&[4, 8, 1, 0], &[1, 3], 2).preload(), [3, 0, 2, 1]);
    }
}
