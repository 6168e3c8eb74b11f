//! A log while it is read: each row is checked by itself and against the row before it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use super::columns::Columns;
use super::time::Unit;
use super::{LogRow, RequestLog};
use crate::error::{Error, Result};
use crate::trace::import::Source;

/// Latest time that a log may state, in nanoseconds: further ones would not fit the simulated clock.
const LAST_NS: u64 = i64::MAX.unsigned_abs();
const LENGTH: &str = "1 to 4294967295 tokens";

/// A cell of a row: where it stands, what it is called, what it holds.
pub(super) struct Cell<'a> {
    pub(super) source: &'a Source,
    pub(super) line: usize,
    pub(super) name: &'a str,
    pub(super) text: Cow<'a, str>,
}

impl Cell<'_> {
    /// The error for a cell that holds something else than it should.
    pub(super) fn wrong(&self, expected: &str) -> Error {
        let Self { source, line, name, text } = self;
        Error::at(source.line(*line), format!("column {name:?}: found {text:?}")).expected(expected)
    }

    fn number<T: FromStr>(&self, expected: &str) -> Result<T> {
        self.text.trim().parse().map_err(|_| self.wrong(expected))
    }

    fn tokens(&self) -> Result<u32> {
        match self.number(LENGTH)? {
            0 => Err(self.wrong(LENGTH)),
            tokens => Ok(tokens),
        }
    }

    fn time_ns(&self, unit: Unit) -> Result<u64> {
        let time_ns = unit.parse(self.text.trim()).filter(|time_ns| *time_ns <= LAST_NS);
        time_ns.ok_or_else(|| self.wrong(&unit.expected()))
    }
}

/// What has been read so far.
pub(super) struct Draft {
    log: RequestLog,
    first_ns: u64,
    /// Numbers of the domains by name.
    domains: BTreeMap<String, u16>,
}

impl Draft {
    pub(super) fn new(source: &Source) -> Self {
        let log = RequestLog { name: source.name(), ..RequestLog::default() };
        Self { log, first_ns: 0, domains: BTreeMap::new() }
    }

    pub(super) fn note(&mut self, note: String) {
        self.log.notes.push(note);
    }

    /// Adds a row. `cell` gives the cell of a column; `hashes` are those of the prompt's blocks.
    pub(super) fn push<'a>(
        &mut self,
        columns: &Columns,
        cell: impl Fn(usize) -> Result<Cell<'a>>,
        hashes: &[u64],
    ) -> Result<()> {
        let time = cell(columns.time)?;
        let time_ns = time.time_ns(columns.unit)?;
        if self.log.rows.is_empty() {
            self.first_ns = time_ns;
        }
        let latest_ns = self.log.rows.last().map_or(0, |row| row.arrival_ns);
        let arrival_ns = time_ns
            .checked_sub(self.first_ns)
            .filter(|arrival_ns| *arrival_ns >= latest_ns)
            .ok_or_else(|| time.wrong("a time not before that of the row above"))?;
        let row = LogRow {
            arrival_ns,
            prompt_tokens: cell(columns.prompt)?.tokens()?,
            output_tokens: cell(columns.output)?.tokens()?,
            priority: match columns.priority {
                Some(column) => cell(column)?.number("a priority from 0 (most urgent) to 255")?,
                None => 0,
            },
            domain: match columns.domain {
                Some(column) => self.domain(&cell(column)?)?,
                None => 0,
            },
            hashes: self.hashes(&time, hashes)?,
        };
        self.log.rows.push(row);
        Ok(())
    }

    /// Where the hashes of a row come to lie.
    fn hashes(&mut self, cell: &Cell<'_>, hashes: &[u64]) -> Result<(u32, u32)> {
        let begin = u32::try_from(self.log.hashes.len());
        self.log.hashes.extend_from_slice(hashes);
        match (begin, u32::try_from(self.log.hashes.len())) {
            (Ok(begin), Ok(end)) => Ok((begin, end)),
            _ => Err(Error::at(cell.source.line(cell.line), "too many hashes")
                .expected("at most 4294967295 in all")),
        }
    }

    /// The number of the domain that a cell names.
    fn domain(&mut self, cell: &Cell<'_>) -> Result<u16> {
        let name = cell.text.trim();
        if let Some(known) = self.domains.get(name) {
            return Ok(*known);
        }
        let next = u16::try_from(self.domains.len());
        let next = next.map_err(|_| cell.wrong("at most 65536 different ones"))?;
        self.domains.insert(name.to_owned(), next);
        self.log.domains.push(name.to_owned());
        Ok(next)
    }

    /// The whole log; `hash_tokens` is what one hash stands for, where there are any.
    pub(super) fn finish(mut self, source: &Source, hash_tokens: u32) -> Result<RequestLog> {
        if self.log.rows.is_empty() {
            return Err(Error::at(source.place(), "has no requests").expected("one or more"));
        }
        if !self.log.hashes.is_empty() {
            self.log.hash_tokens = hash_tokens;
            let name = &self.log.name;
            self.log.notes.push(format!("{name}: each of its hashes stands for {hash_tokens} tokens"));
        }
        Ok(self.log)
    }
}
