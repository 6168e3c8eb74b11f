//! Compaction: what is handed out is moved together, and what that empties goes back to the device.
//!
//! Segments that many blocks share are packed: in the order of addresses, each block goes to the end of the one before it,
//! or to the begin of the next segment where it does not fit into what is left of that one's. By induction no block comes
//! to lie behind where it was, so there is always room. A block alone in a segment that was made for a larger one moves to
//! a free block elsewhere, or to a smaller segment where the device has room for one; the segment it leaves goes back, so
//! this comes to an end. Left out: segments made for one block that several share by now, and those of oversized blocks.
//! They stay as they are.

use super::blocks::{Block, Blocks, NONE};
use super::caching::{Caching, is_shared, round, segment_of};

/// The pool of large blocks, which alone has segments made for one block.
const LARGE: usize = 1;

impl Caching {
    /// Moves blocks together, gives free segments back to the device, and says how many bytes had to move.
    pub(super) fn compact(&mut self) -> u64 {
        let expandable = self.options.expandable;
        let mut moved = 0;
        for (pool, blocks) in self.pools.iter_mut().enumerate() {
            let (bytes, given_up) = pack(blocks, |size| expandable || is_shared(pool, size));
            moved += bytes;
            self.books.occupied -= given_up;
        }
        self.give_back();
        while !expandable && let Some(bytes) = self.evacuate() {
            moved += bytes;
        }
        moved
    }

    /// Empties the first segment whose only block can lie elsewhere, and gives it back: the bytes moved. `None` where there
    /// is no such segment.
    fn evacuate(&mut self) -> Option<u64> {
        let blocks = &self.pools[LARGE];
        let room = self.books.capacity - self.books.reserved;
        let oversized = self.max_split();
        let lone = |(_, (first, size)): (&u64, &(u32, u64))| {
            let mut live = blocks.chain(*first).filter(|number| !blocks.get(*number).is_free());
            let (Some(only), None) = (live.next(), live.next()) else { return None };
            if is_shared(LARGE, *size) || *size >= oversized {
                return None;
            }
            let needed = round(blocks.get(only).asked);
            let elsewhere = blocks.best_fit_outside(needed, *first).filter(|(found, _)| *found < oversized);
            let new = segment_of(needed);
            let moves = elsewhere.is_some() || (new < *size && new <= room);
            moves.then_some((only, needed, elsewhere.map(|(_, number)| number)))
        };
        let (number, needed, elsewhere) = blocks.segments.iter().find_map(lone)?;
        let target = match elsewhere {
            Some(target) => target,
            None => self.open(LARGE, needed)?,
        };
        let asked = self.pools[LARGE].get(number).asked;
        self.take(LARGE, target, needed, asked);
        let (old, new) = (self.pools[LARGE].get(number).size, self.pools[LARGE].get(target).size);
        self.books.occupied = self.books.occupied - old + new;
        self.pools[LARGE].exchange(number, target);
        self.pools[LARGE].get_mut(target).asked = 0;
        self.pools[LARGE].join(target);
        self.give_back();
        Some(asked)
    }
}

/// Packs the segments whose size `packs` says yes to. Returns the bytes moved, and those that blocks gave up which had more
/// than they were asked for.
fn pack(blocks: &mut Blocks, packs: impl Fn(u64) -> bool) -> (u64, u64) {
    let all = blocks.segments.iter().map(|(address, (first, size))| (*address, *first, *size));
    let segments: Vec<(u64, u32, u64)> = all.filter(|(.., size)| packs(*size)).collect();
    let mut live = Vec::new();
    for (_, first, _) in &segments {
        for number in blocks.chain(*first).collect::<Vec<u32>>() {
            if blocks.get(number).is_free() {
                blocks.unlist(number);
                blocks.forget(number);
            } else {
                live.push(number);
            }
        }
    }
    let (mut moved, mut given_up, mut next) = (0, 0, live.into_iter().peekable());
    for (address, _, size) in segments {
        let end = address + size;
        let (mut cursor, mut last, mut first) = (address, NONE, NONE);
        while let Some(number) = next.next_if(|number| cursor + round(blocks.get(*number).asked) <= end) {
            let block = blocks.get_mut(number);
            let needed = round(block.asked);
            moved += if block.address == cursor { 0 } else { block.asked };
            given_up += block.size - needed;
            *block = Block { address: cursor, size: needed, before: last, after: NONE, ..*block };
            cursor += needed;
            if last == NONE {
                first = number;
            } else {
                blocks.get_mut(last).after = number;
            }
            last = number;
        }
        if cursor < end {
            let rest = Block { address: cursor, size: end - cursor, asked: 0, before: last, after: NONE };
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
    (moved, given_up)
}
