//! Request logs: when requests came and how long they were, read from the files that services publish.
//!
//! The format is recognised by content. CSV with named columns: the Azure LLM inference traces (Patel et al., ISCA
//! 2024; <https://github.com/Azure/AzurePublicDataset>), vidur, BurstGPT, or one's own. JSON lines with hashes of prompt
//! blocks: Mooncake (Qin et al., FAST 2025) and Bailian (<https://github.com/alibaba-edu/qwen-bailian-usagetraces-anon>).
//! Columns are bound by name whatever their case, and others are ignored. Left out: what links the turns of a
//! conversation, since hashes say what their prompts share, and compressed files.
//!
//! A prompt or an answer of zero tokens is an error: neither of the published Azure logs of 2023 holds one, and elsewhere
//! it marks a request that failed.

mod columns;
mod draft;
mod lines;
mod table;
mod time;

use std::path::Path;

use crate::error::{Error, Place, Result};
use crate::trace::import::Source;

/// A request log in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestLog {
    /// The file's name without folders.
    pub name: String,
    /// Its requests. Times do not descend.
    pub rows: Vec<LogRow>,
    /// Hashes of prompt blocks, of all rows one after another; empty where the log has none.
    pub hashes: Vec<u64>,
    /// Tokens that one hash stands for; zero without hashes. A prompt's last block may hold fewer.
    pub hash_tokens: u32,
    /// Names of the domains in the order of their appearance; empty where the log has none.
    pub domains: Vec<String>,
    /// What was interpreted, one line each.
    pub notes: Vec<String>,
}

/// A request of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Nanoseconds after the log's first request.
    pub arrival_ns: u64,
    /// Tokens of the prompt, at least 1.
    pub prompt_tokens: u32,
    /// Tokens of the answer, at least 1.
    pub output_tokens: u32,
    /// 0 is most urgent, and what a log without priorities has.
    pub priority: u8,
    /// Position in [`RequestLog::domains`]; 0 where there are none.
    pub domain: u16,
    /// Its blocks' hashes: `begin..end` in [`RequestLog::hashes`].
    pub hashes: (u32, u32),
}

impl RequestLog {
    /// `(prompt, answer)` of all rows, for [`super::Lengths::Empirical`].
    pub fn pairs(&self) -> Vec<(u32, u32)> {
        self.rows.iter().map(|row| (row.prompt_tokens, row.output_tokens)).collect()
    }

    /// From the first request to the last, in nanoseconds.
    pub fn span_ns(&self) -> u64 {
        self.rows.last().map_or(0, |row| row.arrival_ns)
    }

    /// Mean requests per second: gaps over the span; `None` where all requests come at once.
    pub fn rate_per_s(&self) -> Option<f64> {
        let span_ns = self.span_ns();
        (span_ns > 0).then(|| (self.rows.len() - 1) as f64 / (span_ns as f64 / 1e9))
    }

    pub(super) fn has_priorities(&self) -> bool {
        self.rows.iter().any(|row| row.priority > 0)
    }
}

/// Reads a request log.
///
/// # Errors
/// With file, line and the column's name: not readable, empty, a column missing, times that are negative, no number or
/// descend, lengths of zero tokens or beyond 32 bits, more hashes than blocks.
pub fn read_log(path: &Path) -> Result<RequestLog> {
    read_log_with(path, None)
}

/// Reads a request log whose hashes stand for `hash_tokens` tokens each; `None` for what the format says: 512 for
/// Mooncake, 16 for Bailian.
///
/// # Errors
/// As [`read_log`], and for hashes that stand for no token.
pub fn read_log_with(path: &Path, hash_tokens: Option<u32>) -> Result<RequestLog> {
    let bytes = std::fs::read(path).map_err(|cause| Error::io(path, "read", &cause))?;
    if bytes.trim_ascii().is_empty() {
        return Err(Error::at(Place::file(path), "is empty").expected("a request log"));
    }
    let source = Source::from_bytes(path, bytes)?;
    if hash_tokens == Some(0) {
        return Err(Error::at(source.place(), "hashes stand for 0 tokens each").expected("1 or more"));
    }
    match source.bytes().trim_ascii_start().first() {
        Some(b'{') => lines::read(&source, hash_tokens),
        Some(b'[') => {
            Err(Error::at(source.place(), "is one JSON list").expected("one JSON object a line, or CSV"))
        }
        _ if source.bytes().contains(&0) => {
            Err(Error::at(source.place(), "is not text").expected("CSV or JSON lines"))
        }
        _ => table::read(&source),
    }
}
