//! The policies, one file each.

mod arc;
mod belady;
mod fifo;
mod lecar;
mod lfu_perfect;
mod lirs;
mod lru;
mod random;
mod static_hottest;
mod two_q;

pub use arc::AdaptiveReplacement;
pub use belady::Belady;
pub use fifo::Fifo;
pub use lecar::LeCaR;
pub use lfu_perfect::LfuPerfect;
pub use lirs::Lirs;
pub use lru::Lru;
pub use random::Random;
pub use static_hottest::Static;
pub use two_q::TwoQ;
