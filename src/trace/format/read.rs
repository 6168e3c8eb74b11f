//! Opens `.moetrace` files: maps them, checks everything once, and views the columns where they lie.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::head::{Head, Layout, corrupt, u32_at, u64_at};
use super::{HEAD_BYTES, MAGIC, SEQUENCE_BYTES, text};
use crate::error::{Error, Place, Result};
use crate::trace::builder::check_header;
use crate::trace::data::{Column, IdColumn, NO_EXPERT_U8, NO_EXPERT_U16, SequenceMeta, Trace, TraceHeader};
use crate::trace::mmap::FileMap;

/// Whether a file that begins so is a `.moetrace` file.
pub fn is_moetrace(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// Opens a `.moetrace` file. Its columns stay in the file, mapped into memory, unless they are compressed.
///
/// Everything is checked here, once: checksums, that sizes add up, that ids are in range.
///
/// # Errors
/// Not readable, not a `.moetrace` file, of a newer version, truncated, or corrupt.
pub fn open_moetrace(path: &Path) -> Result<Trace> {
    let file = File::open(path).map_err(|cause| Error::io(path, "read", &cause))?;
    let map = Arc::new(FileMap::open(&file).map_err(|cause| Error::io(path, "read", &cause))?);
    let place = Place::file(path);
    let bytes = map.bytes();
    let head = Head::decode(bytes, &place)?;
    let (Some(layout), Some(payload_at)) = (head.layout(), head.payload_at()) else {
        return Err(corrupt(&place, "its sizes exceed the address space"));
    };
    let before = &bytes[HEAD_BYTES..payload_at];
    let stored = &bytes[payload_at..];
    if crc32fast::hash(before) != head.text_crc {
        return Err(corrupt(&place, "its text block does not match its checksum"));
    }
    if crc32fast::hash(stored) != head.stored_crc {
        return Err(corrupt(&place, "its payload does not match its checksum"));
    }
    let text_end = usize::try_from(head.text_bytes).unwrap_or(before.len());
    let Some((header, categories)) = text::decode(&before[..text_end], &head) else {
        return Err(corrupt(&place, "its text block is not well formed"));
    };
    check_header(&header).map_err(|error| corrupt(&place, &error.to_string()))?;
    let owned;
    let payload = if head.zstd {
        owned = decompress(stored, layout.payload_bytes, &place)?;
        owned.as_slice()
    } else {
        stored
    };
    if head.zstd && crc32fast::hash(payload) != head.payload_crc
        || !head.zstd && head.payload_crc != head.stored_crc
    {
        return Err(corrupt(&place, "its payload does not match its checksum"));
    }
    let sequences = sequences(payload, &head, layout, &categories, &place)?;
    let source = if head.zstd { None } else { Some((&map, payload_at)) };
    let ids = if head.id_bytes() == 1 {
        IdColumn::U8(column(payload, 0, layout.slots, source, |[byte]| byte))
    } else {
        IdColumn::U16(column(payload, 0, layout.slots, source, u16::from_le_bytes))
    };
    let weights =
        head.weights.then(|| column(payload, layout.weights_at, layout.slots, source, u16::from_le_bytes));
    check_ids(&ids, &header, &place)?;
    Ok(Trace { header, sequences, ids, weights })
}

/// The column at `at` in the payload: a view of the map where there is one and the machine has the file's byte order,
/// else decoded.
fn column<T: bytemuck::Pod, const N: usize>(
    payload: &[u8],
    at: usize,
    slots: usize,
    source: Option<(&Arc<FileMap>, usize)>,
    decode: fn([u8; N]) -> T,
) -> Column<T> {
    let bytes = &payload[at..at + slots * N];
    let viewable =
        (N == 1 || cfg!(target_endian = "little")) && bytemuck::try_cast_slice::<u8, T>(bytes).is_ok();
    match source {
        Some((map, payload_at)) if viewable => {
            let start = payload_at + at;
            Column::Mapped { map: Arc::clone(map), start, end: start + bytes.len() }
        }
        _ => Column::Owned(bytes.as_chunks::<N>().0.iter().map(|chunk| decode(*chunk)).collect()),
    }
}

fn decompress(stored: &[u8], expected: usize, place: &Place) -> Result<Vec<u8>> {
    let damaged = |cause: &dyn std::fmt::Display| {
        corrupt(place, &format!("its payload cannot be decompressed: {cause}"))
    };
    let decoder = ruzstd::decoding::StreamingDecoder::new(stored).map_err(|cause| damaged(&cause))?;
    let mut payload = Vec::new();
    // One byte more than announced shows that there is too much, without decompressing all of it. Nothing is reserved
    // ahead: the size is only a claim.
    let limit = (expected as u64).saturating_add(1);
    decoder.take(limit).read_to_end(&mut payload).map_err(|cause| damaged(&cause))?;
    if payload.len() == expected {
        Ok(payload)
    } else {
        Err(corrupt(place, "its decompressed payload has not the size that its shape needs"))
    }
}

fn sequences(
    payload: &[u8],
    head: &Head,
    layout: Layout,
    categories: &[String],
    place: &Place,
) -> Result<Vec<SequenceMeta>> {
    let mut sequences = Vec::new();
    let mut first_token = 0u64;
    let table = &payload[layout.sequences_at..][..head.sequences as usize * SEQUENCE_BYTES];
    for (index, row) in table.chunks_exact(SEQUENCE_BYTES).enumerate() {
        let (tokens, prefill_tokens, prompt_length) = (u64_at(row, 0), u64_at(row, 8), u64_at(row, 16));
        let category = categories.get(u32_at(row, 24) as usize);
        let end = first_token.checked_add(tokens).filter(|end| *end <= head.tokens);
        let (Some(category), Some(end)) = (category, end) else {
            return Err(corrupt(place, &format!("sequence {index} does not fit the trace")));
        };
        if tokens == 0 || prefill_tokens > tokens || prompt_length < prefill_tokens {
            let counts =
                format!("{tokens} tokens, {prefill_tokens} of prefill, prompt length {prompt_length}");
            return Err(corrupt(place, &format!("sequence {index} has {counts}")));
        }
        sequences.push(SequenceMeta {
            first_token,
            tokens,
            prefill_tokens,
            prompt_length,
            category: category.clone(),
        });
        first_token = end;
    }
    if first_token == head.tokens {
        Ok(sequences)
    } else {
        Err(corrupt(place, &format!("its sequences have {first_token} of {} tokens", head.tokens)))
    }
}

/// Every id is an expert or marks an empty slot. A fold without early exit, so that it runs on vectors.
fn check_ids(ids: &IdColumn, header: &TraceHeader, place: &Place) -> Result<()> {
    let stray = match ids {
        IdColumn::U8(ids) => largest(ids.as_slice().iter().map(|id| u16::from(id.wrapping_add(1)))),
        IdColumn::U16(ids) => largest(ids.as_slice().iter().map(|id| id.wrapping_add(1))),
    };
    // Adding one wraps the mark of an empty slot to 0 and leaves each id as id + 1, at most the number of experts.
    if u32::from(stray) > header.experts {
        return Err(corrupt(place, &format!("it holds expert {} of {}", stray - 1, header.experts)));
    }
    Ok(())
}

fn largest(ids: impl Iterator<Item = u16>) -> u16 {
    ids.fold(0, u16::max)
}

const _: () = assert!(NO_EXPERT_U8.wrapping_add(1) == 0 && NO_EXPERT_U16.wrapping_add(1) == 0);
