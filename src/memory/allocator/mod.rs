//! Allocators of GPU memory: what an engine asks for, what it takes from the device for that, and when it runs out though
//! enough bytes are free.
//!
//! Three kinds: *exact*, which the ledger assumes and which has no state, so it is no variant here; [`Slots`], fixed places
//! of one size for each class of request; and [`Caching`], the model of PyTorch's CUDA caching allocator. All numbers are
//! bytes. The device itself is a counter: `cudaMalloc` maps pages, so its memory does not fragment.
//!
//! Laws, which `tests.rs` holds: the blocks of all segments add up to what is reserved; allocated <= occupied <= reserved
//! <= capacity; when everything has been given back, every segment is one free block again.
//!
//! Left out: streams (a block may be used again at once), the time of `cudaMalloc` and `cudaFree`, rounding to powers of
//! two and garbage collection by age, which engines leave off.

mod blocks;
mod books;
mod caching;
mod compact;
mod slots;
#[cfg(test)]
mod tests;

pub use books::{AllocatorBooks, OutOfMemory};
pub use caching::{Caching, CachingOptions, MAX_SPLIT_MIN};
pub use slots::{CLASSES, Class, Slots};

/// A block that was handed out; it keeps its name when compaction moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockId(u32);

/// Which allocator, with what it needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocatorKind {
    /// Fixed slots: the size of one of each class, the largest that will be asked for.
    Slots([u64; CLASSES]),
    /// PyTorch's.
    Caching(CachingOptions),
}

impl AllocatorKind {
    /// As a scenario spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slots(_) => "slots",
            Self::Caching(_) => "caching",
        }
    }
}

/// An allocator at work.
#[derive(Clone, Debug)]
pub enum Allocator {
    /// Fixed slots.
    Slots(Slots),
    /// Cached blocks.
    Caching(Caching),
}

impl Allocator {
    /// An allocator with nothing reserved, on a device that has `capacity` bytes for it.
    pub fn new(kind: AllocatorKind, capacity: u64) -> Self {
        match kind {
            AllocatorKind::Slots(sizes) => Self::Slots(Slots::new(sizes, capacity)),
            AllocatorKind::Caching(options) => Self::Caching(Caching::new(options, capacity)),
        }
    }

    /// Hands out a block of at least `bytes`. Where the device has no room, what is cached is given back to it first.
    ///
    /// # Errors
    /// Neither a free block nor the device has room, though all that was cached has been given back.
    pub fn allocate(&mut self, class: Class, bytes: u64) -> Result<BlockId, OutOfMemory> {
        match self {
            Self::Slots(slots) => slots.allocate(class, bytes),
            Self::Caching(caching) => caching.allocate(bytes),
        }
    }

    /// Takes a block back. Panics on one that is not handed out.
    pub fn free(&mut self, block: BlockId) {
        match self {
            Self::Slots(slots) => slots.free(block),
            Self::Caching(caching) => caching.free(block),
        }
    }

    /// Moves what is handed out together and gives what that empties back to the device. Returns the bytes moved; slots
    /// have nothing to move.
    pub fn compact(&mut self) -> u64 {
        match self {
            Self::Slots(_) => 0,
            Self::Caching(caching) => caching.compact(),
        }
    }

    /// What it has counted so far.
    pub fn books(&self) -> &AllocatorBooks {
        match self {
            Self::Slots(slots) => slots.books(),
            Self::Caching(caching) => caching.books(),
        }
    }
}
