//! A foreign file in memory, its name for messages, and the errors that every text format shares.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result};

/// First bytes of the pointer file that stands in for a file kept in Git LFS
/// (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// A file that is to be imported.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Source {
    /// Reads a file whole.
    ///
    /// # Errors
    /// Not readable, empty, or a Git-LFS pointer.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|cause| Error::io(path, "read", &cause))?;
        Self::from_bytes(path, bytes)
    }

    /// Takes bytes as if they stood in `path`.
    ///
    /// # Errors
    /// Empty, or a Git-LFS pointer.
    pub fn from_bytes(path: &Path, mut bytes: Vec<u8>) -> Result<Self> {
        refuse_pointer(path, &bytes)?;
        if bytes.is_empty() {
            return Err(Error::at(Place::file(path), "is empty").expected("a routing trace"));
        }
        if bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes.drain(..3);
        }
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// The file as a place of errors.
    pub fn place(&self) -> Place {
        Place::file(&self.path)
    }

    /// A line of it, counted from 1.
    pub fn line(&self, line: usize) -> Place {
        self.place().line(line)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file name without folders, which is all that enters a trace: results must not depend on the folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// All of it, without a byte order mark.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its beginning as text, for recognising a format.
    pub fn head(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(4096)]).into_owned()
    }

    /// Its lines that are not blank, with their numbers from 1.
    ///
    /// # Errors
    /// Each line that is not UTF-8.
    pub fn lines(&self) -> impl Iterator<Item = (usize, Result<&str>)> {
        let numbered = self.bytes.split(|byte| *byte == b'\n').zip(1..);
        numbered.filter(|(line, _)| !line.trim_ascii().is_empty()).map(|(line, number)| {
            let text = std::str::from_utf8(line.trim_ascii());
            (number, text.map_err(|_| Error::at(self.line(number), "is not UTF-8 text")))
        })
    }

    /// Parses one line as JSON.
    ///
    /// # Errors
    /// With line and column.
    pub fn json_line<'a, T: serde::Deserialize<'a>>(&self, line: usize, text: &'a str) -> Result<T> {
        serde_json::from_str(text)
            .map_err(|cause| Error::at(self.line(line).column(cause.column()), plain(&cause)))
    }

    /// Parses the whole file as JSON.
    ///
    /// # Errors
    /// With line and column.
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_slice(&self.bytes)
            .map_err(|cause| Error::at(self.line(cause.line()).column(cause.column()), plain(&cause)))
    }
}

/// The message without the position, which the place already states.
fn plain(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The first bytes of a file, enough for any magic.
pub(super) fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let failed = |cause: std::io::Error| Error::io(path, "read", &cause);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(64).read_to_end(&mut bytes).map_err(failed)?;
    refuse_pointer(path, &bytes)?;
    Ok(bytes)
}

fn refuse_pointer(path: &Path, bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(LFS_POINTER) {
        return Err(Error::at(Place::file(path), "is a Git-LFS pointer, not the trace; run `git lfs pull`"));
    }
    Ok(())
}
