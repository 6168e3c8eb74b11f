//! A scenario file as a grid of points.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Value;

use crate::error::{Error, Place, Result};

use super::axes::{self, Axis};
use super::check::{self, Found};
use super::keys::{self, SWEEP};
use super::places::{Places, Spots};
use super::set::Draft;
use super::{Scenario, given, tree};

/// The largest number of points of one scenario.
pub const POINTS_MAX: usize = 1_000_000;

/// A scenario whose every key and value has been checked: what all points share, and the axes along which they differ.
#[derive(Clone, Debug)]
pub struct ScenarioFile {
    table: toml::Table,
    spots: Arc<Spots>,
    axes: Vec<Axis>,
    points: usize,
    folder: PathBuf,
}

/// One point of a scenario.
#[derive(Clone, Debug)]
pub struct PointScenario {
    /// The settings of this point; paths start at the current folder.
    pub scenario: Scenario,
    /// Where each setting was written.
    pub places: Places,
    /// The axes' keys and the values they have here, as reports show them.
    pub axes: Vec<(String, String)>,
}

impl Scenario {
    /// Reads a scenario file and applies overrides of the form `key=value` in their order.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or has keys or values that no scenario can have: all of them at once.
    pub fn load(path: impl AsRef<Path>, sets: &[String]) -> Result<ScenarioFile> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|cause| Error::io(path, "read", &cause))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before =
                String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            let place = Place::file(path).line(before.matches('\n').count() + 1).column(column);
            Error::at(place, "found a byte that is not UTF-8")
        })?;
        ScenarioFile::parse(&text, path, sets)
    }
}

impl ScenarioFile {
    /// As [`Scenario::load`], from text; `path` is what errors name and where relative paths start.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn parse(text: &str, path: &Path, sets: &[String]) -> Result<Self> {
        let (mut table, spots) = tree::parse(text, path)?;
        let mut found = Found::new();
        let written = match table.remove(SWEEP) {
            Some(Value::Table(sweep)) => axes::split(sweep, &spots),
            Some(other) => {
                let spot = spots.nearest(SWEEP);
                let error = Error::at(spot.value.clone(), format!("{SWEEP}: found {}", given::show(&other)));
                found.push((spot.order, error.expected(format!("a section [{SWEEP}]"))));
                Vec::new()
            }
            None => Vec::new(),
        };
        let mut draft = Draft { table, spots, axes: written };
        for (index, set) in sets.iter().enumerate() {
            let order = text.len() + 1 + index;
            draft.set(set, order).unwrap_or_else(|error| found.push((order, error)));
        }
        let Draft { table, spots, axes: written } = draft;
        found.extend(check::check_table(&table, &spots));
        let alternatives = check::check_alternatives(&table, &written, &spots);
        let axes = expand_axes(written, &spots, &mut found);
        // A misspelt key is not also a missing one.
        if found.is_empty() {
            found.extend(alternatives);
        }
        let points = count_points(&axes, &spots).unwrap_or_else(|error| {
            found.push(error);
            0
        });
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        match check::join(found) {
            Some(error) => Err(error),
            None => Ok(Self { table, spots: Arc::new(spots), axes, points, folder }),
        }
    }

    /// The axes in the order in which they are written; empty for a single point.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// The number of points: the product of the axes' lengths, 1 without axes.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one point")]
    pub fn len(&self) -> usize {
        self.points
    }

    /// The point at `index` below [`ScenarioFile::len`]; the last axis varies fastest.
    ///
    /// # Errors
    /// There is no such point.
    pub fn point(&self, index: usize) -> Result<PointScenario> {
        if index >= self.points {
            let error = Error::at(self.spots.nearest("").value.clone(), format!("found no point {index}"));
            return Err(error.expected(format!("one below {}", self.points)));
        }
        let mut table = self.table.clone();
        let (mut shown, mut swept) = (Vec::new(), Vec::new());
        let mut rest = index;
        for axis in self.axes.iter().rev() {
            let at = rest % axis.values.len();
            rest /= axis.values.len();
            insert(&mut table, &axis.key, axis.values[at].value.clone());
            shown.push((axis.key.clone(), axis.values[at].text.clone()));
            swept.push((axis.key.clone(), axis.value_path(at)));
        }
        shown.reverse();
        let places = Places::new(Arc::clone(&self.spots), swept);
        let mut scenario = check::read(table)
            .map_err(|(key, message)| Error::at(places.of(&key), format!("{key}: {message}")))?;
        for (key, path) in scenario.paths_mut() {
            if let Some(path) = path.as_mut().filter(|_| !places.spot(key).is_option) {
                *path = self.folder.join(&*path);
            }
        }
        Ok(PointScenario { scenario, places, axes: shown })
    }
}

/// Puts the value of a known key into a table.
fn insert(table: &mut toml::Table, key: &str, value: Value) {
    let (section, name) = keys::split(key);
    if section.is_empty() {
        table.insert(name.to_owned(), value);
    } else if let Value::Table(inner) =
        table.entry(section).or_insert_with(|| Value::Table(toml::Table::new()))
    {
        inner.insert(name.to_owned(), value);
    }
}

fn expand_axes(written: Vec<axes::Written>, spots: &Spots, found: &mut Found) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::new();
    for written in written {
        let Some(axis) = axes::expand(written, spots, found) else { continue };
        if axes.iter().any(|other| other.key == axis.key) {
            let spot = spots.nearest(axis.path());
            let message = format!("{SWEEP}.{}: found twice, expected one list or range", axis.key);
            found.push((spot.order, Error::at(spot.key.clone(), message)));
        } else {
            axes.push(axis);
        }
    }
    axes
}

fn count_points(axes: &[Axis], spots: &Spots) -> std::result::Result<usize, (usize, Error)> {
    let product = axes.iter().try_fold(1_usize, |points, axis| {
        points.checked_mul(axis.values.len()).filter(|points| *points <= POINTS_MAX)
    });
    product.ok_or_else(|| {
        let spot = spots.nearest(SWEEP);
        let lengths: Vec<String> = axes.iter().map(|axis| axis.values.len().to_string()).collect();
        let message = format!("{SWEEP}: found {} points", lengths.join(" x "));
        (spot.order, Error::at(spot.value.clone(), message).expected(format!("at most {POINTS_MAX}")))
    })
}
