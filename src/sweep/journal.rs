//! The journal of an unfinished sweep: one finished row per line, appended as it comes, so that an interrupted sweep
//! loses nothing and `--resume` goes on where it stopped.
//!
//! The first line is a head with the sweep's fingerprint. A last line that was cut off by a crash is ignored. The file is
//! removed when the sweep is complete.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Place, Result};
use crate::metrics::Row;

/// Name of the journal within the output folder.
const FILE_NAME: &str = "unfinished.jsonl";

#[derive(Serialize, Deserialize)]
struct Head {
    moesim_journal: u32,
    fingerprint: String,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Opens the journal in `folder`, and returns the rows that it holds already. Without `resume` it starts anew.
    ///
    /// # Errors
    /// The folder cannot be written, or the journal to resume is of a sweep with another fingerprint.
    pub fn open(folder: &Path, fingerprint: &str, resume: bool) -> Result<(Self, BTreeMap<u64, Row>)> {
        fs::create_dir_all(folder).map_err(|cause| Error::io(folder, "create the folder", &cause))?;
        let path = folder.join(FILE_NAME);
        let rows = if resume && path.exists() { read(&path, fingerprint)? } else { BTreeMap::new() };
        // Written anew even when resumed: what a crash cut off must not stand in the middle. The old journal stays until
        // the new one is whole.
        let io = |cause: std::io::Error| Error::io(&path, "write", &cause);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".moesim-");
        // A temporary file is private to its user; a journal is as readable as any other file one creates.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let staged = builder.tempfile_in(folder).map_err(io)?;
        let journal = Self { file: Mutex::new(staged.reopen().map_err(io)?), path: path.clone() };
        journal.line(&Head { moesim_journal: 1, fingerprint: fingerprint.to_owned() })?;
        for row in rows.values() {
            journal.append(row)?;
        }
        staged.persist(&path).map_err(|failure| io(failure.error))?;
        Ok((journal, rows))
    }

    /// Appends a finished row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&self, row: &Row) -> Result<()> {
        self.line(row)
    }

    fn line(&self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(|cause| Error::new(cause.to_string()))?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(|cause| Error::io(&self.path, "write", &cause))
    }

    /// Removes the journal: the sweep is complete.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn finish(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|cause| Error::io(&self.path, "remove", &cause))
    }
}

fn read(path: &Path, fingerprint: &str) -> Result<BTreeMap<u64, Row>> {
    let file = File::open(path).map_err(|cause| Error::io(path, "read", &cause))?;
    let mut lines = BufReader::new(file).lines().map_while(std::result::Result::ok);
    let head = lines.next().and_then(|line| serde_json::from_str::<Head>(&line).ok());
    match head {
        Some(head) if head.fingerprint == fingerprint => {}
        Some(_) => {
            let message = "the unfinished sweep here is of another scenario, trace or version";
            return Err(Error::at(Place::file(path), message).hint("leave out --resume to start anew"));
        }
        None => return Ok(BTreeMap::new()),
    }
    let rows = lines.map_while(|line| serde_json::from_str::<Row>(&line).ok());
    Ok(rows.map(|row| (row.index, row)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ConfigLabels, Outcome};

    fn row(index: u64) -> Row {
        Row {
            index,
            axes: vec![("cache.policy".to_owned(), "lru".to_owned())],
            config: ConfigLabels::default(),
            ledger: Vec::new(),
            tiers: Vec::new(),
            quality: crate::metrics::Quality::default(),
            cost: crate::metrics::CostBasis::default(),
            outcome: Outcome::CannotRun(vec!["needs more".to_owned()]),
        }
    }

    #[test]
    fn resumes_what_was_finished_and_drops_what_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, none) = Journal::open(folder.path(), "abc", false).unwrap();
        assert!(none.is_empty());
        journal.append(&row(3)).unwrap();
        journal.append(&row(1)).unwrap();
        let path = folder.path().join(FILE_NAME);
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"index\":2,\"ax");
        fs::write(&path, text).unwrap();
        let (journal, rows) = Journal::open(folder.path(), "abc", true).unwrap();
        assert_eq!(rows.into_values().collect::<Vec<_>>(), [row(1), row(3)]);
        let error = Journal::open(folder.path(), "other", true).unwrap_err();
        assert!(error.to_string().ends_with("version, leave out --resume to start anew"), "{error}");
        journal.finish().unwrap();
        assert!(!path.exists());
    }
}
