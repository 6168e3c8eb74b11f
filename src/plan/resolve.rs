//! Collects, while a point is resolved, what each setting became and what is wrong.

use std::fmt::Display;

use super::Setting;
use super::merging::Merging;
use crate::catalogue::Entry;
use crate::error::{Error, Place};
use crate::model::{DTYPES, Dtype};
use crate::scenario::{PointScenario, Scenario};

/// The point being resolved, the settings so far, and the errors so far.
pub(super) struct Resolver<'a> {
    pub(super) point: &'a PointScenario,
    /// How experts are merged, once the trace is known; every other trace of the point is merged alike.
    pub(super) merging: Option<Merging>,
    settings: Vec<Setting>,
    errors: Vec<Error>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(point: &'a PointScenario) -> Self {
        Self { point, merging: None, settings: Vec::new(), errors: Vec::new() }
    }

    pub(super) fn scenario(&self) -> &'a Scenario {
        &self.point.scenario
    }

    /// Where a key's value was written.
    pub(super) fn place(&self, key: &str) -> Place {
        self.point.places.of(key)
    }

    /// Notes a setting that the user wrote.
    pub(super) fn given(&mut self, key: &str, value: impl Display) {
        let origin = self.place(key).to_string();
        self.note(key, value, origin);
    }

    /// Notes what a setting became and why.
    pub(super) fn note(&mut self, key: &str, value: impl Display, origin: impl Into<String>) {
        self.settings.push(Setting { key: key.to_owned(), value: value.to_string(), origin: origin.into() });
    }

    /// The value that the user wrote, else the default, noted with its origin.
    pub(super) fn or_default<T: Display>(
        &mut self,
        key: &str,
        written: Option<T>,
        default: T,
        why: &str,
    ) -> T {
        match written {
            Some(value) => {
                self.given(key, &value);
                value
            }
            None => {
                self.note(key, &default, why);
                default
            }
        }
    }

    /// Notes an error at a key.
    pub(super) fn refuse(&mut self, key: &str, error: impl FnOnce(Place) -> Error) {
        self.errors.push(error(self.place(key)));
    }

    /// Notes an error in a file that a key names.
    pub(super) fn refuse_file(&mut self, key: &str, error: Error) {
        self.errors.push(error.within(&self.place(key), key));
    }

    /// Notes an error that has its place already.
    pub(super) fn push(&mut self, error: Error) {
        self.errors.push(error);
    }

    /// A catalogue row by the name under `key`; an unknown name is an error with the nearest known one.
    pub(super) fn row<T: Entry>(&mut self, key: &str, name: &str) -> Option<&'static T> {
        self.known(key, T::WHAT, name, T::find(name), T::names())
    }

    /// A storage type by the name under `key`.
    pub(super) fn dtype(&mut self, key: &str, name: &str) -> Option<Dtype> {
        let names = DTYPES.iter().map(|dtype| dtype.name);
        self.known(key, "storage type", name, Dtype::by_name(name), names)
    }

    /// What was found under the name that `key` gives; where nothing was, an error with the nearest of `names`.
    pub(super) fn known<'n, T>(
        &mut self,
        key: &str,
        what: &str,
        name: &str,
        found: Option<T>,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Option<T> {
        if found.is_none() {
            self.refuse(key, |place| {
                Error::at(place, format!("unknown {what} {name:?}")).nearest(name, names)
            });
        }
        found
    }

    /// All errors as one; there must be one.
    pub(super) fn into_error(self) -> Error {
        let error = self.finish().1;
        error.unwrap_or_else(|| Error::new("the scenario could not be resolved"))
    }

    /// The settings, and the errors where there are any.
    pub(super) fn finish(self) -> (Vec<Setting>, Option<Error>) {
        (self.settings, Error::join(self.errors).map(Error::in_file_order))
    }
}
