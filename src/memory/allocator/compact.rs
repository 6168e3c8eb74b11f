//! Compaction: what is handed out moves towards the first segment, in the order of addresses.
//!
//! Each block goes to the end of the one before it, or to the begin of the next segment where it does not fit into what is
//! left of that one's. By induction no block comes to lie behind where it was, so there is always room.

use super::blocks::{Block, Blocks, NONE};
use super::caching::{Caching, round};

impl Caching {
    /// Moves blocks together, gives free segments back to the device, and says how many bytes had to move.
    pub(super) fn compact(&mut self) -> u64 {
        let oversized = self.options.max_split.unwrap_or(u64::MAX);
        let mut moved = 0;
        for blocks in &mut self.pools {
            let before: u64 = occupied(blocks);
            moved += pack(blocks, oversized);
            self.books.occupied = self.books.occupied - before + occupied(blocks);
        }
        self.give_back();
        moved
    }
}

fn occupied(blocks: &Blocks) -> u64 {
    let all = blocks.segments.values().flat_map(|(first, _)| blocks.chain(*first));
    all.map(|number| blocks.get(number)).filter(|block| !block.is_free()).map(|block| block.size).sum()
}

/// Packs the segments of a pool. Those of one oversized block stay as they are.
fn pack(blocks: &mut Blocks, oversized: u64) -> u64 {
    let all: Vec<(u64, u32, u64)> =
        blocks.segments.iter().map(|(address, (first, size))| (*address, *first, *size)).collect();
    let stays = |(_, first, _): &&(u64, u32, u64)| blocks.get(*first).size < oversized;
    let segments: Vec<(u64, u32, u64)> = all.iter().filter(stays).copied().collect();
    let mut live: Vec<u32> = Vec::new();
    for (_, first, _) in &segments {
        live.extend(blocks.chain(*first).filter(|number| !blocks.get(*number).is_free()));
    }
    let kept: Vec<u32> =
        blocks.free_blocks().into_iter().filter(|n| blocks.get(*n).size >= oversized).collect();
    blocks.forget_free_blocks_but(&kept);
    let (mut moved, mut next) = (0, live.into_iter().peekable());
    for (address, _, size) in segments {
        let (mut cursor, mut last, mut first) = (address, NONE, NONE);
        while let Some(number) =
            next.next_if(|number| cursor + round(blocks.get(*number).asked) <= address + size)
        {
            let block = blocks.get_mut(number);
            if block.address != cursor {
                moved += block.asked;
            }
            // What was left uncut of a block when it was handed out is free again.
            (block.address, block.size) = (cursor, round(block.asked));
            (block.before, block.after) = (last, NONE);
            cursor += block.size;
            if last == NONE {
                first = number;
            } else {
                blocks.get_mut(last).after = number;
            }
            last = number;
        }
        if cursor < address + size {
            let rest =
                Block { address: cursor, size: address + size - cursor, asked: 0, before: last, after: NONE };
            let rest = blocks.add(rest);
            if last == NONE {
                first = rest;
            } else {
                blocks.get_mut(last).after = rest;
            }
        }
        blocks.segments.insert(address, (first, size));
    }
    assert!(next.peek().is_none(), "blocks that fitted before fit when moved together");
    moved
}
