//! Bytes of the KV cache: granted, shared, freed.
//!
//! What a sequence holds is in a [`KvSequence`] that its owner keeps, so that a decoded token within a block costs one
//! comparison. Shared blocks are counted once. Blocks of prompts that nobody holds any more stay as *cached* until the
//! room is needed, least recently used first. What windows and recurrent states hold is never shared: a hit takes it that
//! the state at its end is at hand, which engines get by keeping it for some blocks.

use super::KvShape;
use super::edges::{NONE, mixed};
use super::prefix::PrefixTree;
use crate::units::Bytes;

/// What one sequence holds. Whoever drops it without [`KvCache::free`] loses its bytes for good.
#[derive(Debug, PartialEq, Eq)]
pub struct KvSequence {
    /// Bytes that are its own.
    own_bytes: u64,
    /// Tokens that fit what it holds.
    room_tokens: u32,
    /// Nodes of the prefix tree that it holds, from the first of its prompt to `last`.
    shared: u32,
    last: u32,
}

impl Default for KvSequence {
    fn default() -> Self {
        Self { own_bytes: 0, room_tokens: 0, shared: 0, last: NONE }
    }
}

impl KvSequence {
    /// Tokens that fit what it holds.
    #[inline]
    pub fn room_tokens(&self) -> u32 {
        self.room_tokens
    }

    /// Bytes that are its own: everything but shared blocks.
    pub fn own_bytes(&self) -> Bytes {
        Bytes::new(self.own_bytes)
    }
}

/// Prefix reuse.
#[derive(Clone, Debug)]
struct Reuse {
    tree: PrefixTree,
    /// Hashes that make a node: as many as fill whole blocks.
    hashes: usize,
    /// Tokens, blocks and bytes of a node.
    tokens: u32,
    blocks: u32,
    bytes: u64,
}

/// The KV cache of one rank.
#[derive(Clone, Debug)]
pub struct KvCache {
    shape: KvShape,
    capacity_bytes: u64,
    used_bytes: u64,
    cached_bytes: u64,
    peak_bytes: u64,
    reuse: Option<Reuse>,
    revision: u64,
}

impl KvCache {
    /// An empty cache. `hash_tokens` is how many tokens of a prompt one hash stands for; with 0 nothing is shared, nor where
    /// no layer keeps every token.
    pub fn new(shape: KvShape, capacity: Bytes, hash_tokens: u32) -> Self {
        let reuse = Reuse::new(&shape, hash_tokens);
        let capacity_bytes = capacity.get();
        Self { shape, capacity_bytes, used_bytes: 0, cached_bytes: 0, peak_bytes: 0, reuse, revision: 0 }
    }

    /// What sequences take.
    pub fn shape(&self) -> &KvShape {
        &self.shape
    }

    /// Room in all.
    pub fn capacity(&self) -> Bytes {
        Bytes::new(self.capacity_bytes)
    }

    /// Held by sequences, shared blocks counted once. Above the capacity only where that was lowered.
    pub fn used(&self) -> Bytes {
        Bytes::new(self.used_bytes)
    }

    /// Blocks of prompts that no sequence holds, kept as long as there is room.
    pub fn cached(&self) -> Bytes {
        Bytes::new(self.cached_bytes)
    }

    /// The most that was ever used.
    pub fn peak(&self) -> Bytes {
        Bytes::new(self.peak_bytes)
    }

    /// Whether an empty cache could hold this many tokens of one sequence.
    pub fn could_hold(&self, tokens: u32) -> bool {
        self.shape.bytes(tokens).get() <= self.capacity_bytes
    }

    /// Changes whenever something may fit that did not before, or a prompt may find other blocks. While it stands still, what
    /// was refused once is refused again.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Gives the cache more room or less. It keeps what is used in any case: below that, nothing new is granted.
    pub fn set_capacity(&mut self, capacity: Bytes) {
        self.capacity_bytes = capacity.get();
        self.revision += 1;
        self.drop_cached(0);
    }

    /// Makes room for `tokens` tokens of a sequence in all; says whether it did. Refused, nothing has changed.
    #[inline]
    pub fn grow(&mut self, sequence: &mut KvSequence, tokens: u32) -> bool {
        tokens <= sequence.room_tokens || self.grow_blocks(sequence, tokens)
    }

    fn grow_blocks(&mut self, sequence: &mut KvSequence, tokens: u32) -> bool {
        let blocks = self.shape.blocks(tokens);
        let shared = self.reuse.as_ref().map_or(0, |reuse| sequence.shared * reuse.blocks);
        let own = self.shape.unshared_bytes(blocks, shared);
        let more = own.saturating_sub(sequence.own_bytes);
        let Some(used) = self.used_bytes.checked_add(more) else { return false };
        if more > 0 && used > self.capacity_bytes {
            return false;
        }
        self.drop_cached(more);
        self.used_bytes = used;
        self.peak_bytes = self.peak_bytes.max(used);
        sequence.own_bytes += more;
        sequence.room_tokens = blocks.saturating_mul(self.shape.block_tokens());
        true
    }

    /// Lets an empty sequence hold the blocks that its prompt shares with what is here, of its first `tokens` tokens at
    /// most, and returns the tokens found. It has no room yet beside them: [`KvCache::grow`] is to follow.
    pub fn attach(&mut self, sequence: &mut KvSequence, hashes: &[u64], tokens: u32) -> u32 {
        let Some(reuse) = &mut self.reuse else { return 0 };
        for group in reuse.whole_nodes(hashes, tokens) {
            let Some(node) = reuse.tree.find(sequence.last, joined(group)) else { break };
            if reuse.tree.hold(node) {
                self.cached_bytes -= reuse.bytes;
                self.used_bytes += reuse.bytes;
            }
            (sequence.last, sequence.shared) = (node, sequence.shared + 1);
        }
        sequence.shared * reuse.tokens
    }

    /// Offers what a sequence holds of the first `tokens` tokens of its prompt to others. Where the same block is here
    /// already, the sequence's own copy of it goes (as in `SGLang`'s radix cache).
    pub fn share(&mut self, sequence: &mut KvSequence, hashes: &[u64], tokens: u32) {
        let Some(reuse) = &mut self.reuse else { return };
        let held = tokens.min(sequence.room_tokens);
        for group in reuse.whole_nodes(hashes, held).skip(sequence.shared as usize) {
            let hash = joined(group);
            let node = if let Some(node) = reuse.tree.find(sequence.last, hash) {
                if reuse.tree.hold(node) {
                    self.cached_bytes -= reuse.bytes;
                } else {
                    self.used_bytes -= reuse.bytes;
                }
                node
            } else {
                reuse.tree.insert(sequence.last, hash)
            };
            sequence.own_bytes -= reuse.bytes;
            (sequence.last, sequence.shared) = (node, sequence.shared + 1);
            self.revision += 1;
        }
    }

    /// Bytes of the shared blocks that a sequence holds, which others may hold too.
    pub fn shared_bytes(&self, sequence: &KvSequence) -> Bytes {
        let node = self.reuse.as_ref().map_or(0, |reuse| reuse.bytes);
        Bytes::new(node * u64::from(sequence.shared))
    }

    /// Takes back all that a sequence holds.
    pub fn free(&mut self, sequence: &mut KvSequence) {
        self.used_bytes -= sequence.own_bytes;
        if let Some(reuse) = &mut self.reuse {
            let mut node = sequence.last;
            while node != NONE {
                let parent = reuse.tree.parent(node);
                if reuse.tree.release(node) {
                    self.used_bytes -= reuse.bytes;
                    self.cached_bytes += reuse.bytes;
                }
                node = parent;
            }
        }
        *sequence = KvSequence::default();
        self.revision += 1;
        self.drop_cached(0);
    }

    /// Drops cached blocks until `more` bytes fit, or none is left.
    fn drop_cached(&mut self, more: u64) {
        let Some(reuse) = &mut self.reuse else { return };
        let held = self.used_bytes.saturating_add(more);
        while self.cached_bytes > self.capacity_bytes.saturating_sub(held) && reuse.tree.drop_oldest() {
            self.cached_bytes -= reuse.bytes;
            self.revision += 1;
        }
    }
}

impl Reuse {
    fn new(shape: &KvShape, hash_tokens: u32) -> Option<Self> {
        let (block, bytes) = (shape.block_tokens(), shape.full_block_bytes().get());
        if hash_tokens == 0 || bytes == 0 {
            return None;
        }
        let hashes = block / common_divisor(block, hash_tokens);
        let tokens = hash_tokens.checked_mul(hashes)?;
        let blocks = tokens / block;
        let bytes = bytes.checked_mul(u64::from(blocks))?;
        Some(Self { tree: PrefixTree::new(), hashes: hashes as usize, tokens, blocks, bytes })
    }

    /// The hashes of each node within the first `tokens` tokens.
    fn whole_nodes<'a>(&self, hashes: &'a [u64], tokens: u32) -> impl Iterator<Item = &'a [u64]> + use<'a> {
        hashes.chunks_exact(self.hashes).take((tokens / self.tokens) as usize)
    }
}

/// One hash for the hashes of a node.
fn joined(hashes: &[u64]) -> u64 {
    match hashes {
        [one] => *one,
        many => many.iter().fold(0, |all, hash| mixed(all.rotate_left(1) ^ mixed(*hash))),
    }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;
