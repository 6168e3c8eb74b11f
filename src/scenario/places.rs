//! Where each key and value was written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::Place;

/// Where one key and its value stand.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Rank among all spots: byte offset in the file, and beyond it for options in the order given.
    pub(super) order: usize,
    pub(super) key: Place,
    pub(super) value: Place,
    /// Whether it was given as `--set` instead of in the file.
    pub(super) is_option: bool,
}

/// Spots by path: `cache.policy`, `cache.pin[1]`, `sweep.cache.capacity.step`.
#[derive(Clone, Debug)]
pub(super) struct Spots {
    by_path: BTreeMap<String, Spot>,
    file: Spot,
}

impl Spots {
    pub(super) fn new(file: &Path) -> Self {
        let place = Place::file(file);
        let file = Spot { order: 0, key: place.clone(), value: place, is_option: false };
        Self { by_path: BTreeMap::new(), file }
    }

    pub(super) fn insert(&mut self, path: String, spot: Spot) {
        self.by_path.insert(path, spot);
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// The spots within one section, as if it were the whole file.
    pub(super) fn within(&self, section: &str) -> Self {
        let inner = |(path, spot): (&String, &Spot)| {
            let rest = path.strip_prefix(section)?.strip_prefix('.')?;
            Some((rest.to_owned(), spot.clone()))
        };
        Self { by_path: self.by_path.iter().filter_map(inner).collect(), file: self.nearest(section).clone() }
    }

    /// Forgets a path and all below it.
    pub(super) fn remove(&mut self, path: &str) {
        let below = |other: &str| {
            other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']) || rest.is_empty())
        };
        self.by_path.retain(|other, _| !below(other));
    }

    /// The spot of a path, else of the nearest that contains it, else the file.
    pub(super) fn nearest(&self, path: &str) -> &Spot {
        let mut path = path;
        loop {
            if let Some(spot) = self.by_path.get(path) {
                return spot;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return &self.file,
            }
        }
    }
}

/// Where the settings of one point were written, for errors found later than reading.
#[derive(Clone, Debug)]
pub struct Places {
    spots: Arc<Spots>,
    /// Swept keys and the paths of the values they have at this point.
    swept: Vec<(String, String)>,
}

impl Places {
    pub(super) fn new(spots: Arc<Spots>, swept: Vec<(String, String)>) -> Self {
        Self { spots, swept }
    }

    pub(super) fn spot(&self, key: &str) -> &Spot {
        let swept = self.swept.iter().find(|(swept, _)| swept == key);
        self.spots.nearest(swept.map_or(key, |(_, path)| path))
    }

    /// Where the value of a dotted key stands. A key that was not written is placed at its section, and without a
    /// section at the file as a whole.
    pub fn of(&self, key: &str) -> Place {
        self.spot(key).value.clone()
    }
}
