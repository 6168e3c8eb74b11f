//! The model of PyTorch's CUDA caching allocator.
//!
//! After `c10/cuda/CUDACachingAllocator.cpp` of PyTorch 2 (its constants and its rules for splitting, read in 2026) and
//! <https://pytorch.org/docs/stable/notes/cuda.html#memory-management>. Requests are rounded up to 512 bytes. Those of up
//! to 1 MiB are cut from segments of 2 MiB, those below 10 MiB from segments of 20 MiB, and larger ones get segments of
//! their own, in multiples of 2 MiB. The smallest free block that is large enough is taken, and cut where enough is left
//! over; a block that comes back joins its free neighbours. Segments stay until the device has no room for another: then
//! all that are free as a whole go back to it, and the request is tried once more.
//!
//! With `expandable_segments` each of the two pools is one segment that grows at its end, and what goes back to the device
//! are whole pages of it.

use super::BlockId;
use super::blocks::{Block, Blocks, NONE};
use super::books::{AllocatorBooks, OutOfMemory};

/// `kMinBlockSize`.
const BLOCK_MIN: u64 = 512;
/// `kSmallSize`.
const SMALL_MAX: u64 = 1 << 20;
/// `kSmallBuffer`, and the page of an expandable segment of small blocks.
const SMALL_SEGMENT: u64 = 2 << 20;
/// `kLargeBuffer`, and the page of an expandable segment of large blocks.
const LARGE_SEGMENT: u64 = 20 << 20;
/// `kMinLargeAlloc`.
const OWN_SEGMENT_MIN: u64 = 10 << 20;
/// `kRoundLarge`.
const OWN_SEGMENT_ROUND: u64 = 2 << 20;

/// `max_split_size_mb` must be more than the size of a segment of large blocks.
pub const MAX_SPLIT_MIN: u64 = LARGE_SEGMENT;

/// What `PYTORCH_CUDA_ALLOC_CONF` sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachingOptions {
    /// Blocks from this size on are neither cut nor given to smaller requests; `None` where all may be.
    pub max_split: Option<u64>,
    /// Segments grow.
    pub expandable: bool,
}

/// A caching allocator.
#[derive(Clone, Debug)]
pub struct Caching {
    pub(super) options: CachingOptions,
    /// Small and large blocks.
    pub(super) pools: [Blocks; 2],
    pub(super) books: AllocatorBooks,
}

/// A request rounded up to whole blocks; at least one.
pub(super) fn round(bytes: u64) -> u64 {
    bytes.max(1).div_ceil(BLOCK_MIN).saturating_mul(BLOCK_MIN)
}

/// The segment that a request of a size gets where no free block serves it.
pub(super) fn segment_of(size: u64) -> u64 {
    if size <= SMALL_MAX {
        SMALL_SEGMENT
    } else if size < OWN_SEGMENT_MIN {
        LARGE_SEGMENT
    } else {
        size.div_ceil(OWN_SEGMENT_ROUND).saturating_mul(OWN_SEGMENT_ROUND)
    }
}

/// Whether a segment of a pool was made for many blocks.
pub(super) fn is_shared(pool: usize, segment: u64) -> bool {
    segment == page_of(pool)
}

/// Which pool has the blocks of a size.
fn pool_of(size: u64) -> usize {
    usize::from(size > SMALL_MAX)
}

/// Pages of an expandable segment.
fn page_of(pool: usize) -> u64 {
    if pool == 0 { SMALL_SEGMENT } else { LARGE_SEGMENT }
}

impl Caching {
    /// With nothing reserved.
    pub fn new(options: CachingOptions, capacity: u64) -> Self {
        Self { options, pools: Default::default(), books: AllocatorBooks::new(capacity) }
    }

    pub(super) fn max_split(&self) -> u64 {
        self.options.max_split.unwrap_or(u64::MAX)
    }

    pub(super) fn allocate(&mut self, bytes: u64) -> Result<BlockId, OutOfMemory> {
        let (asked, size) = (bytes.max(1), round(bytes));
        let pool = pool_of(size);
        let found = self.find(pool, size).or_else(|| self.open(pool, size)).or_else(|| {
            self.flush();
            self.open(pool, size)
        });
        let Some(number) = found else {
            let largest = self.pools[pool].largest_free();
            return Err(self.books.refuse(bytes, largest));
        };
        self.take(pool, number, size, asked);
        self.books.hand_out(asked, self.pools[pool].get(number).size);
        Ok(name(pool, number))
    }

    /// Makes a free block one that is handed out, and cuts it where enough is left over.
    pub(super) fn take(&mut self, pool: usize, number: u32, size: u64, asked: u64) {
        let max_split = self.max_split();
        let blocks = &mut self.pools[pool];
        blocks.unlist(number);
        let left = blocks.get(number).size - size;
        let cut = if pool == 0 || self.options.expandable {
            left >= BLOCK_MIN
        } else {
            size < max_split && left > SMALL_MAX
        };
        if cut {
            blocks.split(number, size);
        }
        blocks.get_mut(number).asked = asked;
    }

    /// The free block that serves a request.
    fn find(&self, pool: usize, size: u64) -> Option<u32> {
        let (found, number) = self.pools[pool].best_fit(size)?;
        let max_split = self.max_split();
        // An oversized block is for oversized requests, and for those only where little of it would be idle.
        let oversized = size < max_split && found >= max_split;
        let too_large = size >= max_split && found >= size.saturating_add(LARGE_SEGMENT);
        (!oversized && !too_large).then_some(number)
    }

    /// A free block from the device; `None` where that has no room.
    pub(super) fn open(&mut self, pool: usize, size: u64) -> Option<u32> {
        if self.options.expandable {
            return self.grow(pool, size);
        }
        let segment = segment_of(size);
        self.books.reserve(segment).then(|| {
            self.books.segments += 1;
            self.pools[pool].open_segment(segment)
        })
    }

    /// Lets the pool's segment grow by as many pages as the request needs beside the free block at its end.
    fn grow(&mut self, pool: usize, size: u64) -> Option<u32> {
        let blocks = &mut self.pools[pool];
        let end = blocks.end;
        let tail = blocks.segments.last_key_value().filter(|(address, (_, size))| *address + size == end);
        let Some((address, (first, _))) = tail.map(|(address, segment)| (*address, *segment)) else {
            let pages = size.div_ceil(page_of(pool)).saturating_mul(page_of(pool));
            return self.books.reserve(pages).then(|| {
                self.books.segments += 1;
                blocks.open_segment(pages)
            });
        };
        let last = blocks.chain(first).last().unwrap_or(first);
        let there = if blocks.get(last).is_free() { blocks.get(last).size } else { 0 };
        let more = (size - there).div_ceil(page_of(pool)).saturating_mul(page_of(pool));
        if !self.books.reserve(more) {
            return None;
        }
        let new = blocks.add(Block { address: end, size: more, asked: 0, before: last, after: NONE });
        blocks.get_mut(last).after = new;
        blocks.end += more;
        if let Some((_, size)) = blocks.segments.get_mut(&address) {
            *size += more;
        }
        blocks.unlist(new);
        Some(blocks.join(new))
    }

    pub(super) fn free(&mut self, id: BlockId) {
        let (pool, number) = parts(id);
        let blocks = &mut self.pools[pool];
        let block = blocks.get_mut(number);
        assert!(block.asked > 0, "block {number} is free already");
        self.books.take_back(block.asked, block.size);
        block.asked = 0;
        blocks.join(number);
    }

    /// Gives all that is free as a whole back to the device.
    fn flush(&mut self) {
        self.books.flushes += 1;
        self.give_back();
    }

    /// Segments that are free as a whole, or whole free pages, go back to the device.
    pub(super) fn give_back(&mut self) {
        for pool in 0..self.pools.len() {
            for number in self.pools[pool].free_blocks() {
                let Block { address, size, .. } = *self.pools[pool].get(number);
                let (from, to) = if self.options.expandable {
                    let page = page_of(pool);
                    (address.next_multiple_of(page), (address + size) / page * page)
                } else {
                    let whole = self.pools[pool].segments.get(&address).is_some_and(|(_, all)| *all == size);
                    (address, if whole { address + size } else { address })
                };
                if from < to {
                    self.unmap(pool, number, (from, to));
                }
            }
        }
    }

    /// Takes the bytes from `from` to `to`, which lie in a free block, out of their segment; what is left before and after
    /// them are segments of their own.
    fn unmap(&mut self, pool: usize, number: u32, (from, to): (u64, u64)) {
        let blocks = &mut self.pools[pool];
        let block = *blocks.get(number);
        let Some((&start, &(first, size))) = blocks.segments.range(..=block.address).next_back() else {
            return;
        };
        let end = start + size;
        blocks.unlist(number);
        blocks.segments.remove(&start);
        self.books.segments -= 1;
        self.books.release(to - from);
        let mut keep = |blocks: &mut Blocks, address: u64, first: u32, size: u64| {
            blocks.segments.insert(address, (first, size));
            self.books.segments += 1;
        };
        let rest = block.address + block.size - to;
        if to < end {
            let mut head = block.after;
            if rest > 0 {
                head =
                    blocks.add(Block { address: to, size: rest, asked: 0, before: NONE, after: block.after });
            }
            if block.after != NONE {
                blocks.get_mut(block.after).before = if rest > 0 { head } else { NONE };
            }
            keep(blocks, to, head, end - to);
        }
        if from > start {
            if from > block.address {
                let left = blocks.get_mut(number);
                (left.size, left.after) = (from - block.address, NONE);
                blocks.list(number);
            } else {
                if block.before != NONE {
                    blocks.get_mut(block.before).after = NONE;
                }
                blocks.forget(number);
            }
            keep(blocks, start, first, from - start);
        } else {
            blocks.forget(number);
        }
    }

    pub(super) fn books(&self) -> &AllocatorBooks {
        &self.books
    }
}

/// Top bit of a name: a large block.
const LARGE: u32 = 1 << 31;

fn name(pool: usize, number: u32) -> BlockId {
    BlockId(if pool == 0 { number } else { number | LARGE })
}

fn parts(id: BlockId) -> (usize, u32) {
    (usize::from(id.0 & LARGE != 0), id.0 & !LARGE)
}
