//! What an allocator counts, and the device it takes its segments from.

/// Running totals of an allocator, in bytes where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocatorBooks {
    /// What the device has for it.
    pub capacity: u64,
    /// Asked for and not given back.
    pub allocated: u64,
    /// The most of that.
    pub allocated_peak: u64,
    /// Taken by blocks that are handed out: what was asked for, rounded up.
    pub occupied: u64,
    /// Taken from the device.
    pub reserved: u64,
    /// The most of that.
    pub reserved_peak: u64,
    /// Segments held, a number.
    pub segments: u64,
    /// Requests that were served, a number.
    pub allocations: u64,
    /// Blocks that came back, a number.
    pub frees: u64,
    /// Times that all that was cached went back to the device because it had no room.
    pub flushes: u64,
    /// Requests that were refused, a number.
    pub failures: u64,
}

impl AllocatorBooks {
    pub(super) fn new(capacity: u64) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// Takes a segment from the device; whether it had room.
    pub(super) fn reserve(&mut self, bytes: u64) -> bool {
        let fits = bytes <= self.capacity - self.reserved;
        if fits {
            self.reserved += bytes;
            self.reserved_peak = self.reserved_peak.max(self.reserved);
        }
        fits
    }

    /// Gives bytes back to the device.
    pub(super) fn release(&mut self, bytes: u64) {
        self.reserved -= bytes;
    }

    pub(super) fn hand_out(&mut self, asked: u64, size: u64) {
        self.allocations += 1;
        self.allocated += asked;
        self.occupied += size;
        self.allocated_peak = self.allocated_peak.max(self.allocated);
    }

    pub(super) fn take_back(&mut self, asked: u64, size: u64) {
        self.frees += 1;
        self.allocated -= asked;
        self.occupied -= size;
    }

    /// A request of so many bytes is refused; `largest` is the largest free piece that could have served one.
    pub(super) fn refuse(&mut self, asked: u64, largest: u64) -> OutOfMemory {
        self.failures += 1;
        let room = self.capacity - self.reserved;
        OutOfMemory { asked, free: self.capacity - self.occupied, largest: largest.max(room) }
    }
}

/// A request that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub asked: u64,
    /// Bytes that no block takes, in free blocks and on the device.
    pub free: u64,
    /// The largest piece of them that a request of this kind could have.
    pub largest: u64,
}
