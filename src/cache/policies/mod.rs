//! The policies, one file each.

mod arc;
mod belady;
mod clock;
mod fifo;
mod lecar;
mod lfu_perfect;
mod lirs;
mod lru;
mod mru;
mod random;
mod s3_fifo;
mod sieve;
mod slru;
mod static_hottest;
mod two_q;

pub use arc::AdaptiveReplacement;
pub use belady::Belady;
pub use clock::Clock;
pub use fifo::Fifo;
pub use lecar::LeCaR;
pub use lfu_perfect::LfuPerfect;
pub use lirs::Lirs;
pub use lru::Lru;
pub use mru::Mru;
pub use random::Random;
pub use s3_fifo::S3Fifo;
pub use sieve::Sieve;
pub use slru::Slru;
pub use static_hottest::Static;
pub use two_q::TwoQ;
