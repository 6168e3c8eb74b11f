//! The policies, one file each.

mod belady;
mod clock;
mod fifo;
mod lfu_perfect;
mod lru;
mod mru;
mod random;
mod s3_fifo;
mod sieve;
mod slru;
mod static_hottest;

pub use belady::Belady;
pub use clock::Clock;
pub use fifo::Fifo;
pub use lfu_perfect::LfuPerfect;
pub use lru::Lru;
pub use mru::Mru;
pub use random::Random;
pub use s3_fifo::S3Fifo;
pub use sieve::Sieve;
pub use slru::Slru;
pub use static_hottest::Static;
