//! A TOML document that knows where each of its keys was written, and a scenario that is one section of it.
//!
//! Validation series hold a scenario beside their measurements. Read through here, a mistake in it points to its line in
//! the series file, and every key means what it means in a scenario of its own.

use std::path::{Path, PathBuf};

use toml::Value;

use crate::error::{Error, Place, Result};

use super::ScenarioFile;
use super::axes;
use super::check::Found;
use super::given::show;
use super::keys::{self, SWEEP};
use super::places::{Spot, Spots};
use super::set::Draft;
use super::tree::{self, part};

/// The text of a file.
///
/// # Errors
/// The file cannot be read, or is not UTF-8: the place is that of the first byte that is not.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|cause| Error::io(path, "read", &cause))?;
    String::from_utf8(bytes).map_err(|error| {
        let before =
            String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        let place = Place::file(path).line(before.matches('\n').count() + 1).column(column);
        Error::at(place, "found a byte that is not UTF-8")
    })
}

/// A parsed TOML file. Paths within it are dotted: `series.band`, `row[3].set`; a name that is not a bare key is quoted.
#[derive(Clone, Debug)]
pub struct Document {
    table: toml::Table,
    spots: Spots,
    path: PathBuf,
}

/// A scenario key that another part of the document sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Dotted key of the scenario, such as `engine.h2d_bandwidth`.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Path in the document of where it was written, for errors.
    pub path: String,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is not TOML.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::parse(&read_text(path.as_ref())?, path)
    }

    /// Reads text; `path` is what errors name and where relative paths start.
    ///
    /// # Errors
    /// The text is not TOML.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self> {
        let (table, spots) = tree::parse(text, path.as_ref())?;
        Ok(Self { table, spots, path: path.as_ref().to_owned() })
    }

    /// What is written in it.
    pub fn table(&self) -> &toml::Table {
        &self.table
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name as one part of a path: `value`, `"engine.overlap"`.
    pub fn part(name: &str) -> String {
        part(name)
    }

    /// Where the key at a path stands, else that of the nearest that contains it.
    pub fn key_place(&self, path: &str) -> Place {
        self.spots.nearest(path).key.clone()
    }

    /// Where the value at a path stands, else that of the nearest that contains it.
    pub fn value_place(&self, path: &str) -> Place {
        self.spots.nearest(path).value.clone()
    }

    /// A top-level section with its places.
    fn section(&self, section: &str) -> Result<(&toml::Table, Spots)> {
        let Some(Value::Table(table)) = self.table.get(section) else {
            let message = format!("found no section [{section}]");
            return Err(Error::at(Place::file(&self.path), message).expected("a scenario"));
        };
        Ok((table, self.spots.within(section)))
    }

    /// The scenario in a top-level section, with its axes.
    ///
    /// # Errors
    /// As [`super::Scenario::load`], at the places in this document; the section is absent.
    pub fn grid(&self, section: &str) -> Result<ScenarioFile> {
        let (table, spots) = self.section(section)?;
        ScenarioFile::with_axes(table.clone(), spots, &self.path)
    }

    /// The scenario in a top-level section, with these settings in their order; it has no axes.
    ///
    /// # Errors
    /// As [`super::Scenario::load`], at the places in this document; the section is absent, or holds axes.
    pub fn scenario(&self, section: &str, settings: &[Setting]) -> Result<ScenarioFile> {
        let (table, spots) = self.section(section)?;
        if table.contains_key(SWEEP) {
            let message = format!("found [{section}.{SWEEP}]");
            return Err(
                Error::at(spots.nearest(SWEEP).key.clone(), message).expected("a scenario without axes")
            );
        }
        let mut draft = Draft { table: table.clone(), spots, axes: Vec::<axes::Written>::new() };
        let mut found = Found::new();
        for setting in settings {
            let spot: Spot = self.spots.nearest(&setting.path).clone();
            if keys::is_key(&setting.key) {
                draft.put(&setting.key, setting.value.clone(), spot);
            } else {
                found.push((spot.order, unknown(&setting.key, &spot)));
            }
        }
        ScenarioFile::checked(draft, found, &self.path)
    }
}

/// A setting whose key no scenario has.
fn unknown(key: &str, spot: &Spot) -> Error {
    let known = keys::keys().iter().map(|row| row.key);
    match keys::split(key) {
        ("", _) => Error::at(spot.key.clone(), format!("unknown key {key:?}")).nearest(key, known),
        (section, name) if keys::is_section(section) => keys::unknown_key(spot.key.clone(), section, name),
        (section, _) => keys::unknown_section(spot.key.clone(), section),
    }
}

impl Setting {
    /// The settings under a table of the document: `"engine.overlap" = "none"` and `engine.overlap = "none"` alike.
    ///
    /// # Errors
    /// The value is not a table.
    pub fn all(document: &Document, path: &str, value: &Value) -> Result<Vec<Self>> {
        let Value::Table(table) = value else {
            let message = format!("{path}: found {}", show(value));
            return Err(Error::at(document.value_place(path), message).expected("a table of keys"));
        };
        let mut settings = Vec::new();
        for (name, value) in table {
            let path = format!("{path}.{}", part(name));
            match value {
                Value::Table(inner) if keys::is_section(name) => {
                    settings.extend(inner.iter().map(|(key, value)| Self {
                        key: format!("{name}.{key}"),
                        value: value.clone(),
                        path: format!("{path}.{}", part(key)),
                    }));
                }
                value => settings.push(Self { key: name.clone(), value: value.clone(), path }),
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[fit."engine.per_token_overhead"]
value = "3 ms"
[scenario]
model.name = "olmoe"
cache.capacity = "8 GiB"
workload.trace = "a.moetrace"
[[row]]
set = { "cache.slots_per_layer" = 4, hardware.gpu = "t4" }
"#;

    fn document() -> Document {
        Document::parse(TEXT, "x/series.toml").unwrap()
    }

    #[test]
    fn a_section_is_a_scenario_with_its_own_places() {
        let document = document();
        let row = &document.table()["row"][0]["set"];
        let settings = Setting::all(&document, "row[0].set", row).unwrap();
        let file = document.scenario("scenario", &settings).unwrap();
        let point = file.point(0).unwrap();
        assert_eq!(point.scenario.cache.capacity, None);
        assert_eq!(point.scenario.cache.slots_per_layer.map(std::num::NonZeroU32::get), Some(4));
        assert_eq!(point.scenario.workload.trace, Some(PathBuf::from("x/a.moetrace")));
        for (key, place) in [
            ("model.name", "x/series.toml:5:14"),
            ("cache.slots_per_layer", "x/series.toml:9:35"),
            ("hardware.gpu", "x/series.toml:9:53"),
            ("engine.profile", "x/series.toml:4:1"),
        ] {
            assert_eq!(point.places.of(key).to_string(), place, "{key}");
        }
    }

    #[test]
    fn mistakes_are_found_where_they_stand() {
        let setting = |key: &str, value: Value| Setting {
            key: key.to_owned(),
            value,
            path: "fit.\"engine.per_token_overhead\".value".to_owned(),
        };
        for (key, value, message) in [
            (
                "cache.polcy",
                Value::from("lru"),
                "3:1: unknown key \"polcy\" in [cache], did you mean \"policy\"?",
            ),
            ("engin.overlap", Value::from("none"), "3:1: unknown section [engin], did you mean \"engine\"?"),
            ("polcy", Value::from("lru"), "3:1: unknown key \"polcy\""),
            (
                "engine.per_token_overhead",
                Value::from(3),
                "3:9: engine.per_token_overhead: found 3 without a unit",
            ),
        ] {
            let error = document().scenario("scenario", &[setting(key, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("x/series.toml:{message}")), "{error}");
        }
        let error = document().scenario("scenaro", &[]).unwrap_err().to_string();
        assert_eq!(error, "x/series.toml: found no section [scenaro], expected a scenario");
    }
}
