//! Objects in order of their last use, each with a weight: how much weight was used since an object's last use.
//!
//! Bennett and Kruskal's method ("LRU stack processing", IBM Journal of Research and Development, 1975) with a Fenwick
//! tree over time stamps, renumbered whenever the stamps run out, so memory grows with objects and not with the length of
//! the trace.

/// No object.
const NOBODY: u32 = u32::MAX;

/// The objects `0 .. objects` by recency.
#[derive(Clone, Debug)]
pub struct RecencyOrder {
    /// Stamp of each object's latest use, from 1; 0 for never.
    stamps: Vec<u32>,
    /// Object at each stamp, where that is still its latest, and its weight.
    holders: Vec<(u32, u64)>,
    /// Fenwick tree over the stamps: the weight of the object at each.
    tree: Vec<u64>,
    next: usize,
    total: u64,
}

impl RecencyOrder {
    /// None of the objects has been used.
    pub fn new(objects: usize) -> Self {
        let stamps = 4 * objects + 64;
        Self {
            stamps: vec![0; objects],
            holders: vec![(NOBODY, 0); stamps + 1],
            tree: vec![0; stamps + 1],
            next: 1,
            total: 0,
        }
    }

    /// Weight of the objects used since the last use of this one; `None` for an object never used.
    #[inline]
    pub fn above(&self, object: usize) -> Option<u64> {
        let stamp = self.stamps[object] as usize;
        (stamp > 0).then(|| self.total - self.up_to(stamp))
    }

    /// A use of an object. Its weight must be the same every time.
    #[inline]
    pub fn touch(&mut self, object: usize, weight: u64) {
        if self.next == self.tree.len() {
            self.renumber();
        }
        let stamp = self.stamps[object] as usize;
        if stamp == 0 {
            self.total += weight;
        } else {
            self.holders[stamp] = (NOBODY, 0);
            self.add(stamp, weight.wrapping_neg());
        }
        self.place(object, weight);
    }

    /// As if nothing had been used.
    pub fn clear(&mut self) {
        self.stamps.fill(0);
        self.holders.fill((NOBODY, 0));
        self.tree.fill(0);
        self.next = 1;
        self.total = 0;
    }

    fn place(&mut self, object: usize, weight: u64) {
        let stamp = self.next;
        self.next += 1;
        // Both fit: stamps are few times the objects, whose numbers have 32 bits.
        self.stamps[object] = u32::try_from(stamp).unwrap_or(0);
        self.holders[stamp] = (u32::try_from(object).unwrap_or(NOBODY), weight);
        self.add(stamp, weight);
    }

    /// Sums wrap, so that a weight is taken out by adding its complement.
    fn add(&mut self, stamp: usize, weight: u64) {
        let mut node = stamp;
        while node < self.tree.len() {
            self.tree[node] = self.tree[node].wrapping_add(weight);
            node += node & node.wrapping_neg();
        }
    }

    fn up_to(&self, stamp: usize) -> u64 {
        let (mut node, mut sum) = (stamp, 0_u64);
        while node > 0 {
            sum = sum.wrapping_add(self.tree[node]);
            node &= node - 1;
        }
        sum
    }

    /// Gives the latest uses the stamps 1, 2, ... in their order.
    fn renumber(&mut self) {
        let mut kept = 1;
        for stamp in 1..self.holders.len() {
            let held = std::mem::replace(&mut self.holders[stamp], (NOBODY, 0));
            if held.0 != NOBODY {
                self.holders[kept] = held;
                kept += 1;
            }
        }
        self.tree.fill(0);
        self.next = 1;
        for stamp in 1..kept {
            let (object, weight) = self.holders[stamp];
            self.place(object as usize, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a plain list, most recent first, through several renumberings.
        #[test]
        fn agrees_with_a_plain_list(uses in prop::collection::vec(0_usize..7, 1..600)) {
            let weight = |object: usize| 1 + (object as u64) * 3;
            let mut order = RecencyOrder::new(7);
            let mut list: Vec<usize> = Vec::new();
            for object in uses {
                let above = |at| list[..at].iter().map(|other| weight(*other)).sum::<u64>();
                let expected = list.iter().position(|other| *other == object).map(above);
                prop_assert_eq!(order.above(object), expected);
                order.touch(object, weight(object));
                list.retain(|other| *other != object);
                list.insert(0, object);
            }
        }
    }
}
