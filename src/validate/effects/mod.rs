//! Effects that measurements show, made visible: each is a file with what was measured, a scenario with a sweep, and the
//! axes of its picture.
//!
//! An effect is not a series: nothing is compared number by number. The picture shows whether the simulation behaves as
//! machines do when one setting changes, and `tests/effects.rs` holds each shipped one to what it must show.

mod points;
mod read;
mod reading;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::metrics::{Effect, Row};
use crate::plan::Inputs;
use crate::scenario::{Document, ScenarioFile};
use crate::sweep::{check, run_point};

use self::reading::Reading;
use super::series;

/// Where effects are looked for, from the current folder.
const FOLDER: &str = "scenarios/effects";

/// What the x axis of an effect is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum XAxis {
    /// An axis of the sweep.
    Key(String),
    /// The sequences of the trace.
    Sequence,
    /// Bytes of one expert that was not resident.
    ExpertSize,
}

impl XAxis {
    const SEQUENCE: &'static str = "sequence";
    const EXPERT_SIZE: &'static str = "expert_size";
}

/// One effect as its file says it.
pub struct EffectFile {
    id: String,
    title: String,
    says: String,
    source: String,
    shows: String,
    x: XAxis,
    x_label: Option<String>,
    group_label: Option<String>,
    group: Option<String>,
    readings: Vec<&'static Reading>,
    grid: ScenarioFile,
    path: PathBuf,
}

impl EffectFile {
    /// Reads the files of several effects.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files, each with its line and column.
    pub fn load_all(paths: &[PathBuf]) -> Result<Vec<Self>> {
        let read: Vec<Result<Self>> = paths
            .iter()
            .map(|path| Document::load(path).and_then(|document| read::effect(&document)))
            .collect();
        let (good, bad): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
        match Error::join(bad.into_iter().filter_map(Result::err)) {
            Some(error) => Err(error),
            None => good.into_iter().collect(),
        }
    }

    /// Reads one effect from text; `path` is what errors name and where relative paths start.
    ///
    /// # Errors
    /// As [`EffectFile::load_all`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        read::effect(&Document::parse(text, path)?)
    }

    /// Its short name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Simulates every point of its sweep.
    ///
    /// # Errors
    /// What is wrong with any point, at its place in the file. A point that does not fit has no number, and no error.
    pub fn run(&self, inputs: &Inputs) -> Result<Effect> {
        check(&self.grid, inputs)?;
        let rows: Vec<Result<Row>> =
            (0..self.grid.len()).into_par_iter().map(|index| run_point(&self.grid, index, inputs)).collect();
        let rows = rows.into_iter().collect::<Result<Vec<Row>>>()?;
        Ok(self.told(&rows))
    }

    /// Simulates several effects, in their order.
    ///
    /// # Errors
    /// As [`EffectFile::run`], for the first that fails.
    pub fn run_all(all: &[Self], inputs: &Inputs) -> Result<Vec<Effect>> {
        let ran: Vec<Result<Effect>> = all.par_iter().map(|effect| effect.run(inputs)).collect();
        ran.into_iter().collect()
    }
}

/// The effect files in `scenarios/effects`, by name.
///
/// # Errors
/// The folder cannot be read, or holds none.
pub fn shipped_effects() -> Result<Vec<PathBuf>> {
    series::files_or_none(FOLDER, "effects")
}
