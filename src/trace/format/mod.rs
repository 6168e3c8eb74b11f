//! `.moetrace`, version 1: a routing trace that is mapped into memory as it lies in the file.
//!
//! All numbers are little-endian. A file is a head of 128 bytes, a text block, zero bytes up to a multiple of 64, and a
//! payload. Equal traces give equal bytes.
//!
//! | offset | bytes | head |
//! |---:|---:|---|
//! | 0 | 8 | magic `89 4D 4F 45 54 0D 0A 1A` (`MOET`, line ends that a transfer as text would change) |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | flags: 1 = gate weights follow the ids, 2 = the payload is stored as one zstd frame |
//! | 12 | 1 | bytes per id: 1 up to 255 experts, else 2 |
//! | 13 | 3 | zero |
//! | 16 | 4 | MoE layers, 1 to 65,535 |
//! | 20 | 4 | experts per layer, 1 to 65,535 |
//! | 24 | 4 | top-k: id slots per token and layer, 1 to experts |
//! | 28 | 4 | sequences |
//! | 32 | 8 | tokens of all sequences |
//! | 40 | 8 | offset of the text block from the start of the file, 128 |
//! | 48 | 8 | bytes of the text block |
//! | 56 | 8 | offset of the payload from the start of the file, a multiple of 64 |
//! | 64 | 8 | bytes of the payload as stored; the file ends with them |
//! | 72 | 8 | bytes of the payload, decompressed |
//! | 80 | 8 | offset of the ids in the payload, 0 |
//! | 88 | 8 | offset of the weights in the payload; 0 where there are none |
//! | 96 | 8 | offset of the sequence table in the payload |
//! | 104 | 4 | CRC-32 of the text block and the zero bytes after it |
//! | 108 | 4 | CRC-32 of the payload as stored |
//! | 112 | 4 | CRC-32 of the payload, decompressed |
//! | 116 | 8 | zero |
//! | 124 | 4 | CRC-32 of bytes 0 to 123 |
//!
//! CRC-32 is that of zlib and PNG. **Text block**, in this order: model, source, licence (each a u32 length and UTF-8
//! bytes); notes, then categories (each a u32 count and that many strings); layer ids (u32 each, one for each layer);
//! the number of expert sizes (u32, 0 or the number of layers) and the sizes (u64 each).
//!
//! **Payload**, each part padded with zero bytes to a multiple of 64: ids `[token][layer][k]`, where the largest id of
//! the width (255 or 65,535) marks an empty slot; gate weights as u16 in units of 1/65,535 in the same layout; and the
//! sequence table, 32 bytes for each sequence: tokens (u64), prefill tokens (u64), prompt length (u64), number of the
//! category in the text block (u32; categories are numbered as they first appear), zero (u32). Sequences follow one
//! another without gaps, so their first token is not stored.
//!
//! Compression is that of `ruzstd` at its only level, about that of `zstd -1`; it costs the map, since the payload is
//! then decompressed into memory. Any zstd decoder reads the payload.

mod head;
mod read;
mod text;
mod write;

pub use read::{is_moetrace, open_moetrace};
pub(super) use write::replace_file;
pub use write::{Compression, fingerprint, write, write_file};

pub(super) const MAGIC: [u8; 8] = [0x89, b'M', b'O', b'E', b'T', b'\r', b'\n', 0x1A];
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 128;
/// Alignment of the payload and of each of its parts: a cache line.
const ALIGN: usize = 64;
const SEQUENCE_BYTES: usize = 32;
