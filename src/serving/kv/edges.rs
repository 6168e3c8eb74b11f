//! From a node of the prefix tree and the hash of the next block to the node of that block.
//!
//! An open-addressing table with a mixer of its own: every admission looks up each block of its prompt, where a sorted map
//! would take several times as long. Nothing is ever read in the table's order, so results do not depend on it.

/// No node.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Edge {
    hash: u64,
    parent: u32,
    /// [`NONE`] where the place is empty.
    node: u32,
}

const EMPTY: Edge = Edge { hash: 0, parent: NONE, node: NONE };

/// The edges of a tree.
#[derive(Clone, Debug)]
pub(super) struct Edges {
    /// A power of two, at most half of them taken.
    places: Vec<Edge>,
    taken: usize,
}

/// A 64-bit finaliser (`SplitMix64`, Steele, Lea and Flood 2014).
pub(super) fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Edges {
    pub(super) fn new() -> Self {
        Self { places: vec![EMPTY; 16], taken: 0 }
    }

    /// Where the search for a key begins.
    #[allow(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
    fn home(&self, parent: u32, hash: u64) -> usize {
        let mix = mixed(hash ^ u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mix as usize & (self.places.len() - 1)
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }

    /// The place of a key, or the empty place where it would go.
    fn place(&self, parent: u32, hash: u64) -> usize {
        let mut at = self.home(parent, hash);
        loop {
            let edge = &self.places[at];
            if edge.node == NONE || (edge.hash == hash && edge.parent == parent) {
                return at;
            }
            at = self.next(at);
        }
    }

    /// The node that follows `parent` with this hash.
    pub(super) fn find(&self, parent: u32, hash: u64) -> Option<u32> {
        let node = self.places[self.place(parent, hash)].node;
        (node != NONE).then_some(node)
    }

    /// Adds an edge that is not there.
    pub(super) fn insert(&mut self, parent: u32, hash: u64, node: u32) {
        if 2 * (self.taken + 1) > self.places.len() {
            let larger = vec![EMPTY; 2 * self.places.len()];
            for edge in std::mem::replace(&mut self.places, larger) {
                if edge.node != NONE {
                    let at = self.place(edge.parent, edge.hash);
                    self.places[at] = edge;
                }
            }
        }
        let at = self.place(parent, hash);
        self.places[at] = Edge { hash, parent, node };
        self.taken += 1;
    }

    /// Takes an edge out that is there, and moves up what was pushed on by it.
    pub(super) fn remove(&mut self, parent: u32, hash: u64) {
        let mask = self.places.len() - 1;
        let mut hole = self.place(parent, hash);
        let mut at = self.next(hole);
        while self.places[at].node != NONE {
            let edge = self.places[at];
            let home = self.home(edge.parent, edge.hash);
            // It may move where the hole is not before its home.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.places[hole] = edge;
                hole = at;
            }
            at = self.next(at);
        }
        self.places[hole] = EMPTY;
        self.taken -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_a_sorted_map(operations in prop::collection::vec((0..6_u32, 0..12_u64, any::<bool>()), 0..600)) {
            let (mut edges, mut map) = (Edges::new(), BTreeMap::new());
            for (number, (parent, hash, insert)) in (0..).zip(operations) {
                match (map.contains_key(&(parent, hash)), insert) {
                    (false, true) => {
                        edges.insert(parent, hash, number);
                        map.insert((parent, hash), number);
                    }
                    (true, false) => {
                        edges.remove(parent, hash);
                        map.remove(&(parent, hash));
                    }
                    _ => {}
                }
                for parent in 0..6 {
                    for hash in 0..12 {
                        prop_assert_eq!(edges.find(parent, hash), map.get(&(parent, hash)).copied());
                    }
                }
            }
        }
    }
}
