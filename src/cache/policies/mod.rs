//! The policies, one file each.

mod belady;
mod fifo;
mod lfu_perfect;
mod lru;
mod random;
mod static_hottest;

pub use belady::Belady;
pub use fifo::Fifo;
pub use lfu_perfect::LfuPerfect;
pub use lru::Lru;
pub use random::Random;
pub use static_hottest::Static;
