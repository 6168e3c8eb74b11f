//! Logs as CSV with named columns. Lines that begin with `#` are comments.

use csv::{ByteRecord, ReaderBuilder};

use super::RequestLog;
use super::columns::Columns;
use super::draft::{Cell, Draft};
use super::time::Unit;
use crate::error::{Error, Result};
use crate::trace::import::Source;

pub(super) fn read(source: &Source) -> Result<RequestLog> {
    let mut reader = ReaderBuilder::new().comment(Some(b'#')).flexible(true).from_reader(source.bytes());
    let header = reader.byte_headers().map_err(|cause| failed(source, &cause))?;
    let header_line = header.position().map_or(1, |position| line(position.line()));
    let names: Vec<String> =
        header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let columns = Columns::bind(&source.line(header_line), &names, Unit::SECONDS)?;
    let mut draft = Draft::new(source);
    draft.note(columns.note(&source.name(), &names));
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|cause| failed(source, &cause))? {
        let line = record.position().map_or(0, |position| line(position.line()));
        let cell = |column: usize| {
            let name = names[column];
            let Some(bytes) = record.get(column) else {
                let found = format!("column {name:?} is missing: the row has {} cells", record.len());
                return Err(Error::at(source.line(line), found).expected(names.len()));
            };
            let cell = Cell { source, line, name, text: String::from_utf8_lossy(bytes) };
            if std::str::from_utf8(bytes).is_err() { Err(cell.wrong("UTF-8 text")) } else { Ok(cell) }
        };
        draft.push(&columns, cell, &[])?;
    }
    draft.finish(source, 0)
}

fn failed(source: &Source, cause: &csv::Error) -> Error {
    let place = cause.position().map_or(source.place(), |position| source.line(line(position.line())));
    Error::at(place, format!("cannot be read as CSV: {cause}"))
}

fn line(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
