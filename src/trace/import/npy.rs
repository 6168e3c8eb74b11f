//! numpy arrays: `.npy`, and `.npz` archives of them.
//!
//! Integers of every width and little or big byte order, and 32- or 64-bit floats. Arrays must lie in C order; pickled
//! objects are refused.

use std::io::{Cursor, Read};

use npyz::{NpyFile, Order};
use zip::ZipArchive;

use super::Source;
use crate::error::{Error, Result};

/// What numpy adds to an array's name to name its file in an archive.
const ENDING: &str = ".npy";

/// An array in C order.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    pub(super) values: Values,
}

/// The elements of an array.
#[derive(Debug)]
pub(super) enum Values {
    /// 16-bit unsigned integers, of which 65,535 may stand for -1 and which may be fixed-point weights.
    U16(Vec<u16>),
    /// Integers of any other width.
    Integers(Vec<i64>),
    Floats(Vec<f32>),
}

impl Values {
    /// The elements as integers; `None` for floats.
    pub(super) fn into_integers(self) -> Option<Vec<i64>> {
        match self {
            Self::U16(values) => Some(values.into_iter().map(i64::from).collect()),
            Self::Integers(values) => Some(values),
            Self::Floats(_) => None,
        }
    }
}

pub(super) fn is_npy(source: &Source) -> bool {
    source.bytes().starts_with(b"\x93NUMPY")
}

pub(super) fn is_npz(source: &Source) -> bool {
    source.bytes().starts_with(b"PK\x03\x04")
}

/// The names of the arrays of an archive, in its order; empty where it is none.
pub(super) fn names(source: &Source) -> Vec<String> {
    let Ok(archive) = ZipArchive::new(Cursor::new(source.bytes())) else { return Vec::new() };
    let array = |name: &str| name.strip_suffix(ENDING).map(str::to_owned);
    let mut names: Vec<String> = archive.file_names().flatten().filter_map(|name| array(&name)).collect();
    names.sort_unstable();
    names
}

/// Reads the array of a `.npy` file.
///
/// # Errors
/// Not an array of numbers in C order, or truncated.
pub(super) fn read_npy(source: &Source) -> Result<Array> {
    parse(source, "array", source.bytes())
}

/// Reads one array of a `.npz` file.
///
/// # Errors
/// Not there, damaged, or as [`read_npy`].
pub(super) fn read_npz(source: &Source, name: &str) -> Result<Array> {
    let failed =
        |cause: &dyn std::fmt::Display| Error::at(source.place(), format!("array {name:?}: {cause}"));
    let mut archive = ZipArchive::new(Cursor::new(source.bytes())).map_err(|cause| failed(&cause))?;
    let mut bytes = Vec::new();
    let mut entry = archive.by_name(&format!("{name}{ENDING}")).map_err(|cause| failed(&cause))?;
    entry.read_to_end(&mut bytes).map_err(|cause| failed(&cause))?;
    parse(source, name, &bytes)
}

fn parse(source: &Source, name: &str, bytes: &[u8]) -> Result<Array> {
    let wrong = |what: String| Error::at(source.place(), format!("array {name:?} {what}"));
    if shape_overflows(bytes) {
        return Err(wrong("has a shape beyond the address space".to_owned()));
    }
    let file = NpyFile::new(bytes).map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    if file.order() == Order::Fortran && file.shape().len() > 1 {
        return Err(
            wrong("is in Fortran order".to_owned()).expected("C order; save numpy.ascontiguousarray(array)")
        );
    }
    let shape = file.shape().to_vec();
    let dtype = file.dtype().descr();
    let values = numbers(file).map_err(|cause| wrong(format!("cannot be read: {cause}")))?;
    match values {
        Some(values) => Ok(Array { name: name.to_owned(), shape, values }),
        None => {
            Err(wrong(format!("has elements of type {dtype}"))
                .expected("integers or floats of 32 or 64 bits"))
        }
    }
}

/// Reads the elements in the type that the file has; `None` for another.
fn numbers(file: NpyFile<&[u8]>) -> std::io::Result<Option<Values>> {
    /// Tries one element type after another. The iterator is drained by hand: its length is only a claim.
    macro_rules! try_each {
        ($file:ident, $($element:ty => $variant:ident as $stored:ty),+) => {{
            $(let $file = match $file.try_data::<$element>() {
                Ok(elements) => {
                    let mut values = Vec::new();
                    for element in elements {
                        values.push(<$stored>::from(element?));
                    }
                    return Ok(Some(Values::$variant(values)));
                }
                Err(file) => file,
            };)+
            $file
        }};
    }
    let file = try_each!(file, u16 => U16 as u16, u8 => Integers as i64, i8 => Integers as i64, i16 => Integers as i64,
        u32 => Integers as i64, i32 => Integers as i64, i64 => Integers as i64, f32 => Floats as f32);
    let file = match file.try_data::<u64>() {
        Ok(elements) => {
            let mut values = Vec::new();
            for element in elements {
                // What exceeds i64 is out of range for any use here, and stays so.
                values.push(i64::try_from(element?).unwrap_or(i64::MAX));
            }
            return Ok(Some(Values::Integers(values)));
        }
        Err(file) => file,
    };
    let Ok(elements) = file.try_data::<f64>() else { return Ok(None) };
    let mut values = Vec::new();
    for element in elements {
        #[expect(clippy::cast_possible_truncation, reason = "gate weights keep 16 bits in the end")]
        values.push(element? as f32);
    }
    Ok(Some(Values::Floats(values)))
}

/// Whether the product of the axes in the header exceeds 63 bits, which the parser does not check.
fn shape_overflows(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let Some((_, after)) = head.split_once("'shape'") else { return false };
    let axes = after.split(')').next().unwrap_or_default();
    let numbers = axes.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let product =
        numbers.map(str::parse::<u64>).try_fold(1u64, |product, axis| product.checked_mul(axis.ok()?.max(1)));
    product.is_none_or(|product| product > i64::MAX as u64)
}
