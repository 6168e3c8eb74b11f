//! Writes `.moetrace` files.

use std::io::{self, Write};
use std::path::Path;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::head::{Head, padded};
use super::{HEAD_BYTES, text};
use crate::error::{Error, Result};
use crate::trace::data::{Ids, Trace};

/// How the payload of a file is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As it is, so that readers map it.
    #[default]
    None,
    /// As one zstd frame. Compressing and decompressing hold the payload in memory.
    Zstd,
}

/// Writes a trace. The caller buffers where `out` needs it; the parts come in large pieces.
///
/// # Errors
/// Of `out`, or where a text exceeds 4 GiB.
pub fn write(trace: &Trace, compression: Compression, out: &mut impl Write) -> io::Result<()> {
    let categories = categories(trace);
    let mut text = text::encode(trace.header(), &categories).ok_or_else(too_large)?;
    let text_bytes = text.len() as u64;
    let padding = padded(HEAD_BYTES + text.len()).ok_or_else(too_large)? - HEAD_BYTES - text.len();
    text.resize(text.len() + padding, 0);

    let mut payload_crc = Checksum::default();
    payload(trace, &categories, &mut payload_crc)?;
    let compressed = match compression {
        Compression::None => None,
        Compression::Zstd => {
            let mut bytes = Vec::new();
            payload(trace, &categories, &mut bytes)?;
            Some(compress_to_vec(bytes.as_slice(), CompressionLevel::Fastest))
        }
    };
    let payload_hash = payload_crc.hasher.finalize();
    let head = Head {
        weights: trace.weights().is_some(),
        zstd: compressed.is_some(),
        layers: u32::try_from(trace.header().layers()).map_err(|_| too_large())?,
        experts: trace.header().experts,
        top_k: trace.header().top_k,
        sequences: u32::try_from(trace.sequences().len()).map_err(|_| too_large())?,
        tokens: trace.tokens(),
        text_bytes,
        stored_bytes: compressed.as_ref().map_or(payload_crc.bytes, |bytes| bytes.len() as u64),
        text_crc: crc32fast::hash(&text),
        stored_crc: compressed.as_deref().map_or(payload_hash, crc32fast::hash),
        payload_crc: payload_hash,
    };
    out.write_all(&head.encode().ok_or_else(too_large)?)?;
    out.write_all(&text)?;
    match compressed {
        Some(bytes) => out.write_all(&bytes),
        None => payload(trace, &categories, out),
    }
}

/// Writes a trace to a file, by way of a temporary file in the same folder: a reader sees the old file or the new one,
/// and a map of the old one stays whole.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_file(trace: &Trace, compression: Compression, path: &Path) -> Result<()> {
    replace_file(path, |out| write(trace, compression, out))
}

/// Runs `fill` on a temporary file beside `path` and then puts it in the place of `path`.
pub(in crate::trace) fn replace_file(
    path: &Path,
    fill: impl FnOnce(&mut io::BufWriter<&mut tempfile::NamedTempFile>) -> io::Result<()>,
) -> Result<()> {
    let failed = |cause: &io::Error| Error::io(path, "write", cause);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".moesim-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is private by default; what takes its place is an ordinary file, subject to the umask.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(|cause| failed(&cause))?;
    let mut buffered = io::BufWriter::with_capacity(1 << 16, &mut file);
    fill(&mut buffered).and_then(|()| buffered.flush()).map_err(|cause| failed(&cause))?;
    drop(buffered);
    file.persist(path).map_err(|refused| failed(&refused.error))?;
    Ok(())
}

/// Eight hexadecimal digits that recognise the same routing: a CRC-32 of shape, ids, weights and sequences. Names and
/// notes do not count. It guards against mistakes, not against intent.
pub fn fingerprint(trace: &Trace) -> String {
    let header = trace.header();
    let mut sum = Checksum::default();
    let shape = [header.layers() as u64, u64::from(header.experts), u64::from(header.top_k), trace.tokens()];
    let weighted = [u8::from(trace.weights().is_some())];
    for bytes in shape.map(u64::to_le_bytes) {
        sum.hasher.update(&bytes);
    }
    sum.hasher.update(&weighted);
    // Writing into a checksum cannot fail, save for more than 2^32 sequences, which then do not count.
    let written = payload(trace, &categories(trace), &mut sum);
    debug_assert!(written.is_ok());
    format!("{:08x}", sum.hasher.finalize())
}

/// Categories in the order in which they first appear.
fn categories(trace: &Trace) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for sequence in trace.sequences() {
        if known.insert(sequence.category.as_str()) {
            names.push(&sequence.category);
        }
    }
    names
}

fn payload(trace: &Trace, categories: &[&str], out: &mut impl Write) -> io::Result<()> {
    match trace.ids() {
        Ids::U8(ids) => padded_part(ids, out)?,
        Ids::U16(ids) => padded_u16(ids, out)?,
    }
    if let Some(weights) = trace.weights() {
        padded_u16(weights, out)?;
    }
    let numbers: std::collections::BTreeMap<&str, u32> = categories.iter().copied().zip(0..).collect();
    let mut table = Vec::new();
    for sequence in trace.sequences() {
        for number in [sequence.tokens, sequence.prefill_tokens, sequence.prompt_length] {
            table.extend(number.to_le_bytes());
        }
        table.extend(numbers[sequence.category.as_str()].to_le_bytes());
        table.extend([0; 4]);
    }
    padded_part(&table, out)
}

fn padded_u16(values: &[u16], out: &mut impl Write) -> io::Result<()> {
    if cfg!(target_endian = "little") {
        return padded_part(bytemuck::cast_slice(values), out);
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    padded_part(&bytes, out)
}

fn padded_part(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    out.write_all(bytes)?;
    let padding = padded(bytes.len()).ok_or_else(too_large)? - bytes.len();
    out.write_all(&[0; super::ALIGN][..padding])
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the trace is too large for the .moetrace format")
}

/// A sink that keeps the checksum and the number of bytes.
#[derive(Default)]
struct Checksum {
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl Write for Checksum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
