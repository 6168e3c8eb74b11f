//! A binary min-heap over dense object numbers whose keys can change: the order of every policy that ranks by a number.

use super::Candidates;

const ABSENT: u32 = u32::MAX;

/// Objects with a key each, smallest key on top. Keys must be unique or ties decided within them, since the order among
/// equal keys is not defined.
#[derive(Clone, Debug)]
pub struct IndexedHeap<K> {
    heap: Vec<(K, u32)>,
    position: Vec<u32>,
    set_aside: Vec<(K, u32)>,
}

impl<K: Ord + Copy> IndexedHeap<K> {
    /// An empty heap over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        Self { heap: Vec::new(), position: vec![ABSENT; objects as usize], set_aside: Vec::new() }
    }

    /// Inserts an object or changes its key.
    #[inline]
    pub fn set(&mut self, object: u32, key: K) {
        let at = match self.position[object as usize] {
            ABSENT => {
                self.heap.push((key, object));
                self.heap.len() - 1
            }
            at => {
                self.heap[at as usize].0 = key;
                at as usize
            }
        };
        let at = self.sift_up(at);
        self.sift_down(at);
    }

    /// Takes an object out, if it is in.
    pub fn remove(&mut self, object: u32) {
        let at = std::mem::replace(&mut self.position[object as usize], ABSENT);
        if at == ABSENT {
            return;
        }
        let at = at as usize;
        self.heap.swap_remove(at);
        if at < self.heap.len() {
            let at = self.sift_up(at);
            self.sift_down(at);
        }
    }

    /// The key of an object that is in the heap.
    pub fn key(&self, object: u32) -> Option<K> {
        match self.position[object as usize] {
            ABSENT => None,
            at => Some(self.heap[at as usize].0),
        }
    }

    /// The allowed object with the smallest key. It stays in the heap.
    pub fn first_allowed(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let mut found = None;
        while let Some(&(key, object)) = self.heap.first() {
            if candidates.allows(object) {
                found = Some(object);
                break;
            }
            self.set_aside.push((key, object));
            self.remove(object);
        }
        while let Some((key, object)) = self.set_aside.pop() {
            self.set(object, key);
        }
        found
    }

    #[inline]
    fn place(&mut self, at: usize) {
        self.position[self.heap[at].1 as usize] = u32::try_from(at).unwrap_or(ABSENT);
    }

    #[inline]
    fn sift_up(&mut self, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.heap[parent].0 <= self.heap[at].0 {
                break;
            }
            self.heap.swap(parent, at);
            self.place(at);
            at = parent;
        }
        self.place(at);
        at
    }

    #[inline]
    fn sift_down(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            if left >= self.heap.len() {
                break;
            }
            let right = left + 1;
            let child =
                if right < self.heap.len() && self.heap[right].0 < self.heap[left].0 { right } else { left };
            if self.heap[at].0 <= self.heap[child].0 {
                break;
            }
            self.heap.swap(at, child);
            self.place(at);
            at = child;
        }
        self.place(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Against a sorted map, operation by operation: the top is always the smallest key.
        #[test]
        fn agrees_with_a_sorted_map(operations in prop::collection::vec((0_u32..12, 0_u32..50, prop::bool::ANY), 1..300)) {
            let mut heap = IndexedHeap::new(12);
            let mut map = BTreeMap::new();
            for (object, key, insert) in operations {
                if insert {
                    heap.set(object, (key, object));
                    map.insert(object, key);
                } else {
                    heap.remove(object);
                    map.remove(&object);
                }
                let smallest = map.iter().map(|(object, key)| (*key, *object)).min();
                prop_assert_eq!(heap.heap.first().map(|entry| entry.0), smallest);
                prop_assert_eq!(heap.heap.len(), map.len());
                for (object, key) in &map {
                    prop_assert_eq!(heap.key(*object), Some((*key, *object)));
                }
            }
        }
    }
}
