//! The one place that maps a file into memory.
//!
//! Why a map: a trace of several GB is opened by every run of a sweep, and a map costs neither a copy nor memory of
//! its own.
//!
//! Why `unsafe` is bearable: a map is sound only while nobody changes the file under it, which no program can ensure.
//! What is done: the map is read-only; all bytes are checked against the file's checksums once, on opening; the code
//! that reads the columns treats them as plain integers, for which every bit pattern is valid; ids are compared with
//! the number of experts on opening, and code that indexes by an id keeps its bounds checks, so a later change can give
//! wrong numbers or a panic. [`super::write_file`] never writes into an existing file but replaces it, so that moesim
//! itself cannot break a map. What remains: another program that overwrites a trace in place during a run makes results
//! meaningless, and one that shortens it ends the process with SIGBUS.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

/// A whole file, read-only, in memory.
#[derive(Debug)]
pub(super) struct FileMap(memmap2::Mmap);

impl FileMap {
    /// Maps the file as long as it is now.
    ///
    /// # Errors
    /// What the operating system says, for example for a folder or a pipe.
    pub(super) fn open(file: &File) -> io::Result<Self> {
        // SAFETY: the file must not be changed while it is mapped; see the head of this module.
        let map = unsafe { memmap2::Mmap::map(file) }?;
        Ok(Self(map))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
