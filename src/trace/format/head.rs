//! The fixed head of a `.moetrace` file; the head of the parent module says what stands where.

use super::{ALIGN, HEAD_BYTES, MAGIC, SEQUENCE_BYTES, VERSION};
use crate::error::{Error, Place, Result};
use crate::trace::builder::{MAX_EXPERTS, MAX_LAYERS};
use crate::trace::data::NO_EXPERT_U8;

const FLAG_WEIGHTS: u16 = 1;
const FLAG_ZSTD: u16 = 2;

/// What the head says, offsets aside: they follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) weights: bool,
    pub(super) zstd: bool,
    pub(super) layers: u32,
    pub(super) experts: u32,
    pub(super) top_k: u32,
    pub(super) sequences: u32,
    pub(super) tokens: u64,
    pub(super) text_bytes: u64,
    pub(super) stored_bytes: u64,
    pub(super) text_crc: u32,
    pub(super) stored_crc: u32,
    pub(super) payload_crc: u32,
}

/// Where the parts of a payload lie, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) slots: usize,
    pub(super) ids_bytes: usize,
    pub(super) weights_at: usize,
    pub(super) sequences_at: usize,
    pub(super) payload_bytes: usize,
}

impl Head {
    pub(super) fn id_bytes(&self) -> usize {
        if self.experts <= u32::from(NO_EXPERT_U8) { 1 } else { 2 }
    }

    /// `None` where the sizes exceed the address space.
    pub(super) fn layout(&self) -> Option<Layout> {
        let per_token = u64::from(self.layers).checked_mul(u64::from(self.top_k))?;
        let slots = usize::try_from(self.tokens.checked_mul(per_token)?).ok()?;
        let ids_bytes = slots.checked_mul(self.id_bytes())?;
        let after_ids = padded(ids_bytes)?;
        let weight_bytes = if self.weights { padded(slots.checked_mul(2)?)? } else { 0 };
        let sequences_at = after_ids.checked_add(weight_bytes)?;
        let table = padded(usize::try_from(self.sequences).ok()?.checked_mul(SEQUENCE_BYTES)?)?;
        Some(Layout {
            slots,
            ids_bytes,
            weights_at: if self.weights { after_ids } else { 0 },
            sequences_at,
            payload_bytes: sequences_at.checked_add(table)?,
        })
    }

    /// Where the payload starts in the file.
    pub(super) fn payload_at(&self) -> Option<usize> {
        padded(HEAD_BYTES.checked_add(usize::try_from(self.text_bytes).ok()?)?)
    }

    /// `None` where sizes exceed the address space.
    pub(super) fn encode(&self) -> Option<[u8; HEAD_BYTES]> {
        let layout = self.layout()?;
        let flags = u16::from(self.weights) * FLAG_WEIGHTS + u16::from(self.zstd) * FLAG_ZSTD;
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend([u8::try_from(self.id_bytes()).ok()?, 0, 0, 0]);
        for number in [self.layers, self.experts, self.top_k, self.sequences] {
            bytes.extend(number.to_le_bytes());
        }
        let size = |value: usize| u64::try_from(value).ok();
        let sizes = [
            self.tokens,
            size(HEAD_BYTES)?,
            self.text_bytes,
            size(self.payload_at()?)?,
            self.stored_bytes,
            size(layout.payload_bytes)?,
            0,
            size(layout.weights_at)?,
            size(layout.sequences_at)?,
        ];
        bytes.extend(sizes.into_iter().flat_map(u64::to_le_bytes));
        for crc in [self.text_crc, self.stored_crc, self.payload_crc] {
            bytes.extend(crc.to_le_bytes());
        }
        bytes.extend([0; 8]);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.try_into().ok()
    }

    /// Reads and checks the head. Nothing is allocated, and afterwards the sizes add up to those of the file.
    pub(super) fn decode(file: &[u8], place: &Place) -> Result<Self> {
        let Some(bytes) = file.get(..HEAD_BYTES) else {
            return Err(truncated(place, file.len(), HEAD_BYTES as u64));
        };
        if bytes[..8] != MAGIC {
            return Err(Error::at(place.clone(), "is not a .moetrace file").hint(changed_as_text(bytes)));
        }
        let version = u16_at(bytes, 8);
        if version > VERSION {
            return Err(Error::at(place.clone(), format!("is a .moetrace file of version {version}"))
                .expected(format!("version {VERSION}; a newer moesim reads it")));
        }
        if u32_at(bytes, 124) != crc32fast::hash(&bytes[..124]) {
            return Err(corrupt(place, "its head does not match its checksum"));
        }
        let flags = u16_at(bytes, 10);
        let head = Self {
            weights: flags & FLAG_WEIGHTS != 0,
            zstd: flags & FLAG_ZSTD != 0,
            layers: u32_at(bytes, 16),
            experts: u32_at(bytes, 20),
            top_k: u32_at(bytes, 24),
            sequences: u32_at(bytes, 28),
            tokens: u64_at(bytes, 32),
            text_bytes: u64_at(bytes, 48),
            stored_bytes: u64_at(bytes, 64),
            text_crc: u32_at(bytes, 104),
            stored_crc: u32_at(bytes, 108),
            payload_crc: u32_at(bytes, 112),
        };
        head.check(bytes, file.len(), place)?;
        Ok(head)
    }

    /// Whatever the head says twice must agree, and the file must be as long as it says.
    fn check(&self, bytes: &[u8], file_bytes: usize, place: &Place) -> Result<()> {
        let shape_is_possible = (1..=MAX_LAYERS as u64).contains(&u64::from(self.layers))
            && (1..=MAX_EXPERTS).contains(&self.experts)
            && (1..=self.experts).contains(&self.top_k);
        if !shape_is_possible {
            let shape = format!("{} layers x {} experts, top-{}", self.layers, self.experts, self.top_k);
            return Err(corrupt(place, &format!("no trace has {shape}")));
        }
        let (Some(layout), Some(payload_at)) = (self.layout(), self.payload_at()) else {
            return Err(corrupt(place, "its sizes exceed the address space"));
        };
        // Encoding again states every derived field; a reserved byte, an unknown flag or an offset that differs shows.
        if self.encode().is_none_or(|again| again[..] != *bytes) {
            return Err(corrupt(place, "the sizes and offsets in its head do not add up"));
        }
        if !self.zstd && self.stored_bytes != layout.payload_bytes as u64 {
            return Err(corrupt(place, "its payload has not the size that its shape needs"));
        }
        let expected = (payload_at as u64).checked_add(self.stored_bytes);
        match expected {
            Some(expected) if expected == file_bytes as u64 => Ok(()),
            Some(expected) if expected > file_bytes as u64 => Err(truncated(place, file_bytes, expected)),
            _ => Err(corrupt(place, "more bytes follow than its head announces")),
        }
    }
}

/// The next multiple of the alignment.
pub(super) fn padded(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(ALIGN)
}

pub(super) fn corrupt(place: &Place, what: &str) -> Error {
    Error::at(place.clone(), format!("is corrupt: {what}"))
}

fn truncated(place: &Place, found: usize, expected: u64) -> Error {
    Error::at(place.clone(), format!("is truncated: it has {found} bytes")).expected(expected)
}

fn changed_as_text(bytes: &[u8]) -> String {
    let letters = [b'M', b'O', b'E', b'T'];
    if bytes[1..5] == letters || bytes[..4] == letters {
        "its first bytes are damaged as by a transfer as text; transfer it as binary".to_owned()
    } else {
        "expected its first bytes to be 89 4D 4F 45 54 0D 0A 1A".to_owned()
    }
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut taken = [0; N];
    taken.copy_from_slice(&bytes[at..at + N]);
    taken
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(take(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(bytes, at))
}
