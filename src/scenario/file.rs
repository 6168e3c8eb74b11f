//! A scenario file as a grid of points.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use toml::Value;

use crate::error::{Error, Result};

use super::axes::{self, Axis};
use super::check::{self, Found};
use super::keys::{self, SWEEP};
use super::places::{Places, Spots};
use super::set::Draft;
use super::tree::{self, option_value};
use super::{Scenario, document, given};

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
        ScenarioFile::parse(&document::read_text(path)?, path, sets)
    }
}

impl ScenarioFile {
    /// As [`Scenario::load`], from text; `path` is what errors name and where relative paths start.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn parse(text: &str, path: &Path, sets: &[String]) -> Result<Self> {
        Self::parse_with(text, path, &[], sets)
    }

    /// As [`ScenarioFile::parse`] for a command whose own options set keys, before `--set` does: each option as it was
    /// written, which errors name, and the `key=value` that it means.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn parse_with(
        text: &str,
        path: &Path,
        options: &[(String, String)],
        sets: &[String],
    ) -> Result<Self> {
        let (table, spots) = tree::parse(text, path)?;
        let mut found = Found::new();
        let mut draft = draft(table, spots, &mut found);
        let first = text.len() + 1;
        for (index, (option, set)) in options.iter().enumerate() {
            let order = first + index;
            draft.set_by(option, set, order).unwrap_or_else(|error| found.push((order, error)));
        }
        for (index, set) in sets.iter().enumerate() {
            let order = first + options.len() + index;
            draft.set(set, order).unwrap_or_else(|error| found.push((order, error)));
        }
        Self::checked(draft, found, path)
    }

    /// The scenario of a table whose `[sweep]` holds its axes.
    pub(super) fn with_axes(table: toml::Table, spots: Spots, path: &Path) -> Result<Self> {
        let mut found = Found::new();
        let draft = draft(table, spots, &mut found);
        Self::checked(draft, found, path)
    }

    /// The scenario of a draft; what was found wrong before comes first among the errors.
    pub(super) fn checked(draft: Draft, mut found: Found, path: &Path) -> Result<Self> {
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

    /// What decides the points: settings and axes, whatever their spelling, comments and places in the file.
    pub fn fingerprint(&self) -> String {
        let axis = |axis: &Axis| {
            let values = axis.values.iter().map(|value| format!("{:?}", value.value)).collect::<Vec<_>>();
            format!("{}={}", axis.key, values.join(","))
        };
        let axes = self.axes.iter().map(axis).collect::<Vec<_>>();
        let text = format!("{:?} {}", self.table, axes.join(";"));
        format!("{:08x}", crc32fast::hash(text.as_bytes()))
    }

    /// A setting that all points share, where it is text: the value under a dotted key such as `name`.
    pub fn text(&self, key: &str) -> Option<&str> {
        let mut parts = key.split('.');
        let first = self.table.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))?.as_str()
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
        self.varied(index, &[])
    }

    /// The point at `index` with these keys changed, as `--set KEY=VALUE` would: a change takes the place of what the point
    /// says in another way.
    ///
    /// # Errors
    /// There is no such point, or no key that could have such a value.
    pub fn varied(&self, index: usize, changes: &[(String, String)]) -> Result<PointScenario> {
        if index >= self.points {
            let error = Error::at(self.spots.nearest("").value.clone(), format!("found no point {index}"));
            let last = self.points - 1;
            let known = if last == 0 { "0, the only one".to_owned() } else { format!("0 to {last}") };
            return Err(error.expected(known));
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
        for (key, value) in changes {
            forget_alternatives(&mut table, key);
            insert(&mut table, key, option_value(value));
        }
        let places = Places::new(Arc::clone(&self.spots), swept);
        let mut scenario = check::read(table)
            .map_err(|(key, message)| Error::at(places.of(&key), format!("{key}: {message}")))?;
        for (key, path) in scenario.paths_mut() {
            if let Some(path) = path.as_mut().filter(|_| !places.spot(key).is_option) {
                *path = joined(&self.folder, path);
            }
        }
        Ok(PointScenario { scenario, places, axes: shown })
    }
}

/// A table with its axes taken out of `[sweep]`.
fn draft(mut table: toml::Table, spots: Spots, found: &mut Found) -> Draft {
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
    Draft { table, spots, axes: written }
}

/// A path as seen from `folder`, without the detours that a person would not write: `scenarios/../traces` is `traces`.
/// A folder that is a link is not cut, since its `..` is elsewhere.
fn joined(folder: &Path, path: &Path) -> PathBuf {
    let mut whole = folder.to_path_buf();
    for part in path.components() {
        let can_go_up = || matches!(whole.components().next_back(), Some(Component::Normal(_)));
        match part {
            Component::CurDir => {}
            Component::ParentDir if can_go_up() && !whole.is_symlink() => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    whole
}

/// Takes away the other keys that say what `key` says.
fn forget_alternatives(table: &mut toml::Table, key: &str) {
    let groups = check::ALTERNATIVES.iter().filter(|group| group.keys.contains(&key));
    for other in groups.flat_map(|group| group.keys).filter(|other| **other != key) {
        let (section, name) = keys::split(other);
        if let Some(Value::Table(section)) = table.get_mut(section) {
            section.remove(name);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{CacheCapacity, Percent};

    const TEXT: &str = r#"
name = "grid"
[model]
name = "olmoe"
[workload]
trace = "chat.moetrace"
[cache]
policy = "lru"
[sweep]
cache.policy = ["lru", "lfu", "belady"]
cache.capacity = { from = "25 %", to = "100 %", step = "37.5 %" }
"#;

    fn grid(sets: &[&str]) -> ScenarioFile {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        ScenarioFile::parse(TEXT, Path::new("scenarios/grid.toml"), &sets).unwrap()
    }

    fn labels(file: &ScenarioFile) -> Vec<String> {
        (0..file.len())
            .map(|index| {
                let axes = file.point(index).unwrap().axes;
                axes.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    #[test]
    fn points_are_the_product_of_the_axes_and_the_last_is_fastest() {
        let file = grid(&[]);
        assert_eq!(
            file.axes().iter().map(|axis| axis.key.as_str()).collect::<Vec<_>>(),
            ["cache.policy", "cache.capacity"]
        );
        let expect = ["lru 25 %", "lru 62.5 %", "lru 100 %", "lfu 25 %", "lfu 62.5 %", "lfu 100 %"];
        assert_eq!(labels(&file)[..6], expect);
        let point = file.point(4).unwrap();
        assert_eq!(point.scenario.cache.policy.as_deref(), Some("lfu"));
        assert_eq!(point.scenario.cache.capacity, Some(CacheCapacity::Share(Percent::from_ppm(625_000))));
        assert_eq!(
            file.point(9).unwrap_err().to_string(),
            "scenarios/grid.toml: found no point 9, expected 0 to 8"
        );
    }

    #[test]
    fn options_replace_values_and_axes() {
        for (sets, expect) in [
            (&["cache.capacity=rest"][..], &["lru", "lfu", "belady"][..]),
            (&["cache.policy=lru", "cache.capacity=8 GiB"], &[""]),
            (&["sweep={}"], &[""]),
            (&["sweep.cache.policy=[\"fifo\"]"], &["fifo 25 %", "fifo 62.5 %", "fifo 100 %"]),
            (&["sweep={}", "sweep.seed={from=1,to=3,step=2}"], &["1", "3"]),
            (&["sweep={cache={policy=[\"lru\"]}}"], &["lru"]),
            // Slots take the place of bytes, whether those were one value or an axis.
            (&["cache.slots_per_layer=4"], &["lru", "lfu", "belady"]),
            (&["cache.policy=lru", "sweep.cache.slots_per_layer=[4,8]"], &["4", "8"]),
        ] {
            assert_eq!(labels(&grid(sets)), expect, "{sets:?}");
        }
        let point = grid(&["sweep={}", "model.config=c.json", "cache.capacity=\"8 GiB\""]).point(0).unwrap();
        assert_eq!(point.scenario.model.name, None);
        assert_eq!(point.scenario.model.config, Some(PathBuf::from("c.json")));
        assert_eq!(point.scenario.cache.capacity, Some(CacheCapacity::Size("8 GiB".parse().unwrap())));
    }

    #[test]
    fn paths_start_where_they_were_written() {
        let trace = |sets: &[&str]| grid(sets).point(0).unwrap().scenario.workload.trace;
        assert_eq!(trace(&[]), Some(PathBuf::from("scenarios/chat.moetrace")));
        assert_eq!(trace(&["workload.trace=chat.moetrace"]), Some(PathBuf::from("chat.moetrace")));
        assert_eq!(trace(&["sweep.workload.trace=[\"a\", \"b\"]"]), Some(PathBuf::from("a")));
        assert_eq!(trace(&["workload.trace=/data/a"]), Some(PathBuf::from("/data/a")));
    }

    #[test]
    fn places_lead_back_to_what_was_written() {
        let places = grid(&["hardware.gpu=rtx4091"]).point(4).unwrap().places;
        for (key, place) in [
            ("model.name", "scenarios/grid.toml:4:8"),
            ("model.gguf", "scenarios/grid.toml:3:1"),
            ("cache.policy", "scenarios/grid.toml:10:24"),
            ("cache.capacity", "scenarios/grid.toml:11:18"),
            ("hardware.gpu", "--set hardware.gpu=rtx4091"),
            ("hardware.cpu", "--set hardware.gpu=rtx4091"),
            ("engine.profile", "scenarios/grid.toml"),
            ("seed", "scenarios/grid.toml"),
        ] {
            assert_eq!(places.of(key).to_string(), place, "{key}");
        }
    }
}
