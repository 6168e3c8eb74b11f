//! GreedyDual-Size-Frequency (Cherkasova, "Improving WWW proxies performance with greedy-dual-size-frequency caching
//! policy", HP Laboratories HPL-98-69R1, 1998).
//!
//! No parameters. Each object has the key L + uses x cost / size, where L is the key of what was evicted last: what is
//! cheap to fetch, large or seldom used goes first, and what is never used again goes in the end whatever it was worth.
//! Eviction forgets the uses. Sizes and costs are those of the object's layer in the pool; where a machine is known, the
//! cost is the time of fetching, so layers whose experts come from a slower place stay longer.
//!
//! Keys are whole numbers: the greatest cost per byte of the pool is worth [`UNIT`]. Where all experts cost and weigh
//! alike this is LFU with dynamic ageing as Arlitt et al. define it (see `lfu_da.rs`).
//!
//! An event counts once for each of its experts, and ties go to the least recently used. GDSF was defined to put the
//! newcomer in and then evict the smallest key, be it the newcomer's own; here a newcomer stays for its event.

use crate::cache::{Access, Appearances, Candidates, IndexedHeap, Policy};

/// What one use is worth where a byte costs most. With as many bits, 2^43 uses fit before a key overflows.
const UNIT: u128 = 1 << 20;

/// What is known of an object beside its key.
#[derive(Clone, Copy, Debug)]
struct Object {
    /// Events that have asked for it since it came in.
    uses: u64,
    /// What each is worth.
    worth: u64,
}

/// Evicts the object with the least uses x cost / size, aged by what was evicted before.
#[derive(Clone, Debug)]
pub struct Gdsf {
    appearances: Appearances,
    objects: Vec<Object>,
    /// The key of what was evicted last.
    age: u64,
    order: IndexedHeap<(u64, u64)>,
}

impl Gdsf {
    /// Over the objects `0..objects`, so many experts to a layer, with the sizes and costs of each layer's.
    pub fn new(objects: u32, experts: u32, sizes: &[u64], costs: &[u64]) -> Self {
        let worth = worth(sizes, costs);
        let object = |object: u32| {
            let layer = object / experts.max(1);
            Object { uses: 0, worth: worth.get(layer as usize).copied().unwrap_or(1) }
        };
        Self {
            appearances: Appearances::default(),
            objects: (0..objects).map(object).collect(),
            age: 0,
            order: IndexedHeap::new(objects),
        }
    }
}

/// Cost per byte by layer, the greatest being [`UNIT`].
fn worth(sizes: &[u64], costs: &[u64]) -> Vec<u64> {
    let layers = || costs.iter().zip(sizes).map(|(cost, size)| (u128::from(*cost), u128::from(*size).max(1)));
    let dearest = layers().reduce(|a, b| if a.0 * b.1 >= b.0 * a.1 { a } else { b }).unwrap_or((1, 1));
    let worth = |(cost, size): (u128, u128)| {
        // Saturates only beyond sizes and costs of 2^54, that is 16 PiB and 208 days.
        (cost * dearest.1).saturating_mul(UNIT) / (size * dearest.0).max(1)
    };
    layers().map(|layer| u64::try_from(worth(layer)).unwrap_or(1).max(1)).collect()
}

impl Policy for Gdsf {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        let (_, before) = self.order.key(object).unwrap_or_default();
        let (now, first) = self.appearances.next(access, before);
        if first {
            let Object { uses, worth } = &mut self.objects[object as usize];
            *uses += 1;
            self.order.set(object, (self.age + *uses * *worth, now));
        }
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        let (now, _) = self.appearances.next(access, 0);
        let Object { uses, worth } = &mut self.objects[object as usize];
        *uses = 1;
        self.order.set(object, (self.age + *worth, now));
    }

    #[inline]
    fn on_remove(&mut self, object: u32) {
        self.order.remove(object);
    }

    #[inline]
    fn on_evict(&mut self, object: u32) {
        self.age = self.order.key(object).map_or(self.age, |(key, _)| self.age.max(key));
        self.order.remove(object);
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.order.first_allowed(candidates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::NEVER;

    #[test]
    fn a_use_is_worth_its_cost_per_byte() {
        assert_eq!(worth(&[10, 20, 10], &[30, 30, 15]), [1 << 20, 1 << 19, 1 << 19]);
        assert_eq!(worth(&[7, 7], &[7, 7]), [1 << 20; 2]);
        assert_eq!(worth(&[0, 5], &[0, 0]), [1, 1]);
        assert_eq!(worth(&[u64::MAX], &[u64::MAX]), [1]);
    }

    /// Two layers of equal sizes, the second three times as dear: one use there is worth just more than three here.
    #[test]
    fn what_is_dear_to_fetch_stays() {
        let mut policy = Gdsf::new(4, 2, &[10, 10], &[10, 30]);
        let access = |event| Access { event, next_event: NEVER, weight: 0 };
        (0..4).for_each(|object| policy.on_insert(object, &access(u64::from(object))));
        let ranked = |policy: &Gdsf| {
            let mut ranked: Vec<u32> = (0..4).collect();
            ranked.sort_by_key(|object| policy.order.key(*object));
            ranked
        };
        (4..6).for_each(|event| policy.on_hit(0, &access(event)));
        assert_eq!(ranked(&policy), [1, 0, 2, 3]);
        policy.on_hit(0, &access(6));
        assert_eq!(ranked(&policy), [1, 2, 3, 0]);
    }
}
