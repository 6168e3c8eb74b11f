//! The KV cache of one rank: who holds how many of its bytes, in blocks of tokens.
//!
//! A request holds whole blocks (vLLM's paged attention, arXiv 2309.06180). What a block takes follows from the layers
//! ([`KvShape`]): most keep every token, some only a window, some a state of fixed size. Prompts that begin alike can
//! share blocks by hash, and blocks that nobody uses any more stay until the room is needed ([`KvCache`]). Left out: where
//! a block lies (blocks are of one size and any of them serves), host memory that swapped requests lie in, and the time
//! that copies take, which belongs to the links.

mod cache;
mod edges;
mod prefix;
mod shape;

pub use cache::{KvCache, KvSequence};
pub use shape::KvShape;
