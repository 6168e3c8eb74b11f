//! The bytes of a GGUF header: metadata and the list of tensors.
//!
//! No length in the file is trusted: each is held against the bytes that are left before anything is allocated or
//! skipped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use super::tensor_error;
use crate::error::{Error, Place, Result};
use crate::model::Dtype;
use crate::units::Bytes;

/// Longest name of a key or tensor; the specification allows 65,535 bytes for keys.
const NAME_BYTES: u64 = 65_535;
/// Longest text that is kept; chat templates and the like are longer and not needed.
const TEXT_BYTES: u64 = 1 << 16;
/// Longest list of numbers that is kept: one for each layer, not one for each token of a vocabulary.
const LIST_ITEMS: u64 = 1 << 12;
/// Most tensors, and most weights in one; within these no count overflows.
const TENSORS: u64 = 1 << 16;
const TENSOR_WEIGHTS: u64 = 1 << 42;
const DIMENSIONS: u32 = 4;

/// A metadata value, as far as it is needed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meta {
    Number(u64),
    Text(String),
    Numbers(Vec<u64>),
    /// A list that is not kept, by its length.
    Long(u64),
    /// A negative or fractional number.
    Other,
}

/// A tensor of the list.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// Fastest dimension first, as ggml counts them.
    pub(super) dims: Vec<u64>,
    pub(super) weights: u64,
    pub(super) bytes: Bytes,
}

/// A whole header.
pub(super) struct Header {
    pub(super) metadata: BTreeMap<String, Meta>,
    pub(super) tensors: Vec<Tensor>,
}

impl Header {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key) {
            Some(Meta::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.metadata.get(key) {
            Some(Meta::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// How many files the model is split into.
    pub(super) fn shards(&self) -> u64 {
        self.number("split.count").unwrap_or(1).max(1)
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}

/// Reads and checks the header of a file.
pub(super) fn read(path: &Path, place: &Place) -> Result<Header> {
    let file = File::open(path).map_err(|cause| Error::io(path, "open", &cause))?;
    let length = file.metadata().map_err(|cause| Error::io(path, "read", &cause))?.len();
    let mut cursor = Cursor { input: BufReader::new(file), at: 0, length, place, path };
    let magic: [u8; 4] = cursor.array("the magic number")?;
    if &magic != b"GGUF" {
        return Err(Error::at(place.clone(), "not a GGUF file").expected("\"GGUF\" in its first four bytes"));
    }
    match cursor.u32("the version")? {
        2 | 3 => {}
        version if version.swap_bytes() <= 3 => {
            return Err(Error::at(place.clone(), "a big-endian GGUF file").expected("little endian"));
        }
        version => {
            return Err(
                Error::at(place.clone(), format!("GGUF version {version}")).expected("version 2 or 3")
            );
        }
    }
    // Name length, number of dimensions, type, offset; key length, type, one byte of value.
    let tensors = cursor.count("the number of tensors", 24)?;
    if tensors > TENSORS {
        return Err(
            Error::at(place.clone(), format!("{tensors} tensors")).expected(format!("at most {TENSORS}"))
        );
    }
    let keys = cursor.count("the number of keys", 13)?;
    let mut metadata = BTreeMap::new();
    for _ in 0..keys {
        let key = cursor.name("a key")?;
        let kind = cursor.u32(&key)?;
        let value = cursor.value(&key, kind)?;
        metadata.insert(key, value);
    }
    let tensors = (0..tensors).map(|_| cursor.tensor()).collect::<Result<_>>()?;
    Ok(Header { metadata, tensors })
}

struct Cursor<'a> {
    input: BufReader<File>,
    at: u64,
    length: u64,
    place: &'a Place,
    path: &'a Path,
}

impl Cursor<'_> {
    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<()> {
        self.input.read_exact(bytes).map_err(|cause| match cause.kind() {
            ErrorKind::UnexpectedEof => self.ends_within(what),
            _ => Error::io(self.path, "read", &cause),
        })?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn ends_within(&self, what: &str) -> Error {
        let message = format!("the file ends within {what}, at byte {}", self.at);
        Error::at(self.place.clone(), message).expected("the whole header")
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A number of things of which each takes at least `least_bytes` more bytes.
    fn count(&mut self, what: &str, least_bytes: u64) -> Result<u64> {
        let start = self.at;
        let count = self.u64(what)?;
        let left = self.length.saturating_sub(self.at);
        if count.checked_mul(least_bytes).is_some_and(|bytes| bytes <= left) {
            return Ok(count);
        }
        let message =
            format!("{what}, {count} at byte {start}, needs more than the {left} bytes that follow");
        Err(Error::at(self.place.clone(), message).expected("a file that is not damaged"))
    }

    fn name(&mut self, what: &str) -> Result<String> {
        let length = self.count(&format!("the length of {what}"), 1)?;
        if length > NAME_BYTES {
            let message = format!("{what} at byte {} has a name of {length} bytes", self.at);
            return Err(Error::at(self.place.clone(), message).expected(format!("at most {NAME_BYTES}")));
        }
        self.string(length, what)
    }

    fn string(&mut self, length: u64, what: &str) -> Result<String> {
        let start = self.at;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.fill(&mut bytes, what)?;
        String::from_utf8(bytes).map_err(|_| {
            Error::at(self.place.clone(), format!("{what} at byte {start} is not UTF-8")).expected("text")
        })
    }

    fn skip(&mut self, bytes: u64, what: &str) -> Result<()> {
        if bytes > self.length.saturating_sub(self.at) {
            return Err(self.ends_within(what));
        }
        let offset = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.input.seek_relative(offset).map_err(|cause| Error::io(self.path, "read", &cause))?;
        self.at += bytes;
        Ok(())
    }

    fn value(&mut self, key: &str, kind: u32) -> Result<Meta> {
        let what = format!("key {key:?}");
        match kind {
            8 => {
                let length = self.count(&what, 1)?;
                if length <= TEXT_BYTES {
                    return self.string(length, &what).map(Meta::Text);
                }
                self.skip(length, &what).map(|()| Meta::Long(length))
            }
            9 => self.list(&what),
            _ => self.scalar(kind, &what),
        }
    }

    fn scalar(&mut self, kind: u32, what: &str) -> Result<Meta> {
        let number = |value: i64| u64::try_from(value).map_or(Meta::Other, Meta::Number);
        Ok(match kind {
            0 | 7 => Meta::Number(u64::from(self.array::<1>(what)?[0])),
            1 => number(i64::from(i8::from_le_bytes(self.array(what)?))),
            2 => Meta::Number(u64::from(u16::from_le_bytes(self.array(what)?))),
            3 => number(i64::from(i16::from_le_bytes(self.array(what)?))),
            4 => Meta::Number(u64::from(self.u32(what)?)),
            5 => number(i64::from(i32::from_le_bytes(self.array(what)?))),
            10 => Meta::Number(self.u64(what)?),
            11 => number(i64::from_le_bytes(self.array(what)?)),
            6 => self.skip(4, what).map(|()| Meta::Other)?,
            12 => self.skip(8, what).map(|()| Meta::Other)?,
            _ => {
                let message = format!("{what} has value type {kind}");
                return Err(Error::at(self.place.clone(), message).expected("a type from 0 to 12"));
            }
        })
    }

    fn list(&mut self, what: &str) -> Result<Meta> {
        let kind = self.u32(what)?;
        let item_bytes = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            _ => {
                let message = format!("{what} is a list of value type {kind}");
                return Err(Error::at(self.place.clone(), message).expected("numbers or text"));
            }
        };
        let items = self.count(&format!("the length of {what}"), item_bytes)?;
        if kind == 8 {
            for _ in 0..items {
                let length = self.count(what, 1)?;
                self.skip(length, what)?;
            }
            return Ok(Meta::Long(items));
        }
        if items > LIST_ITEMS {
            return self.skip(items * item_bytes, what).map(|()| Meta::Long(items));
        }
        let mut numbers = Vec::new();
        for _ in 0..items {
            match self.scalar(kind, what)? {
                Meta::Number(number) => numbers.push(number),
                _ => return self.rest_of_list(items - numbers.len() as u64 - 1, item_bytes, items, what),
            }
        }
        Ok(Meta::Numbers(numbers))
    }

    /// Passes over a list that turned out not to hold whole numbers.
    fn rest_of_list(&mut self, left: u64, item_bytes: u64, items: u64, what: &str) -> Result<Meta> {
        self.skip(left * item_bytes, what).map(|()| Meta::Long(items))
    }

    fn tensor(&mut self) -> Result<Tensor> {
        let name = self.name("a tensor")?;
        let count = self.u32(&name)?;
        if !(1..=DIMENSIONS).contains(&count) {
            return Err(
                tensor_error(self.place, &name, &format!("has {count} dimensions")).expected("1 to 4")
            );
        }
        let dims: Vec<u64> = (0..count).map(|_| self.u64(&name)).collect::<Result<_>>()?;
        let product = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim));
        let weights = product.filter(|weights| (1..=TENSOR_WEIGHTS).contains(weights));
        let Some(weights) = weights else {
            return Err(tensor_error(self.place, &name, &format!("has dimensions {dims:?}"))
                .expected(format!("1 to {TENSOR_WEIGHTS} weights")));
        };
        let number = self.u32(&name)?;
        let Some(dtype) = Dtype::by_ggml_type(number) else {
            return Err(tensor_error(
                self.place,
                &name,
                &format!("has storage type {number}, which is not known"),
            ));
        };
        if !dims[0].is_multiple_of(dtype.block_weights) {
            let what = format!("has rows of {} weights in type {}", dims[0], dtype.name);
            return Err(tensor_error(self.place, &name, &what)
                .expected(format!("a multiple of the type's {} weights", dtype.block_weights)));
        }
        self.skip(8, &name)?;
        Ok(Tensor { bytes: dtype.bytes_for(weights), name, dims, weights })
    }
}
