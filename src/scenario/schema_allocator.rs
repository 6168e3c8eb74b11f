//! The section of the allocator of GPU memory.

use std::num::NonZeroU32;

use super::choice::{AllocatorRule, KvGrowth};
use super::section::section;
use crate::units::{Bytes, SimDuration};

section! {
    /// How the engine takes GPU memory from the device, and what that leaves unusable.
    AllocatorSection, ALLOCATOR_KEYS, "allocator." {
        /// What serves requests for GPU memory: exact, where nothing is lost, slots of one size, or caching, which is
        /// PyTorch's.
        kind: AllocatorRule = "\"caching\"",
        /// Blocks from this size on are neither cut nor given to smaller requests (max_split_size_mb).
        max_split_size: Bytes = "\"64 MiB\"",
        /// Whether segments grow at their end, instead of staying as large as they were made.
        expandable_segments: bool = "true",
        /// Passes from one compaction to the next; zero for none.
        compact_every: u64 = "100",
        /// Fixed time of a compaction, beside that of moving bytes.
        compact_sync: SimDuration = "\"1 ms\"",
        /// How the KV cache takes its memory: whole at the start, in blocks, or anew for each token.
        kv: KvGrowth = "\"blocks\"",
        /// Tokens of one block of the KV cache where sequences are replayed.
        kv_block_tokens: NonZeroU32 = "256",
    }
}
