//! Fixed slots: every class of request has places of one size, the largest that it asks for.
//!
//! Nothing can fragment: any free slot of a class serves its next request. The price is the rest of each slot that a
//! smaller request leaves unused. Weights, which are loaded once and stay, are not in slots.

use super::books::{AllocatorBooks, OutOfMemory};
use super::{BlockId, caching::round};

/// What a block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Loaded once, for good: never in a slot.
    Fixed,
    /// A routed expert.
    Expert,
    /// A piece of the KV cache.
    Kv,
    /// The residual stream and what is as wide.
    Hidden,
    /// The inner rows of feed-forward networks.
    Inner,
    /// Logits.
    Logits,
}

/// Number of classes.
pub const CLASSES: usize = 6;

/// One place.
#[derive(Clone, Copy, Debug)]
struct Slot {
    class: Class,
    size: u64,
    /// Bytes asked for; zero while it is free.
    asked: u64,
}

/// An allocator of fixed slots.
#[derive(Clone, Debug)]
pub struct Slots {
    /// Size of a slot by class.
    sizes: [u64; CLASSES],
    slots: Vec<Slot>,
    /// Free slots by class, the last to be used first.
    free: [Vec<u32>; CLASSES],
    /// Names of slots that the device has back.
    spare: Vec<u32>,
    books: AllocatorBooks,
}

impl Slots {
    /// Slots of these sizes by class; nothing is reserved before it is asked for.
    pub fn new(sizes: [u64; CLASSES], capacity: u64) -> Self {
        Self {
            sizes: sizes.map(round),
            slots: Vec::new(),
            free: Default::default(),
            spare: Vec::new(),
            books: AllocatorBooks::new(capacity),
        }
    }

    pub(super) fn allocate(&mut self, class: Class, bytes: u64) -> Result<BlockId, OutOfMemory> {
        let fits = class != Class::Fixed && bytes <= self.sizes[class as usize];
        let size = if fits { self.sizes[class as usize] } else { round(bytes) };
        let free = if fits { self.free[class as usize].pop() } else { None };
        let index = match free {
            Some(index) => index,
            None => {
                let reserved = self.books.reserve(size) || {
                    self.flush();
                    self.books.reserve(size)
                };
                if !reserved {
                    return Err(self.books.refuse(bytes, 0));
                }
                self.books.segments += 1;
                self.add(Slot { class: if fits { class } else { Class::Fixed }, size, asked: 0 })
            }
        };
        self.slots[index as usize].asked = bytes.max(1);
        self.books.hand_out(bytes.max(1), size);
        Ok(BlockId(index))
    }

    fn add(&mut self, slot: Slot) -> u32 {
        if let Some(index) = self.spare.pop() {
            self.slots[index as usize] = slot;
            return index;
        }
        self.slots.push(slot);
        u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn free(&mut self, block: BlockId) {
        let slot = &mut self.slots[block.0 as usize];
        assert!(slot.asked > 0, "slot {} is free already", block.0);
        self.books.take_back(slot.asked, slot.size);
        slot.asked = 0;
        if slot.class == Class::Fixed {
            let size = slot.size;
            self.give_back(block.0, size);
        } else {
            self.free[slot.class as usize].push(block.0);
        }
    }

    fn give_back(&mut self, index: u32, size: u64) {
        self.books.release(size);
        self.books.segments -= 1;
        self.spare.push(index);
    }

    /// Gives every free slot back to the device.
    fn flush(&mut self) {
        self.books.flushes += 1;
        for class in 0..CLASSES {
            for index in std::mem::take(&mut self.free[class]) {
                self.give_back(index, self.slots[index as usize].size);
            }
        }
    }

    pub(super) fn books(&self) -> &AllocatorBooks {
        &self.books
    }
}
