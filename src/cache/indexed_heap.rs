//! A min-heap over dense object numbers whose keys can change: the order of every policy that ranks by a number.
//!
//! Each node has four children, so that the heap is flat. A key that rises is only written down: the heap hears of it when
//! the object comes to its top, or next to it. So an object that is touched many times between two evictions costs a
//! write each time, and moves once at most.

use super::Candidates;

const ABSENT: u32 = u32::MAX;
/// Children of a node.
const WIDTH: usize = 4;

/// What is known of one object.
#[derive(Clone, Copy, Debug)]
struct Slot<K> {
    /// Its key; meaningless while it is absent.
    key: K,
    /// Where it stands in the heap, or [`ABSENT`].
    position: u32,
}

/// One node: an object under a key that it has or has had, which is never greater than the one that it has.
#[derive(Clone, Copy, Debug)]
struct Node<K> {
    key: K,
    object: u32,
}

/// Objects with a key each, smallest key on top. Keys must be unique or ties decided within them, since the order among
/// equal keys is not defined.
#[derive(Clone, Debug)]
pub struct IndexedHeap<K> {
    heap: Vec<Node<K>>,
    slots: Vec<Slot<K>>,
    /// Positions still to be looked at by a search.
    open: Vec<usize>,
}

impl<K: Ord + Copy + Default> IndexedHeap<K> {
    /// An empty heap over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        let objects = objects as usize;
        Self {
            heap: Vec::with_capacity(objects),
            slots: vec![Slot { key: K::default(), position: ABSENT }; objects],
            open: Vec::with_capacity(objects),
        }
    }

    /// Inserts an object or changes its key.
    #[inline]
    pub fn set(&mut self, object: u32, key: K) {
        let slot = &mut self.slots[object as usize];
        let before = std::mem::replace(&mut slot.key, key);
        let node = Node { key, object };
        match slot.position {
            ABSENT => {
                self.heap.push(node);
                self.sift_up(self.heap.len() - 1, node);
            }
            // The node keeps a key that is no greater, and is put right when it matters.
            _ if key >= before => {}
            at => {
                let at = at as usize;
                if key < self.heap[at].key {
                    self.sift_up(at, node);
                }
            }
        }
    }

    /// Takes an object out, if it is in.
    #[inline]
    pub fn remove(&mut self, object: u32) {
        let at = std::mem::replace(&mut self.slots[object as usize].position, ABSENT);
        if at == ABSENT {
            return;
        }
        let at = at as usize;
        let (Some(last), removed) = (self.heap.pop(), object) else { return };
        if last.object == removed {
            return;
        }
        if at > 0 && last.key < self.heap[(at - 1) / WIDTH].key {
            self.sift_up(at, last);
        } else {
            self.sift_down(at, last);
        }
    }

    /// The key of an object that is in the heap.
    #[inline]
    pub fn key(&self, object: u32) -> Option<K> {
        let slot = &self.slots[object as usize];
        (slot.position != ABSENT).then_some(slot.key)
    }

    /// The smallest key.
    #[inline]
    pub fn first_key(&mut self) -> Option<K> {
        self.settle(0).map(|node| node.key)
    }

    /// Gives a new key to every object whose key `changes`, smallest first. The order of all must stay what it is.
    pub fn rewrite(&mut self, changes: impl Fn(K) -> bool, mut new: impl FnMut(K) -> K) {
        let mut kept = 0;
        for at in 0..self.heap.len() {
            let object = self.heap[at].object;
            let key = self.slots[object as usize].key;
            self.heap[at].key = key;
            if !changes(key) {
                self.heap.swap(kept, at);
                kept += 1;
            }
        }
        self.heap[kept..].sort_unstable_by_key(|node| node.key);
        for node in &mut self.heap[kept..] {
            node.key = new(node.key);
            self.slots[node.object as usize].key = node.key;
        }
        for at in (0..self.heap.len()).rev() {
            self.sift_down(at, self.heap[at]);
        }
    }

    /// The allowed object with the smallest key. It stays in the heap.
    #[inline]
    pub fn first_allowed(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let first = self.settle(0)?;
        if candidates.allows(first.object) { Some(first.object) } else { self.search(candidates) }
    }

    /// Walks from the top through what is not allowed to the best that is.
    fn search(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let mut best: Option<Node<K>> = None;
        self.open.clear();
        self.open.push(0);
        while let Some(at) = self.open.pop() {
            let Some(node) = self.settle(at) else { continue };
            if best.is_some_and(|best| best.key <= node.key) {
                continue;
            }
            if candidates.allows(node.object) {
                best = Some(node);
            } else {
                let children = WIDTH * at + 1..(WIDTH * at + 1 + WIDTH).min(self.heap.len());
                self.open.extend(children);
            }
        }
        best.map(|best| best.object)
    }

    /// The node that stands here once every node that does has the key of its object.
    #[inline]
    fn settle(&mut self, at: usize) -> Option<Node<K>> {
        loop {
            let node = *self.heap.get(at)?;
            let key = self.slots[node.object as usize].key;
            if key == node.key {
                return Some(node);
            }
            self.sift_down(at, Node { key, ..node });
        }
    }

    /// Puts `node` here.
    #[inline]
    fn place(&mut self, at: usize, node: Node<K>) {
        self.heap[at] = node;
        self.slots[node.object as usize].position = u32::try_from(at).unwrap_or(ABSENT);
    }

    /// Puts `node` here or above, where it belongs; what stands here is overwritten.
    #[inline]
    fn sift_up(&mut self, mut at: usize, node: Node<K>) {
        while at > 0 {
            let parent = (at - 1) / WIDTH;
            if self.heap[parent].key <= node.key {
                break;
            }
            self.place(at, self.heap[parent]);
            at = parent;
        }
        self.place(at, node);
    }

    /// Puts `node` here or below, where it belongs; what stands here is overwritten.
    #[inline]
    fn sift_down(&mut self, mut at: usize, node: Node<K>) {
        while let Some(child) = self.smallest_child(at)
            && self.heap[child].key < node.key
        {
            self.place(at, self.heap[child]);
            at = child;
        }
        self.place(at, node);
    }

    #[inline]
    fn smallest_child(&self, at: usize) -> Option<usize> {
        let first = WIDTH * at + 1;
        let Some([a, b, c, d]) = self.heap.get(first..first + WIDTH) else {
            return (first..self.heap.len()).min_by_key(|child| self.heap[*child].key);
        };
        // Two independent comparisons and a third, which is faster than three in a row.
        let (left, left_key) = if b.key < a.key { (first + 1, b.key) } else { (first, a.key) };
        let (right, right_key) = if d.key < c.key { (first + 3, d.key) } else { (first + 2, c.key) };
        Some(if right_key < left_key { right } else { left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Operation {
        Set(u32, u32),
        Remove(u32),
        HalveFrom(u32),
    }

    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        let operation = prop_oneof![
            6 => (0_u32..40, 0_u32..60).prop_map(|(object, key)| Operation::Set(object, key)),
            3 => (0_u32..40).prop_map(Operation::Remove),
            1 => (0_u32..60).prop_map(Operation::HalveFrom),
        ];
        prop::collection::vec(operation, 1..400)
    }

    proptest! {
        /// Against a sorted map, operation by operation: the top is always the smallest key.
        #[test]
        fn agrees_with_a_sorted_map(operations in operations(), look in prop::bool::ANY) {
            let mut heap = IndexedHeap::new(40);
            let mut map = BTreeMap::new();
            for operation in operations {
                match operation {
                    Operation::Set(object, key) => {
                        heap.set(object, (key, object));
                        map.insert(object, (key, object));
                    }
                    Operation::Remove(object) => {
                        heap.remove(object);
                        map.remove(&object);
                    }
                    Operation::HalveFrom(bound) => {
                        let halve = |(key, object): (u32, u32)| ((key - bound) / 2 + bound, object);
                        let mut before = None;
                        heap.rewrite(|key| key.0 >= bound, |key| {
                            assert!(before.replace(key) < Some(key), "smallest first");
                            halve(key)
                        });
                        map.values_mut().filter(|key| key.0 >= bound).for_each(|key| *key = halve(*key));
                    }
                }
                // Without looking, what has risen stays where it was for longer.
                if look {
                    prop_assert_eq!(heap.first_key(), map.values().min().copied());
                }
                prop_assert_eq!(heap.heap.len(), map.len());
                for object in 0..40 {
                    prop_assert_eq!(heap.key(object), map.get(&object).copied());
                }
            }
            while let Some(first) = heap.first_key() {
                prop_assert_eq!(Some(first), map.values().min().copied());
                heap.remove(first.1);
                map.remove(&first.1);
            }
            prop_assert!(map.is_empty());
        }
    }
}
