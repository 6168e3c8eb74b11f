//! Blocks in chains: each segment is a chain of blocks by ascending address, and free blocks are found by size.

use std::collections::{BTreeMap, BTreeSet};

/// No block.
pub(super) const NONE: u32 = u32::MAX;

/// A piece of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) address: u64,
    pub(super) size: u64,
    /// Bytes asked for; zero while it is free.
    pub(super) asked: u64,
    /// Neighbours in the segment.
    pub(super) before: u32,
    pub(super) after: u32,
}

impl Block {
    pub(super) fn is_free(&self) -> bool {
        self.asked == 0
    }
}

/// The segments of one pool, each in addresses of its own. Blocks keep their number for as long as they live.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    pub(super) all: Vec<Block>,
    /// Numbers that no block has.
    spare: Vec<u32>,
    /// Free blocks by size, then by address.
    free: BTreeSet<(u64, u64, u32)>,
    /// First block and size of each segment, by address.
    pub(super) segments: BTreeMap<u64, (u32, u64)>,
    /// The end of the last segment that there ever was.
    pub(super) end: u64,
}

impl Blocks {
    pub(super) fn add(&mut self, block: Block) -> u32 {
        let number = match self.spare.pop() {
            Some(number) => {
                self.all[number as usize] = block;
                number
            }
            None => {
                self.all.push(block);
                u32::try_from(self.all.len() - 1).unwrap_or(NONE)
            }
        };
        if block.is_free() {
            self.free.insert((block.size, block.address, number));
        }
        number
    }

    /// Forgets a block that was taken out of its chain and of the free ones.
    pub(super) fn forget(&mut self, number: u32) {
        self.spare.push(number);
    }

    pub(super) fn get(&self, number: u32) -> &Block {
        &self.all[number as usize]
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut Block {
        &mut self.all[number as usize]
    }

    /// The smallest free block of at least `size`, the one of lowest address among equals.
    pub(super) fn best_fit(&self, size: u64) -> Option<(u64, u32)> {
        self.free.range((size, 0, 0)..).next().map(|(size, _, number)| (*size, *number))
    }

    pub(super) fn largest_free(&self) -> u64 {
        self.free.last().map_or(0, |(size, ..)| *size)
    }

    /// Free blocks by ascending size.
    pub(super) fn free_blocks(&self) -> Vec<u32> {
        self.free.iter().map(|(.., number)| *number).collect()
    }

    /// The smallest free block of at least `size` in any segment but the one of this first block.
    pub(super) fn best_fit_outside(&self, size: u64, first: u32) -> Option<(u64, u32)> {
        let own = |address: &u64| {
            let segment = self.segments.range(..=*address).next_back();
            segment.is_some_and(|(_, (other, _))| *other == first)
        };
        let mut others = self.free.range((size, 0, 0)..).filter(|(_, address, _)| !own(address));
        others.next().map(|(size, _, number)| (*size, *number))
    }

    /// Two blocks that are handed out, in different segments, exchange their places.
    pub(super) fn exchange(&mut self, one: u32, other: u32) {
        self.all.swap(one as usize, other as usize);
        for number in [one, other] {
            let Block { address, before, after, .. } = *self.get(number);
            if before != NONE {
                self.get_mut(before).after = number;
            } else if let Some((first, _)) = self.segments.get_mut(&address) {
                *first = number;
            }
            if after != NONE {
                self.get_mut(after).before = number;
            }
        }
    }

    pub(super) fn list(&mut self, number: u32) {
        let block = self.all[number as usize];
        self.free.insert((block.size, block.address, number));
    }

    pub(super) fn unlist(&mut self, number: u32) {
        let block = self.all[number as usize];
        self.free.remove(&(block.size, block.address, number));
    }

    /// A segment of one free block behind all others.
    pub(super) fn open_segment(&mut self, size: u64) -> u32 {
        let address = self.end;
        let number = self.add(Block { address, size, asked: 0, before: NONE, after: NONE });
        self.segments.insert(address, (number, size));
        self.end += size;
        number
    }

    /// Cuts a block after `size` bytes; what follows becomes a free block of its own.
    pub(super) fn split(&mut self, number: u32, size: u64) {
        let block = *self.get(number);
        let rest = Block {
            address: block.address + size,
            size: block.size - size,
            asked: 0,
            before: number,
            after: block.after,
        };
        let rest = self.add(rest);
        if block.after != NONE {
            self.get_mut(block.after).before = rest;
        }
        let block = self.get_mut(number);
        (block.size, block.after) = (size, rest);
    }

    /// Joins a block that is not listed with its free neighbours, and lists what that gives.
    pub(super) fn join(&mut self, mut number: u32) -> u32 {
        let before = self.get(number).before;
        if before != NONE && self.get(before).is_free() {
            self.unlist(before);
            self.swallow(before, number);
            number = before;
        }
        let after = self.get(number).after;
        if after != NONE && self.get(after).is_free() {
            self.unlist(after);
            self.swallow(number, after);
        }
        self.list(number);
        number
    }

    fn swallow(&mut self, number: u32, after: u32) {
        let gone = *self.get(after);
        let block = self.get_mut(number);
        (block.size, block.after) = (block.size + gone.size, gone.after);
        if gone.after != NONE {
            self.get_mut(gone.after).before = number;
        }
        self.forget(after);
    }

    /// The blocks of a segment by ascending address.
    pub(super) fn chain(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        let next = |number: &u32| Some(self.get(*number).after).filter(|next| *next != NONE);
        std::iter::successors(Some(first).filter(|first| *first != NONE), next)
    }
}
