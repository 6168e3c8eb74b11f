//! A series of measurements as its file says it.

use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result};
use crate::metrics::{FittedParameter, Held};
use crate::scenario::{Document, Setting};

use super::metric::Metric;
use super::probe::Probe;
use super::quantity::Kind;
use super::read;

/// What makes predictions.
#[derive(Clone, Copy)]
pub(super) enum Predictor {
    /// Scenario to plan to simulation, as `moesim run` does it.
    Simulation,
    Formula(&'static Probe),
}

impl Predictor {
    pub(super) const SIMULATION: &'static str = "simulation";

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Simulation => Self::SIMULATION,
            Self::Formula(probe) => probe.name,
        }
    }
}

/// A fitted parameter: where its value may lie and where it was found. Numbers are in the base unit of `kind`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    pub(super) key: String,
    pub(super) kind: Kind,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) value: f64,
    /// Path in the document of where the value was written.
    pub(super) path: String,
}

impl Fit {
    /// As reports show it.
    pub(super) fn shown(&self) -> FittedParameter {
        FittedParameter {
            key: self.key.clone(),
            value: self.kind.show(self.value),
            low: self.kind.show(self.low),
            high: self.kind.show(self.high),
        }
    }
}

/// What a row gives its predictor.
#[derive(Clone, Debug)]
pub(super) enum Given {
    Scenario(Vec<Setting>),
    Inputs(Vec<(&'static str, f64)>),
}

/// One measurement.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) x: Option<f64>,
    /// In base units of the metric.
    pub(super) base: f64,
    pub(super) given: Given,
    /// Path in the document.
    pub(super) path: String,
}

/// One series: a file of measurements and of what predicts them.
pub struct Series {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) source: String,
    pub(super) notes: String,
    pub(super) x_label: String,
    pub(super) predictor: Predictor,
    pub(super) metric: &'static Metric,
    /// Unit that numbers are shown in.
    pub(super) unit: String,
    pub(super) held: Held,
    pub(super) parameters_from: Option<String>,
    /// The series whose rows a fit of this one takes in: another metric of the same measurements.
    pub(super) fitted_with: Option<String>,
    /// Parameters of the formula that all rows share.
    pub(super) shared: Vec<(&'static str, f64)>,
    pub(super) fits: Vec<Fit>,
    /// Fitted parameters of the series that `parameters_from` names.
    pub(super) foreign: Vec<Fit>,
    pub(super) rows: Vec<Measured>,
    pub(super) document: Document,
}

impl Series {
    /// Reads the files of several series. One whose parameters come from another series finds it among these, or in a
    /// file beside its own.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files, each with its line and column.
    pub fn load_all(paths: &[PathBuf]) -> Result<Vec<Self>> {
        let mut errors = Vec::new();
        let mut all: Vec<Self> = Vec::new();
        for path in paths {
            match Document::load(path).and_then(read::series) {
                Ok(series) => match all.iter().find(|other| other.id == series.id) {
                    Some(other) => errors.push(series.twice(&other.document)),
                    None => all.push(series),
                },
                Err(error) => errors.push(error),
            }
        }
        for index in 0..all.len() {
            if let Some(found) = all[index].find_foreign(&all) {
                match found {
                    Ok(fits) => all[index].foreign = fits,
                    Err(error) => errors.push(error),
                }
            }
        }
        match Error::join(errors) {
            Some(error) => Err(error),
            None => Ok(all),
        }
    }

    /// Reads one series from text; `path` is what errors name and where relative paths start.
    ///
    /// # Errors
    /// As [`Series::load_all`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut series = read::series(Document::parse(text, path)?)?;
        if let Some(fits) = series.find_foreign(&[]) {
            series.foreign = fits?;
        }
        Ok(series)
    }

    /// The engine profile that its simulations run with; `None` for a formula.
    pub fn engine(&self) -> Option<String> {
        let settings = self.rows.iter().find_map(|row| match &row.given {
            Given::Scenario(settings) => Some(settings),
            Given::Inputs(_) => None,
        })?;
        let scenario = self.document.scenario("scenario", settings).ok()?;
        scenario.point(0).ok()?.scenario.engine.profile
    }

    /// Its short name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        self.document.path()
    }

    /// The keys of the parameters that were fitted to its rows.
    pub fn fitted_keys(&self) -> Vec<&str> {
        self.fits.iter().map(|fit| fit.key.as_str()).collect()
    }

    /// Where a value of the file stands.
    pub(super) fn place(&self, path: &str) -> Place {
        self.document.value_place(path)
    }

    fn twice(&self, other: &Document) -> Error {
        let message = format!("found the series {:?} in {} too", self.id, other.path().display());
        Error::at(self.place("series.id"), message).expected("one file for each series")
    }

    /// The fitted parameters of the series that this one takes its own from; `None` where it does not.
    fn find_foreign(&self, known: &[Self]) -> Option<Result<Vec<Fit>>> {
        let id = self.parameters_from.as_ref()?;
        let among = |series: &Self| (series.id == *id).then(|| series.fits.clone());
        let own = |fits: Vec<Fit>| {
            let path = "series.parameters_from".to_owned();
            fits.into_iter().map(|fit| Fit { path: path.clone(), ..fit }).collect()
        };
        let beside = || Ok(self.find_beside(id, "series.parameters_from")?.fits);
        let found = known.iter().find_map(among).map_or_else(beside, Ok);
        Some(found.map(own))
    }

    /// The series that `fitted_with` names, from a file beside this one's; `None` where it names none.
    pub(super) fn partner(&self) -> Result<Option<Self>> {
        const PATH: &str = "series.fitted_with";
        let Some(id) = &self.fitted_with else { return Ok(None) };
        let partner = self.find_beside(id, PATH)?;
        if partner.parameters_from.as_ref() != Some(&self.id) {
            let error = Error::at(self.place(PATH), format!("{id:?} does not take its parameters from here"));
            return Err(error.expected(format!(
                "parameters_from = {:?} in {}",
                self.id,
                partner.path().display()
            )));
        }
        Ok(Some(partner))
    }

    /// The series of this name in a file beside this one's; `path` is where the name was written.
    fn find_beside(&self, id: &str, path: &str) -> Result<Self> {
        let folder = self.path().parent().unwrap_or(Path::new("."));
        let mut names = Vec::new();
        for file in files(folder)? {
            // A file with mistakes of its own is reported when it is validated itself.
            let Ok(document) = Document::load(&file) else { continue };
            let name = document
                .table()
                .get("series")
                .and_then(|series| series.get("id")?.as_str().map(str::to_owned));
            match name {
                Some(name) if name == id => return read::series(document),
                name => names.extend(name),
            }
        }
        let error = Error::at(self.place(path), format!("unknown series {id:?}"));
        Err(error.nearest(id, names.iter().map(String::as_str)))
    }
}

/// Where series files are looked for, from the current folder.
pub const FOLDER: &str = "scenarios/validation";

/// The series files in [`FOLDER`], by name.
///
/// # Errors
/// The folder cannot be read, or holds none.
pub fn shipped_files() -> Result<Vec<PathBuf>> {
    files_or_none(FOLDER, "series")
}

/// The files of a folder that must hold some.
pub(super) fn files_or_none(folder: &str, what: &str) -> Result<Vec<PathBuf>> {
    let files = files(Path::new(folder))?;
    if files.is_empty() {
        let error = Error::at(Place::file(folder), format!("found no {what}"));
        return Err(error.expected("files that end in .toml"));
    }
    Ok(files)
}

/// The series files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let folder = if folder == Path::new("") { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(folder).map_err(|cause| Error::io(folder, "read the folder", &cause))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    Ok(files)
}
