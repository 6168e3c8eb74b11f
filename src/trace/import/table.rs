//! CSV with named columns: binds them by name, ignores the others, and says which line and column is wrong.

use std::fmt::Display;
use std::str::FromStr;

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};

use super::Source;
use crate::error::{Error, Place, Result};

/// A CSV file whose lines that begin with `#` are comments.
pub(in crate::trace) struct Table<'a> {
    source: &'a Source,
    reader: Reader<&'a [u8]>,
    names: Vec<String>,
}

/// One row of a [`Table`].
pub(in crate::trace) struct TableRow<'a> {
    source: &'a Source,
    names: &'a [String],
    record: &'a ByteRecord,
    line: usize,
}

impl<'a> Table<'a> {
    pub(in crate::trace) fn new(source: &'a Source) -> Result<Self> {
        let mut reader = ReaderBuilder::new()
            .comment(Some(b'#'))
            .trim(Trim::All)
            .flexible(true)
            .from_reader(source.bytes());
        let names = reader.byte_headers().map_err(|cause| failed(source, &cause))?;
        let names = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        Ok(Self { source, reader, names })
    }

    /// The position of a column that may be missing.
    pub(in crate::trace) fn optional(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// The position of a column.
    pub(in crate::trace) fn column(&self, name: &str) -> Result<usize> {
        self.optional(name).ok_or_else(|| {
            Error::at(self.source.place(), format!("has no column {name:?}"))
                .expected(format!("it among {}", self.names.join(", ")))
        })
    }

    /// Calls `each` with every row.
    pub(in crate::trace) fn for_each(
        &mut self,
        mut each: impl FnMut(&TableRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut record = ByteRecord::new();
        while self.reader.read_byte_record(&mut record).map_err(|cause| failed(self.source, &cause))? {
            let line = record
                .position()
                .map_or(0, |position| usize::try_from(position.line()).unwrap_or(usize::MAX));
            each(&TableRow { source: self.source, names: &self.names, record: &record, line })?;
        }
        Ok(())
    }
}

impl TableRow<'_> {
    /// The line of the row, from 1.
    pub(in crate::trace) fn line(&self) -> usize {
        self.line
    }

    pub(in crate::trace) fn place(&self) -> Place {
        self.source.line(self.line)
    }

    /// The text of a cell.
    pub(in crate::trace) fn text(&self, column: usize) -> Result<&str> {
        let Some(cell) = self.record.get(column) else {
            let found = format!(
                "column {:?} is missing: the row has {} cells",
                self.names[column],
                self.record.len()
            );
            return Err(Error::at(self.place(), found).expected(self.names.len()));
        };
        std::str::from_utf8(cell)
            .map_err(|_| self.wrong(column, &String::from_utf8_lossy(cell), "UTF-8 text"))
    }

    /// A cell as a number.
    pub(in crate::trace) fn number<T: FromStr>(&self, column: usize, expected: &str) -> Result<T> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.wrong(column, text, expected))
    }

    /// The error for a cell that holds something else than it should.
    pub(in crate::trace) fn wrong(&self, column: usize, found: &str, expected: impl Display) -> Error {
        Error::at(self.place(), format!("column {:?}: found {found:?}", self.names[column]))
            .expected(expected)
    }
}

fn failed(source: &Source, cause: &csv::Error) -> Error {
    let line = cause.position().map(|position| usize::try_from(position.line()).unwrap_or(usize::MAX));
    let place = line.map_or(source.place(), |line| source.line(line));
    Error::at(place, format!("cannot be read as CSV: {cause}"))
}
