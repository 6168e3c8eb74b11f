//! The tree of prompt blocks that can be shared, and the order in which unused ones go.
//!
//! A node is a run of tokens behind another node: two prompts are on the same node where all their hashes up to it are
//! equal. Whoever holds a node holds all nodes before it, and lets go of the last first. So among unused nodes a node always
//! stands before the one it follows, and the oldest never has another behind it. Left out: bytes, which the cache counts.

use super::edges::{Edges, NONE};

#[derive(Clone, Copy, Debug)]
struct Node {
    hash: u64,
    parent: u32,
    /// Sequences that hold it.
    users: u32,
    /// Neighbours in the order of unused nodes.
    older: u32,
    newer: u32,
}

/// Blocks by prefix.
#[derive(Clone, Debug)]
pub(super) struct PrefixTree {
    nodes: Vec<Node>,
    vacant: Vec<u32>,
    edges: Edges,
    oldest: u32,
    newest: u32,
}

impl PrefixTree {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), vacant: Vec::new(), edges: Edges::new(), oldest: NONE, newest: NONE }
    }

    /// The node that follows `parent` ([`NONE`]: the first of a prompt) with this hash.
    pub(super) fn find(&self, parent: u32, hash: u64) -> Option<u32> {
        self.edges.find(parent, hash)
    }

    /// A new node, held once.
    pub(super) fn insert(&mut self, parent: u32, hash: u64) -> u32 {
        let node = Node { hash, parent, users: 1, older: NONE, newer: NONE };
        let number = if let Some(number) = self.vacant.pop() {
            self.nodes[number as usize] = node;
            number
        } else {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
        };
        self.edges.insert(parent, hash, number);
        number
    }

    /// The node before this one.
    pub(super) fn parent(&self, node: u32) -> u32 {
        self.nodes[node as usize].parent
    }

    /// Holds a node once more; says whether it was unused.
    pub(super) fn hold(&mut self, node: u32) -> bool {
        let held = &mut self.nodes[node as usize];
        held.users += 1;
        let unused = held.users == 1;
        if unused {
            self.unlink(node);
        }
        unused
    }

    /// Lets go of a node once; says whether it is unused now.
    pub(super) fn release(&mut self, node: u32) -> bool {
        let newest = self.newest;
        let held = &mut self.nodes[node as usize];
        held.users -= 1;
        if held.users > 0 {
            return false;
        }
        (held.older, held.newer) = (newest, NONE);
        match newest {
            NONE => self.oldest = node,
            before => self.nodes[before as usize].newer = node,
        }
        self.newest = node;
        true
    }

    /// Drops the node that has been unused the longest; says whether there was one.
    pub(super) fn drop_oldest(&mut self) -> bool {
        let node = self.oldest;
        if node == NONE {
            return false;
        }
        self.unlink(node);
        let Node { hash, parent, .. } = self.nodes[node as usize];
        self.edges.remove(parent, hash);
        self.vacant.push(node);
        true
    }

    fn unlink(&mut self, node: u32) {
        let Node { older, newer, .. } = self.nodes[node as usize];
        match older {
            NONE => self.oldest = newer,
            before => self.nodes[before as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            after => self.nodes[after as usize].older = older,
        }
    }
}
